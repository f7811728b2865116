/* bench/kernels_report.c - a suite's figures as table, JSON and CSV. */
#include "base/file.h"
#include "base/isa.h"
#include "base/table.h"
#include "bench/kernels.h"
#include <omp.h>
#include <stdio.h>

/* What is told of a case beside its times. */
typedef struct figures {
    double flops, bytes; /* per second */
    const char *bound;
    double share; /* of the bound; above 1: the bytes came from cache */
} figures;

static figures figures_of(const moda_kernel_bench *b, const moda_kernel_case *c)
{
    bool compute;
    const double bound = moda_kernel_bound(b, c, &compute), time = c->time.median;
    return (figures){c->work.flops / time, c->work.bytes / time, compute ? "compute" : "bandwidth",
                     bound / time};
}

void moda_kernel_bench_print(const moda_kernel_bench *b)
{
    const moda_kernel_suite *s = b->suite;
    char bytes[16];
    moda_table *t = moda_table_create("kernel");
    for (size_t i = 0; i < s->size_count; i++) moda_table_column(t, true, "%s", s->sizes[i].name);
    for (const char *const *head =
             (const char *const[]){"ms", "spread", "GFLOP/s", "GB/s", "share", "scratch", NULL};
         *head; head++)
        moda_table_column(t, true, "%s", *head);
    moda_table_column(t, false, "of");
    moda_session_print_machine();
    printf("%d threads, %s, %s: peak %.1f GFLOP/s, bandwidth %.2f GB/s\n", omp_get_max_threads(),
           moda_isa_name(moda_isa_best()), b->cold ? "operands in memory" : "caches warm",
           b->peak_flops * 1e-9, b->peak_bandwidth * 1e-9);
    for (size_t i = 0; i < b->count; i++) {
        const moda_kernel_case *c = &b->cases[i];
        const figures f = figures_of(b, c);
        moda_table_row(t, "%s", c->kernel->name);
        for (size_t k = 0; k < s->size_count; k++) moda_table_cell(t, "%zu", c->sizes[k]);
        moda_table_cell(t, "%.4f", 1e3 * c->time.median);
        moda_table_cell(t, "%.4f - %.4f", 1e3 * c->time.low, 1e3 * c->time.high);
        moda_table_cell(t, c->work.flops > 0 ? "%.2f" : "", f.flops * 1e-9);
        moda_table_cell(t, "%.2f", f.bytes * 1e-9);
        moda_table_cell(t, "%.2f", f.share);
        moda_table_cell(t, "%s", moda_human_bytes(c->work.scratch, bytes));
        moda_table_cell(t, "%s", f.bound);
    }
    moda_table_print(t);
    moda_table_destroy(t);
    moda_session_print_drift(&b->session);
}

static json_t *case_json(const moda_kernel_bench *b, const moda_kernel_case *c)
{
    const figures f = figures_of(b, c);
    json_t *sizes = json_object();
    for (size_t i = 0; i < b->suite->size_count; i++)
        if (json_object_set_new(sizes, b->suite->sizes[i].name,
                                json_integer((json_int_t)c->sizes[i])) != 0) {
            json_decref(sizes);
            return NULL;
        }
    json_t *json =
        json_pack("{s:s s:o s:o s:o s:o s:o s:s s:o s:o s:o}", "kernel", c->kernel->name, "sizes",
                  sizes, "flops", moda_json_number(c->work.flops), "bytes",
                  moda_json_number(c->work.bytes), "flops_per_second", moda_json_number(f.flops),
                  "bytes_per_second", moda_json_number(f.bytes), "bound", f.bound, "share_of_bound",
                  moda_json_number(f.share), "operand_bytes", moda_json_number(c->work.operands),
                  "scratch_bytes", moda_json_number(c->work.scratch));
    if (json && moda_timing_json(&c->time, json) != MODA_OK) json_decref(json), json = NULL;
    return json;
}

moda_status moda_kernel_bench_json(const moda_kernel_bench *b, json_t **json)
{
    moda_status st = MODA_OK;
    json_t *cases = json_array(), *report = NULL;
    for (size_t i = 0; i < b->count; i++)
        MODA_CHECK(json_array_append_new(cases, case_json(b, &b->cases[i])) == 0, MODA_ERR_NOMEM,
                   "out of memory");
    report = json_pack("{s:s s:b s:o s:o s:O}", "benchmark", b->suite->name, "cold", (int)b->cold,
                       "peak_flops", moda_json_number(b->peak_flops), "peak_bandwidth",
                       moda_json_number(b->peak_bandwidth), "cases", cases);
    MODA_CHECK(report, MODA_ERR_NOMEM, "out of memory");
    MODA_TRY(moda_session_json(&b->session, report));
    *json = report, report = NULL;
out:
    json_decref(report);
    json_decref(cases);
    return st;
}

moda_status moda_kernel_bench_write_csv(const moda_kernel_bench *b, const char *path)
{
    moda_status st = MODA_OK;
    moda_writer w = {0};
    MODA_TRY(moda_writer_open(&w, path));
    fputs("kernel", w.stream);
    for (size_t i = 0; i < b->suite->size_count; i++)
        fprintf(w.stream, ",%s", b->suite->sizes[i].name);
    fputs(",calls,median_seconds,low_seconds,high_seconds,best_seconds,flops,bytes,"
          "flops_per_second,bytes_per_second,bound,share_of_bound,operand_bytes,scratch_bytes\n",
          w.stream);
    for (size_t i = 0; i < b->count; i++) {
        const moda_kernel_case *c = &b->cases[i];
        const figures f = figures_of(b, c);
        fputs(c->kernel->name, w.stream); /* no name of ours has a comma */
        for (size_t k = 0; k < b->suite->size_count; k++) fprintf(w.stream, ",%zu", c->sizes[k]);
        fprintf(w.stream, ",%zu,%.6g,%.6g,%.6g,%.6g,%.0f,%.0f,%.6g,%.6g,%s,%.6g,%.0f,%.0f\n",
                c->time.n, c->time.median, c->time.low, c->time.high, c->time.best, c->work.flops,
                c->work.bytes, f.flops, f.bytes, f.bound, f.share, c->work.operands,
                c->work.scratch);
    }
    MODA_TRY(moda_writer_commit(&w));
out:
    moda_writer_abort(&w);
    return st;
}
