/* bench/cmd_numa.c - moda bench numa: a training step under several policies of threads and
 * memory. */
#include "bench/bench_internal.h"
#include "bench/benchmark_internal.h"
#include "bench/numa.h"
#include "engine/method.h"

typedef struct settings {
    int method;
    moda_numa_bench bench;
} settings;

static moda_status check(void *state, const moda_common_options *common)
{
    moda_status st = MODA_OK;
    settings *s = state;
    moda_numa_bench *b = &s->bench;
    MODA_CHECK(b->model, MODA_ERR_ARG, "--model is missing: name a network, as in --model vgg16");
    MODA_CHECK(!common->bind && !common->placement, MODA_ERR_ARG,
               "--%s: each policy has its own; moda bench step measures one",
               common->bind ? "bind" : "placement");
    b->method = moda_method_names[s->method];
    b->threads = common->threads, b->smt = common->smt, b->seed = common->seed;
out:
    return st;
}

static moda_status measure(void *state)
{
    settings *s = state;
    return moda_numa_bench_run(&s->bench);
}

static moda_results results(const void *state)
{
    const settings *s = state;
    return moda_numa_bench_results(&s->bench);
}

static moda_status run(const moda_command *self, int argc, char **argv)
{
    settings s = {
        .method = MODA_METHOD_MODA,
        .bench = {.program = "/proc/self/exe",
                  .batch = 128,
                  .session = {.seconds = 30, .rounds = 5, .spread = 1, .elsewhere = true}}};
    moda_numa_bench *b = &s.bench;
    const moda_option options[] = {
        {MODA_OPTION_TEXT, "model", "NAME|FILE.net",
         "the network (3x32x32 inputs, 10 classes where it leaves them open)", &b->model, 0, 0,
         NULL},
        {MODA_OPTION_SIZE, "batch-size", "N", "samples per step (default 128)", &b->batch, 1,
         1 << 20, NULL},
        {MODA_OPTION_CHOICE, "method", "M",
         "standard, moda: with the modular losses, or mwt: with masks (default moda)", &s.method, 0,
         0, moda_method_names},
        {MODA_OPTION_END, NULL, NULL, NULL, NULL, 0, 0, NULL},
    };
    const moda_benchmark benchmark = {.state = &s,
                                      .options = options,
                                      .session = &b->session,
                                      .check = check,
                                      .measure = measure,
                                      .results = results};
    const moda_status st = moda_benchmark_run(self, &benchmark, argc, argv);
    moda_numa_bench_free(b);
    return st;
}

const moda_command moda_bench_numa = {
    .name = "bench numa",
    .summary = "a training step with and without bound threads and placed memory",
    .operands = "",
    .example = "moda bench numa --model vgg16 --batch-size 128",
    .run = run,
};
