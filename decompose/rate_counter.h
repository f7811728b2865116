/* decompose/rate_counter.h - counting a batch's active neurons while the network runs: what hangs on an
 * executor in the pass behind activation rates (rates.h). */
#ifndef MODA_DECOMPOSE_RATE_COUNTER_H
#define MODA_DECOMPOSE_RATE_COUNTER_H

#include "base/status.h"
#include "decompose/activity_rule.h"
#include "decompose/class_tables.h"
#include "engine/net.h"
#include <stddef.h>
#include <stdint.h>

typedef struct moda_rate_counter {
    moda_activity_rule rule;
    moda_class_tables shape;
    uint32_t *row;     /* [batch], written by the caller before forward: the class that each sample
                        * counts for; shape.classes: for none */
    uint32_t **counts; /* [layers] -> [classes + 1, units], the last row holds the uncounted */
    uint8_t *active;   /* [batch, widest layer], scratch */
    float *means;      /* the same */
    /* [layers], of [mask] layers: masks above 0 of counted samples, and their sum. Samples are added
     * one by one in their order, so batch size and thread count say nothing. */
    uint64_t *masks_on;
    double *mask_sum;
} moda_rate_counter;

/* All counts and rows 0. batch: the most samples of a forward. Fails: MODA_ERR_NOMEM,
 * MODA_ERR_UNSUPPORTED (no tracked layer). */
MODA_MUST_USE moda_status moda_rate_counter_create(const moda_net *net, size_t batch,
                                                   moda_activity_rule rule,
                                                   moda_rate_counter **counter);
void moda_rate_counter_destroy(moda_rate_counter *counter);

/* The masks of [mask] layer l for a batch: m [n,units] f32, active where above 0. */
void moda_rate_counter_mask(moda_rate_counter *counter, size_t l, size_t n, const float *m);

/* For tracked layers, a moda_tap whose user is the counter. */
void moda_rate_counter_tap(void *counter, size_t l, moda_map_shape s, const float *x);

#endif
