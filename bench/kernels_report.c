/* bench/kernels_report.c - a suite's figures as table, JSON and CSV. */
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

static void tables(const void *bench)
{
    const moda_kernel_bench *b = bench;
    const moda_kernel_suite *s = b->suite;
    char bytes[16];
    moda_table *t = moda_table_create("kernel");
    for (size_t i = 0; i < s->size_count; i++) moda_table_column(t, true, "%s", s->sizes[i].name);
    moda_table_column(t, true, "scratch");
    moda_figures_columns(t);
    puts(b->cold ? "operands in memory" : "caches warm");
    for (size_t i = 0; i < b->count; i++) {
        const moda_kernel_case *c = &b->cases[i];
        moda_table_row(t, "%s", c->kernel->name);
        for (size_t k = 0; k < s->size_count; k++) moda_table_cell(t, "%zu", c->sizes[k]);
        moda_table_cell(t, "%s", moda_human_bytes(c->work.scratch, bytes));
        moda_figures_cells(t, &c->time, work_of(c), figures_of(b, c));
    }
    moda_table_print(t);
    moda_table_destroy(t);
}

static json_t *head(const void *bench)
{
    const moda_kernel_bench *b = bench;
    return json_pack("{s:s s:b}", "benchmark", b->suite->name, "cold", (int)b->cold);
}

static json_t *case_json(const void *bench, size_t number)
{
    const moda_kernel_bench *b = bench;
    const moda_kernel_case *c = &b->cases[number];
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

static void csv_heads(const void *bench, FILE *to)
{
    const moda_kernel_bench *b = bench;
    fputs("kernel", to);
    for (size_t i = 0; i < b->suite->size_count; i++) fprintf(to, ",%s", b->suite->sizes[i].name);
    moda_figures_csv_heads(to);
    fputs(",operand_bytes,scratch_bytes", to);
}

static void csv_row(const void *bench, size_t i, FILE *to)
{
    const moda_kernel_bench *b = bench;
    const moda_kernel_case *c = &b->cases[i];
    fputs(c->kernel->name, to); /* no name of ours has a comma */
    for (size_t k = 0; k < b->suite->size_count; k++) fprintf(to, ",%zu", c->sizes[k]);
    moda_figures_csv(to, &c->time, work_of(c), figures_of(b, c));
    fprintf(to, ",%.0f,%.0f\n", c->work.operands, c->work.scratch);
}

moda_results moda_kernel_bench_results(const moda_kernel_bench *b)
{
    return (moda_results){b,       &b->session, &b->limits, tables,    head,
                          "cases", b->count,    case_json,  csv_heads, csv_row};
}
