/* engine/mask_kernel.h - the passes over maps of engine/mask.h, one set per instruction set
 * (base/isa.h). */
#ifndef MODA_ENGINE_MASK_KERNEL_H
#define MODA_ENGINE_MASK_KERNEL_H

#include "engine/mask.h"

typedef void moda_k_mask(moda_map_shape s, const void *x, const float *m, void *y);
typedef void moda_k_mask_gradient(moda_map_shape s, const void *x, const float *m, const float *d_m,
                                  const void *d_y, void *d_x, float *d_s);

typedef struct moda_mask_kernels {
    moda_k_mask *forward;
    moda_k_mask_gradient *backward;
} moda_mask_kernels;

extern const moda_mask_kernels moda_mask_kernels_ref;
#if defined(__x86_64__)
extern const moda_mask_kernels moda_mask_kernels_avx2, moda_mask_kernels_avx512;
#endif

#endif
