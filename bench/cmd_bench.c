/* bench/cmd_bench.c - moda bench NAME: finds the benchmark and runs it. */
#include "bench/bench_internal.h"
#include "bench/commands.h"
#include <stdio.h>
#include <string.h>

static const moda_command *const benchmarks[] = {
    &moda_bench_step,      &moda_bench_by_method,  &moda_bench_infer,
    &moda_bench_tune,      &moda_bench_conv,       &moda_bench_gemm,
    &moda_bench_data,      &moda_bench_similarity, &moda_bench_frequency,
    &moda_bench_optimizer, &moda_bench_peak,       &moda_bench_stream,
    &moda_bench_numa,      &moda_bench_turn,       NULL /* closes the table */
};

/* "bench infer" -> "infer" */
static const char *short_name(const moda_command *benchmark)
{
    return benchmark->name + strlen("bench ");
}

static void print_help(void)
{
    printf("usage: moda bench NAME [OPTION...] [OPERAND...]\n%s\n\nbenchmarks\n",
           moda_command_bench.summary);
    for (size_t i = 0; benchmarks[i]; i++)
        printf("  %-12s %s\n", short_name(benchmarks[i]), benchmarks[i]->summary);
    printf("\n`moda bench NAME --help` explains a benchmark.\n\nexample\n  %s\n",
           moda_command_bench.example);
}

static moda_status run(const moda_command *self, int argc, char **argv)
{
    moda_status st = MODA_OK;
    MODA_CHECK(argc > 1, MODA_ERR_ARG, "no benchmark given; `moda %s --help` lists them",
               self->name);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help();
        goto out;
    }
    MODA_CHECK(argv[1][0] != '-', MODA_ERR_ARG,
               "unknown option '%s' before the benchmark's name; see `moda bench --help`", argv[1]);
    for (size_t i = 0; benchmarks[i]; i++) {
        if (strcmp(argv[1], short_name(benchmarks[i])) != 0) continue;
        st = benchmarks[i]->run(benchmarks[i], argc - 1, argv + 1);
        goto out;
    }
    MODA_CHECK(false, MODA_ERR_ARG, "unknown benchmark '%s'; `moda bench --help` lists them",
               argv[1]);
out:
    return st;
}

const moda_command moda_command_bench = {
    .name = "bench",
    .summary = "measure how fast things are on this machine",
    .operands = "NAME",
    .example = "moda bench infer runs/a/modules",
    .run = run,
};
