/* decompose/rate_counter.c - flags, then counts, layer by layer. */
#include "decompose/rate_counter.h"
#include "decompose/activity.h"
#include <stdlib.h>

moda_status moda_rate_counter_create(const moda_net *net, size_t batch, moda_activity_rule rule,
                                     moda_rate_counter **counter)
{
    moda_status st = MODA_OK;
    moda_rate_counter *c = NULL;
    size_t widest = 0;
    *counter = NULL;
    MODA_ALLOC(c, sizeof *c);
    c->rule = rule;
    MODA_TRY(moda_class_tables_shape(net, &c->shape));
    MODA_ALLOC(c->counts, c->shape.layers * sizeof *c->counts);
    MODA_ALLOC(c->masks_on, c->shape.layers * sizeof *c->masks_on);
    MODA_ALLOC(c->mask_sum, c->shape.layers * sizeof *c->mask_sum);
    for (size_t l = 0; l < c->shape.layers; l++) {
        const size_t units = c->shape.units[l];
        MODA_ALLOC(c->counts[l], (c->shape.classes + 1) * units * sizeof **c->counts);
        if (units > widest) widest = units;
    }
    MODA_ALLOC(c->active, batch * widest);
    MODA_ALLOC(c->means, batch * widest * sizeof *c->means);
    MODA_ALLOC(c->row, batch * sizeof *c->row);
    *counter = c, c = NULL;
out:
    moda_rate_counter_destroy(c);
    return st;
}

void moda_rate_counter_destroy(moda_rate_counter *c)
{
    if (!c) return;
    for (size_t l = 0; c->counts && l < c->shape.layers; l++) free(c->counts[l]);
    free(c->counts);
    free(c->masks_on);
    free(c->mask_sum);
    free(c->active);
    free(c->means);
    free(c->row);
    moda_class_tables_free(&c->shape);
    free(c);
}

void moda_rate_counter_tap(void *counter, size_t l, moda_map_shape s, const float *x)
{
    moda_rate_counter *c = counter;
    moda_activity_flags_by(c->rule, s, x, c->means, c->active);
    moda_activity_count(s.n, s.c, c->active, c->row, c->counts[l]);
}

static void add_masks(moda_rate_counter *c, size_t l, size_t n, const float *m)
{
    const size_t units = c->shape.units[l];
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        if (c->row[i] == c->shape.classes) continue;
        for (size_t k = 0; k < units; k++) {
            const float value = m[i * units + k];
            if (!(value > 0)) continue;
            sum += (double)value;
            c->masks_on[l]++;
        }
        c->mask_sum[l] += sum;
    }
}

void moda_rate_counter_mask(moda_rate_counter *c, size_t l, size_t n, const float *m)
{
    const size_t units = c->shape.units[l];
    add_masks(c, l, n, m);
    for (size_t i = 0; i < n * units; i++) c->active[i] = m[i] > 0;
    moda_activity_count(n, units, c->active, c->row, c->counts[l]);
}
