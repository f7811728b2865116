/* bench/cmd_limits.c - moda bench peak and stream: the machine's limits, as other benchmarks use them. */
#include "base/file.h"
#include "base/isa.h"
#include "base/json.h"
#include "base/log.h"
#include "base/table.h"
#include "bench/bench_internal.h"
#include "bench/session.h"
#include "engine/peak.h"
#include "numa/threads.h"
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
    const char *csv;
    const limit *limit;
    int precision;
    moda_session session;
    moda_timings timings; /* of one operation, or one byte */
    moda_timing_summary time;
    moda_common_options common;
} settings;

static moda_status parse(const moda_command *self, int argc, char **argv, settings *s, bool *help)
{
    moda_status st = MODA_OK;
    char **operands = NULL;
    size_t count = 0;
    const bool types = s->limit == &flops;
    const moda_option precision = {
        MODA_OPTION_CHOICE, "precision", "P", "f32 or bf16 (default f32)",
        &s->precision,      0,           0,   precisions};
    moda_option own[] = {types ? precision : (moda_option){.kind = MODA_OPTION_END},
                         {.kind = MODA_OPTION_END}};
    moda_option common[MODA_COMMON_OPTION_COUNT], measuring[MODA_SESSION_OPTION_COUNT];
    s->session = (moda_session){.seconds = 2, .rounds = 20, .spread = 1};
    moda_session_options(&s->session, measuring);
    moda_common_options_table(&s->common, common);
    const moda_option table[] = {
        {MODA_OPTION_TABLE, NULL, NULL, NULL, own, 0, 0, NULL},
        {MODA_OPTION_TABLE, NULL, NULL, NULL, measuring, 0, 0, NULL},
        {MODA_OPTION_OUTPUT, "csv", "FILE", "the figures as a table", &s->csv, 0, 0, NULL},
        {MODA_OPTION_TABLE, NULL, NULL, NULL, common, 0, 0, NULL},
        {MODA_OPTION_END, NULL, NULL, NULL, NULL, 0, 0, NULL},
    };
    MODA_TRY(moda_options_parse(self, table, argc, argv, 0, 0, &operands, &count, help));
    if (s->common.quiet) moda_log_set_level(MODA_LOG_WARNING);
    if (s->precision) s->limit = &flops_bf16;
out:
    return st;
}

/* Its best is the limit. */
static moda_status measure(void *user, size_t row, double seconds)
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

static void print(const settings *s)
{
    const limit *l = s->limit;
    const moda_timing_summary *x = &s->time;
    moda_session_print_machine();
    moda_table *t = moda_table_create("limit|>threads|>kernels|>median|>spread|>best|unit");
    moda_table_row(t, "%s|%d|%s|%.2f|%.2f - %.2f|%.2f|%s", l->what, omp_get_max_threads(),
                   moda_isa_name(moda_isa_best()), 1e-9 / x->median, 1e-9 / x->high, 1e-9 / x->low,
                   1e-9 / x->best, l->unit);
    moda_table_print(t);
    moda_table_destroy(t);
    moda_session_print_drift(&s->session);
}

static moda_status write_json(const settings *s, const char *path)
{
    moda_status st = MODA_OK;
    const limit *l = s->limit;
    const moda_timing_summary *x = &s->time;
    json_t *json =
        json_pack("{s:s s:s s:I s:s s:o s:o s:o s:o}", "benchmark", l->benchmark, "limit", l->what,
                  "rounds", (json_int_t)x->n, "unit", l->key, "median",
                  moda_json_number(1 / x->median), "low", moda_json_number(1 / x->high), "high",
                  moda_json_number(1 / x->low), "best", moda_json_number(1 / x->best));
    MODA_CHECK(json, MODA_ERR_NOMEM, "out of memory");
    MODA_TRY(moda_session_json(&s->session, json));
    MODA_TRY(moda_json_write(path, json));
out:
    json_decref(json);
    return st;
}

static moda_status write_csv(const settings *s, const char *path)
{
    moda_status st = MODA_OK;
    const limit *l = s->limit;
    const moda_timing_summary *x = &s->time;
    moda_writer w = {0};
    MODA_TRY(moda_writer_open(&w, path));
    fprintf(w.stream,
            "benchmark,threads,kernels,rounds,unit,median,low,high,best\n"
            "%s,%d,%s,%zu,%s,%.6g,%.6g,%.6g,%.6g\n",
            l->benchmark, omp_get_max_threads(), moda_isa_name(moda_isa_best()), x->n, l->key,
            1 / x->median, 1 / x->high, 1 / x->low, 1 / x->best);
    MODA_TRY(moda_writer_commit(&w));
out:
    moda_writer_abort(&w);
    return st;
}

static moda_status run(const moda_command *self, const limit *l, int argc, char **argv)
{
    moda_status st = MODA_OK;
    settings s = {.limit = l};
    const moda_session_work work = {l->benchmark, 1, &s, row, measure, NULL};
    size_t threads = 0;
    bool help = false;
    MODA_TRY(parse(self, argc, argv, &s, &help));
    if (help) goto out;
    MODA_TRY(moda_threads_start(&s.common, &threads));
    MODA_TRY(moda_session_run(&s.session, &work));
    if (s.common.json) MODA_TRY(write_json(&s, s.common.json));
    if (s.csv) MODA_TRY(write_csv(&s, s.csv));
    print(&s);
out:
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
