/* bench/layers_report.c - the rows of moda bench conv and gemm as table, JSON and CSV. */
#include "base/csv.h"
#include "base/file.h"
#include "base/table.h"
#include "bench/layers.h"
#include <stdio.h>

static const char *type_of(const moda_layer_row *r)
{
    return r->work.bf16 ? "bf16" : "f32";
}

static moda_figures figures_of(const moda_layer_bench *b, const moda_layer_row *r)
{
    return moda_figures_of(&b->limits, r->work, r->time.median);
}

/* The fastest of its pass, by the median. */
static bool is_fastest(const moda_layer_bench *b, const moda_layer_row *r)
{
    for (size_t i = 0; i < b->count; i++)
        if (b->rows[i].group == r->group && b->rows[i].time.median < r->time.median) return false;
    return true;
}

static void print_row(const moda_layer_bench *b, const moda_layer_row *r, moda_table *t)
{
    const moda_layer_group *g = &b->groups[r->group];
    char layer[MODA_PROBLEM_NAME + 24], shape[MODA_PROBLEM_TEXT], bytes[16];
    const char *name = g->problem.name[0] ? g->problem.name : "-";
    snprintf(layer, sizeof layer, g->layers > 1 ? "%s +%zu" : "%s", name, g->layers - 1);
    moda_problem_text(&g->problem, shape);
    if (r->candidate == 0)
        moda_table_row(t, "%s|%s|%s|%s", layer, shape, moda_conv_pass_name(g->pass), type_of(r));
    else
        moda_table_row(t, "|||%s", type_of(r));
    moda_table_cell(t, "%s%s %s%s", is_fastest(b, r) ? "* " : "  ", r->algorithm, r->implementation,
                    r->copies ? " +copies" : "");
    moda_table_cell(t, "%s", moda_human_bytes((double)r->operands, bytes));
    moda_table_cell(t, "%s", moda_human_bytes((double)r->scratch, bytes));
    moda_figures_cells(t, &r->time, r->work, figures_of(b, r));
}

/* What all passes of a type take if each is computed in its fastest way. */
static void print_sum(const moda_layer_bench *b, bool bf16)
{
    double sum = 0, flops = 0;
    for (size_t i = 0; i < b->count; i++) {
        const moda_layer_row *r = &b->rows[i];
        const double layers = (double)b->groups[r->group].layers;
        if (r->work.bf16 != bf16 || !is_fastest(b, r)) continue;
        sum += layers * r->time.median, flops += layers * r->work.flops;
    }
    if (sum > 0)
        printf("all in %s, the fastest of each: %.3f ms, %.1f GFLOP/s\n", bf16 ? "bf16" : "f32",
               1e3 * sum, 1e-9 * flops / sum);
}

void moda_layer_bench_print(const moda_layer_bench *b)
{
    moda_table *t = moda_table_create("layer|shape|pass|type|  way (* fastest)|>operands|>scratch");
    moda_figures_columns(t);
    moda_session_print_machine();
    moda_limits_print(&b->limits);
    printf("\n");
    for (size_t i = 0; i < b->count; i++) print_row(b, &b->rows[i], t);
    moda_table_print(t);
    moda_table_destroy(t);
    print_sum(b, false);
    print_sum(b, true);
    moda_session_print_drift(&b->session);
}

static json_t *row_json(const moda_layer_bench *b, const moda_layer_row *r)
{
    const moda_layer_group *g = &b->groups[r->group];
    char shape[MODA_PROBLEM_TEXT];
    json_t *json =
        json_pack("{s:o s:I s:s s:b s:s s:s s:s s:s s:I s:I s:I s:b}", "layer",
                  moda_json_text(g->problem.name), "layers", (json_int_t)g->layers, "shape",
                  moda_problem_text(&g->problem, shape), "bias", (int)g->net->layers[g->layer].bias,
                  "pass", moda_conv_pass_name(g->pass), "type", type_of(r), "algorithm",
                  r->algorithm, "implementation", r->implementation, "copies",
                  (json_int_t)r->copies, "operand_bytes", (json_int_t)r->operands, "scratch_bytes",
                  (json_int_t)r->scratch, "fastest", is_fastest(b, r));
    if (json && moda_figures_json(&r->time, r->work, figures_of(b, r), json) != MODA_OK)
        json_decref(json), json = NULL;
    return json;
}

moda_status moda_layer_bench_json(const moda_layer_bench *b, json_t **json)
{
    moda_status st = MODA_OK;
    json_t *rows = json_array(), *report = NULL;
    for (size_t i = 0; i < b->count; i++)
        MODA_CHECK(json_array_append_new(rows, row_json(b, &b->rows[i])) == 0, MODA_ERR_NOMEM,
                   "out of memory");
    report = json_pack("{s:s s:O}", "benchmark", b->kind == MODA_LAYER_CONV ? "conv" : "gemm",
                       "rows", rows);
    MODA_CHECK(report, MODA_ERR_NOMEM, "out of memory");
    MODA_TRY(moda_limits_json(&b->limits, report));
    MODA_TRY(moda_session_json(&b->session, report));
    *json = report, report = NULL;
out:
    json_decref(report);
    json_decref(rows);
    return st;
}

moda_status moda_layer_bench_write_csv(const moda_layer_bench *b, const char *path)
{
    moda_status st = MODA_OK;
    moda_writer w = {0};
    MODA_TRY(moda_writer_open(&w, path));
    fputs(
        "layer,layers,shape,pass,type,algorithm,implementation,copies,operand_bytes,scratch_bytes",
        w.stream);
    moda_figures_csv_heads(w.stream);
    fputc('\n', w.stream);
    for (size_t i = 0; i < b->count; i++) {
        const moda_layer_row *r = &b->rows[i];
        const moda_layer_group *g = &b->groups[r->group];
        char shape[MODA_PROBLEM_TEXT];
        moda_csv_text(w.stream, g->problem.name);
        fprintf(w.stream, ",%zu,%s,%s,%s,%s,%s,%zu,%zu,%zu", g->layers,
                moda_problem_text(&g->problem, shape), moda_conv_pass_name(g->pass), type_of(r),
                r->algorithm, r->implementation, r->copies, r->operands, r->scratch);
        moda_figures_csv(w.stream, &r->time, r->work, figures_of(b, r));
        fputc('\n', w.stream);
    }
    MODA_TRY(moda_writer_commit(&w));
out:
    moda_writer_abort(&w);
    return st;
}
