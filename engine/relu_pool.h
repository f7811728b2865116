/* engine/relu_pool.h - ReLU and the maximum pool behind it in one pass, with the activation vectors of
 * the ReLU's output and the gradient by them. The ReLU's output itself is never stored.
 *
 * Windows are k x k, stride k, without padding; rows and columns that no window covers count for the
 * activation vectors alone. Maps are [n, ceil(c/b), h*w, b] with b = 8 or 16, f32 or bf16
 * (losses/activation.h); the pooled map has the same b and type and (h/k)*(w/k) pixels.
 *   y[q]   = max over the window of q of r(x),   r(x) = x where x > 0, else 0; a NaN stays one
 *   a[n,c] = mean of r(x) over h*w                                        docs/equations.md E2
 * Sums run per map in a fixed order: the same bits for any thread count. */
#ifndef MODA_ENGINE_RELU_POOL_H
#define MODA_ENGINE_RELU_POOL_H

#include "losses/activation.h"

typedef struct moda_relu_pool {
    moda_map_shape map; /* of x; hw = h*w */
    size_t h, w, k;
} moda_relu_pool;

/* x -> y, and a [n,c] unless it is NULL. */
void moda_relu_pool_forward(const moda_relu_pool *p, const void *x, void *y, float *a);
/* d_y and d_a [n,c] (NULL: none) -> d_x. Of equal largest entries in a window the first has the
 * gradient, as in PyTorch; where x <= 0 there is none. */
void moda_relu_pool_backward(const moda_relu_pool *p, const void *x, const void *d_y,
                             const float *d_a, void *d_x);

#endif
