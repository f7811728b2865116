/* bench/layers_report.c - the rows of moda bench conv and gemm as table, JSON and CSV. */
#include "base/csv.h"
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

static void tables(const void *bench)
{
    const moda_layer_bench *b = bench;
    moda_table *t = moda_table_create("layer|shape|pass|type|  way (* fastest)|>operands|>scratch");
    moda_figures_columns(t);
    for (size_t i = 0; i < b->count; i++) print_row(b, &b->rows[i], t);
    moda_table_print(t);
    moda_table_destroy(t);
    print_sum(b, false);
    print_sum(b, true);
}

static json_t *head(const void *bench)
{
    const moda_layer_bench *b = bench;
    return json_pack("{s:s}", "benchmark", b->kind == MODA_LAYER_CONV ? "conv" : "gemm");
}

static json_t *row_json(const void *bench, size_t i)
{
    const moda_layer_bench *b = bench;
    const moda_layer_row *r = &b->rows[i];
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

static void csv_heads(const void *bench, FILE *to)
{
    (void)bench;
    fputs(
        "layer,layers,shape,pass,type,algorithm,implementation,copies,operand_bytes,scratch_bytes",
        to);
    moda_figures_csv_heads(to);
}

static void csv_row(const void *bench, size_t i, FILE *to)
{
    const moda_layer_bench *b = bench;
    const moda_layer_row *r = &b->rows[i];
    const moda_layer_group *g = &b->groups[r->group];
    char shape[MODA_PROBLEM_TEXT];
    moda_csv_text(to, g->problem.name);
    fprintf(to, ",%zu,%s,%s,%s,%s,%s,%zu,%zu,%zu", g->layers, moda_problem_text(&g->problem, shape),
            moda_conv_pass_name(g->pass), type_of(r), r->algorithm, r->implementation, r->copies,
            r->operands, r->scratch);
    moda_figures_csv(to, &r->time, r->work, figures_of(b, r));
    fputc('\n', to);
}

moda_results moda_layer_bench_results(const moda_layer_bench *b)
{
    return (moda_results){b,      &b->session, &b->limits, tables,    head,
                          "rows", b->count,    row_json,   csv_heads, csv_row};
}
