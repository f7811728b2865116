/* engine/cmd_train.c - moda train. */
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/progress.h"
#include "engine/cmd_train_internal.h"
#include "engine/commands.h"
#include "engine/peak.h"
#include "engine/quote_internal.h"
#include "engine/train_record.h"
#include "numa/threads.h"
#include <math.h>
#include <string.h>

/* The weights of the terms, each method's own where none are given. */
static moda_status settle_method(moda_train_command *c)
{
    moda_status st = MODA_OK;
    moda_modular_weights *w = &c->options.weights;
    MODA_CHECK(
        c->method != MODA_METHOD_STANDARD || (isnan(c->alpha) && isnan(c->beta) && isnan(c->gamma)),
        MODA_ERR_ARG,
        "--alpha, --beta and --gamma mean nothing to --method standard: drop them or use moda");
    MODA_CHECK(c->method != MODA_METHOD_MWT || isnan(c->gamma), MODA_ERR_ARG,
               "--gamma means nothing to --method mwt, whose loss has no compactness: drop it");
    moda_method_set((moda_method)c->method, &c->options);
    if (!isnan(c->alpha)) w->affinity = c->alpha;
    if (!isnan(c->beta)) w->dispersion = c->beta;
    if (!isnan(c->gamma)) w->compactness = c->gamma;
out:
    return st;
}

/* Checks what was given, and derives the trainer's options from it. */
static moda_status settle(moda_train_command *c)
{
    moda_status st = MODA_OK;
    moda_train_options *o = &c->options;
    if (c->common.quiet) moda_log_set_level(MODA_LOG_WARNING);
    MODA_CHECK(c->model_name, MODA_ERR_ARG,
               "--model is missing: name a network, as in --model lenet5");
    MODA_CHECK(c->out, MODA_ERR_ARG, "--out is missing: name a folder for the results");
    MODA_TRY(moda_check_folder(c->out));
    MODA_TRY(moda_check_distinct("json", c->common.json, c->out, moda_run_files));
    MODA_TRY(settle_method(c));
    MODA_CHECK(c->convolution == 0 || c->tune <= MODA_TUNE_OFF, MODA_ERR_ARG,
               "--tune %s means nothing to --convolution direct: drop one of them",
               c->tune < 0 ? "" : moda_tune_efforts[c->tune]);
    if (c->tune < 0) c->tune = c->convolution ? MODA_TUNE_OFF : MODA_TUNE_QUICK;
    MODA_TRY(moda_train_pause_settle(&c->pause));
    MODA_TRY(moda_sizes_sort_unique("keep-epochs", &c->keep_epochs, SIZE_MAX));
    const size_t kept = c->keep_epochs.n ? c->keep_epochs.values[c->keep_epochs.n - 1] : 0;
    MODA_CHECK(kept <= o->epochs, MODA_ERR_ARG, "--keep-epochs %zu: this run has %zu epochs", kept,
               o->epochs);
    o->augment = !c->no_augment, o->shuffle = !c->no_shuffle;
    o->precision = (moda_precision)c->precision;
    MODA_CHECK(o->precision != MODA_PRECISION_AUTO || c->tune != MODA_TUNE_OFF, MODA_ERR_ARG,
               "--precision auto goes by measurements, which %s switches off: say f32 or bf16",
               c->convolution ? "--convolution direct" : "--tune off");
    o->convolution = c->convolution ? MODA_CONVOLUTION_DIRECT : MODA_CONVOLUTION_AUTO;
    o->seed = c->common.seed;
out:
    return st;
}

enum { WEIGHT_OPTIONS = 4, OPTIONS = 24 };

typedef struct option_tables {
    moda_option data[MODA_DATA_OPTION_COUNT], weights[WEIGHT_OPTIONS],
        pause[MODA_TRAIN_PAUSE_COUNT], common[MODA_COMMON_OPTION_COUNT], all[OPTIONS];
} option_tables;

static void weights_table(moda_train_command *c, moda_option table[WEIGHT_OPTIONS])
{
    const moda_option options[WEIGHT_OPTIONS] = {
        {MODA_OPTION_REAL, "alpha", "X", "weight of the affinity loss (default 1, mwt 0.5)",
         &c->alpha, 0, 1e6, NULL},
        {MODA_OPTION_REAL, "beta", "X", "weight of the dispersion loss (default 1, mwt 1.5)",
         &c->beta, 0, 1e6, NULL},
        {MODA_OPTION_REAL, "gamma", "X", "weight of the compactness loss (default 0.3, not mwt)",
         &c->gamma, 0, 1e6, NULL},
        {MODA_OPTION_END, NULL, NULL, NULL, NULL, 0, 0, NULL},
    };
    memcpy(table, options, sizeof options);
}

/* t->all, from the others. */
static void join_tables(moda_train_command *c, option_tables *t)
{
    moda_train_options *o = &c->options;
    const moda_option options[OPTIONS] = {
        {MODA_OPTION_TEXT, "model", "NAME|FILE.net",
         "the network: a built-in name or a description", &c->model_name, 0, 0, NULL},
        {MODA_OPTION_TABLE, NULL, NULL, NULL, t->data, 0, 0, NULL},
        {MODA_OPTION_CHOICE, "method", "M",
         "standard, moda: with the modular losses, or mwt: with masks (default moda)", &c->method,
         0, 0, moda_method_names},
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
        {MODA_OPTION_TABLE, NULL, NULL, NULL, t->weights, 0, 0, NULL},
        {MODA_OPTION_CHOICE, "precision", "P",
         "f32, bf16 (CPUs with AVX-512-BF16), or auto: per layer what is faster (default f32)",
         &c->precision, 0, 0, moda_train_precisions},
        {MODA_OPTION_CHOICE, "convolution", "A",
         "direct, or auto: Winograd where it is faster (default auto)", &c->convolution, 0, 0,
         moda_train_convolutions},
        {MODA_OPTION_CHOICE, "tune", "T",
         "algorithms by rule (off), by measurement (quick), measured anew (full) (default quick)",
         &c->tune, 0, 0, moda_tune_efforts},
        {MODA_OPTION_TEXT, "init", "W.safetensors",
         "start from these weights (default: drawn from the seed)", &c->init, 0, 0, NULL},
        {MODA_OPTION_SIZE, "max-steps", "N", "stop after N steps", &o->max_steps, 1, 1e12, NULL},
        {MODA_OPTION_FLAG, "no-augment", NULL, "no random crops and flips", &c->no_augment, 0, 0,
         NULL},
        {MODA_OPTION_CHOICE, "flip", "F",
         "mirror images at random: yes, no, or auto: all but digits (default auto)", &c->flip, 0, 0,
         moda_train_flips},
        {MODA_OPTION_FLAG, "no-shuffle", NULL, "samples in file order", &c->no_shuffle, 0, 0, NULL},
        {MODA_OPTION_FLAG, "log-steps", NULL, "write DIR/steps.jsonl too", &c->log_steps, 0, 0,
         NULL},
        {MODA_OPTION_SIZES, "keep-epochs", "5,20",
         "keep the models of these epochs too, as DIR/epoch-5.safetensors", &c->keep_epochs, 1, 1e6,
         NULL},
        {MODA_OPTION_TABLE, NULL, NULL, NULL, t->pause, 0, 0, NULL},
        {MODA_OPTION_FLAG, "profile", NULL,
         "time every part of the first steps: tables, and DIR/trace.json for Perfetto", &c->profile,
         0, 0, NULL},
        {MODA_OPTION_TABLE, NULL, NULL, NULL, t->common, 0, 0, NULL},
        {MODA_OPTION_END, NULL, NULL, NULL, NULL, 0, 0, NULL},
    };
    memcpy(t->all, options, sizeof options);
}

static moda_status parse(const moda_command *self, int argc, char **argv, moda_train_command *c,
                         bool *help)
{
    moda_status st = MODA_OK;
    option_tables t;
    char **operands;
    size_t count;
    c->options = (moda_train_options){
        .epochs = 200, .batch_size = 128, .sgd = {0.05, 0.9, 0}, .crop_padding = 4};
    c->tune = -1;
    c->method = MODA_METHOD_MODA, c->alpha = c->beta = c->gamma = NAN;
    moda_data_options_table(&c->data_options, t.data);
    weights_table(c, t.weights);
    moda_train_pause_table(&c->pause, t.pause);
    moda_common_options_table(&c->common, t.common);
    join_tables(c, &t);
    MODA_TRY(moda_options_parse(self, t.all, argc, argv, 0, 0, &operands, &count, help));
    if (*help) goto out;
    if (c->pause.resume || c->pause.anyway) {
        MODA_TRY(moda_train_options_of_run(c, t.all));
        MODA_TRY(moda_options_parse(self, t.all, argc, argv, 0, 0, &operands, &count, help));
    }
    MODA_TRY(settle(c));
out:
    return st;
}

/* Layer by layer: as many values in other shapes would be nonsense. */
static moda_status check_same_shapes(const moda_train_command *c, const moda_model *other)
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
static moda_status init_weights(moda_train_command *c, moda_net_defaults defaults)
{
    moda_status st = MODA_OK;
    moda_tensor_file *file = NULL;
    moda_model *other = NULL;
    if (c->checkpoint) goto out; /* has them */
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

static moda_status prepare_profile(moda_train_command *c)
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

size_t moda_train_tuned_batch(const moda_train_command *c)
{
    const size_t n = c->data->train.n;
    return n < c->options.batch_size ? n : c->options.batch_size;
}

/* The choices for convolutions: those that a run so far has used, or by cache and measurement. */
static moda_status tune(moda_train_command *c)
{
    moda_status st = MODA_OK;
    bool known;
    MODA_TRY(moda_train_tuning_of_run(c, &known));
    if (!known && c->data->train.n) /* without images the trainer says so */
        MODA_TRY(moda_tune(c->model->net, moda_train_tuned_batch(c), c->threads,
                           c->options.precision, (moda_tune_effort)c->tune, &c->tuning, &c->tuned));
    c->options.tuning = &c->tuning;
out:
    return st;
}

static moda_status prepare(moda_train_command *c)
{
    moda_status st = MODA_OK;
    moda_net *net;
    MODA_TRY(moda_threads_start(&c->common, &c->threads));
    MODA_TRY(moda_train_find_checkpoint(c));
    MODA_TRY(moda_data_options_open(&c->data_options, c->common.seed, &c->data));
    if (c->data_options.crop == MODA_CROP_DEFAULT) c->data_options.crop = MODA_CROP_PADDED;
    if (c->flip != FLIP_AUTO) c->data->flip = c->flip == FLIP_YES;
    const moda_images *x = &c->data->train;
    const moda_net_defaults defaults = {{x->channels, x->height, x->width}, c->data->classes};
    MODA_TRY(moda_method_net((moda_method)c->method, c->model_name, defaults, &net));
    MODA_TRY(moda_model_create(net, &c->model));
    MODA_TRY(init_weights(c, defaults));
    MODA_TRY(moda_model_describe_data(c->model, c->data));
    MODA_TRY(prepare_profile(c));
    MODA_TRY(tune(c));
    MODA_TRY(moda_trainer_create(c->model, c->data, &c->options, &c->trainer));
out:
    return st;
}

static moda_status on_step(void *user, const moda_train_record *record)
{
    moda_status st = MODA_OK;
    moda_train_command *c = user;
    MODA_TRY(moda_run_step(c->run, record));
    moda_train_checkpoint_if_due(c);
out:
    return st;
}

/* The model of an epoch that --keep-epochs names. */
static moda_status keep_epoch(moda_train_command *c, size_t epoch)
{
    moda_status st = MODA_OK;
    bool wanted = false;
    for (size_t i = 0; i < c->keep_epochs.n; i++) wanted |= c->keep_epochs.values[i] == epoch;
    if (!wanted) goto out;
    MODA_TRY(moda_trainer_store(c->trainer));
    MODA_TRY(moda_run_keep(c->run, c->model, epoch));
out:
    return st;
}

static moda_status on_epoch(void *user, const moda_train_record *r)
{
    moda_status st = MODA_OK;
    moda_train_command *c = user;
    c->last = *r;
    MODA_TRY(moda_run_epoch(c->run, r));
    MODA_TRY(keep_epoch(c, r->epoch));
    MODA_CHECK(json_array_append_new(c->epochs, moda_train_record_json(r)) == 0, MODA_ERR_NOMEM,
               "out of memory");
    moda_train_say_epoch(c, r);
    moda_train_checkpoint_if_due(c);
out:
    return st;
}

/* The folder's files: of a new run, or of the one that goes on. */
static moda_status begin(moda_train_command *c)
{
    moda_status st = MODA_OK;
    MODA_CHECK((c->epochs = json_array()) != NULL, MODA_ERR_NOMEM, "out of memory");
    MODA_TRY(moda_train_config_facts(c));
    moda_train_introduce(c);
    if (c->checkpoint) {
        MODA_TRY(moda_train_go_on(c));
        moda_checkpoint_close(c->checkpoint);
        c->checkpoint = NULL;
    } else {
        MODA_TRY(moda_run_create(c->out, c->config, c->log_steps, &c->run));
    }
out:
    return st;
}

static moda_status run(const moda_command *self, int argc, char **argv)
{
    moda_status st = MODA_OK;
    bool help = false, done = false;
    moda_train_command c = {.started = moda_seconds()};
    MODA_TRY(parse(self, argc, argv, &c, &help));
    if (help) goto out;
    MODA_TRY(moda_train_config(&c));
    if (c.before) {
        MODA_TRY(moda_train_agree(&c));
        MODA_TRY(moda_train_is_done(&c, &done));
        if (done) moda_run_finish(c.out);
        if (done) printf("done      already: the model is in %s/model.safetensors\n", c.out);
        if (done) goto out;
    }
    MODA_TRY(prepare(&c));
    MODA_TRY(begin(&c));
    MODA_TRY(moda_train_until_stopped(
        &c, (moda_train_events){.user = &c, .step = on_step, .epoch = on_epoch}));
    MODA_TRY(moda_run_save(c.run, c.model));
    MODA_TRY(moda_train_report(&c));
out:
    moda_run_destroy(c.run);
    moda_checkpoint_close(c.checkpoint);
    moda_lock_release(c.lock);
    moda_trainer_destroy(c.trainer);
    moda_profile_destroy(c.options.profile);
    moda_tuning_free(&c.tuning);
    moda_model_destroy(c.model);
    moda_dataset_destroy(c.data);
    moda_data_options_free(&c.data_options);
    free(c.keep_epochs.values);
    json_decref(c.epochs);
    json_decref(c.config);
    json_decref(c.before);
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
