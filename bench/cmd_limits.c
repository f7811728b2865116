/* bench/cmd_limits.c - moda bench peak and stream: the machine's limits, as other benchmarks use them. */
#include "base/csv.h"
#include "base/isa.h"
#include "base/table.h"
#include "bench/bench_internal.h"
#include "bench/benchmark_internal.h"
#include "engine/peak.h"
#include <omp.h>
#include <stdio.h>

/* A limit, and how its figures are called. */
typedef struct limit {
    const char *benchmark, *what, *unit, *key;
    moda_status (*measure)(double seconds, double *rate);
} limit;

static const char *const precisions[] = {"f32", "bf16", NULL};
static const limit flops_bf16 = {"peak", "bf16 dot products in registers", "GFLOP/s",
                                 "flops_per_second", moda_peak_flops_bf16};
static const limit flops = {"peak", "f32 multiply-adds in registers", "GFLOP/s", "flops_per_second",
                            moda_peak_flops};
static const limit bandwidth = {"stream", "triad in memory: a = b + s*c", "GB/s",
                                "bytes_per_second", moda_peak_bandwidth};

typedef struct settings {
    const limit *limit;
    int precision;
    moda_session session;
    moda_timings timings; /* of one operation, or one byte */
    moda_timing_summary time;
} settings;

/* Its best is the limit. */
static moda_status measure_row(void *user, size_t row, double seconds)
{
    moda_status st = MODA_OK;
    settings *s = user;
    double rate = 0;
    (void)row;
    MODA_TRY(s->limit->measure(seconds, &rate));
    MODA_TRY(moda_timings_add(&s->timings, 1 / rate));
out:
    return st;
}

static moda_session_row row(void *user, size_t i)
{
    settings *s = user;
    (void)i;
    return (moda_session_row){s->limit->benchmark, &s->timings, &s->time};
}

static moda_status check(void *state, const moda_common_options *common)
{
    settings *s = state;
    (void)common;
    if (s->precision) s->limit = &flops_bf16;
    return MODA_OK;
}

static moda_status measure(void *state)
{
    settings *s = state;
    const moda_session_work work = {s->limit->benchmark, 1, s, row, measure_row, NULL};
    return moda_session_run(&s->session, &work);
}

/* ---- figures ---- */

static void tables(const void *state)
{
    const settings *s = state;
    const limit *l = s->limit;
    const moda_timing_summary *x = &s->time;
    moda_table *t = moda_table_create("limit|>threads|>kernels|>median|>spread|>best|unit");
    char range[MODA_TIMING_RANGE];
    moda_table_row(t, "%s|%d|%s|%.2f|%s|%.2f|%s", l->what, omp_get_max_threads(),
                   moda_isa_name(moda_isa_best()), 1e-9 / x->median,
                   moda_timing_range(1e-9 / x->high, 1e-9 / x->low, 2, range), 1e-9 / x->best,
                   l->unit);
    moda_table_print(t);
    moda_table_destroy(t);
}

static json_t *head(const void *state)
{
    const settings *s = state;
    const limit *l = s->limit;
    const moda_timing_summary *x = &s->time;
    return json_pack("{s:s s:s s:I s:s s:o s:o s:o s:o}", "benchmark", l->benchmark, "limit",
                     l->what, "rounds", (json_int_t)x->n, "unit", l->key, "median",
                     moda_json_number(1 / x->median), "low", moda_json_number(1 / x->high), "high",
                     moda_json_number(1 / x->low), "best", moda_json_number(1 / x->best));
}

static void csv_heads(const void *state, FILE *to)
{
    (void)state;
    fputs("benchmark,threads,kernels,rounds,unit,median,low,high,best", to);
}

static void csv_row(const void *state, size_t i, FILE *to)
{
    const settings *s = state;
    const limit *l = s->limit;
    const moda_timing_summary *x = &s->time;
    (void)i;
    const double rates[] = {1 / x->median, 1 / x->high, 1 / x->low, 1 / x->best};
    fprintf(to, "%s,%d,%s,%zu,%s", l->benchmark, omp_get_max_threads(),
            moda_isa_name(moda_isa_best()), x->n, l->key);
    for (size_t k = 0; k < sizeof rates / sizeof *rates; k++)
        fputc(',', to), moda_csv_number(to, rates[k]);
    fputc('\n', to);
}

static moda_results results(const void *state)
{
    const settings *s = state;
    return (moda_results){s, &s->session, NULL, tables, head, NULL, 1, NULL, csv_heads, csv_row};
}

/* ---- the commands ---- */

static moda_status run(const moda_command *self, const limit *l, int argc, char **argv)
{
    settings s = {.limit = l, .session = {.seconds = 2, .rounds = 20, .spread = 1}};
    const moda_option precision = {
        MODA_OPTION_CHOICE, "precision", "P", "f32 or bf16 (default f32)",
        &s.precision,       0,           0,   precisions};
    const moda_option none = {.kind = MODA_OPTION_END};
    const moda_option options[] = {l == &flops ? precision : none, none};
    const moda_benchmark benchmark = {.state = &s,
                                      .options = options,
                                      .session = &s.session,
                                      .check = check,
                                      .measure = measure,
                                      .results = results};
    const moda_status st = moda_benchmark_run(self, &benchmark, argc, argv);
    moda_timings_free(&s.timings);
    moda_session_free(&s.session);
    return st;
}

static moda_status peak(const moda_command *self, int argc, char **argv)
{
    return run(self, &flops, argc, argv);
}

static moda_status stream(const moda_command *self, int argc, char **argv)
{
    return run(self, &bandwidth, argc, argv);
}

const moda_command moda_bench_peak = {
    .name = "bench peak",
    .summary = "floating-point operations a second, at most",
    .operands = "",
    .example = "moda bench peak --threads 1",
    .run = peak,
};

const moda_command moda_bench_stream = {
    .name = "bench stream",
    .summary = "bytes a second between memory and cores, at most",
    .operands = "",
    .example = "moda bench stream --rounds 20 --csv stream.csv",
    .run = stream,
};
