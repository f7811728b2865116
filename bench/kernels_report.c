/* bench/kernels_report.c - a suite's figures as table, JSON and CSV. */
#include "base/file.h"
#include "base/table.h"
#include "bench/kernels.h"
#include <stdio.h>

static moda_workload work_of(const moda_kernel_case *c)
{
    return (moda_workload){c->work.flops, c->work.bytes, false};
}

static moda_figures figures_of(const moda_kernel_bench *b, const moda_kernel_case *c)
{
    return moda_figures_of(&b->limits, work_of(c), c->time.median);
}

void moda_kernel_bench_print(const moda_kernel_bench *b)
{
    const moda_kernel_suite *s = b->suite;
    char bytes[16];
    moda_table *t = moda_table_create("kernel");
    for (size_t i = 0; i < s->size_count; i++) moda_table_column(t, true, "%s", s->sizes[i].name);
    moda_table_column(t, true, "scratch");
    moda_figures_columns(t);
    moda_session_print_machine();
    printf("%s: ", b->cold ? "operands in memory" : "caches warm");
    moda_limits_print(&b->limits);
    printf("\n");
    for (size_t i = 0; i < b->count; i++) {
        const moda_kernel_case *c = &b->cases[i];
        moda_table_row(t, "%s", c->kernel->name);
        for (size_t k = 0; k < s->size_count; k++) moda_table_cell(t, "%zu", c->sizes[k]);
        moda_table_cell(t, "%s", moda_human_bytes(c->work.scratch, bytes));
        moda_figures_cells(t, &c->time, work_of(c), figures_of(b, c));
    }
    moda_table_print(t);
    moda_table_destroy(t);
    moda_session_print_drift(&b->session);
}

static json_t *case_json(const moda_kernel_bench *b, const moda_kernel_case *c)
{
    json_t *sizes = json_object();
    for (size_t i = 0; i < b->suite->size_count; i++)
        if (json_object_set_new(sizes, b->suite->sizes[i].name,
                                json_integer((json_int_t)c->sizes[i])) != 0) {
            json_decref(sizes);
            return NULL;
        }
    json_t *json = json_pack("{s:s s:o s:o s:o}", "kernel", c->kernel->name, "sizes", sizes,
                             "operand_bytes", moda_json_number(c->work.operands), "scratch_bytes",
                             moda_json_number(c->work.scratch));
    if (json && moda_figures_json(&c->time, work_of(c), figures_of(b, c), json) != MODA_OK)
        json_decref(json), json = NULL;
    return json;
}

moda_status moda_kernel_bench_json(const moda_kernel_bench *b, json_t **json)
{
    moda_status st = MODA_OK;
    json_t *cases = json_array(), *report = NULL;
    for (size_t i = 0; i < b->count; i++)
        MODA_CHECK(json_array_append_new(cases, case_json(b, &b->cases[i])) == 0, MODA_ERR_NOMEM,
                   "out of memory");
    report = json_pack("{s:s s:b s:O}", "benchmark", b->suite->name, "cold", (int)b->cold, "cases",
                       cases);
    MODA_CHECK(report, MODA_ERR_NOMEM, "out of memory");
    MODA_TRY(moda_limits_json(&b->limits, report));
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
    moda_figures_csv_heads(w.stream);
    fputs(",operand_bytes,scratch_bytes\n", w.stream);
    for (size_t i = 0; i < b->count; i++) {
        const moda_kernel_case *c = &b->cases[i];
        fputs(c->kernel->name, w.stream); /* no name of ours has a comma */
        for (size_t k = 0; k < b->suite->size_count; k++) fprintf(w.stream, ",%zu", c->sizes[k]);
        moda_figures_csv(w.stream, &c->time, work_of(c), figures_of(b, c));
        fprintf(w.stream, ",%.0f,%.0f\n", c->work.operands, c->work.scratch);
    }
    MODA_TRY(moda_writer_commit(&w));
out:
    moda_writer_abort(&w);
    return st;
}
