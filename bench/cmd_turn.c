/* bench/cmd_turn.c - moda bench turn: the training steps of one process, which moda bench step,
 * bench methods, bench numa and moda scale start again and again (bench/turn_internal.h). */
#include "base/log.h"
#include "bench/bench_internal.h"
#include "bench/step.h"
#include "bench/turn_internal.h"
#include "numa/threads.h"
#include <stdio.h>

const char *const moda_bench_precisions[] = {"f32", "bf16", "auto", NULL};

moda_status moda_bench_check_tune(int precision, int tune)
{
    moda_status st = MODA_OK;
    MODA_CHECK(precision != MODA_PRECISION_AUTO || tune != MODA_TUNE_OFF, MODA_ERR_ARG,
               "--precision auto goes by measurements, which --tune off switches off: say f32 or "
               "bf16");
out:
    return st;
}

typedef struct settings {
    int method, precision, tune;
    const char *tuning;
    moda_common_options common;
    moda_step_bench bench;
} settings;

static moda_status parse(const moda_command *self, int argc, char **argv, settings *s, bool *help)
{
    moda_status st = MODA_OK;
    moda_option common[MODA_COMMON_OPTION_COUNT];
    char **operands;
    size_t count;
    moda_step_bench *b = &s->bench;
    moda_common_options_table(&s->common, common);
    const moda_option table[] = {
        {MODA_OPTION_TEXT, "model", "NAME|FILE.net", "the network", &b->model, 0, 0, NULL},
        {MODA_OPTION_TEXT, "data", "SPEC", "training images (default: made up, as the network is)",
         &b->data, 0, 0, NULL},
        {MODA_OPTION_SIZE, "batch-size", "N", "samples per step (default 128)", &b->batch, 1,
         1 << 20, NULL},
        {MODA_OPTION_CHOICE, "method", "M", "as of moda bench step (default moda)", &s->method, 0,
         0, moda_method_names},
        {MODA_OPTION_CHOICE, "precision", "P", "as of moda bench step (default f32)", &s->precision,
         0, 0, moda_bench_precisions},
        {MODA_OPTION_CHOICE, "tune", "T", "as of moda bench step (default quick)", &s->tune, 0, 0,
         moda_tune_efforts},
        {MODA_OPTION_TEXT, "tuning", "FILE", "choices of an earlier turn, in place of --tune",
         &s->tuning, 0, 0, NULL},
        {MODA_OPTION_FLAG, "profile", NULL,
         "time every part of the first steps too, for --json and as tables", &b->profiled, 0, 0,
         NULL},
        {MODA_OPTION_SIZE, "steps", "N", "timed steps, behind two that warm up (default 20)",
         &b->steps, MODA_TURN_LEAST, 100000, NULL},
        {MODA_OPTION_TABLE, NULL, NULL, NULL, common, 0, 0, NULL},
        {MODA_OPTION_END, NULL, NULL, NULL, NULL, 0, 0, NULL},
    };
    MODA_TRY(moda_options_parse(self, table, argc, argv, 0, 0, &operands, &count, help));
    if (*help) goto out;
    if (s->common.quiet) moda_log_set_level(MODA_LOG_WARNING);
    MODA_CHECK(b->model, MODA_ERR_ARG, "--model is missing: name a network, as in --model vgg16");
    if (!s->tuning) MODA_TRY(moda_bench_check_tune(s->precision, s->tune));
    b->method = (moda_method)s->method, b->seed = s->common.seed;
    b->precision = (moda_precision)s->precision;
    b->tune = s->tuning ? MODA_TUNE_OFF : (moda_tune_effort)s->tune;
out:
    return st;
}

static moda_status read_tuning(const char *path, moda_precision precision, moda_tuning *tuning)
{
    moda_status st = MODA_OK;
    json_t *entries = NULL, *one;
    size_t i;
    moda_tuning_entry entry;
    MODA_TRY(moda_json_read(path, &entries));
    MODA_CHECK(
        json_is_array(entries), MODA_ERR_FORMAT,
        "%s: no list of choices: take \"tuning\" of another turn's --json, as a file of its own",
        path);
    json_array_foreach(entries, i, one)
    {
        MODA_CHECK(
            moda_tuning_entry_parse(one, &entry), MODA_ERR_FORMAT,
            "%s: entry %zu is no choice of a tuning: take \"tuning\" of another turn's --json",
            path, i);
        MODA_TRY(moda_tuning_set(tuning, &entry));
    }
    MODA_CHECK(precision != MODA_PRECISION_AUTO || tuning->count > 0, MODA_ERR_ARG,
               "--tuning %s has no choices, and --precision auto goes by them: say f32 or bf16, or "
               "leave --tuning out",
               path);
out:
    json_decref(entries);
    return st;
}

static moda_status run(const moda_command *self, int argc, char **argv)
{
    moda_status st = MODA_OK;
    settings s = {.method = MODA_METHOD_MODA,
                  .tune = MODA_TUNE_QUICK,
                  .bench = {.batch = 128, .steps = 20, .remote = MODA_REMOTE_CLOSED}};
    json_t *json = NULL;
    size_t threads;
    bool help = false;
    MODA_TRY(parse(self, argc, argv, &s, &help));
    if (help) goto out;
    if (s.tuning) MODA_TRY(read_tuning(s.tuning, s.bench.precision, &s.bench.tuning));
    moda_step_bench_count(&s.bench);
    MODA_TRY(moda_threads_start(&s.common, &threads));
    MODA_TRY(moda_step_bench_run(&s.bench));
    if (s.common.json) {
        MODA_TRY(moda_step_bench_json(&s.bench, &json));
        MODA_TRY(moda_json_write(s.common.json, json));
    }
    printf("%s: %.3f ms a step, the median of %zu\n", s.bench.model, 1e3 * s.bench.time.median,
           s.bench.time.n);
    if (s.bench.profiled) moda_profile_print(s.bench.profile);
out:
    json_decref(json);
    moda_step_bench_free(&s.bench);
    return st;
}

const moda_command moda_bench_turn = {
    .name = "bench turn",
    .summary = "one process's part of bench step, bench methods, bench numa and moda scale",
    .operands = "",
    .example = "moda bench turn --model vgg16 --batch-size 128 --profile",
    .run = run,
};
