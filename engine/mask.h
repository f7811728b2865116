/* engine/mask.h - channels of feature maps switched by numbers that a network computes for each sample:
 * the masks of modularizing-while-training (MwT).
 *
 * Maps are [n, ceil(c/b), hw, b] with channel block b = 1, 8 or 16 (losses/activation.h), f32 or bf16;
 * s, m and gradients by them are [n,c] f32 without padding, and so is all arithmetic.
 *   m = relu(tanh(s)),   y = m * x for all pixels of a channel             docs/equations.md E17
 *   d_x = m * d_y,   d_m = sum over hw of d_y * x,   d_s = d_m * (1 - m^2) where m > 0, else 0
 * Padding channels of y and d_x are 0. Sums run per map in a fixed order: the same bits for any thread
 * count. A NaN stays one. */
#ifndef MODA_ENGINE_MASK_H
#define MODA_ENGINE_MASK_H

#include "losses/activation.h"

/* s -> m, `count` of each; they may be one array. */
void moda_mask_values(size_t count, const float *s, float *m);
/* d_m -> d_s, `count` of each; they may be one array. given: added to d_m first, NULL: none. */
void moda_mask_slopes(size_t count, const float *m, const float *given, const float *d_m,
                      float *d_s);
/* y may be x. */
void moda_mask_forward(moda_map_shape map, const void *x, const float *m, void *y);
/* d_m: a gradient by m that the sum is added to, NULL: none. d_x, d_s are written; d_x may be d_y. */
void moda_mask_backward(moda_map_shape map, const void *x, const float *m, const float *d_m,
                        const void *d_y, void *d_x, float *d_s);

#endif
