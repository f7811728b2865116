/* engine/batchnorm_kernel.h - the passes of batch normalisation, one set per instruction set
 * (base/isa.h). Shapes as in engine/batchnorm.h; per-channel arrays [ceil(c/b)*b]. */
#ifndef MODA_ENGINE_BATCHNORM_KERNEL_H
#define MODA_ENGINE_BATCHNORM_KERNEL_H

#include "engine/channel_blocks.h"

/* What the passes work on. x and what is normalised to y may differ in type: the gradient by y has
 * y's, the gradient by x has x's. */
typedef struct moda_batchnorm_maps {
    moda_map_shape s; /* type: of x */
    moda_real y_type;
    bool relu;
    moda_channel_blocks range; /* the rest of every array is left alone */
    const float *mask;         /* [n,c], NULL: none, all ones */
    float *d_mask;             /* [n,c], where there is a mask */
} moda_batchnorm_maps;

/* partial [n, channels, 2]: mean and sum of squared deviations of each map. */
typedef void moda_k_map_moments(const moda_batchnorm_maps *b, const void *x, float *partial);
/* y = r(k_c*x + m_c)*mask[n,c]; a [n,c] := mean of y per map, before it is rounded to its type, unless NULL. */
typedef void moda_k_affine(const moda_batchnorm_maps *b, const float *k, const float *m,
                           const void *x, void *y, float *a);
/* partial [n, channels, 2]: sum of g and of g*(x - mean_c) of each map, where
 * g = (d_y + d_a[n,c]/hw), zero where relu and k_c*x + m_c <= 0; both times mask[n,c], whose own gradient,
 * the sum of g*(k_c*x + m_c), follows from them. */
typedef void moda_k_gradient_sums(const moda_batchnorm_maps *b, const float *k, const float *m,
                                  const float *mean, const void *x, const void *d_y,
                                  const float *d_a, float *partial);
/* d_x := k_c*mask[n,c]*g + p_c*x + q_c; d_x may be d_y where the types are the same. */
typedef void moda_k_gradient(const moda_batchnorm_maps *b, const float *k, const float *m,
                             const float *p, const float *q, const void *x, const void *d_y,
                             const float *d_a, void *d_x);

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
