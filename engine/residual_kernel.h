/* engine/residual_kernel.h - the passes of engine/residual.h that batch norm alone does not have, one set
 * per instruction set (base/isa.h). */
#ifndef MODA_ENGINE_RESIDUAL_KERNEL_H
#define MODA_ENGINE_RESIDUAL_KERNEL_H

#include "engine/channel_blocks.h"

typedef struct moda_residual_maps {
    moda_map_shape s; /* type: of y and of the gradient by it */
    moda_real x_type[2];
    bool relu;
    moda_channel_blocks range; /* the rest of every array is left alone */
} moda_residual_maps;

/* y = r((k0*x0 + m0) + (k1*x1 + m1)); a [n,c] := mean of y per map, before it is rounded to its type,
 * unless NULL. k, m [channels] each. */
typedef void moda_k_residual_sum(const moda_residual_maps *b, const float *const k[2],
                                 const float *const m[2], const void *const x[2], void *y,
                                 float *a);
/* d := g = d + share + d_a[n,c]/hw, 0 where relu and y <= 0. partial [n, channels, 3]: sums over each map
 * of g, g*(x0 - mean0) and g*(x1 - mean1), before g is rounded. NULL for none: share, d_a, mean[1] (then
 * the third sum is 0). */
typedef void moda_k_residual_gradient(const moda_residual_maps *b, const float *const mean[2],
                                      const void *const x[2], const void *y, const void *share,
                                      const float *d_a, void *d, float *partial);

typedef struct moda_residual_kernels {
    moda_k_residual_sum *sum;
    moda_k_residual_gradient *gradient;
} moda_residual_kernels;

extern const moda_residual_kernels moda_residual_kernels_ref;
#if defined(__x86_64__)
extern const moda_residual_kernels moda_residual_kernels_avx2, moda_residual_kernels_avx512;
#endif

#endif
