/* bench/data_report.c - the rows of moda bench data as table, JSON and CSV. */
#include "base/csv.h"
#include "base/table.h"
#include "bench/data.h"
#include <math.h>
#include <stdio.h>

static moda_figures figures_of(const moda_data_bench *b, const moda_data_row *r)
{
    return moda_figures_of(&b->limits, r->work, r->time.median);
}

static double images_per_second(const moda_data_row *r)
{
    return (double)r->images / r->time.median;
}

static void print_row(const moda_data_bench *b, const moda_data_row *r, moda_table *t)
{
    char bytes[16];
    const double share = moda_data_share_of_step(b, r);
    const moda_images *x =
        b->sets[r->set].data->train.n ? &b->sets[r->set].data->train : &b->sets[r->set].data->test;
    moda_table_row(t, "%s", r->job == MODA_DATA_READ ? b->sets[r->set].spec : "");
    moda_table_cell(t, "%zux%zux%zu", x->channels, x->height, x->width);
    moda_table_cell(t, "%s", r->what);
    moda_table_cell(t, "%zu", r->images);
    moda_table_cell(t, "%.0f", images_per_second(r));
    if (isnan(share))
        moda_table_cell(t, "%s", "");
    else
        moda_table_cell(t, "%.2f %%", 100 * share);
    moda_table_cell(t, "%s", r->work.bytes > 0 ? moda_human_bytes(r->work.bytes, bytes) : "");
    moda_figures_cells(t, &r->time, r->work, figures_of(b, r));
}

static void tables(const void *bench)
{
    const moda_data_bench *b = bench;
    moda_table *t = moda_table_create("data|>image|what|>images|>images/s|>of a step|>bytes");
    moda_figures_columns(t);
    for (size_t i = 0; i < b->count; i++) print_row(b, &b->rows[i], t);
    moda_table_print(t);
    moda_table_destroy(t);
}

static json_t *head(const void *bench)
{
    const moda_data_bench *b = bench;
    return json_pack("{s:s s:I s:o}", "benchmark", "data", "batch_size", (json_int_t)b->batch,
                     "model", moda_json_text(b->model));
}

static json_t *row_json(const void *bench, size_t i)
{
    const moda_data_bench *b = bench;
    const moda_data_row *r = &b->rows[i];
    json_t *json = json_pack("{s:o s:o s:I s:o s:o}", "data", moda_json_text(b->sets[r->set].spec),
                             "what", moda_json_text(r->what), "images", (json_int_t)r->images,
                             "images_per_second", moda_json_number(images_per_second(r)),
                             "share_of_step", moda_json_number(moda_data_share_of_step(b, r)));
    if (json && moda_figures_json(&r->time, r->work, figures_of(b, r), json) != MODA_OK)
        json_decref(json), json = NULL;
    return json;
}

static void csv_heads(const void *bench, FILE *to)
{
    (void)bench;
    fputs("data,what,images,images_per_second,share_of_step", to);
    moda_figures_csv_heads(to);
}

static void csv_row(const void *bench, size_t i, FILE *to)
{
    const moda_data_bench *b = bench;
    const moda_data_row *r = &b->rows[i];
    const double share = moda_data_share_of_step(b, r);
    moda_csv_text(to, b->sets[r->set].spec);
    fputc(',', to);
    moda_csv_text(to, r->what);
    fprintf(to, ",%zu,%.6g,", r->images, images_per_second(r));
    if (!isnan(share)) fprintf(to, "%.6g", share);
    moda_figures_csv(to, &r->time, r->work, figures_of(b, r));
    fputc('\n', to);
}

moda_results moda_data_bench_results(const moda_data_bench *b)
{
    return (moda_results){b,      &b->session, &b->limits, tables,    head,
                          "rows", b->count,    row_json,   csv_heads, csv_row};
}
