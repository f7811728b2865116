/* engine/batchnorm.h - batch normalisation of feature maps with the mask (engine/mask.h) and the ReLU behind
 * it, the activation vectors of the result and the modular gradient, all in the same passes over memory.
 *
 * Maps are [n, ceil(c/b), hw, b] with channel block b = 1, 8 or 16 (losses/activation.h); per-channel
 * arrays have ceil(c/b)*b entries, those of padding channels being 0.
 *   mean_c = mean of x, variance_c = mean of (x - mean_c)^2, over n*hw                docs/equations.md
 *   y      = r(scale_c * (x - mean_c) / sqrt(variance_c + eps) + shift_c),   r = ReLU or identity,
 *            times mask[n,c] >= 0 if there is one
 *   a[n,c] = mean of y over hw
 * Maps are f32 or bf16 in memory; all else, and all arithmetic, is f32.
 * Sums run per map in f32 and across maps in f64 in order of n: the same bits for any thread count.
 * Channel blocks are taken a few at a time, so that the second pass over a map meets it in the cache:
 * traffic in maps is 2 forward and 3 backward where the cache holds those blocks of the whole batch, at
 * most 3 and 5. */
#ifndef MODA_ENGINE_BATCHNORM_H
#define MODA_ENGINE_BATCHNORM_H

#include "losses/activation.h"
#include <stdbool.h>
#include <stddef.h>

/* What stays the same from batch to batch. */
typedef struct moda_batchnorm {
    moda_map_shape map; /* type: of x, and of the gradient by it */
    float eps;
    bool relu;
    moda_real y_type;  /* of y, and of the gradient by it */
    const float *mask; /* [n,c], NULL: none */
    float *d_mask;     /* [n,c], written by backward: the gradient by it */
} moda_batchnorm;

/* Floats of scratch that each function wants. */
size_t moda_batchnorm_scratch(moda_map_shape map);
/* Entries of a per-channel array. */
size_t moda_batchnorm_channels(moda_map_shape map);

/* Training: x -> mean, variance (biased), y, and a [n,c] unless it is NULL (only with ReLU). y may be x
 * if it has the same type. */
void moda_batchnorm_train(const moda_batchnorm *b, const void *x, const float *scale,
                          const float *shift, float *scratch, float *mean, float *variance, void *y,
                          float *a);
/* Evaluation: the same with a given mean and variance. */
void moda_batchnorm_forward(const moda_batchnorm *b, const void *x, const float *scale,
                            const float *shift, const float *mean, const float *variance,
                            float *scratch, void *y, float *a);
/* d_y -> d_x, which may be d_y if it has the same type; d_scale, d_shift written. d_a [n,c]: gradient
 * by a, joins d_y; NULL: none. Where y was 0 is found again from x, so y is not read. */
void moda_batchnorm_backward(const moda_batchnorm *b, const void *x, const float *scale,
                             const float *shift, const float *mean, const float *variance,
                             const void *d_y, const float *d_a, float *scratch, void *d_x,
                             float *d_scale, float *d_shift);

#endif
