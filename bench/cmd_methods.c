/* bench/cmd_methods.c - moda bench methods: a training step by each method, in turns. */
#include "bench/bench_internal.h"
#include "bench/benchmark_internal.h"
#include "bench/methods.h"
#include "engine/tuner.h"

typedef struct settings {
    int tune, precision;
    moda_methods_bench bench;
} settings;

static moda_status check(void *state, const moda_common_options *common)
{
    moda_status st = MODA_OK;
    settings *s = state;
    moda_methods_bench *b = &s->bench;
    MODA_CHECK(b->model, MODA_ERR_ARG, "--model is missing: name a network, as in --model vgg16");
    MODA_CHECK(b->steps.session.spread <= 0, MODA_ERR_ARG,
               "--spread: methods are compared round by round, so none is done before the others: "
               "leave it out, or say 0");
    MODA_TRY(moda_bench_check_tune(s->precision, s->tune));
    b->precision = moda_bench_precisions[s->precision], b->threads = common->threads;
    b->steps.tune = moda_tune_efforts[s->tune];
    b->steps.bind = common->bind, b->steps.placement = common->placement;
    b->steps.smt = common->smt, b->steps.seed = common->seed;
out:
    return st;
}

static moda_status measure(void *state)
{
    settings *s = state;
    return moda_methods_run(&s->bench);
}

static moda_results results(const void *state)
{
    const settings *s = state;
    return moda_methods_results(&s->bench);
}

static moda_status run(const moda_command *self, int argc, char **argv)
{
    settings s = {.tune = MODA_TUNE_QUICK,
                  .bench = {.batch = 128,
                            .steps = {.program = "/proc/self/exe",
                                      .session = {.seconds = MODA_METHODS_SECONDS,
                                                  .rounds = 10,
                                                  .elsewhere = true}}}};
    const moda_option options[] = {
        {MODA_OPTION_TEXT, "model", "NAME|FILE.net", "the network", &s.bench.model, 0, 0, NULL},
        {MODA_OPTION_TEXT, "data", "SPEC",
         "training images (default: made up, 3x32x32, 10 classes where the network leaves them "
         "open)",
         &s.bench.steps.data, 0, 0, NULL},
        {MODA_OPTION_SIZE, "batch-size", "N", "samples per step (default 128)", &s.bench.batch, 1,
         1 << 20, NULL},
        {MODA_OPTION_CHOICE, "precision", "P", "as of moda bench step (default f32)", &s.precision,
         0, 0, moda_bench_precisions},
        {MODA_OPTION_CHOICE, "tune", "T", "as of moda bench step (default quick)", &s.tune, 0, 0,
         moda_tune_efforts},
        {MODA_OPTION_END, NULL, NULL, NULL, NULL, 0, 0, NULL},
    };
    const moda_benchmark benchmark = {.state = &s,
                                      .options = options,
                                      .session = &s.bench.steps.session,
                                      .check = check,
                                      .measure = measure,
                                      .results = results};
    const moda_status st = moda_benchmark_run(self, &benchmark, argc, argv);
    moda_methods_free(&s.bench);
    return st;
}

const moda_command moda_bench_by_method = {
    .name = "bench methods",
    .summary = "a training step by each method, beside a standard one",
    .operands = "",
    .example = "moda bench methods --model vgg16",
    .run = run,
};
