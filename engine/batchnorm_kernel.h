/* engine/batchnorm_kernel.h - the passes of batch normalisation, one set per instruction set
 * (base/isa.h). Shapes as in engine/batchnorm.h; per-channel arrays [ceil(c/b)*b]. */
#ifndef MODA_ENGINE_BATCHNORM_KERNEL_H
#define MODA_ENGINE_BATCHNORM_KERNEL_H

#include "losses/activation.h"
#include <stdbool.h>

/* partial [n, channels, 2]: mean and sum of squared deviations of each map. */
typedef void moda_k_map_moments(moda_map_shape s, const float *x, float *partial);
/* y = r(k_c*x + m_c); a [n,c] := mean of y per map, unless NULL. */
typedef void moda_k_affine(moda_map_shape s, bool relu, const float *k, const float *m,
                           const float *x, float *y, float *a);
/* partial [n, channels, 2]: sum of g and of g*(x - mean_c) of each map, where
 * g = (d + d_a[n,c]/hw), zero where relu and k_c*x + m_c <= 0. */
typedef void moda_k_gradient_sums(moda_map_shape s, bool relu, const float *k, const float *m,
                                  const float *mean, const float *x, const float *d,
                                  const float *d_a, float *partial);
/* d := k_c*g + p_c*x + q_c. */
typedef void moda_k_gradient(moda_map_shape s, bool relu, const float *k, const float *m,
                             const float *p, const float *q, const float *x, const float *d_a,
                             float *d);

typedef struct moda_batchnorm_kernels {
    moda_k_map_moments *moments;
    moda_k_affine *affine;
    moda_k_gradient_sums *gradient_sums;
    moda_k_gradient *gradient;
} moda_batchnorm_kernels;

extern const moda_batchnorm_kernels moda_batchnorm_kernels_ref;
#if defined(__x86_64__)
extern const moda_batchnorm_kernels moda_batchnorm_kernels_avx2, moda_batchnorm_kernels_avx512;
#endif

#endif
