/* bench/cmd_kernels.c - moda bench similarity, frequency, optimizer: the speed of kernels alone. */
#include "base/log.h"
#include "bench/bench_internal.h"
#include "bench/kernels.h"
#include "numa/threads.h"
#include <stdio.h>
#include <stdlib.h>

enum { HELP = 128 };

typedef struct settings {
    const char *csv;
    moda_sizes lists[MODA_KERNEL_SIZES];
    moda_common_options common;
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

static moda_status parse(const moda_command *self, int argc, char **argv, settings *s, bool *help)
{
    moda_status st = MODA_OK;
    char texts[MODA_KERNEL_SIZES][HELP], **operands = NULL;
    size_t count = 0;
    moda_option common[MODA_COMMON_OPTION_COUNT], sizes[MODA_KERNEL_SIZES + 1];
    moda_option measuring[MODA_SESSION_OPTION_COUNT];
    s->bench.session = (moda_session){.seconds = 0.5, .rounds = 5, .spread = 1};
    moda_session_options(&s->bench.session, measuring);
    moda_common_options_table(&s->common, common);
    size_options(s, texts, sizes);
    const moda_option table[] = {
        {MODA_OPTION_TABLE, NULL, NULL, NULL, sizes, 0, 0, NULL},
        {MODA_OPTION_FLAG, "cold", NULL, "each call finds its operands in memory, not in cache",
         &s->bench.cold, 0, 0, NULL},
        {MODA_OPTION_TABLE, NULL, NULL, NULL, measuring, 0, 0, NULL},
        {MODA_OPTION_OUTPUT, "csv", "FILE", "the figures as a table", &s->csv, 0, 0, NULL},
        {MODA_OPTION_TABLE, NULL, NULL, NULL, common, 0, 0, NULL},
        {MODA_OPTION_END, NULL, NULL, NULL, NULL, 0, 0, NULL},
    };
    MODA_TRY(moda_options_parse(self, table, argc, argv, 0, 0, &operands, &count, help));
    if (s->common.quiet) moda_log_set_level(MODA_LOG_WARNING);
out:
    return st;
}

/* Every size of one list with every size of the others; the last list turns fastest. */
static moda_status add_cases(settings *s)
{
    moda_status st = MODA_OK;
    const moda_kernel_suite *suite = s->bench.suite;
    size_t product = 1;
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

static moda_status report(const settings *s)
{
    moda_status st = MODA_OK;
    json_t *json = NULL;
    if (s->common.json) {
        MODA_TRY(moda_kernel_bench_json(&s->bench, &json));
        MODA_TRY(moda_json_write(s->common.json, json));
    }
    if (s->csv) MODA_TRY(moda_kernel_bench_write_csv(&s->bench, s->csv));
    moda_kernel_bench_print(&s->bench);
out:
    json_decref(json);
    return st;
}

static moda_status run(const moda_command *self, const moda_kernel_suite *suite, int argc,
                       char **argv)
{
    moda_status st = MODA_OK;
    settings s = {.bench = {.suite = suite}};
    size_t threads = 0;
    bool help = false;
    MODA_TRY(parse(self, argc, argv, &s, &help));
    if (help) goto out;
    MODA_TRY(moda_threads_start(&s.common, &threads));
    s.bench.seed = s.common.seed;
    MODA_TRY(add_cases(&s));
    MODA_TRY(moda_kernel_bench_run(&s.bench));
    MODA_TRY(report(&s));
out:
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
