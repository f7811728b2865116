/* engine/fold.h - a network for inference: batch norms melted into the layers before them.
 *
 * In evaluation a batch norm is y = s*x + t per channel, s = weight / sqrt(running_var + eps),
 * t = bias - s*running_mean. Behind a convolution or linear layer whose output nobody else reads that
 * is the same layer with other weights and bias:
 *     weight'[o,...] = s[o] * weight[o,...],   bias'[o] = s[o] * bias[o] + t[o]
 * The folded network computes the same up to f32 rounding, with a pass over each map less. It cannot be
 * trained further as the original would be, and modules are cut from originals. */
#ifndef MODA_ENGINE_FOLD_H
#define MODA_ENGINE_FOLD_H

#include "base/status.h"
#include "engine/model.h"

/* Batch norms that follow no such layer stay. Layers keep their names and order; classes, input and
 * moda.module are the model's. Fails: MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_fold(const moda_model *model, moda_model **folded);

#endif
