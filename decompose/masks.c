#include "decompose/masks.h"
#include "base/file.h"
#include "decompose/checksum.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

moda_status moda_masks_create(const moda_net *net, moda_masks **result)
{
    moda_status st = MODA_OK;
    moda_masks *masks = NULL;
    MODA_ALLOC(masks, sizeof *masks);
    masks->tau = masks->min_active = NAN;
    MODA_TRY(moda_class_tables_shape(net, &masks->shape));
    MODA_ALLOC(masks->values, masks->shape.elements);
    *result = masks, masks = NULL;
out:
    moda_masks_destroy(masks);
    return st;
}

void moda_masks_destroy(moda_masks *masks)
{
    if (!masks) return;
    moda_class_tables_free(&masks->shape);
    free(masks->values);
    free(masks);
}

static size_t count_active(size_t units, const uint8_t *mask)
{
    size_t n = 0;
    for (size_t k = 0; k < units; k++) n += mask[k];
    return n;
}

typedef struct ranked {
    float rate;
    uint32_t unit;
} ranked;

/* Higher rates first, then lower units: no two entries are equal, so any sort gives one order. */
static int by_rate(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->rate != y->rate) return x->rate < y->rate ? 1 : -1;
    return (x->unit > y->unit) - (x->unit < y->unit);
}

static void take_top(size_t units, const float *rate, size_t k, ranked *order, uint8_t *mask)
{
    for (size_t i = 0; i < units; i++) order[i] = (ranked){rate[i], (uint32_t)i};
    qsort(order, units, sizeof *order, by_rate);
    memset(mask, 0, units);
    for (size_t i = 0; i < k; i++) mask[order[i].unit] = 1;
}

/* A tau so small that f32 has no such number still asks for more than nothing. */
static float in_f32(double tau)
{
    return (float)tau > 0 ? (float)tau : FLT_TRUE_MIN;
}

static size_t least_active(double min_active, size_t units)
{
    const size_t m = (size_t)(min_active * (double)units);
    return m < 1 ? 1 : m;
}

bool moda_masks_floored(const moda_masks *masks, const moda_rates *rates, size_t c, size_t l)
{
    const size_t units = rates->shape.units[l];
    const float *rate = rates->values + rates->shape.offset[l] + c * units;
    size_t n = 0;
    for (size_t k = 0; k < units; k++) n += rate[k] >= in_f32(masks->tau);
    return masks->min_active > 0 && n < least_active(masks->min_active, units);
}

/* The floor rule in one layer. rate and mask [classes, units]; order [units] is scratch. */
static void raise_to_floor(size_t classes, size_t units, const float *rate, double min_active,
                           ranked *order, uint8_t *mask)
{
    const size_t m = least_active(min_active, units);
    size_t top = m;
    for (size_t c = 0; c < classes; c++) {
        size_t n = count_active(units, mask + c * units);
        if (n > top) top = n;
    }
    for (size_t c = 0; c < classes; c++)
        if (count_active(units, mask + c * units) < m)
            take_top(units, rate + c * units, top, order, mask + c * units);
}

static moda_status apply_floor(const moda_rates *rates, moda_masks *masks)
{
    moda_status st = MODA_OK;
    const moda_class_tables *shape = &masks->shape;
    ranked *order = NULL;
    size_t widest = 0;
    for (size_t l = 0; l < shape->layers; l++)
        if (shape->units[l] > widest) widest = shape->units[l];
    MODA_ALLOC(order, widest * sizeof *order);
    for (size_t l = 0; l < shape->layers && masks->min_active > 0; l++)
        raise_to_floor(shape->classes, shape->units[l], rates->values + shape->offset[l],
                       masks->min_active, order, masks->values + shape->offset[l]);
out:
    free(order);
    return st;
}

/* mask and rate [units] of one class and layer; true if something is kept in the end. */
static bool lower_threshold(double tau, size_t units, const float *rate, uint8_t *mask)
{
    bool last = false;
    while (count_active(units, mask) == 0 && !last) {
        tau -= 0.05;
        last = tau <= 0;
        const float threshold = last ? FLT_TRUE_MIN : in_f32(tau);
        for (size_t k = 0; k < units; k++) mask[k] = rate[k] >= threshold;
    }
    return count_active(units, mask) > 0;
}

static moda_status lower_thresholds(const moda_net *net, const moda_rates *rates, moda_masks *masks)
{
    moda_status st = MODA_OK;
    const moda_class_tables *shape = &masks->shape;
    for (size_t l = 0; l < shape->layers; l++)
        for (size_t c = 0; c < shape->classes; c++) {
            const size_t at = shape->offset[l] + c * shape->units[l];
            MODA_CHECK(
                lower_threshold(masks->tau, shape->units[l], rates->values + at,
                                masks->values + at),
                MODA_ERR_UNSUPPORTED,
                "%s: [mask] '%s' is 0 in every channel for all samples of output %zu, so its "
                "module has nothing of that layer: train the model again",
                net->name, net->layers[net->masks[l]].name, c);
        }
out:
    return st;
}

moda_status moda_masks_from_rates(const moda_net *net, const moda_rates *rates, double tau,
                                  double min_active, moda_masks **result)
{
    moda_status st = MODA_OK;
    moda_masks *masks = NULL;
    const float threshold = in_f32(tau);
    MODA_CHECK(tau > 0 && tau <= 1, MODA_ERR_ARG,
               "tau is %g: a share of samples above 0, at most 1", tau);
    MODA_CHECK(min_active >= 0 && min_active <= 1, MODA_ERR_ARG,
               "the least active share is %g: in [0, 1], 0 turns the floor off", min_active);
    MODA_TRY(moda_masks_create(net, &masks));
    masks->tau = tau, masks->weights = rates->weights;
    masks->min_active = masks->shape.mwt ? NAN : min_active;
    masks->rule = rates->rule;
    for (size_t i = 0; i < masks->shape.elements; i++)
        masks->values[i] = rates->values[i] >= threshold;
    if (masks->shape.mwt)
        MODA_TRY(lower_thresholds(net, rates, masks));
    else
        MODA_TRY(apply_floor(rates, masks));
    *result = masks, masks = NULL;
out:
    moda_masks_destroy(masks);
    return st;
}

void moda_masks_union(const moda_masks *masks, size_t l, const size_t *classes, size_t count,
                      uint8_t *keep)
{
    size_t units = masks->shape.units[l];
    const uint8_t *table = masks->values + masks->shape.offset[l];
    memset(keep, 0, units);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < units; k++) keep[k] |= table[classes[i] * units + k];
}

moda_status moda_masks_save(const moda_masks *masks, const char *path)
{
    moda_status st = MODA_OK;
    char weights[MODA_CHECKSUM_TEXT];
    char rule[MODA_ACTIVITY_TEXT];
    moda_checksum_print(masks->weights, weights);
    moda_activity_rule_print(masks->rule, rule);
    char *tau = moda_format("%.17g", masks->tau), *least = moda_format("%.17g", masks->min_active);
    MODA_CHECK(tau && least, MODA_ERR_NOMEM, "out of memory: %s", path);
    moda_metadata metadata[] = {{"moda.tau", tau},
                                {"moda.min_active", least},
                                {"moda.activity", rule},
                                {"moda.weights", weights}};
    if (masks->shape.mwt) metadata[1] = (moda_metadata){"moda.method", "mwt"};
    MODA_TRY(moda_class_tables_write(path, "mask", &masks->shape, MODA_DTYPE_U8, masks->values,
                                     metadata, 4));
out:
    free(tau);
    free(least);
    return st;
}

static double number(const moda_tensor_file *file, const char *key)
{
    const char *text = moda_tensor_file_metadata(file, key);
    char *end = NULL;
    double x = text ? strtod(text, &end) : NAN;
    return end && end != text && *end == 0 ? x : NAN;
}

moda_status moda_masks_load(const char *path, const moda_net *net, moda_masks **result)
{
    moda_status st = MODA_OK;
    moda_tensor_file *file = NULL;
    moda_masks *masks = NULL;
    moda_class_tables shape = {0};
    MODA_TRY(moda_tensor_file_open(path, &file));
    MODA_TRY(moda_class_tables_shape(net, &shape));
    MODA_TRY(
        moda_class_tables_read(file, "mask", net, &shape, MODA_DTYPE_U8, MODA_DTYPE_BOOL, NULL));
    MODA_TRY(moda_masks_create(net, &masks));
    MODA_TRY(moda_class_tables_read(file, "mask", net, &masks->shape, MODA_DTYPE_U8,
                                    MODA_DTYPE_BOOL, masks->values));
    for (size_t l = 0; l < masks->shape.layers; l++) {
        size_t units = masks->shape.units[l];
        const uint8_t *table = masks->values + masks->shape.offset[l];
        for (size_t i = 0; i < masks->shape.classes * units; i++)
            MODA_CHECK(table[i] <= 1, MODA_ERR_FORMAT,
                       "%s: 'mask.%zu' [%zu, %zu] is %u, neither 0 nor 1: decompose again", path, l,
                       i / units, i % units, table[i]);
    }
    masks->tau = number(file, "moda.tau");
    masks->min_active = number(file, "moda.min_active");
    masks->weights = moda_checksum_of_file(file);
    MODA_TRY(moda_activity_rule_of_file(file, &masks->rule));
    *result = masks, masks = NULL;
out:
    moda_class_tables_free(&shape);
    moda_tensor_file_close(file);
    moda_masks_destroy(masks);
    return st;
}
