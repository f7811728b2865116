/* bench/cmd_limits.c - moda bench peak and stream: the machine's limits, as other benchmarks use them. */
#include "base/file.h"
#include "base/isa.h"
#include "base/json.h"
#include "base/log.h"
#include "base/table.h"
#include "bench/bench_internal.h"
#include "bench/timing.h"
#include "engine/peak.h"
#include "numa/team.h"
#include "numa/threads.h"
#include <omp.h>
#include <stdio.h>

/* A limit, and how its figures are called. */
typedef struct limit {
    const char *benchmark, *what, *unit, *key;
    moda_status (*measure)(double seconds, double *rate);
} limit;

static const limit flops = {"peak", "f32 multiply-adds in registers", "GFLOP/s", "flops_per_second",
                            moda_peak_flops};
static const limit bandwidth = {"stream", "triad in memory: a = b + s*c", "GB/s",
                                "bytes_per_second", moda_peak_bandwidth};

typedef struct settings {
    const char *csv;
    double seconds;
    size_t rounds;
    moda_common_options common;
} settings;

static moda_status parse(const moda_command *self, int argc, char **argv, settings *s, bool *help)
{
    moda_status st = MODA_OK;
    char **operands = NULL;
    size_t count = 0;
    moda_option common[MODA_COMMON_OPTION_COUNT];
    *s = (settings){.seconds = 2, .rounds = 10};
    moda_common_options_table(&s->common, common);
    const moda_option table[] = {
        {MODA_OPTION_REAL, "seconds", "X", "to measure (default 2)", &s->seconds, 0.001, 3600,
         NULL},
        {MODA_OPTION_SIZE, "rounds", "N", "measurements in that time (default 10)", &s->rounds, 1,
         1000, NULL},
        {MODA_OPTION_OUTPUT, "csv", "FILE", "the figures as a table", &s->csv, 0, 0, NULL},
        {MODA_OPTION_TABLE, NULL, NULL, NULL, common, 0, 0, NULL},
        {MODA_OPTION_END, NULL, NULL, NULL, NULL, 0, 0, NULL},
    };
    MODA_TRY(moda_options_parse(self, table, argc, argv, 0, 0, &operands, &count, help));
    if (s->common.quiet) moda_log_set_level(MODA_LOG_WARNING);
out:
    return st;
}

/* The summary is of the time that one operation, or one byte, takes: its best is the limit. */
static moda_status measure(const limit *l, const settings *s, moda_timing_summary *summary)
{
    moda_status st = MODA_OK;
    moda_timings t = {0};
    for (size_t i = 0; i < s->rounds; i++) {
        double rate = 0;
        MODA_TRY(l->measure(s->seconds / (double)s->rounds, &rate));
        MODA_TRY(moda_timings_add(&t, 1 / rate));
    }
    MODA_TRY(moda_timings_summarise(&t, summary));
out:
    moda_timings_free(&t);
    return st;
}

static void print(const limit *l, const moda_timing_summary *x)
{
    moda_table *t = moda_table_create("limit|>threads|>kernels|>median|>quartiles|>best|unit");
    moda_table_row(t, "%s|%d|%s|%.2f|%.2f - %.2f|%.2f|%s", l->what, omp_get_max_threads(),
                   moda_isa_name(moda_isa_best()), 1e-9 / x->median, 1e-9 / x->high, 1e-9 / x->low,
                   1e-9 / x->best, l->unit);
    moda_table_print(t);
    moda_table_destroy(t);
}

static moda_status write_json(const limit *l, const moda_timing_summary *x, const char *path)
{
    moda_status st = MODA_OK;
    json_t *json = json_pack(
        "{s:s s:i s:o s:s s:I s:s s:o s:o s:o s:o}", "benchmark", l->benchmark, "threads",
        omp_get_max_threads(), "thread_map", moda_team_json(moda_team_current()), "kernels",
        moda_isa_name(moda_isa_best()), "rounds", (json_int_t)x->n, "unit", l->key, "median",
        moda_json_number(1 / x->median), "low", moda_json_number(1 / x->high), "high",
        moda_json_number(1 / x->low), "best", moda_json_number(1 / x->best));
    MODA_CHECK(json, MODA_ERR_NOMEM, "out of memory");
    MODA_TRY(moda_json_write(path, json));
out:
    json_decref(json);
    return st;
}

static moda_status write_csv(const limit *l, const moda_timing_summary *x, const char *path)
{
    moda_status st = MODA_OK;
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
    settings s;
    moda_timing_summary x;
    size_t threads = 0;
    bool help = false;
    MODA_TRY(parse(self, argc, argv, &s, &help));
    if (help) goto out;
    MODA_TRY(moda_threads_start(&s.common, &threads));
    MODA_TRY(measure(l, &s, &x));
    if (s.common.json) MODA_TRY(write_json(l, &x, s.common.json));
    if (s.csv) MODA_TRY(write_csv(l, &x, s.csv));
    print(l, &x);
out:
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
