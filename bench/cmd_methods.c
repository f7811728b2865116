/* bench/cmd_methods.c - moda bench methods: a training step by each method, in turns. */
#include "bench/bench_internal.h"
#include "bench/benchmark_internal.h"
#include "bench/methods.h"
#include "datasets/data_options.h"

/* Made up: what a step costs does not depend on the images. */
#define USUAL_DATA "synthetic:classes=10,channels=3,size=32,train=2048,test=0"

static const char *const efforts[] = {"off", "quick", NULL};

typedef struct settings {
    int tune;
    size_t seed;
    moda_data_options options;
    moda_dataset *data;
    moda_methods_bench bench;
} settings;

static moda_status check(void *state, const moda_common_options *common)
{
    moda_status st = MODA_OK;
    settings *s = state;
    MODA_CHECK(s->bench.model, MODA_ERR_ARG,
               "--model is missing: name a network, as in --model vgg16");
    MODA_CHECK(s->bench.session.spread <= 0, MODA_ERR_ARG,
               "--spread: methods are compared round by round, so none is done before the others: "
               "leave it out, or say 0");
    s->bench.tune = s->tune ? MODA_TUNE_QUICK : MODA_TUNE_OFF;
    s->seed = s->bench.seed = common->seed;
    if (!s->options.spec) s->options.spec = USUAL_DATA;
out:
    return st;
}

static moda_status open(void *state, char *const *operands, size_t count)
{
    moda_status st = MODA_OK;
    settings *s = state;
    (void)operands, (void)count;
    MODA_TRY(moda_data_options_open(&s->options, s->seed, &s->data));
    s->bench.data = s->data;
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
    settings s = {
        .tune = 1,
        .bench = {.batch = 128, .session = {.seconds = MODA_METHODS_SECONDS, .rounds = 10}}};
    moda_option data[MODA_DATA_OPTION_COUNT];
    moda_data_options_table(&s.options, data);
    const moda_option options[] = {
        {MODA_OPTION_TEXT, "model", "NAME|FILE.net", "the network", &s.bench.model, 0, 0, NULL},
        {MODA_OPTION_TABLE, NULL, NULL, NULL, data, 0, 0, NULL},
        {MODA_OPTION_SIZE, "batch-size", "N", "samples per step (default 128)", &s.bench.batch, 1,
         1 << 20, NULL},
        {MODA_OPTION_CHOICE, "tune", "T",
         "algorithms by rule (off), by measurement (quick) (default quick)", &s.tune, 0, 0,
         efforts},
        {MODA_OPTION_END, NULL, NULL, NULL, NULL, 0, 0, NULL},
    };
    const moda_benchmark benchmark = {.state = &s,
                                      .options = options,
                                      .session = &s.bench.session,
                                      .check = check,
                                      .open = open,
                                      .measure = measure,
                                      .results = results};
    const moda_status st = moda_benchmark_run(self, &benchmark, argc, argv);
    moda_methods_free(&s.bench);
    moda_dataset_destroy(s.data);
    moda_data_options_free(&s.options);
    return st;
}

const moda_command moda_bench_by_method = {
    .name = "bench methods",
    .summary = "a training step by each method, beside a standard one",
    .operands = "",
    .example = "moda bench methods --model vgg16",
    .run = run,
};
