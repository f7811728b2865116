/* losses/activation.h - activation vectors of feature maps, docs/equations.md E2, on the layouts
 * that oneDNN computes in.
 *
 * A feature map of n samples, c channels, hw pixels stands in memory as [n, ceil(c/b), hw, b] with
 * channel block b: b = 1 is nchw, b = 8 or 16 is nChw8c or nChw16c, b = c is nhwc. Padding channels
 * of the last block may hold anything; they count for nothing and their gradient stays. Any b > 0 works; those that divide
 * 64, and multiples of 64, run at the speed of memory. x needs no alignment. Fixed order of sums:
 * the same bits for any number of threads; relative error about 1e-7 for any hw. Elements are f32 or
 * bfloat16 (base/bf16.h); activation vectors, their gradients and all sums are f32. */
#ifndef MODA_LOSSES_ACTIVATION_H
#define MODA_LOSSES_ACTIVATION_H

#include "base/bf16.h"
#include <stddef.h>

typedef struct moda_map_shape {
    size_t n, c, hw;
    size_t block;
    moda_real type; /* of the elements */
} moda_map_shape;

/* a [n,c] := mean over hw of |x|; hw > 0. A NaN in x is a NaN in its channel's mean. */
void moda_channel_means(moda_map_shape s, const void *x, float *a);
/* d_x += d_a[n,c] * sign(x) / hw: what moda_channel_means() does to a gradient d_a [n,c]. Where
 * x = 0, d_x stays as it is, even if d_a is infinite. d_x has the type of x. */
void moda_channel_means_backward(moda_map_shape s, const void *x, const float *d_a, void *d_x);

#endif
