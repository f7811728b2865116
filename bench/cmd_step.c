/* bench/cmd_step.c - moda bench step: how long a training step takes. */
#include "bench/bench_internal.h"
#include "bench/benchmark_internal.h"
#include "bench/scale.h"
#include "bench/step_rows.h"
#include "bench/word_list_internal.h"
#include "engine/method.h"
#include "engine/tuner.h"
#include <stdlib.h>

typedef struct settings {
    const char *models, *methods, *precisions; /* as given */
    moda_word_list model, method, precision;
    moda_sizes batches, threads;
    int tune;
    moda_step_rows bench;
} settings;

static moda_status check_threads(moda_sizes *threads, bool smt)
{
    moda_status st = MODA_OK;
    moda_topology *here = NULL;
    if (threads->n) {
        MODA_TRY(moda_topology_load(&here));
        MODA_TRY(moda_scale_check_counts(here, smt, threads));
    } else {
        free(threads->values);
        MODA_ALLOC(threads->values, sizeof *threads->values);
        threads->n = 1; /* 0: all of them */
    }
out:
    moda_topology_destroy(here);
    return st;
}

static moda_status check(void *state, const moda_common_options *common)
{
    moda_status st = MODA_OK;
    settings *s = state;
    moda_step_rows *b = &s->bench;
    MODA_CHECK(s->models, MODA_ERR_ARG,
               "--model is missing: name networks, as in --model vgg16,resnet18");
    MODA_TRY(moda_word_list_split("model", s->models, NULL, &s->model));
    MODA_TRY(moda_word_list_split("method", s->methods, moda_method_names, &s->method));
    MODA_TRY(
        moda_word_list_split("precision", s->precisions, moda_bench_precisions, &s->precision));
    MODA_TRY(moda_word_list_check_networks(&s->model, &s->method));
    if (moda_word_list_has(&s->precision, "auto"))
        MODA_TRY(moda_bench_check_tune(MODA_PRECISION_AUTO, s->tune));
    if (s->batches.n == 0) MODA_TRY(moda_sizes_parse("batch-size", "128", &s->batches));
    MODA_TRY(moda_sizes_sort_unique("batch-size", &s->batches, SIZE_MAX));
    MODA_TRY(check_threads(&s->threads, common->smt));
    b->tune = moda_tune_efforts[s->tune];
    b->bind = common->bind, b->placement = common->placement;
    b->smt = common->smt, b->seed = common->seed;
out:
    return st;
}

/* Every word and number of a list with all of the others; threads turn fastest. */
static moda_status open(void *state, char *const *operands, size_t count)
{
    moda_status st = MODA_OK;
    settings *s = state;
    const size_t lengths[] = {s->model.n, s->method.n, s->precision.n, s->batches.n, s->threads.n};
    enum { LISTS = sizeof lengths / sizeof *lengths };
    size_t rows = 1, at[LISTS];
    (void)operands, (void)count;
    for (size_t i = 0; i < LISTS; i++) rows *= lengths[i];
    for (size_t r = 0; r < rows; r++) {
        size_t rest = r;
        for (size_t i = LISTS; i-- > 0; rest /= lengths[i]) at[i] = rest % lengths[i];
        const moda_step_row row = {.model = s->model.word[at[0]],
                                   .method = s->method.word[at[1]],
                                   .precision = s->precision.word[at[2]],
                                   .batch = s->batches.values[at[3]],
                                   .threads = s->threads.values[at[4]]};
        MODA_TRY(moda_step_rows_add(&s->bench, &row));
    }
out:
    return st;
}

static moda_status measure(void *state)
{
    settings *s = state;
    return moda_step_rows_run(&s->bench);
}

static moda_results results(const void *state)
{
    const settings *s = state;
    return moda_step_rows_results(&s->bench);
}

static moda_status run(const moda_command *self, int argc, char **argv)
{
    settings s = {
        .methods = "moda",
        .precisions = "f32",
        .tune = MODA_TUNE_QUICK,
        .bench = {.program = "/proc/self/exe",
                  .session = {.seconds = 10, .rounds = 5, .spread = 1, .elsewhere = true}}};
    const moda_option options[] = {
        {MODA_OPTION_TEXT, "model", "LIST",
         "networks, NAME or FILE.net (3x32x32 inputs, 10 classes where they leave them open)",
         &s.models, 0, 0, NULL},
        {MODA_OPTION_TEXT, "method", "LIST",
         "standard, moda: with the modular losses, mwt: with masks (default moda)", &s.methods, 0,
         0, NULL},
        {MODA_OPTION_TEXT, "precision", "LIST",
         "f32, bf16 (CPUs with AVX-512-BF16), auto: per layer what is faster (default f32)",
         &s.precisions, 0, 0, NULL},
        {MODA_OPTION_CHOICE, "tune", "T",
         "algorithms by rule (off), by measurement (quick), measured anew (full) (default quick)",
         &s.tune, 0, 0, moda_tune_efforts},
        {MODA_OPTION_SIZES, "batch-size", "LIST", "samples per step (default 128)", &s.batches, 1,
         1 << 20, NULL},
        {MODA_OPTION_END, NULL, NULL, NULL, NULL, 0, 0, NULL},
    };
    const moda_benchmark benchmark = {.state = &s,
                                      .options = options,
                                      .session = &s.bench.session,
                                      .threads = &s.threads,
                                      .check = check,
                                      .open = open,
                                      .measure = measure,
                                      .results = results};
    const moda_status st = moda_benchmark_run(self, &benchmark, argc, argv);
    moda_step_rows_free(&s.bench);
    moda_word_list_free(&s.model);
    moda_word_list_free(&s.method);
    moda_word_list_free(&s.precision);
    free(s.batches.values);
    free(s.threads.values);
    return st;
}

const moda_command moda_bench_step = {
    .name = "bench step",
    .summary = "a training step: networks, methods, precisions, batches, threads",
    .operands = "",
    .example = "moda bench step --model lenet5,vgg16 --precision f32,bf16 --threads 1,2",
    .run = run,
};
