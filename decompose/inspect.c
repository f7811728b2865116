/* decompose/inspect.c - counting, and the figures as JSON and CSV. The screen: inspect_print.c. */
#include "decompose/inspect.h"
#include "base/csv.h"
#include "base/file.h"
#include "decompose/similarity.h"
#include <stdio.h>
#include <stdlib.h>

/* In f32, as rates are: 0.1f and 9 more are not sums of tenths, so edges are compared, not
 * divided. */
size_t moda_rate_bin(float rate)
{
    static const float edge[] = {0.1f, 0.2f, 0.3f, 0.4f, 0.5f, 0.6f, 0.7f, 0.8f, 0.9f, 1.0f};
    size_t bin = 1;
    if (!(rate > 0)) return 0;
    while (bin < MODA_RATE_BINS - 1 && rate >= edge[bin - 1]) bin++;
    return bin;
}

static const float *rate_row(const moda_rates *rates, size_t l, size_t c)
{
    return rates->values + rates->shape.offset[l] + c * rates->shape.units[l];
}

static const uint8_t *mask_row(const moda_masks *masks, size_t l, size_t c)
{
    return masks->values + masks->shape.offset[l] + c * masks->shape.units[l];
}

size_t moda_count_keepers(const moda_masks *masks, size_t l, size_t k)
{
    size_t n = 0;
    for (size_t c = 0; c < masks->shape.classes; c++) n += mask_row(masks, l, c)[k];
    return n;
}

moda_class_counts moda_count_class(const moda_rates *rates, const moda_masks *masks, size_t l,
                                   size_t c)
{
    moda_class_counts counts = {.floored = moda_masks_floored(masks, rates, c, l)};
    for (size_t k = 0; k < rates->shape.units[l]; k++) {
        const bool kept = mask_row(masks, l, c)[k];
        counts.kept += kept;
        counts.exclusive += kept && moda_count_keepers(masks, l, k) == 1;
        counts.histogram[moda_rate_bin(rate_row(rates, l, c)[k])]++;
    }
    return counts;
}

moda_layer_counts moda_count_layer(const moda_rates *rates, const moda_masks *masks, size_t l)
{
    const size_t classes = rates->shape.classes;
    moda_layer_counts counts = {.units = rates->shape.units[l], .least = SIZE_MAX};
    for (size_t k = 0; k < counts.units; k++) {
        const size_t keepers = moda_count_keepers(masks, l, k);
        bool active = false;
        for (size_t c = 0; c < classes; c++) active |= rate_row(rates, l, c)[k] > 0;
        counts.exclusive += keepers == 1;
        counts.shared += keepers > 1;
        counts.by_all += keepers == classes;
        counts.unused += keepers == 0;
        counts.dead += !active;
    }
    for (size_t c = 0; c < classes; c++) {
        const moda_class_counts one = moda_count_class(rates, masks, l, c);
        if (one.kept < counts.least) counts.least = one.kept;
        if (one.kept > counts.most) counts.most = one.kept;
        counts.mean += (double)one.kept / (double)classes;
        counts.floored += one.floored;
        for (size_t b = 0; b < MODA_RATE_BINS; b++) counts.histogram[b] += one.histogram[b];
    }
    return counts;
}

/* ---- JSON ---- */

static json_t *class_json(const moda_inspect_options *o, size_t l, size_t c)
{
    const moda_class_counts counts = moda_count_class(o->rates, o->masks, l, c);
    json_t *neurons = json_array();
    int bad = 0;
    for (size_t k = 0; k < o->rates->shape.units[l]; k++)
        if (mask_row(o->masks, l, c)[k])
            bad |= json_array_append_new(neurons, json_integer((json_int_t)k));
    json_t *object =
        json_pack("{s:I s:o s:I s:I s:b s:O s:o}", "class", (json_int_t)o->model->class_ids[c],
                  "name", moda_json_text(o->model->class_names[c]), "kept", (json_int_t)counts.kept,
                  "exclusive", (json_int_t)counts.exclusive, "floor", counts.floored, "neurons",
                  neurons, "histogram", moda_json_sizes(counts.histogram, MODA_RATE_BINS));
    json_decref(neurons);
    if (!bad) return object;
    json_decref(object);
    return NULL;
}

/* activation: of activations, else of rates. */
static json_t *matrix_json(const moda_inspect_options *o, size_t l, bool activation)
{
    const size_t classes = o->rates->shape.classes;
    json_t *matrix = json_array();
    int bad = 0;
    for (size_t i = 0; i < o->outputs.n; i++) {
        json_t *row = json_array();
        for (size_t j = 0; j < o->outputs.n; j++) {
            const size_t a = o->outputs.values[i], b = o->outputs.values[j];
            const double x = activation ? o->activation[(l * classes + a) * classes + b]
                                        : moda_rates_similarity(o->rates, l, a, b);
            bad |= json_array_append_new(row, moda_json_number(x));
        }
        bad |= json_array_append_new(matrix, row);
    }
    if (!bad) return matrix;
    json_decref(matrix);
    return NULL;
}

static json_t *layer_json(const moda_inspect_options *o, size_t l)
{
    const moda_layer_counts n = moda_count_layer(o->rates, o->masks, l);
    json_t *classes = json_array();
    int bad = 0;
    for (size_t i = 0; i < o->outputs.n; i++)
        bad |= json_array_append_new(classes, class_json(o, l, o->outputs.values[i]));
    json_t *object = json_pack(
        "{s:I s:o s:I s:I s:I s:I s:I s:I s:I s:o s:O s:o s:o}", "layer", (json_int_t)l, "name",
        moda_json_text(moda_class_tables_name(o->model->net, l)), "neurons", (json_int_t)n.units,
        "exclusive", (json_int_t)n.exclusive, "shared", (json_int_t)n.shared, "by_all",
        (json_int_t)n.by_all, "unused", (json_int_t)n.unused, "dead", (json_int_t)n.dead, "floor",
        (json_int_t)n.floored, "mask_mean",
        o->rates->mask_means ? moda_json_number(o->rates->mask_means[l]) : json_null(), "classes",
        classes, "rate_similarity", matrix_json(o, l, false), "activation_similarity",
        o->activation ? matrix_json(o, l, true) : json_null());
    json_decref(classes);
    if (!bad) return object;
    json_decref(object);
    return NULL;
}

moda_status moda_inspect_json(const moda_inspect_options *o, json_t **result)
{
    moda_status st = MODA_OK;
    json_t *layers = json_array(), *report = NULL;
    const size_t count = o->layers.n ? o->layers.n : o->rates->shape.layers;
    int bad = 0;
    for (size_t i = 0; i < count; i++)
        bad |= json_array_append_new(layers, layer_json(o, o->layers.n ? o->layers.values[i] : i));
    report = json_pack("{s:o s:o s:O}", "tau", moda_json_number(o->masks->tau), "min_active",
                       moda_json_number(o->masks->min_active), "layers", layers);
    MODA_CHECK(!bad && report, MODA_ERR_NOMEM, "out of memory: the report of inspect");
    *result = json_incref(report);
out:
    json_decref(layers);
    json_decref(report);
    return st;
}

/* ---- CSV ---- */

static void write_row(FILE *f, const moda_inspect_options *o, size_t l, size_t c)
{
    const bool floored = moda_masks_floored(o->masks, o->rates, c, l);
    for (size_t k = 0; k < o->rates->shape.units[l]; k++) {
        fprintf(f, "%zu,", l);
        moda_csv_text(f, moda_class_tables_name(o->model->net, l));
        fprintf(f, ",%u,%zu,%.6g,%u,%d,%zu\n", o->model->class_ids[c], k,
                (double)rate_row(o->rates, l, c)[k], mask_row(o->masks, l, c)[k], floored,
                moda_count_keepers(o->masks, l, k));
    }
}

moda_status moda_inspect_write_csv(const char *path, const moda_inspect_options *o)
{
    moda_status st = MODA_OK;
    const size_t count = o->layers.n ? o->layers.n : o->rates->shape.layers;
    moda_writer w = {0};
    MODA_TRY(moda_writer_open(&w, path));
    fprintf(w.stream, "layer,name,class,neuron,rate,kept,floor,kept_by\n");
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < o->outputs.n; j++)
            write_row(w.stream, o, o->layers.n ? o->layers.values[i] : i, o->outputs.values[j]);
    MODA_TRY(moda_writer_commit(&w));
out:
    moda_writer_abort(&w);
    return st;
}
