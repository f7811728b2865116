/* bench/cmd_kernels.c - moda bench similarity, frequency, optimizer: the speed of kernels alone. */
#include "bench/bench_internal.h"
#include "bench/benchmark_internal.h"
#include "bench/kernels.h"
#include <stdio.h>
#include <stdlib.h>

enum { HELP = 128 };

typedef struct settings {
    moda_sizes lists[MODA_KERNEL_SIZES];
    moda_kernel_bench bench;
} settings;

/* The suite's sizes as options of the command; help [HELP] keeps their texts. */
static void size_options(settings *s, char help[][HELP], moda_option *table)
{
    const moda_kernel_suite *suite = s->bench.suite;
    size_t i = 0;
    for (; i < suite->size_count; i++) {
        const moda_kernel_size *size = &suite->sizes[i];
        snprintf(help[i], HELP, "%s (default %s)", size->help, size->usual);
        table[i] = (moda_option){.kind = MODA_OPTION_SIZES,
                                 .name = size->option,
                                 .value = "LIST",
                                 .help = help[i],
                                 .target = &s->lists[i],
                                 .min = 1,
                                 .max = (double)size->most};
    }
    table[i] = (moda_option){.kind = MODA_OPTION_END};
}

/* Every size of one list with every size of the others; the last list turns fastest. */
static moda_status open(void *state, char *const *operands, size_t count)
{
    moda_status st = MODA_OK;
    settings *s = state;
    const moda_kernel_suite *suite = s->bench.suite;
    size_t product = 1;
    (void)operands, (void)count;
    for (size_t i = 0; i < suite->size_count; i++) {
        if (s->lists[i].n == 0)
            MODA_TRY(moda_sizes_parse(suite->sizes[i].option, suite->sizes[i].usual, &s->lists[i]));
        product *= s->lists[i].n;
    }
    for (size_t p = 0; p < product; p++) {
        size_t sizes[MODA_KERNEL_SIZES], rest = p;
        for (size_t i = suite->size_count; i-- > 0; rest /= s->lists[i].n)
            sizes[i] = s->lists[i].values[rest % s->lists[i].n];
        MODA_TRY(moda_kernel_bench_add(&s->bench, sizes));
    }
out:
    return st;
}

static moda_status check(void *state, const moda_common_options *common)
{
    settings *s = state;
    s->bench.seed = common->seed;
    return MODA_OK;
}

static moda_status measure(void *state)
{
    settings *s = state;
    return moda_kernel_bench_run(&s->bench);
}

static moda_results results(const void *state)
{
    const settings *s = state;
    return moda_kernel_bench_results(&s->bench);
}

static moda_status run(const moda_command *self, const moda_kernel_suite *suite, int argc,
                       char **argv)
{
    settings s = {.bench = {.suite = suite, .session = {.seconds = 0.5, .rounds = 5, .spread = 1}}};
    char texts[MODA_KERNEL_SIZES][HELP];
    moda_option sizes[MODA_KERNEL_SIZES + 1];
    size_options(&s, texts, sizes);
    const moda_option options[] = {
        {MODA_OPTION_TABLE, NULL, NULL, NULL, sizes, 0, 0, NULL},
        {MODA_OPTION_FLAG, "cold", NULL, "each call finds its operands in memory, not in cache",
         &s.bench.cold, 0, 0, NULL},
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
    for (size_t i = 0; i < MODA_KERNEL_SIZES; i++) free(s.lists[i].values);
    moda_kernel_bench_free(&s.bench);
    return st;
}

static moda_status similarity(const moda_command *self, int argc, char **argv)
{
    return run(self, &moda_similarity_suite, argc, argv);
}

static moda_status frequency(const moda_command *self, int argc, char **argv)
{
    return run(self, &moda_frequency_suite, argc, argv);
}

static moda_status optimizer(const moda_command *self, int argc, char **argv)
{
    return run(self, &moda_optimizer_suite, argc, argv);
}

const moda_command moda_bench_similarity = {
    .name = "bench similarity",
    .summary = "modular losses of one layer: closed form and all pairs",
    .operands = "",
    .example = "moda bench similarity --batch-size 128,1024 --neurons 512",
    .run = similarity,
};

const moda_command moda_bench_frequency = {
    .name = "bench frequency",
    .summary = "counting active neurons over feature maps",
    .operands = "",
    .example = "moda bench frequency --channels 512 --pixels 16 --cold",
    .run = frequency,
};

const moda_command moda_bench_optimizer = {
    .name = "bench optimizer",
    .summary = "the optimizer's pass over the parameters",
    .operands = "",
    .example = "moda bench optimizer --parameters 33646666",
    .run = optimizer,
};
