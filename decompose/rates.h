/* decompose/rates.h - activation rates: for which share of a class's samples is a neuron active.
 *     rate[c][l][k] = f32(samples of class c with neuron k of tracked layer l active)
 *                     / f32(samples of class c)
 * divided in f32, as the mean of zeros and ones is in PyTorch. Active: by a rule of
 * decompose/activity_rule.h; of a [mask] layer (class_tables.h) where its mask is above 0.
 *
 * File (docs/formats.md): safetensors, `rates.L` f32 [classes, units] for each tracked layer L,
 * and in the metadata `moda.samples`, JSON: samples per class, `moda.mask_means`, JSON: mask_means
 * below, where they are known, `moda.activity`: the rule, and `moda.weights` (checksum.h). */
#ifndef MODA_DECOMPOSE_RATES_H
#define MODA_DECOMPOSE_RATES_H

#include "base/status.h"
#include "datasets/dataset.h"
#include "decompose/activity_rule.h"
#include "decompose/class_tables.h"
#include "engine/model.h"
#include <stddef.h>
#include <stdint.h>

typedef struct moda_rates {
    moda_class_tables shape;
    float *values;     /* [shape.elements], table l starts at shape.offset[l] */
    uint64_t *samples; /* [classes], 0: not known */
    /* [layers], of [mask] layers: mean of the masks that are on (above 0) of all samples, in (0,1];
     * 0: none is. NULL: not known, or no [mask]. */
    double *mask_means;
    uint32_t weights; /* moda_model_checksum() of the model, 0: not known */
    moda_activity_rule rule;
} moda_rates;

/* All zero. Fails: MODA_ERR_NOMEM, MODA_ERR_UNSUPPORTED (no tracked layer). */
MODA_MUST_USE moda_status moda_rates_create(const moda_net *net, moda_rates **rates);
void moda_rates_destroy(moda_rates *rates);

/* One pass over images in evaluation mode, without augmentation, in file order, batch_size at a
 * time, with a progress display. A sample counts for the output whose class number is its label;
 * samples of other classes are passed over. source (the data's name) is for messages. Fails:
 * MODA_ERR_ARG (images of another size than the network's input, input normalisation not known),
 * MODA_ERR_FORMAT (a class without samples), those of the executor. */
MODA_MUST_USE moda_status moda_rates_measure(const moda_model *model, const moda_images *images,
                                             size_t batch_size, const char *source,
                                             moda_rates **rates);
/* The same by another rule than the published one; masks of [mask] layers know no other
 * (MODA_ERR_ARG). */
MODA_MUST_USE moda_status moda_rates_measure_by(const moda_model *model, const moda_images *images,
                                                size_t batch_size, moda_activity_rule rule,
                                                const char *source, moda_rates **rates);

/* Atomically. */
MODA_MUST_USE moda_status moda_rates_save(const moda_rates *rates, const char *path);
/* Fails: MODA_ERR_IO, MODA_ERR_FORMAT (missing or misshapen table, a rate outside [0,1]; the
 * message names path, tensor and layer), MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_rates_load(const char *path, const moda_net *net,
                                          moda_rates **rates);

#endif
