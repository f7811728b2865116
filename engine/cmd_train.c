/* engine/cmd_train.c - moda train. */
#include "base/file.h"
#include "base/isa.h"
#include "base/json.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/table.h"
#include "datasets/data_options.h"
#include "engine/commands.h"
#include "engine/peak.h"
#include "engine/quote_internal.h"
#include "engine/run.h"
#include "engine/trainer.h"
#include "engine/tuner.h"
#include "numa/threads.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STANDARD, MODA };
static const char *const methods[] = {"standard", "moda", NULL};
static const char *const precisions[] = {"f32", "bf16", "auto", NULL};
enum { FLIP_AUTO, FLIP_YES, FLIP_NO };
static const char *const flips[] = {"auto", "yes", "no", NULL};
static const char *const convolutions[] = {"auto", "direct", NULL};
static const char *const efforts[] = {"off", "quick", "full", NULL}; /* as moda_tune_effort */

/* The command line, and what it leads to. */
typedef struct train_command {
    const char *model_name, *out, *init;
    int method, precision, convolution, flip;
    int tune; /* moda_tune_effort; until parsed -1: not given */
    moda_tuning tuning;
    moda_tune_summary tuned;
    double alpha, beta, gamma; /* NaN: not given */
    bool no_augment, no_shuffle, log_steps, profile;
    moda_data_options data_options;
    moda_common_options common;
    moda_train_options options;
    size_t threads;
    moda_dataset *data;
    moda_model *model;
    moda_trainer *trainer;
    moda_run *run;
    json_t *config, *epochs;
    moda_train_record last;
    double started;
} train_command;

static moda_status parse(const moda_command *self, int argc, char **argv, train_command *c,
                         bool *help)
{
    moda_status st = MODA_OK;
    moda_train_options *o = &c->options;
    char **operands;
    size_t count;
    moda_option data[MODA_DATA_OPTION_COUNT], common[MODA_COMMON_OPTION_COUNT];
    *o = (moda_train_options){
        .epochs = 200, .batch_size = 128, .sgd = {0.05, 0.9, 0}, .crop_padding = 4};
    c->tune = -1;
    c->method = MODA, c->alpha = c->beta = c->gamma = NAN;
    moda_data_options_table(&c->data_options, data);
    moda_common_options_table(&c->common, common);
    const moda_option table[] = {
        {MODA_OPTION_TEXT, "model", "NAME|FILE.net",
         "the network: a built-in name or a description", &c->model_name, 0, 0, NULL},
        {MODA_OPTION_TABLE, NULL, NULL, NULL, data, 0, 0, NULL},
        {MODA_OPTION_CHOICE, "method", "M",
         "standard, or moda: with the modular losses (default moda)", &c->method, 0, 0, methods},
        {MODA_OPTION_TEXT, "out", "DIR", "folder for the model and its figures", &c->out, 0, 0,
         NULL},
        {MODA_OPTION_SIZE, "epochs", "N", "passes over the data (default 200)", &o->epochs, 1, 1e6,
         NULL},
        {MODA_OPTION_SIZE, "batch-size", "N", "samples per step (default 128)", &o->batch_size, 1,
         1 << 20, NULL},
        {MODA_OPTION_REAL, "lr", "X", "learning rate of the first epoch (default 0.05)",
         &o->sgd.learning_rate, 0, 1e6, NULL},
        {MODA_OPTION_REAL, "momentum", "X", "Nesterov momentum (default 0.9)", &o->sgd.momentum, 0,
         0.9999, NULL},
        {MODA_OPTION_REAL, "weight-decay", "X", "L2 decay (default 0)", &o->sgd.weight_decay, 0,
         1e3, NULL},
        {MODA_OPTION_REAL, "alpha", "X", "weight of the affinity loss (default 1)", &c->alpha, 0,
         1e6, NULL},
        {MODA_OPTION_REAL, "beta", "X", "weight of the dispersion loss (default 1)", &c->beta, 0,
         1e6, NULL},
        {MODA_OPTION_REAL, "gamma", "X", "weight of the compactness loss (default 0.3)", &c->gamma,
         0, 1e6, NULL},
        {MODA_OPTION_CHOICE, "precision", "P",
         "f32, bf16 (CPUs with AVX-512-BF16), or auto: the faster one (default f32)", &c->precision,
         0, 0, precisions},
        {MODA_OPTION_CHOICE, "convolution", "A",
         "direct, or auto: Winograd where it is faster (default auto)", &c->convolution, 0, 0,
         convolutions},
        {MODA_OPTION_CHOICE, "tune", "T",
         "algorithms by rule (off), by measurement (quick), measured anew (full) (default quick)",
         &c->tune, 0, 0, efforts},
        {MODA_OPTION_TEXT, "init", "W.safetensors",
         "start from these weights (default: drawn from the seed)", &c->init, 0, 0, NULL},
        {MODA_OPTION_SIZE, "max-steps", "N", "stop after N steps", &o->max_steps, 1, 1e12, NULL},
        {MODA_OPTION_FLAG, "no-augment", NULL, "no random crops and flips", &c->no_augment, 0, 0,
         NULL},
        {MODA_OPTION_CHOICE, "flip", "F",
         "mirror images at random: yes, no, or auto: all but digits (default auto)", &c->flip, 0, 0,
         flips},
        {MODA_OPTION_FLAG, "no-shuffle", NULL, "samples in file order", &c->no_shuffle, 0, 0, NULL},
        {MODA_OPTION_FLAG, "log-steps", NULL, "write DIR/steps.jsonl too", &c->log_steps, 0, 0,
         NULL},
        {MODA_OPTION_FLAG, "profile", NULL,
         "time every part of the first steps: tables, and DIR/trace.json for Perfetto", &c->profile,
         0, 0, NULL},
        {MODA_OPTION_TABLE, NULL, NULL, NULL, common, 0, 0, NULL},
        {MODA_OPTION_END, NULL, NULL, NULL, NULL, 0, 0, NULL},
    };
    MODA_TRY(moda_options_parse(self, table, argc, argv, 0, 0, &operands, &count, help));
    if (*help) goto out;
    if (c->common.quiet) moda_log_set_level(MODA_LOG_WARNING);
    MODA_CHECK(c->model_name, MODA_ERR_ARG,
               "--model is missing: name a network, as in --model lenet5");
    MODA_CHECK(c->out, MODA_ERR_ARG, "--out is missing: name a folder for the results");
    MODA_TRY(moda_check_folder(c->out));
    MODA_TRY(moda_check_distinct("json", c->common.json, c->out, moda_run_files));
    MODA_CHECK(
        c->method == MODA || (isnan(c->alpha) && isnan(c->beta) && isnan(c->gamma)), MODA_ERR_ARG,
        "--alpha, --beta and --gamma mean nothing to --method standard: drop them or use moda");
    MODA_CHECK(c->convolution == 0 || c->tune <= MODA_TUNE_OFF, MODA_ERR_ARG,
               "--tune %s means nothing to --convolution direct: drop one of them",
               c->tune < 0 ? "" : efforts[c->tune]);
    if (c->tune < 0) c->tune = c->convolution ? MODA_TUNE_OFF : MODA_TUNE_QUICK;
    o->modular = c->method == MODA;
    o->weights =
        (moda_modular_weights){isnan(c->alpha) ? 1 : c->alpha, isnan(c->beta) ? 1 : c->beta,
                               isnan(c->gamma) ? 0.3 : c->gamma};
    o->augment = !c->no_augment, o->shuffle = !c->no_shuffle;
    o->precision = c->precision == 1 || (c->precision == 2 && moda_cpu_has_bf16())
                       ? MODA_PRECISION_BF16
                       : MODA_PRECISION_F32;
    o->convolution = c->convolution ? MODA_CONVOLUTION_DIRECT : MODA_CONVOLUTION_AUTO;
    o->seed = c->common.seed;
out:
    return st;
}

/* Layer by layer: as many values in other shapes would be nonsense. */
static moda_status check_same_shapes(const train_command *c, const moda_model *other)
{
    moda_status st = MODA_OK;
    const moda_parameter_list *a = &other->parameters, *b = &c->model->parameters;
    MODA_CHECK(a->count == b->count, MODA_ERR_ARG,
               "%s: network %s has %zu tensors, --model %s has %zu", c->init, other->net->name,
               a->count, c->model_name, b->count);
    for (size_t i = 0; i < a->count; i++) {
        const moda_parameter *p = &a->items[i], *q = &b->items[i];
        MODA_CHECK(p->role == q->role && p->rank == q->rank &&
                       memcmp(p->shape, q->shape, p->rank * sizeof *p->shape) == 0,
                   MODA_ERR_ARG, "%s: %s of network %s is %s, --model %s has %s of %s", c->init,
                   p->name, other->net->name, MODA_QUOTE_SHAPE(p->rank, p->shape), c->model_name,
                   q->name, MODA_QUOTE_SHAPE(q->rank, q->shape));
    }
out:
    return st;
}

/* Weights from --init: a file, whose tensors must be this network's, or NAME:FILE as MODEL. */
static moda_status init_weights(train_command *c, moda_net_defaults defaults)
{
    moda_status st = MODA_OK;
    moda_tensor_file *file = NULL;
    moda_model *other = NULL;
    if (!c->init) {
        moda_model_init(c->model, c->common.seed);
    } else if (moda_is_file(c->init) || !strchr(c->init, ':')) {
        MODA_TRY(moda_tensor_file_open(c->init, &file));
        MODA_TRY(moda_model_read_weights(c->model, file));
    } else {
        MODA_TRY(moda_model_open(c->init, defaults, &other));
        MODA_TRY(check_same_shapes(c, other));
        memcpy(c->model->values, other->values, other->parameters.elements * sizeof *other->values);
    }
out:
    moda_model_destroy(other);
    moda_tensor_file_close(file);
    return st;
}

/* Long enough that some of the short runs of each peak are undisturbed. */
static const double peak_seconds = 0.3;

static moda_status prepare_profile(train_command *c)
{
    moda_status st = MODA_OK;
    moda_profile_peaks peaks;
    if (!c->profile) goto out;
    MODA_TRY(moda_peak_flops(peak_seconds, &peaks.flops));
    MODA_TRY(moda_peak_bandwidth(peak_seconds, &peaks.bandwidth));
    MODA_TRY(moda_profile_create(peaks, &c->options.profile));
out:
    return st;
}

/* Measured on full batches; the smaller last one and the test do the same. */
static size_t tuned_batch(const train_command *c)
{
    const size_t n = c->data->train.n;
    return n < c->options.batch_size ? n : c->options.batch_size;
}

static moda_status prepare(train_command *c)
{
    moda_status st = MODA_OK;
    moda_net *net;
    MODA_TRY(moda_threads_set(c->common.threads, &c->threads));
    MODA_TRY(moda_data_options_open(&c->data_options, c->common.seed, &c->data));
    if (c->data_options.crop == MODA_CROP_DEFAULT) c->data_options.crop = MODA_CROP_PADDED;
    if (c->flip != FLIP_AUTO) c->data->flip = c->flip == FLIP_YES;
    const moda_images *x = &c->data->train;
    const moda_net_defaults defaults = {{x->channels, x->height, x->width}, c->data->classes};
    MODA_TRY(moda_net_open(c->model_name, defaults, &net));
    MODA_TRY(moda_model_create(net, &c->model));
    MODA_TRY(init_weights(c, defaults));
    MODA_TRY(moda_model_describe_data(c->model, c->data));
    MODA_TRY(prepare_profile(c));
    MODA_TRY(moda_tune(net, tuned_batch(c), c->threads, c->options.precision,
                       (moda_tune_effort)c->tune, &c->tuning, &c->tuned));
    c->options.tuning = &c->tuning;
    MODA_TRY(moda_trainer_create(c->model, c->data, &c->options, &c->trainer));
out:
    return st;
}

/* Everything needed to run it again, under the names of the options. */
static moda_status make_config(train_command *c)
{
    moda_status st = MODA_OK;
    const moda_train_options *o = &c->options;
    const moda_data_options *d = &c->data_options;
    const moda_modular_weights w = o->modular ? o->weights : (moda_modular_weights){0, 0, 0};
    char *description = NULL;
    bool whole = true;
    MODA_TRY(moda_net_print(c->model->net, &description));
    MODA_CHECK((c->config = json_object()) != NULL, MODA_ERR_NOMEM, "out of memory");
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
                   {"crop", json_string(moda_crop_names[d->crop])},
                   {"flip", json_string(flips[c->flip])},
                   {"method", json_string(methods[c->method])},
                   {"alpha", moda_json_number(w.affinity)},
                   {"beta", moda_json_number(w.dispersion)},
                   {"gamma", moda_json_number(w.compactness)},
                   {"epochs", json_integer((json_int_t)o->epochs)},
                   {"max_steps", json_integer((json_int_t)o->max_steps)},
                   {"batch_size", json_integer((json_int_t)o->batch_size)},
                   {"lr", moda_json_number(o->sgd.learning_rate)},
                   {"momentum", moda_json_number(o->sgd.momentum)},
                   {"weight_decay", moda_json_number(o->sgd.weight_decay)},
                   {"augment", json_boolean(o->augment)},
                   {"shuffle", json_boolean(o->shuffle)},
                   {"init", moda_json_text(c->init)},
                   {"seed", json_integer((json_int_t)o->seed)},
                   {"threads", json_integer((json_int_t)c->threads)},
                   {"precision", json_string(precisions[c->precision])},
                   {"convolution", json_string(convolutions[c->convolution])},
                   {"tune", json_string(efforts[c->tune])},
                   {"tuning", moda_tuning_json(&c->tuning, c->model->net, tuned_batch(c))},
                   {"kernels", json_string(moda_isa_name(moda_isa_best()))},
                   {"description", json_string(description)}};
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
        whole &= json_object_set_new(c->config, entries[i].key, entries[i].value) == 0;
    MODA_CHECK(whole, MODA_ERR_NOMEM, "out of memory");
out:
    free(description);
    return st;
}

static void say_what_comes(const train_command *c)
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

static moda_status on_step(void *user, const moda_train_record *record)
{
    train_command *c = user;
    return moda_run_step(c->run, record);
}

static moda_status on_epoch(void *user, const moda_train_record *r)
{
    moda_status st = MODA_OK;
    train_command *c = user;
    c->last = *r;
    MODA_TRY(moda_run_epoch(c->run, r));
    MODA_CHECK(json_array_append_new(c->epochs, moda_train_record_json(r)) == 0, MODA_ERR_NOMEM,
               "out of memory");
    if (c->common.quiet) goto out;
    printf("epoch %*zu  loss %.4f  cross entropy %.4f", c->options.epochs > 99 ? 3 : 2, r->epoch,
           r->loss, r->cross_entropy);
    if (c->options.modular)
        printf("  affinity %.4f  dispersion %.4f  compactness %.4f", r->affinity, r->dispersion,
               r->compactness);
    printf("  train %.4f", r->train_accuracy);
    if (!isnan(r->test_accuracy)) printf("  test %.4f", r->test_accuracy);
    printf("  %.1f s  %.0f/s  data %.1f%%\n", r->seconds, r->samples_per_second,
           r->data_share * 100);
    fflush(stdout);
out:
    return st;
}

static moda_status report_profile(const train_command *c)
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

static moda_status report(train_command *c)
{
    moda_status st = MODA_OK;
    json_t *json = NULL;
    MODA_TRY(report_profile(c));
    if (c->common.json) {
        json = json_pack("{s:O s:O s:o s:o s:o*}", "config", c->config, "epochs", c->epochs,
                         "test_accuracy", moda_json_number(c->last.test_accuracy), "seconds",
                         moda_json_number(moda_seconds() - c->started), "profile",
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

static moda_status run(const moda_command *self, int argc, char **argv)
{
    moda_status st = MODA_OK;
    bool help = false;
    train_command c = {.started = moda_seconds()};
    MODA_TRY(parse(self, argc, argv, &c, &help));
    if (help) goto out;
    MODA_TRY(prepare(&c));
    MODA_TRY(make_config(&c));
    MODA_CHECK((c.epochs = json_array()) != NULL, MODA_ERR_NOMEM, "out of memory");
    say_what_comes(&c);
    MODA_TRY(moda_run_create(c.out, c.config, c.log_steps, &c.run));
    MODA_TRY(moda_trainer_run(c.trainer,
                              (moda_train_events){&c, c.log_steps ? on_step : NULL, on_epoch}));
    MODA_TRY(moda_run_save(c.run, c.model));
    MODA_TRY(report(&c));
out:
    moda_run_destroy(c.run);
    moda_trainer_destroy(c.trainer);
    moda_profile_destroy(c.options.profile);
    moda_tuning_free(&c.tuning);
    moda_model_destroy(c.model);
    moda_dataset_destroy(c.data);
    moda_data_options_free(&c.data_options);
    json_decref(c.epochs);
    json_decref(c.config);
    return st;
}

const moda_command moda_command_train = {
    .name = "train",
    .summary = "train a network, standard or with the modular losses",
    .operands = "",
    .example = "moda train --model lenet5 --data fashion-mnist --method moda --epochs 20 --out "
               "runs/lenet5",
    .run = run,
};
