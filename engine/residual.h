/* engine/residual.h - the end of a residual block in training: one or two batch norms, their addition, the
 * ReLU behind it, the activation vectors of the result and the modular gradient, in the same passes over
 * memory.
 *
 * Maps are as in engine/batchnorm.h, all of one shape and block; types may differ.
 *   u_i    = scale_i*(x_i - mean_i)/sqrt(variance_i + eps_i) + shift_i, or x_1 itself
 *   y      = r(u_0 + u_1),   r = ReLU or identity
 *   a[n,c] = mean of y over hw                                            docs/equations.md E2
 * Sums run per map in f32 and across maps in f64 in order of n: the same bits for any thread count.
 * Traffic in maps where the cache holds some channel blocks of the whole batch: 3 forward; backward 6,
 * or 7 with two batch norms, with both shares of the gradient. */
#ifndef MODA_ENGINE_RESIDUAL_H
#define MODA_ENGINE_RESIDUAL_H

#include "losses/activation.h"
#include <stdbool.h>
#include <stddef.h>

typedef struct moda_residual {
    moda_map_shape map;  /* type: of y, and of the gradient by it */
    moda_real x_type[2]; /* of x_i, and of the gradient by it if x_i is normalised */
    size_t norms;        /* 2; 1: x_1 is added as it is */
    bool relu;
} moda_residual;

/* A batch norm's per-channel arrays, [moda_batchnorm_channels()]. */
typedef struct moda_residual_norm {
    float eps;
    const float *scale, *shift;
    float *mean, *variance;   /* set by forward, read by backward */
    float *d_scale, *d_shift; /* set by backward */
} moda_residual_norm;

/* Floats of scratch that each function wants. */
size_t moda_residual_scratch(moda_map_shape map);

/* norm [norms]; a NULL: not wanted, as without ReLU. y may be x[1] if that is not normalised and has the
 * same type. */
void moda_residual_forward(const moda_residual *r, const moda_residual_norm *norm,
                           const void *const x[2], float *scratch, void *y, float *a);

/* The gradient by y is d_y + share (NULL: none) + d_a[n,c]/hw (NULL: none). d_y is replaced by the
 * gradient by the sum, which is what an x_1 that is not normalised gets. d_x[0], and with two batch norms
 * d_x[1], which may be d_y if it has the same type, are written. */
void moda_residual_backward(const moda_residual *r, const moda_residual_norm *norm,
                            const void *const x[2], const void *y, void *d_y, const void *share,
                            const float *d_a, float *scratch, void *const d_x[2]);

#endif
