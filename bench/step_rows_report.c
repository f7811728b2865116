/* bench/step_rows_report.c - the rows of moda bench step as table, JSON and CSV. */
#include "base/csv.h"
#include "base/table.h"
#include "bench/step_rows_internal.h"
#include <stdio.h>

static moda_figures figures_of(const moda_step_row *r)
{
    return moda_figures_of(&r->limits, r->work, r->time.median);
}

static double images_per_second(const moda_step_row *r)
{
    return (double)r->batch / r->time.median;
}

static bool seen_before(const moda_step_rows *b, size_t i)
{
    size_t k = 0;
    while (k < i && b->rows[k].threads != b->rows[i].threads) k++;
    return k < i;
}

void moda_step_rows_tables(const void *bench)
{
    const moda_step_rows *b = bench;
    char memory[16], resident[16];
    moda_table *t = moda_table_create(
        "network|method|precision|>batch|>threads|>steps|>images/s|>memory|>resident");
    moda_figures_columns(t);
    for (size_t i = 0; i < b->count; i++) {
        const moda_step_row *r = &b->rows[i];
        if (!seen_before(b, i)) {
            printf("%zu thread%s: ", r->threads, r->threads == 1 ? "" : "s");
            moda_limits_print(&r->limits);
            printf("\n");
        }
        moda_table_row(t, "%s|%s|%s|%zu|%zu|%zu|%.0f|%s|%s", r->model, r->method, r->precision,
                       r->batch, r->threads, r->time.n, images_per_second(r),
                       moda_human_bytes((double)r->memory, memory),
                       moda_human_bytes((double)r->resident, resident));
        moda_figures_cells(t, &r->time, r->work, figures_of(r));
    }
    moda_table_print(t);
    moda_table_destroy(t);
}

static json_t *head(const void *bench)
{
    const moda_step_rows *b = bench;
    return json_pack("{s:s s:s?}", "benchmark", "step", "tune", b->tune);
}

json_t *moda_step_row_json(const void *bench, size_t i)
{
    const moda_step_rows *b = bench;
    const moda_step_row *r = &b->rows[i];
    json_t *json = json_pack(
        "{s:o s:s s:s s:I s:I s:o s:I s:I}", "model", moda_json_text(r->model), "method", r->method,
        "precision", r->precision, "batch_size", (json_int_t)r->batch, "threads",
        (json_int_t)r->threads, "images_per_second", moda_json_number(images_per_second(r)),
        "memory_bytes", (json_int_t)r->memory, "resident_bytes", (json_int_t)r->resident);
    if (json && (moda_figures_json(&r->time, r->work, figures_of(r), json) != MODA_OK ||
                 moda_limits_json(&r->limits, json) != MODA_OK ||
                 (r->tuning && json_object_set(json, "tuning", r->tuning) != 0)))
        json_decref(json), json = NULL;
    return json;
}

void moda_step_row_csv_heads(const void *bench, FILE *to)
{
    (void)bench;
    fputs("model,method,precision,batch_size,threads,images_per_second,memory_bytes,resident_bytes",
          to);
    moda_figures_csv_heads(to);
}

void moda_step_row_csv(const moda_step_row *r, FILE *to)
{
    moda_csv_text(to, r->model);
    fprintf(to, ",%s,%s,%zu,%zu,%.6g,%zu,%zu", r->method, r->precision, r->batch, r->threads,
            images_per_second(r), r->memory, r->resident);
    moda_figures_csv(to, &r->time, r->work, figures_of(r));
}

static void csv_row(const void *bench, size_t i, FILE *to)
{
    const moda_step_rows *b = bench;
    moda_step_row_csv(&b->rows[i], to);
    fputc('\n', to);
}

moda_results moda_step_rows_results(const moda_step_rows *b)
{
    return (moda_results){b,
                          &b->session,
                          NULL,
                          moda_step_rows_tables,
                          head,
                          "rows",
                          b->count,
                          moda_step_row_json,
                          moda_step_row_csv_heads,
                          csv_row};
}
