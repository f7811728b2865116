/* engine/narrow_conv.h - convolutions of few channels, as small networks and first layers have them.
 *
 * oneDNN's direct kernels give each of 16 output channels a lane, so that with 6 channels ten lanes
 * compute padding. Here a vector holds 8 output channels of as many neighbouring pixels as it has room
 * for. Stride 1, one group, windows of 3x3 or 5x5, f32.
 *   y[n,o,i,j] = bias[o] + sum over c,a,b of w[o,c,a,b] x[n,c,i+a-p,j+b-p]
 * x stands as [n, ceil(ic/b), h*w, b] with b = 1, 8 or 16, y as the same with b = 8 or 16; padding
 * channels of y are written as zeros. Image by image in a fixed order, and sums over images thread by
 * thread: the same bits for the same number of threads. */
#ifndef MODA_ENGINE_NARROW_CONV_H
#define MODA_ENGINE_NARROW_CONV_H

#include <stdbool.h>
#include <stddef.h>

typedef struct moda_narrow_conv {
    size_t n, ic, oc;
    size_t h, w;       /* of x; y has h + 2p - k + 1 rows, and so on */
    size_t k, padding; /* k = 3 or 5, p < k */
    size_t x_block, y_block;
    bool relu; /* forward: y = max(y, 0) */
    /* Weights stand in groups of 8 output channels: how many floats the next group, and the next input
     * channel, are away. [ceil(oc/8),ic,k,k,8] and [ic,ceil(oc/8),k,k,8] are both fine. */
    size_t w_group, w_channel;
    size_t threads; /* at most, at least 1: each has scratch memory of its own */
    bool turned;    /* windows are read from their last entry to their first */
} moda_narrow_conv;

/* The gradient by x is a convolution as well, of d_y with turned windows: the forward that computes it,
 * for weights [oc,ceil(ic/8),k,k,8]. */
moda_narrow_conv moda_narrow_conv_backward_data(const moda_narrow_conv *forward);

/* Bytes of the scratch memory that either function wants; 64-byte aligned. */
size_t moda_narrow_conv_scratch(const moda_narrow_conv *c);

/* bias [oc], or NULL. */
void moda_narrow_conv_forward(const moda_narrow_conv *c, const float *x, const float *w,
                              const float *bias, float *y, void *scratch);
/* d_w as weights stand (padding lanes are written as zeros), d_bias [oc] or NULL. */
void moda_narrow_conv_backward_weights(const moda_narrow_conv *c, const float *x, const float *d_y,
                                       float *d_w, float *d_bias, void *scratch);

#endif
