/* decompose/cmd_decompose.c - moda decompose: activation rates, masks, one module per class. */
#include "base/file.h"
#include "base/lock.h"
#include "base/table.h"
#include "decompose/checksum.h"
#include "decompose/cmd_frame_internal.h"
#include "decompose/commands.h"
#include "decompose/compose.h"
#include "decompose/decomposition.h"
#include "decompose/diagnosis.h"
#include "decompose/slice.h"
#include "engine/model_data.h"
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct settings {
    const char *model, *rates, *out, *activity;
    moda_activity_rule rule; /* that activity says */
    double tau, min_active;
    size_t batch_size; /* 0: not given */
    bool no_reuse;
    moda_data_options data;
    moda_common_options common;
} settings;

static moda_status check(void *state)
{
    moda_status st = MODA_OK;
    settings *s = state;
    if (s->activity) MODA_TRY(moda_activity_rule_parse(s->activity, &s->rule));
    MODA_CHECK(!isnan(s->tau), MODA_ERR_ARG, "--tau is missing: 0.9, for example");
    MODA_CHECK(s->out, MODA_ERR_ARG, "--out is missing: the folder for the modules");
    MODA_TRY(moda_check_distinct("json", s->common.json, s->out, moda_decomposition_files));
    MODA_CHECK(s->data.spec || s->rates, MODA_ERR_ARG,
               "--data is missing: the data that the model was trained on, or give "
               "stored rates with --rates");
    MODA_CHECK(
        !s->rates || ((s->data.relabel || !s->data.classes.n) && s->data.per_class == 0),
        MODA_ERR_ARG,
        "--classes and --per-class choose what to measure, and --rates says that it is done: "
        "leave them out");
out:
    return st;
}

/* A model that was trained on some of its classes only is taken apart into those: the outputs of the
 * others, of which --classes leaves no sample, are cut off first. */
static moda_status drop_outputs(const settings *s, moda_model **model)
{
    moda_status st = MODA_OK;
    moda_sizes outputs = {0};
    moda_kept *kept = NULL;
    moda_model *part = NULL;
    const size_t n = s->data.classes.n;
    static const char *const own_model[] = {"model.safetensors", NULL};
    if (!n || s->data.relabel) goto out;
    MODA_ALLOC(outputs.values, n * sizeof *outputs.values);
    memcpy(outputs.values, s->data.classes.values, n * sizeof *outputs.values);
    outputs.n = n;
    MODA_TRY(moda_model_outputs(*model, "classes", &outputs));
    if (n == (*model)->net->classes) goto out;
    /* The folder gets the model without those outputs, which must not take the model's place. */
    MODA_TRY(moda_check_distinct("out", s->model, s->out, own_model));
    MODA_TRY(moda_kept_create_outputs((*model)->net, outputs.values, n, &kept));
    MODA_TRY(moda_slice(*model, kept, NAN, &part));
    moda_model_destroy(*model);
    *model = part;
out:
    moda_kept_destroy(kept);
    free(outputs.values);
    return st;
}

/* *data stays NULL where stored rates stand for it. */
static moda_status open_inputs(const settings *s, moda_dataset **data, moda_model **model)
{
    moda_status st = MODA_OK;
    if (s->data.spec)
        MODA_TRY(moda_model_data_open(s->model, &s->data, s->common.seed, false, model, data));
    else
        MODA_TRY(moda_model_open(s->model, (moda_net_defaults){0}, model));
    MODA_TRY(drop_outputs(s, model));
out:
    return st;
}

static size_t batch_of(const settings *s)
{
    return s->batch_size ? s->batch_size : 128;
}

static moda_status get_rates(const settings *s, const moda_dataset *data, const moda_model *model,
                             moda_rates **rates)
{
    moda_status st = MODA_OK;
    moda_rates *r = NULL;
    uint32_t checksum = moda_model_checksum(model);
    if (s->rates) {
        MODA_TRY(moda_rates_load(s->rates, model->net, &r));
        MODA_CHECK(r->weights == 0 || r->weights == checksum, MODA_ERR_FORMAT,
                   "%s: measured on other weights than those of %s: measure them again with --data",
                   s->rates, s->model);
        char rule[MODA_ACTIVITY_TEXT];
        moda_activity_rule_print(r->rule, rule);
        MODA_CHECK(!s->activity || moda_activity_rule_equal(r->rule, s->rule), MODA_ERR_ARG,
                   "%s was measured with --activity %s, not %s: leave --activity out, or "
                   "measure again with --data",
                   s->rates, rule, s->activity);
    } else {
        MODA_TRY(
            moda_rates_measure_by(model, &data->train, batch_of(s), s->rule, s->data.spec, &r));
    }
    r->weights = checksum; /* rates of another program: the caller says that they fit */
    *rates = r, r = NULL;
out:
    moda_rates_destroy(r);
    return st;
}

/* Is it a good one? Reuse accuracy of some sub-tasks stands for all of them. */
static moda_status diagnose(const settings *s, const moda_dataset *data, const moda_model *model,
                            const moda_rates *rates, const moda_masks *masks,
                            const moda_decomposition *d, moda_diagnosis **diagnosis)
{
    moda_status st = MODA_OK;
    moda_diagnosis *found = NULL;
    MODA_TRY(moda_diagnosis_create(&found));
    MODA_TRY(moda_diagnose_masks(found, model, rates, masks, d));
    MODA_TRY(moda_diagnose_training(found, s->model, model->net->classes));
    if (s->no_reuse)
        found->not_judged[MODA_SIGNATURE_REUSE] = "--no-reuse";
    else if (masks->shape.mwt)
        found->not_judged[MODA_SIGNATURE_REUSE] =
            "composed networks of MwT have heads to train: moda reuse tells";
    else if (!data)
        found->not_judged[MODA_SIGNATURE_REUSE] = "no --data: moda reuse tells";
    else if (data->test.n == 0)
        found->not_judged[MODA_SIGNATURE_REUSE] = "no test images";
    else
        MODA_TRY(moda_diagnose_reuse_sample(found, model, masks, &data->test, s->data.spec,
                                            batch_of(s)));
    *diagnosis = found, found = NULL;
out:
    moda_diagnosis_destroy(found);
    return st;
}

/* Masks of [mask] layers are what they are: there is nothing to choose, and composed networks of them are not
 * tried, as with --no-reuse. */
static moda_status check_method(const settings *s, const moda_model *model)
{
    moda_status st = MODA_OK;
    const char *none = s->activity ? "--activity" : !isnan(s->min_active) ? "--min-active" : NULL;
    MODA_CHECK(model->net->mask_count == 0 || !none, MODA_ERR_ARG,
               "%s: %s has masks of its own (MwT), for which it says nothing: leave it out", none,
               s->model);
    MODA_CHECK(!s->batch_size || !s->rates || (!s->no_reuse && model->net->mask_count == 0),
               MODA_ERR_ARG,
               "--batch-size: with these --rates, and %s, no image is run: leave it out",
               s->no_reuse ? "--no-reuse" : "modules of MwT");
out:
    return st;
}

static void print_figures(const settings *s, const moda_decomposition *d)
{
    char a[MODA_ACTIVITY_TEXT], b[32];
    moda_table *table = moda_table_create("class|name|>neurons|>parameters|>size|>FLOPs");
    for (size_t k = 0; k < d->classes; k++) {
        const moda_module_figures *m = &d->modules[k];
        moda_table_row(table, "%zu|%s|%s|%s|%.4f|%.4f", m->class_number, m->name ? m->name : "",
                       moda_human_count(m->neurons, a), moda_human_count(m->parameters, b),
                       (double)m->parameters / (double)d->model_parameters,
                       (double)m->flops / (double)d->model_flops);
    }
    moda_table_row(table, "model||%s|%s|1|1", moda_human_count(d->model_neurons, a),
                   moda_human_count(d->model_parameters, b));
    moda_table_print(table);
    moda_activity_rule_print(d->rule, a);
    printf("tau %g, %s%s: mean size %.4f, mean overlap %.4f, mean FLOPs %.4f\n", d->tau,
           d->mwt ? "MwT" : "activity ", d->mwt ? "" : a, d->mean_size, d->mean_overlap,
           d->mean_flops);
    printf("%zu modules in %s\n", d->classes, s->out);
    moda_table_destroy(table);
}

static moda_status decompose(void *state)
{
    moda_status st = MODA_OK;
    const settings *s = state;
    moda_dataset *data = NULL;
    moda_model *model = NULL;
    moda_rates *rates = NULL;
    moda_masks *masks = NULL;
    moda_decomposition *d = NULL;
    moda_diagnosis *diagnosis = NULL;
    json_t *report = NULL;
    moda_lock *lock = NULL;
    MODA_TRY(moda_check_folder(s->out));
    MODA_TRY(moda_lock_folder(s->out, &lock));
    MODA_TRY(open_inputs(s, &data, &model));
    MODA_TRY(check_method(s, model));
    MODA_TRY(get_rates(s, data, model, &rates));
    MODA_TRY(moda_masks_from_rates(model->net, rates, s->tau,
                                   isnan(s->min_active) ? MODA_MIN_ACTIVE : s->min_active, &masks));
    MODA_TRY(moda_decomposition_measure(model, masks, &d));
    MODA_TRY(diagnose(s, data, model, rates, masks, d, &diagnosis));
    d->diagnosis = diagnosis;
    MODA_TRY(moda_decomposition_write(s->out, s->model, model, rates, masks, d));
    if (s->common.json) {
        MODA_TRY(moda_decomposition_json(d, &report));
        MODA_TRY(moda_json_write(s->common.json, report));
    }
    print_figures(s, d);
    moda_diagnosis_print(diagnosis, MODA_SIGNATURES_ALL);
out:
    moda_lock_release(lock);
    json_decref(report);
    moda_decomposition_destroy(d);
    moda_diagnosis_destroy(diagnosis);
    moda_masks_destroy(masks);
    moda_rates_destroy(rates);
    moda_model_destroy(model);
    moda_dataset_destroy(data);
    return st;
}

static moda_status run(const moda_command *self, int argc, char **argv)
{
    settings s = {.tau = NAN, .min_active = NAN};
    const moda_option options[] = {
        {MODA_OPTION_REAL, "tau", "X", "keep neurons active for at least this share of a class",
         &s.tau, DBL_MIN, 1, NULL},
        {MODA_OPTION_TEXT, "out", "DIR", "folder for rates, masks and modules", &s.out, 0, 0, NULL},
        {MODA_OPTION_REAL, "min-active", "X",
         "least share of a layer's neurons per class, 0: none (default 0.005)", &s.min_active, 0, 1,
         NULL},
        {MODA_OPTION_TEXT, "activity", "RULE",
         "active means: any (value is not zero), area:X, magnitude:X (default any)", &s.activity, 0,
         0, NULL},
        {MODA_OPTION_TEXT, "rates", "FILE", "take these rates, no pass over the data", &s.rates, 0,
         0, NULL},
        {MODA_OPTION_SIZE, "batch-size", "N", "images at a time (default 128)", &s.batch_size, 1,
         1 << 20, NULL},
        {MODA_OPTION_FLAG, "no-reuse", NULL,
         "do not try some composed networks on test images to judge the result", &s.no_reuse, 0, 0,
         NULL},
        {MODA_OPTION_END, NULL, NULL, NULL, NULL, 0, 0, NULL},
    };
    const moda_cmd_frame frame = {.state = &s,
                                  .options = options,
                                  .subject = &s.model,
                                  .data = &s.data,
                                  .batch_size = &s.batch_size,
                                  .common = &s.common,
                                  .check = check,
                                  .work = decompose};
    return moda_cmd_frame_run(self, &frame, argc, argv);
}

const moda_command moda_command_decompose = {
    "decompose", "take a model apart into one module per class", "MODEL",
    "moda decompose runs/a/model.safetensors --data fashion-mnist --tau 0.9 --out runs/a/modules",
    run};
