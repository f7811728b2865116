/* bench/cmd_numa.c - moda bench numa: what binding threads and placing memory bring. */
#include "base/log.h"
#include "bench/bench_internal.h"
#include "bench/numa.h"

typedef struct settings {
    int method;
    moda_common_options common;
    moda_numa_bench bench;
} settings;

static moda_status parse(const moda_command *self, int argc, char **argv, settings *s, bool *help)
{
    moda_status st = MODA_OK;
    moda_option common[MODA_COMMON_OPTION_COUNT];
    char **operands;
    size_t count;
    moda_numa_bench *b = &s->bench;
    s->method = 1;
    *b = (moda_numa_bench){.program = "/proc/self/exe", .batch = 128, .steps = 10, .rounds = 5};
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
        {MODA_OPTION_SIZE, "steps", "N",
         "timed steps of a turn, behind two that warm up (default 10)", &b->steps, 1, 10000, NULL},
        {MODA_OPTION_SIZE, "rounds", "N", "turns of each policy (default 5)", &b->rounds, 1, 1000,
         NULL},
        {MODA_OPTION_TABLE, NULL, NULL, NULL, common, 0, 0, NULL},
        {MODA_OPTION_END, NULL, NULL, NULL, NULL, 0, 0, NULL},
    };
    MODA_TRY(moda_options_parse(self, table, argc, argv, 0, 0, &operands, &count, help));
    if (*help) goto out;
    if (s->common.quiet) moda_log_set_level(MODA_LOG_WARNING);
    MODA_CHECK(b->model, MODA_ERR_ARG, "--model is missing: name a network, as in --model vgg16");
    b->modular = s->method != 0;
    MODA_CHECK(!s->common.bind && !s->common.placement, MODA_ERR_ARG,
               "--%s: each policy has its own; moda bench step measures one",
               s->common.bind ? "bind" : "placement");
    b->threads = s->common.threads, b->smt = s->common.smt, b->seed = s->common.seed;
out:
    return st;
}

static moda_status run(const moda_command *self, int argc, char **argv)
{
    moda_status st = MODA_OK;
    settings s = {0};
    json_t *json = NULL;
    bool help = false;
    MODA_TRY(parse(self, argc, argv, &s, &help));
    if (help) goto out;
    MODA_TRY(moda_numa_bench_run(&s.bench));
    if (s.common.json) {
        MODA_TRY(moda_numa_bench_json(&s.bench, &json));
        MODA_TRY(moda_json_write(s.common.json, json));
    }
    moda_numa_bench_print(&s.bench);
out:
    json_decref(json);
    moda_numa_bench_free(&s.bench);
    return st;
}

const moda_command moda_bench_numa = {
    .name = "bench numa",
    .summary = "a training step with and without bound threads and placed memory",
    .operands = "",
    .example = "moda bench numa --model vgg16 --batch-size 128",
    .run = run,
};
