#include "bench/methods.h"
#include "base/csv.h"
#include "base/table.h"
#include "bench/step_rows_internal.h"
#include "datasets/dataset.h"
#include "engine/method.h"
#include "engine/net_masked.h"
#include <math.h>
#include <stdio.h>

bool moda_methods_can_mask(const moda_net *net)
{
    moda_net *masked = NULL;
    const bool can = net->mask_count || moda_net_add_masks(net, &masked) == MODA_OK;
    moda_net_destroy(masked);
    return can;
}

/* What the network leaves open is as the images are; few of them make a smaller batch. */
static moda_status look_at_data(moda_methods_bench *b, moda_net_defaults *defaults)
{
    moda_status st = MODA_OK;
    moda_dataset *data = NULL;
    *defaults = (moda_net_defaults){{3, 32, 32}, 10};
    if (!b->steps.data) goto out;
    MODA_TRY(moda_dataset_open(b->steps.data, NULL, &data));
    const moda_images *x = &data->train;
    MODA_CHECK(x->n, MODA_ERR_ARG, "%s has no training images: name data that has", b->steps.data);
    if (b->batch > x->n) b->batch = x->n;
    *defaults = (moda_net_defaults){{x->channels, x->height, x->width}, data->classes};
out:
    moda_dataset_destroy(data);
    return st;
}

static moda_status add_rows(moda_methods_bench *b)
{
    moda_status st = MODA_OK;
    static const moda_method order[] = {MODA_METHOD_STANDARD, MODA_METHOD_MWT, MODA_METHOD_MODA};
    moda_net_defaults defaults;
    moda_net *net = NULL;
    MODA_TRY(look_at_data(b, &defaults));
    MODA_TRY(moda_net_open(b->model, defaults, &net));
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        const moda_step_row row = {.model = b->model,
                                   .method = moda_method_names[order[i]],
                                   .precision = b->precision,
                                   .batch = b->batch,
                                   .threads = b->threads};
        if (order[i] == MODA_METHOD_MWT && !moda_methods_can_mask(net)) continue;
        MODA_TRY(moda_step_rows_add(&b->steps, &row));
    }
out:
    moda_net_destroy(net);
    return st;
}

/* After the run: in which order the rows of a round were measured is the session's affair. */
static moda_status compare(moda_methods_bench *b)
{
    moda_status st = MODA_OK;
    const moda_timings *standard = &b->steps.rows[0].medians;
    for (size_t i = 0; i < b->steps.count; i++) {
        const moda_timings *own = &b->steps.rows[i].medians;
        moda_method_ratio *ratio = &b->ratios[i];
        for (size_t r = 0; r < own->n; r++)
            MODA_TRY(moda_timings_add(&ratio->rounds, own->seconds[r] / standard->seconds[r]));
        MODA_TRY(moda_timings_summarise(&ratio->rounds, &ratio->all));
    }
out:
    return st;
}

moda_status moda_methods_run(moda_methods_bench *b)
{
    moda_status st = MODA_OK;
    MODA_TRY(add_rows(b));
    MODA_TRY(moda_step_rows_run(&b->steps));
    MODA_TRY(compare(b));
out:
    return st;
}

void moda_methods_free(moda_methods_bench *b)
{
    for (size_t i = 0; i < MODA_METHODS; i++) moda_timings_free(&b->ratios[i].rounds);
    moda_step_rows_free(&b->steps);
}

/* ---- figures ---- */

/* Of an interval, in a buffer of 32 bytes; "-" where there is none. */
static const char *end_of(double end, char *text)
{
    if (isnan(end))
        snprintf(text, 32, "-");
    else
        snprintf(text, 32, "%.3f", end);
    return text;
}

static void tables(const void *bench)
{
    const moda_methods_bench *b = bench;
    const bool several = b->ratios[0].all.n > 1;
    char from[32], to[32];
    moda_table *t = moda_table_create("method|>of standard|>from|>to");
    moda_step_rows_tables(&b->steps);
    for (size_t i = 0; i < b->steps.count; i++)
        moda_table_row(t, "%s|%.3f|%s|%s", b->steps.rows[i].method, b->ratios[i].all.median,
                       end_of(b->ratios[i].all.low, from), end_of(b->ratios[i].all.high, to));
    printf("\n");
    moda_table_print(t);
    moda_table_destroy(t);
    if (several)
        printf("of standard: median of %zu rounds' ratios, and its %.0f %% interval\n",
               b->ratios[0].all.n, 100 * b->ratios[0].all.confidence);
    else
        printf("of standard: the ratio of one round; an interval takes two --rounds or more\n");
}

static json_t *head(const void *bench)
{
    const moda_methods_bench *b = bench;
    return json_pack("{s:s s:o s:s? s:I s:s? s:s}", "benchmark", "methods", "model",
                     moda_json_text(b->model), "data", b->steps.data, "batch_size",
                     (json_int_t)b->batch, "tune", b->steps.tune, "precision", b->precision);
}

/* That of moda bench step, with the ratios. */
static json_t *row_json(const void *bench, size_t i)
{
    const moda_methods_bench *b = bench;
    const moda_method_ratio *r = &b->ratios[i];
    json_t *row = moda_step_row_json(&b->steps, i);
    json_t *more =
        json_pack("{s:o s:o s:o s:o s:o}", "ratio", moda_json_number(r->all.median), "ratio_low",
                  moda_json_number(r->all.low), "ratio_high", moda_json_number(r->all.high),
                  "ratio_confidence", moda_json_number(r->all.confidence), "ratios",
                  moda_timings_json(&r->rounds));
    if (row && (!more || json_object_update(row, more) != 0)) json_decref(row), row = NULL;
    json_decref(more);
    return row;
}

static void csv_heads(const void *bench, FILE *to)
{
    const moda_methods_bench *b = bench;
    moda_step_row_csv_heads(&b->steps, to);
    fputs(",ratio,ratio_low,ratio_high", to);
}

static void csv_row(const void *bench, size_t i, FILE *to)
{
    const moda_methods_bench *b = bench;
    const moda_timing_summary *r = &b->ratios[i].all;
    moda_step_row_csv(&b->steps.rows[i], to);
    const double ratios[] = {r->median, r->low, r->high};
    for (size_t k = 0; k < sizeof ratios / sizeof *ratios; k++)
        fputc(',', to), moda_csv_number(to, ratios[k]);
    fputc('\n', to);
}

moda_results moda_methods_results(const moda_methods_bench *b)
{
    return (moda_results){b,         &b->steps.session, NULL,     tables,    head,
                          "methods", b->steps.count,    row_json, csv_heads, csv_row};
}
