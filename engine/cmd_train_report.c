/* engine/cmd_train_report.c - what moda train writes about a run: its configuration, the lines on the
 * screen, the profile, --json. */
#include "base/isa.h"
#include "base/json.h"
#include "base/progress.h"
#include "base/table.h"
#include "engine/cmd_train_internal.h"
#include "numa/team.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const char *const moda_train_precisions[] = {"f32", "bf16", "auto", NULL};
const char *const moda_train_flips[] = {"auto", "yes", "no", NULL};
const char *const moda_train_convolutions[] = {"auto", "direct", NULL};

moda_status moda_train_config(moda_train_command *c)
{
    moda_status st = MODA_OK;
    const moda_train_options *o = &c->options;
    const moda_data_options *d = &c->data_options;
    const moda_modular_weights w =
        c->method != MODA_METHOD_STANDARD ? o->weights : (moda_modular_weights){0, 0, 0};
    bool whole = true;
    const struct {
        const char *key;
        json_t *value;
    } entries[] = {{"model", moda_json_text(c->model_name)},
                   {"data", moda_json_text(d->spec)},
                   {"classes", moda_json_sizes(d->classes.values, d->classes.n)},
                   {"relabel", json_boolean(d->relabel)},
                   {"per_class", moda_json_number(d->per_class)},
                   {"image_size", json_integer((json_int_t)d->image_size)},
                   {"normalisation", json_string(moda_normalisation_names[d->normalisation])},
                   {"crop", json_string(moda_crop_names[d->crop ? d->crop : MODA_CROP_PADDED])},
                   {"flip", json_string(moda_train_flips[c->flip])},
                   {"method", json_string(moda_method_names[c->method])},
                   {"alpha", moda_json_number(w.affinity)},
                   {"beta", moda_json_number(w.dispersion)},
                   {"gamma", moda_json_number(w.compactness)},
                   {"epochs", json_integer((json_int_t)o->epochs)},
                   {"keep_epochs", moda_json_sizes(c->keep_epochs.values, c->keep_epochs.n)},
                   {"max_steps", json_integer((json_int_t)o->max_steps)},
                   {"batch_size", json_integer((json_int_t)o->batch_size)},
                   {"lr", moda_json_number(o->sgd.learning_rate)},
                   {"momentum", moda_json_number(o->sgd.momentum)},
                   {"weight_decay", moda_json_number(o->sgd.weight_decay)},
                   {"augment", json_boolean(o->augment)},
                   {"shuffle", json_boolean(o->shuffle)},
                   {"init", moda_json_text(c->init)},
                   {"seed", json_integer((json_int_t)o->seed)},
                   {"bind", moda_json_text(c->common.bind)},
                   {"smt", json_boolean(c->common.smt)},
                   {"precision", json_string(moda_train_precisions[c->precision])},
                   {"convolution", json_string(moda_train_convolutions[c->convolution])},
                   {"tune", json_string(moda_tune_efforts[c->tune])},
                   {"log_steps", json_boolean(c->log_steps)},
                   {"checkpoint_minutes", moda_json_number(c->pause.minutes)},
                   {"checkpoint_epochs", json_integer((json_int_t)c->pause.epochs)},
                   {"checkpoint_steps", json_integer((json_int_t)c->pause.steps)},
                   {"keep_checkpoints", json_integer((json_int_t)c->pause.keep)}};
    MODA_CHECK((c->config = json_object()) != NULL, MODA_ERR_NOMEM, "out of memory");
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
        whole &= json_object_set_new(c->config, entries[i].key, entries[i].value) == 0;
    MODA_CHECK(whole, MODA_ERR_NOMEM, "out of memory");
out:
    return st;
}

moda_status moda_train_config_facts(moda_train_command *c)
{
    moda_status st = MODA_OK;
    char *description = NULL;
    MODA_TRY(moda_net_print(c->model->net, &description));
    json_t *facts =
        json_pack("{s:I, s:o, s:s, s:s}", "threads", (json_int_t)c->threads, "tuning",
                  moda_tuning_json(&c->tuning, c->model->net, moda_train_tuned_batch(c)), "kernels",
                  moda_isa_name(moda_isa_best()), "description", description);
    const bool whole = facts && json_object_update(c->config, facts) == 0;
    json_decref(facts);
    MODA_CHECK(whole, MODA_ERR_NOMEM, "out of memory");
out:
    free(description);
    return st;
}

void moda_train_introduce(const moda_train_command *c)
{
    const moda_train_options *o = &c->options;
    const moda_net *net = c->model->net;
    char parameters[32], train[32], test[32], memory[16];
    if (c->common.quiet) return;
    printf("network   %s, %s parameters, %zu layers of which %zu tracked\n", net->name,
           moda_human_count(c->model->parameters.trainable, parameters), net->layer_count - 1,
           net->tracked_count);
    printf("data      %s: %s training and %s test images of %zux%zux%zu, %zu classes\n",
           c->data->name, moda_human_count(c->data->train.n, train),
           moda_human_count(c->data->test.n, test), net->input.c, net->input.h, net->input.w,
           c->data->classes);
    if (o->modular)
        printf("method    moda: alpha %g, beta %g, gamma %g\n", o->weights.affinity,
               o->weights.dispersion, o->weights.compactness);
    else if (o->masked)
        printf("method    mwt: alpha %g, beta %g, %zu masks\n", o->weights.affinity,
               o->weights.dispersion, net->mask_count);
    else
        printf("method    standard: cross entropy\n");
    printf("training  %zu epochs of %zu steps, batch %zu, learning rate %g, seed %llu%s%s\n",
           o->epochs, (c->data->train.n + o->batch_size - 1) / o->batch_size, o->batch_size,
           o->sgd.learning_rate, (unsigned long long)o->seed, o->augment ? ", augmented" : "",
           o->shuffle ? "" : ", in file order");
    printf("machine   %zu threads, %s kernels, %s for weights and activations\n", c->threads,
           moda_isa_name(moda_isa_best()),
           moda_human_bytes((double)moda_trainer_bytes(c->trainer), memory));
    if (c->tuned.cached + c->tuned.measured)
        printf("tuning    %zu choices from earlier runs, %zu measured in %.1f s; Winograd in %zu\n",
               c->tuned.cached, c->tuned.measured, c->tuned.seconds, c->tuned.winograd);
    fflush(stdout);
}

void moda_train_say_epoch(const moda_train_command *c, const moda_train_record *r)
{
    if (c->common.quiet) return;
    printf("epoch %*zu  loss %.4f  cross entropy %.4f", c->options.epochs > 99 ? 3 : 2, r->epoch,
           r->loss, r->cross_entropy);
    if (c->options.modular)
        printf("  affinity %.4f  dispersion %.4f  compactness %.4f", r->affinity, r->dispersion,
               r->compactness);
    if (c->options.masked) printf("  affinity %.4f  dispersion %.4f", r->affinity, r->dispersion);
    printf("  train %.4f", r->train_accuracy);
    if (!isnan(r->test_accuracy)) printf("  test %.4f", r->test_accuracy);
    printf("  %.1f s  %.0f/s  data %.1f%%\n", r->seconds, r->samples_per_second,
           r->data_share * 100);
    fflush(stdout);
}

static moda_status report_profile(const moda_train_command *c)
{
    moda_status st = MODA_OK;
    const char *path = moda_run_trace(c->run);
    char title[128];
    if (!c->profile) goto out;
    snprintf(title, sizeof title, "moda train: %s, batch %zu, %zu threads", c->model->net->name,
             c->options.batch_size, c->threads);
    moda_profile_print(c->options.profile);
    MODA_TRY(moda_profile_write_trace(c->options.profile, title, path));
    printf("\ntrace     %s: open it at https://ui.perfetto.dev or chrome://tracing\n", path);
out:
    return st;
}

moda_status moda_train_report(moda_train_command *c)
{
    moda_status st = MODA_OK;
    json_t *json = NULL;
    MODA_TRY(report_profile(c));
    if (c->common.json) {
        json = json_pack("{s:O s:O s:o s:o s:o s:o*}", "config", c->config, "epochs", c->epochs,
                         "test_accuracy", moda_json_number(c->last.test_accuracy), "seconds",
                         moda_json_number(moda_seconds() - c->started), "thread_map",
                         moda_team_json(moda_team_current()), "profile",
                         c->profile ? moda_profile_json(c->options.profile) : NULL);
        MODA_CHECK(json, MODA_ERR_NOMEM, "out of memory");
        MODA_TRY(moda_json_write(c->common.json, json));
    }
    printf("done      %zu steps in %.1f s", c->last.steps, moda_seconds() - c->started);
    if (!isnan(c->last.test_accuracy)) printf(", test accuracy %.4f", c->last.test_accuracy);
    printf(", model in %s/model.safetensors\n", c->out);
    if (c->last.batches_without_same || c->last.batches_without_different)
        printf("note      last epoch: %zu batches without two samples of one class, %zu without "
               "two classes\n",
               c->last.batches_without_same, c->last.batches_without_different);
out:
    json_decref(json);
    return st;
}
