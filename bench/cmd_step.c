/* bench/cmd_step.c - moda bench step: how long a training step takes. */
#include "base/log.h"
#include "bench/bench_internal.h"
#include "bench/step.h"
#include "numa/threads.h"

const char *const moda_bench_methods[] = {"standard", "moda", NULL};
const char *const moda_bench_precisions[] = {"f32", "bf16", NULL};

typedef struct settings {
    int method, precision;
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
    *s =
        (settings){.method = 1, .bench = {.batch = 128, .steps = 20, .remote = MODA_REMOTE_CLOSED}};
    moda_common_options_table(&s->common, common);
    const moda_option table[] = {
        {MODA_OPTION_TEXT, "model", "NAME|FILE.net",
         "the network (3x32x32 inputs, 10 classes where it leaves them open)", &b->model, 0, 0,
         NULL},
        {MODA_OPTION_SIZE, "batch-size", "N", "samples per step (default 128)", &b->batch, 1,
         1 << 20, NULL},
        {MODA_OPTION_CHOICE, "method", "M",
         "standard, or moda: with the modular losses (default moda)", &s->method, 0, 0,
         moda_bench_methods},
        {MODA_OPTION_CHOICE, "precision", "P",
         "f32, or bf16 (CPUs with AVX-512-BF16) (default f32)", &s->precision, 0, 0,
         moda_bench_precisions},
        {MODA_OPTION_FLAG, "profile", NULL,
         "time every part of the first steps too, for --json and as tables", &b->profiled, 0, 0,
         NULL},
        {MODA_OPTION_SIZE, "steps", "N", "timed steps, behind two that warm up (default 20)",
         &b->steps, 1, 100000, NULL},
        {MODA_OPTION_TABLE, NULL, NULL, NULL, common, 0, 0, NULL},
        {MODA_OPTION_END, NULL, NULL, NULL, NULL, 0, 0, NULL},
    };
    MODA_TRY(moda_options_parse(self, table, argc, argv, 0, 0, &operands, &count, help));
    if (*help) goto out;
    if (s->common.quiet) moda_log_set_level(MODA_LOG_WARNING);
    MODA_CHECK(b->model, MODA_ERR_ARG, "--model is missing: name a network, as in --model vgg16");
    b->bf16 = s->precision != 0;
    MODA_CHECK(!b->profiled || b->steps > 1, MODA_ERR_ARG,
               "--steps 1: --profile passes over the first timed step: take 2 or more");
    b->modular = s->method != 0, b->seed = s->common.seed;
out:
    return st;
}

static moda_status run(const moda_command *self, int argc, char **argv)
{
    moda_status st = MODA_OK;
    settings s = {.bench = {.remote = MODA_REMOTE_CLOSED}};
    json_t *json = NULL;
    size_t threads;
    bool help = false;
    MODA_TRY(parse(self, argc, argv, &s, &help));
    if (help) goto out;
    moda_step_bench_count(&s.bench);
    MODA_TRY(moda_threads_start(&s.common, &threads));
    MODA_TRY(moda_step_bench_run(&s.bench));
    if (s.common.json) {
        MODA_TRY(moda_step_bench_json(&s.bench, &json));
        MODA_TRY(moda_json_write(s.common.json, json));
    }
    moda_step_bench_print(&s.bench);
    if (s.bench.profile) moda_profile_print(s.bench.profile);
out:
    json_decref(json);
    moda_step_bench_free(&s.bench);
    return st;
}

const moda_command moda_bench_step = {
    .name = "bench step",
    .summary = "how long a training step takes",
    .operands = "",
    .example = "moda bench step --model vgg16 --batch-size 128",
    .run = run,
};
