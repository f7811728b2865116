/* decompose/cmd_replace_report.c - what a replacement did, on the screen and as JSON. */
#include "base/json.h"
#include "base/table.h"
#include "decompose/cmd_replace_internal.h"
#include "decompose/metrics.h"
#include <math.h>
#include <stdio.h>

/* "0.9120", or "-" where there is nothing to measure. */
static const char *share_text(double share, char text[16])
{
    if (isnan(share))
        snprintf(text, 16, "-");
    else
        snprintf(text, 16, "%.4f", share);
    return text;
}

static void print_row(moda_table *t, const char *what, const moda_model *model,
                      const moda_replace_accuracy *a)
{
    char target[16], others[16], all[16], parameters[32], flops[32];
    moda_table_row(t, "%s|%zu|%s|%s|%s|%s|%s", what, model->net->classes,
                   share_text(a->target, target), share_text(a->others, others),
                   share_text(a->all, all),
                   moda_human_count(moda_network_parameters(model->net), parameters),
                   moda_human_count(moda_network_flops(model->net), flops));
}

static const char *class_name(const moda_replace_command *c)
{
    const size_t k = moda_model_output_of(c->result, (uint32_t)c->class_number);
    return c->result->class_names[k];
}

void moda_replace_print(const moda_replace_command *c)
{
    const moda_replace_accuracy none = {NAN, NAN, NAN};
    const moda_replace_report *r = &c->report;
    char name[256];
    moda_plain_text(class_name(c), name, sizeof name);
    printf("class %zu%s%s, %s\n", c->class_number, *name ? " " : "", name,
           moda_replace_strategies[c->strategy]);
    moda_table *t = moda_table_create("|>outputs|>class|>others|>all|>parameters|>multiply-adds");
    print_row(t, "weak model", c->weak, &r->before);
    print_row(t, "module", c->module, &none);
    print_row(t, "result", c->result, &r->after);
    moda_table_print(t);
    moda_table_destroy(t);
    if (c->strategy == MODA_JOIN_CALIBRATE)
        printf("calibration: cross entropy %.4f, accuracy %.4f in the last of %zu epochs\n",
               r->calibration.cross_entropy, r->calibration.accuracy, c->options.training.epochs);
    else
        printf("module's output: %.4f to %.4f over the training data\n", r->module_minimum,
               r->module_maximum);
    printf("%zu test samples of the class, %zu of the others: %s\n", r->target_samples,
           r->other_samples, c->out);
}

/* ---- --json ---- */

static json_t *accuracy_json(const moda_replace_accuracy *a)
{
    return json_pack("{s:o s:o s:o}", "target", moda_json_number(a->target), "others",
                     moda_json_number(a->others), "all", moda_json_number(a->all));
}

static json_t *sizes_json(const moda_model *model)
{
    return json_pack("{s:I s:I s:I}", "outputs", (json_int_t)model->net->classes, "parameters",
                     (json_int_t)moda_network_parameters(model->net), "multiply_adds",
                     (json_int_t)moda_network_flops(model->net));
}

static json_t *fit_json(const moda_replace_command *c)
{
    const moda_replace_report *r = &c->report;
    const moda_head_options *t = &c->options.training;
    if (c->strategy == MODA_JOIN_MINMAX)
        return json_pack("{s:o s:o}", "minimum", moda_json_number(r->module_minimum), "maximum",
                         moda_json_number(r->module_maximum));
    return json_pack("{s:I s:I s:f s:f s:f s:b s:b s:o s:o}", "epochs", (json_int_t)t->epochs,
                     "batch_size", (json_int_t)t->batch_size, "lr", t->sgd.learning_rate,
                     "momentum", t->sgd.momentum, "weight_decay", t->sgd.weight_decay, "augment",
                     t->augment, "shuffle", t->shuffle, "cross_entropy",
                     moda_json_number(r->calibration.cross_entropy), "train_accuracy",
                     moda_json_number(r->calibration.accuracy));
}

moda_status moda_replace_write_json(const moda_replace_command *c)
{
    moda_status st = MODA_OK;
    const moda_replace_report *r = &c->report;
    json_t *json = json_pack(
        "{s:o s:o s:o s:I s:o s:b s:s s:o s:o s:I s:I s:o s:o s:o s:o s:o}", "weak",
        moda_json_text(c->weak_spec), "module",
        moda_json_text(c->directory ? c->directory : c->module_path), "data",
        moda_json_text(c->data_options.spec), "class", (json_int_t)c->class_number, "name",
        moda_json_text(class_name(c)), "added", c->options.join.add, "strategy",
        moda_replace_strategies[c->strategy], "before", accuracy_json(&r->before), "after",
        accuracy_json(&r->after), "target_samples", (json_int_t)r->target_samples, "other_samples",
        (json_int_t)r->other_samples, "weak_size", sizes_json(c->weak), "module_size",
        sizes_json(c->module), "result_size", sizes_json(c->result), "fit", fit_json(c), "out",
        moda_json_text(c->out));
    MODA_CHECK(json, MODA_ERR_NOMEM, "out of memory: %s", c->common.json);
    MODA_TRY(moda_json_write(c->common.json, json));
out:
    json_decref(json);
    return st;
}
