/* decompose/cmd_sweep.c - moda sweep: one decomposition over thresholds, or trainings over the weights
 * of their losses, each then decomposed and swept over thresholds. */
#include "base/file.h"
#include "base/lock.h"
#include "base/log.h"
#include "decompose/commands.h"
#include "decompose/compose.h"
#include "decompose/decomposition.h"
#include "decompose/round.h"
#include "decompose/subtask_head.h"
#include "decompose/sweep.h"
#include "decompose/sweep_check.h"
#include "decompose/sweep_runs.h"
#include "decompose/sweep_words.h"
#include "decompose/test_data.h"
#include "engine/evaluate.h"
#include "numa/threads.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_SAMPLE = 10 };

typedef struct settings {
    const char *directory; /* operand, or --out */
    const char *taus, *standard, *subtasks, *csv;
    const char *model, *out, *alpha, *beta, *gamma;
    bool one_at_a_time;
    double min_active;
    size_t sample, batch_size;
    moda_sizes sizes;
    moda_reals tau;
    moda_sweep_plan plan;
    moda_data_options data;
    moda_common_options common;
    char **words; /* memory of the plan's words */
    char *table;  /* csv, or the file in directory that stands for it */
} settings;

enum { OPTION_COUNT = 17 };

static void options_table(settings *s, moda_option *data, moda_option *common,
                          moda_option table[OPTION_COUNT])
{
    *s = (settings){.batch_size = 128, .min_active = NAN};
    moda_data_options_table(&s->data, data);
    moda_common_options_table(&s->common, common);
    const moda_option options[OPTION_COUNT] = {
        {MODA_OPTION_TABLE, NULL, NULL, NULL, data, 0, 0, NULL},
        {MODA_OPTION_TEXT, "tau", "LIST",
         "thresholds: 0.1,0.5,0.8,0.9,0.95 (with --model default 0.9)", &s->taus, 0, 0, NULL},
        {MODA_OPTION_SIZE, "sample", "N",
         "N sub-tasks per number of classes, drawn from the seed (default 10)", &s->sample, 1, 1e9,
         NULL},
        {MODA_OPTION_SIZES, "sizes", "LIST",
         "only sub-tasks of so many classes: 2,3,5 (default: all)", &s->sizes, 0, 0, NULL},
        {MODA_OPTION_TEXT, "subtasks", "FILE",
         "only these sub-tasks: a list of class numbers, as 0,3,5, on each line", &s->subtasks, 0,
         0, NULL},
        {MODA_OPTION_TEXT, "standard", "MODEL", "a model of standard training, to compare with",
         &s->standard, 0, 0, NULL},
        {MODA_OPTION_REAL, "min-active", "X",
         "least share of a layer's neurons per class (default: as the modules in DIR)",
         &s->min_active, 0, 1, NULL},
        {MODA_OPTION_SIZE, "batch-size", "N", "images at a time, at most (default 128)",
         &s->batch_size, 1, 1 << 20, NULL},
        {MODA_OPTION_OUTPUT, "csv", "FILE", "a line per row (default DIR/sweep.csv)", &s->csv, 0, 0,
         NULL},
        {MODA_OPTION_TEXT, "model", "NAME|FILE.net",
         "train this network; all other options of moda train are passed on to it", &s->model, 0, 0,
         NULL},
        {MODA_OPTION_TEXT, "alpha", "LIST", "weights of the affinity loss: 0.5,1,2 (default 1)",
         &s->alpha, 0, 0, NULL},
        {MODA_OPTION_TEXT, "beta", "LIST", "weights of the dispersion loss (default 1)", &s->beta,
         0, 0, NULL},
        {MODA_OPTION_TEXT, "gamma", "LIST", "weights of the compactness loss (default 0.3)",
         &s->gamma, 0, 0, NULL},
        {MODA_OPTION_FLAG, "one-at-a-time", NULL,
         "vary one list, the others at their defaults (default: all combinations)",
         &s->one_at_a_time, 0, 0, NULL},
        {MODA_OPTION_TEXT, "out", "DIR", "with --model: a folder per run, and the table", &s->out,
         0, 0, NULL},
        {MODA_OPTION_TABLE, NULL, NULL, NULL, common, 0, 0, NULL},
        {MODA_OPTION_END, NULL, NULL, NULL, NULL, 0, 0, NULL},
    };
    memcpy(table, options, sizeof options);
}

/* What is wrong with the trainings' words before any of them is spent hours on. */
static moda_status check_words(moda_sweep_plan *plan)
{
    moda_status st = MODA_OK;
    const char *method = moda_words_value(&plan->train, "method");
    const char *activity = moda_words_value(&plan->decompose, "activity");
    MODA_CHECK(!method || strcmp(method, "mwt") != 0, MODA_ERR_ARG,
               "--method mwt: trainings vary the losses of --method moda: train with moda train, "
               "decompose, and sweep the modules over --tau");
    if (activity) MODA_TRY(moda_activity_rule_parse(activity, &plan->rule));
out:
    return st;
}

static moda_status check(settings *s, size_t operands)
{
    moda_status st = MODA_OK;
    MODA_CHECK(s->data.spec, MODA_ERR_ARG, "--data is missing: the data to judge with");
    MODA_CHECK(!s->subtasks || (!s->sample && !s->sizes.n), MODA_ERR_ARG,
               "--subtasks names the sub-tasks: leave out --sample and --sizes");
    if (s->model) {
        MODA_CHECK(operands == 0, MODA_ERR_ARG,
                   "either a folder that is there, or --model to train in --out, not both");
        MODA_CHECK(s->out, MODA_ERR_ARG, "--out is missing: the folder for the runs");
        MODA_CHECK(!s->one_at_a_time || s->alpha || s->beta || s->gamma, MODA_ERR_ARG,
                   "--one-at-a-time: there is no list to vary: give --alpha, --beta or --gamma");
        MODA_TRY(check_words(&s->plan));
    } else {
        MODA_CHECK(operands == 1, MODA_ERR_ARG,
                   "give the folder of a decomposition, or a network to train with --model");
        MODA_CHECK(s->taus, MODA_ERR_ARG, "--tau is missing: the thresholds, as in 0.1,0.5,0.9");
        MODA_CHECK(!s->alpha && !s->beta && !s->gamma && !s->out && !s->one_at_a_time, MODA_ERR_ARG,
                   "--alpha, --beta, --gamma, --one-at-a-time and --out belong to trainings: "
                   "name a network with --model");
        MODA_CHECK(s->data.normalisation == MODA_NORMALISATION_DEFAULT, MODA_ERR_ARG,
                   "--normalisation is the model's own: leave it out");
    }
    MODA_TRY(moda_reals_parse("tau", s->taus ? s->taus : "0.9", 0, true, 1, &s->tau));
    if (s->alpha) MODA_TRY(moda_reals_parse("alpha", s->alpha, 0, false, 1e6, &s->plan.alpha));
    if (s->beta) MODA_TRY(moda_reals_parse("beta", s->beta, 0, false, 1e6, &s->plan.beta));
    if (s->gamma) MODA_TRY(moda_reals_parse("gamma", s->gamma, 0, false, 1e6, &s->plan.gamma));
out:
    return st;
}

/* ---- one decomposition ---- */

static moda_status measure_accuracy(const settings *s, const moda_model *model,
                                    const moda_images *images, double *accuracy)
{
    moda_status st = MODA_OK;
    moda_runner *runner = NULL;
    moda_evaluation result;
    MODA_TRY(moda_runner_create(model, s->batch_size < images->n ? s->batch_size : images->n, NULL,
                                NULL, &runner));
    MODA_TRY(moda_evaluate(moda_runner_executor(runner), model, images, NULL, &result));
    *accuracy = result.samples ? (double)result.correct / (double)result.samples : NAN;
out:
    moda_runner_destroy(runner);
    return st;
}

/* A row per threshold; run (may be NULL) is where the model comes from. */
static moda_status sweep_one(const settings *s, const char *directory, const moda_sweep_run *run,
                             moda_sweep_row *rows)
{
    moda_status st = MODA_OK;
    moda_model *model = NULL, *standard = NULL;
    moda_masks *masks = NULL; /* of which only what they were made with is wanted */
    moda_rates *rates = NULL;
    moda_test_data data = {0};
    moda_subtasks *subtasks = NULL;
    double accuracy = NAN, min_active = s->min_active;
    MODA_TRY(moda_decomposition_open(directory, &model, &masks));
    MODA_TRY(moda_rates_open(directory, model, masks, &rates));
    MODA_TRY(moda_test_data_open(&s->data, s->common.seed, 0, model, &data));
    const moda_subtask_choice choice = {data.outputs.values, data.outputs.n, s->sizes,
                                        s->sample ? s->sample : DEFAULT_SAMPLE, s->common.seed};
    MODA_TRY(moda_subtasks_open(s->subtasks, model, &choice, &subtasks));
    MODA_TRY(moda_test_data_standard(s->standard, model, &data, &standard));
    if (run) MODA_TRY(measure_accuracy(s, model, &data.images, &accuracy));
    MODA_CHECK(!masks->shape.mwt || isnan(s->min_active), MODA_ERR_ARG,
               "--min-active: %s is of MwT, whose modules know no floor: leave it out", directory);
    MODA_CHECK(
        run || masks->shape.mwt || s->data.per_class == 0, MODA_ERR_ARG,
        "--per-class takes training samples, of which these modules need none: leave it out");
    if (isnan(min_active))
        min_active = isnan(masks->min_active) ? MODA_MIN_ACTIVE : masks->min_active;
    const moda_reuse_training training = {
        .images = &data.data->train, .epochs = MODA_SUBTASK_HEAD_EPOCHS, .seed = s->common.seed};
    const moda_sweep_options options = {.directory = directory,
                                        .model = model,
                                        .standard = standard,
                                        .rates = rates,
                                        .training = masks->shape.mwt ? &training : NULL,
                                        .min_active = min_active,
                                        .images = &data.images,
                                        .source = s->data.spec,
                                        .subtasks = subtasks,
                                        .batch_size = s->batch_size,
                                        .display = true};
    for (size_t i = 0; i < s->tau.n; i++) {
        rows[i] = (moda_sweep_row){.trained = run != NULL, .accuracy = accuracy};
        if (run) rows[i].alpha = run->alpha, rows[i].beta = run->beta, rows[i].gamma = run->gamma;
        MODA_TRY(moda_sweep_tau(&options, s->tau.values[i], &rows[i]));
    }
out:
    moda_subtasks_destroy(subtasks);
    moda_test_data_close(&data);
    moda_rates_destroy(rates);
    moda_masks_destroy(masks);
    moda_model_destroy(standard);
    moda_model_destroy(model);
    return st;
}

/* ---- results ---- */

/* The table and the figures in no other file than their own. Whatever is below a run is the run's. */
static moda_status check_outputs(const settings *s)
{
    static const char *const runs[] = {"sweep.json", "alpha-*/*", "alpha-*/*/*", "alpha-*/*/*/*",
                                       NULL};
    moda_status st = MODA_OK;
    const char *const *own = s->model ? runs : moda_decomposition_files;
    MODA_TRY(moda_check_distinct("csv", s->csv, s->directory, own));
    MODA_TRY(moda_check_distinct("json", s->common.json, s->directory, own));
    MODA_TRY(moda_check_apart("json", s->common.json, s->table));
out:
    return st;
}

static moda_status report(const settings *s, const moda_sweep_row *rows, size_t count)
{
    moda_status st = MODA_OK;
    json_t *array = NULL, *json = NULL;
    MODA_TRY(moda_sweep_write_csv(s->table, rows, count));
    if (s->common.json) {
        MODA_TRY(moda_sweep_json(rows, count, &array));
        json = json_pack("{s:O}", "rows", array);
        MODA_TRY(moda_json_write(s->common.json, json));
    }
    moda_sweep_print(rows, count);
    printf("%zu rows in %s\n", count, s->table);
out:
    json_decref(array);
    json_decref(json);
    return st;
}

static moda_status sweep_taus(const settings *s)
{
    moda_status st = MODA_OK;
    moda_sweep_row *rows = NULL;
    MODA_ALLOC(rows, s->tau.n * sizeof *rows);
    MODA_TRY(sweep_one(s, s->directory, NULL, rows));
    MODA_TRY(report(s, rows, s->tau.n));
out:
    free(rows);
    return st;
}

/* What would else be found behind hours of training; nothing where all of them are done. */
static moda_status check_subject(const settings *s, const moda_sweep_run *runs, size_t count)
{
    moda_status st = MODA_OK;
    bool trained = true;
    const moda_sweep_subject subject = {.network = s->model,
                                        .standard = s->standard,
                                        .sub_tasks = s->subtasks,
                                        .sizes = s->sizes,
                                        .sample = s->sample ? s->sample : DEFAULT_SAMPLE,
                                        .data = &s->data,
                                        .seed = s->common.seed};
    for (size_t i = 0; i < count; i++) trained &= moda_sweep_run_is_trained(&runs[i]);
    if (!trained) MODA_TRY(moda_sweep_check(&subject));
out:
    return st;
}

static moda_status sweep_runs(settings *s)
{
    moda_status st = MODA_OK;
    moda_sweep_run *runs = NULL;
    moda_sweep_row *rows = NULL;
    size_t count = 0;
    bool results = true;
    s->plan.directory = s->directory, s->plan.tau = s->tau.values[0];
    s->plan.one_at_a_time = s->one_at_a_time;
    s->plan.min_active = isnan(s->min_active) ? MODA_MIN_ACTIVE : s->min_active;
    MODA_TRY(moda_sweep_runs_list(&s->plan, &runs, &count));
    MODA_TRY(check_subject(s, runs, count));
    MODA_TRY(moda_sweep_runs_begin(&s->plan, &results));
    MODA_ALLOC(rows, count * s->tau.n * sizeof *rows);
    for (size_t i = 0; i < count; i++) {
        moda_log(MODA_LOG_INFO, "run %zu of %zu: alpha %g, beta %g, gamma %g", i + 1, count,
                 runs[i].alpha, runs[i].beta, runs[i].gamma);
        MODA_TRY(moda_sweep_runs_do(&s->plan, &runs[i]));
        MODA_TRY(sweep_one(s, runs[i].modules, &runs[i], rows + i * s->tau.n));
    }
    MODA_TRY(report(s, rows, count * s->tau.n));
out:
    if (st != MODA_OK && !results) moda_sweep_runs_withdraw(&s->plan, &runs[0]);
    free(rows);
    moda_sweep_runs_free(runs, count);
    return st;
}

/* Where results gather for hours is one sweep's: the folder of the runs, or sweep/ in that of the
 * modules, whose other files anybody may read meanwhile. */
static moda_status sweep(settings *s)
{
    moda_status st = MODA_OK;
    moda_lock *lock = NULL;
    char *folder = moda_format(s->model ? "%s" : "%s/sweep", s->directory);
    s->table = s->csv ? strdup(s->csv) : moda_format("%s/sweep.csv", s->directory);
    MODA_CHECK(folder && s->table, MODA_ERR_NOMEM, "out of memory: %s", s->directory);
    MODA_TRY(check_outputs(s));
    MODA_TRY(moda_lock_folder(folder, &lock));
    MODA_TRY(moda_check_writable(s->table)); /* before the work, not after it */
    MODA_TRY(s->model ? sweep_runs(s) : sweep_taus(s));
out:
    moda_lock_release(lock);
    free(folder);
    return st;
}

static moda_status run(const moda_command *self, int argc, char **argv)
{
    moda_status st = MODA_OK;
    settings s;
    moda_option data[MODA_DATA_OPTION_COUNT], common[MODA_COMMON_OPTION_COUNT];
    moda_option table[OPTION_COUNT];
    char **operands = NULL;
    size_t count = 0, threads = 0;
    bool help = false;
    options_table(&s, data, common, table);
    if (moda_words_have(argc, argv, "model"))
        MODA_TRY(
            moda_words_split(data, table, &argc, argv, &s.plan.train, &s.plan.decompose, &s.words));
    MODA_TRY(moda_options_parse(self, table, argc, argv, 0, 1, &operands, &count, &help));
    if (help) goto out;
    MODA_TRY(check(&s, count));
    s.directory = s.model ? s.out : operands[0];
    if (s.common.quiet) moda_log_set_level(MODA_LOG_WARNING);
    MODA_TRY(moda_threads_start(&s.common, &threads));
    MODA_TRY(sweep(&s));
out:
    moda_data_options_free(&s.data);
    free(s.sizes.values);
    free(s.tau.values);
    free(s.plan.alpha.values);
    free(s.plan.beta.values);
    free(s.plan.gamma.values);
    free(s.words);
    free(s.table);
    return st;
}

const moda_command moda_command_sweep = {
    "sweep", "one decomposition over thresholds, or trainings over alpha, beta, gamma", "[DIR]",
    "moda sweep runs/a/modules --data fashion-mnist --tau 0.1,0.5,0.8,0.9,0.95", run};
