/* decompose/suffix.h - the end of a network, with neurons of one tracked layer switched off.
 *
 * A network is cut at, or as closely as possible before, a tracked layer; what reads the cut is run
 * again and again, with other neurons switched off for every image of a batch. Where the cut is at
 * the layer itself, channels are cleared in what the suffix reads; inside a residual block, whose
 * branches cross it together, the cut is before the block and they are cleared as soon as they are
 * computed. */
#ifndef MODA_DECOMPOSE_SUFFIX_H
#define MODA_DECOMPOSE_SUFFIX_H

#include "base/status.h"
#include "engine/model.h"
#include <stddef.h>
#include <stdint.h>

typedef struct moda_suffix moda_suffix;

/* The layer behind which the network is cut for tracked layer l. */
size_t moda_suffix_cut(const moda_net *net, size_t l);

/* model is borrowed while this runs only. batch: images at a time. Fails: MODA_ERR_NOMEM, those of
 * the executor. */
MODA_MUST_USE moda_status moda_suffix_create(const moda_model *model, size_t l, size_t batch,
                                             moda_suffix **suffix);
void moda_suffix_destroy(moda_suffix *suffix);

/* Outputs of the cut for one batch.
 *   x      [count] pointers to an image's output of the cut each, as a blocked executor leaves it
 *          (engine/executor.h); count at most batch
 *   off    [count, units of the layer], 1 where a neuron is switched off; NULL: none
 *   active [count, units] := 1 where a neuron is active (any non-zero value), before any is
 * switched
 *          off; NULL: not wanted
 *   logits *logits [count, classes], valid until the next run */
MODA_MUST_USE moda_status moda_suffix_run(moda_suffix *suffix, size_t count, const float *const *x,
                                          const uint8_t *off, uint8_t *active,
                                          const float **logits);

#endif
