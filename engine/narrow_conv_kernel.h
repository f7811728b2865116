/* engine/narrow_conv_kernel.h - engine/narrow_conv.h, one set per instruction set (base/isa.h). */
#ifndef MODA_ENGINE_NARROW_CONV_KERNEL_H
#define MODA_ENGINE_NARROW_CONV_KERNEL_H

#include "engine/narrow_conv.h"

typedef size_t moda_k_narrow_scratch(const moda_narrow_conv *c);
typedef void moda_k_narrow_forward(const moda_narrow_conv *c, const float *x, const float *w,
                                   const float *bias, float *y, float *scratch);
typedef void moda_k_narrow_backward_weights(const moda_narrow_conv *c, const float *x,
                                            const float *d_y, float *d_w, float *d_bias,
                                            float *scratch);

typedef struct moda_narrow_conv_kernels {
    moda_k_narrow_scratch *scratch;
    moda_k_narrow_forward *forward;
    moda_k_narrow_backward_weights *backward_weights;
} moda_narrow_conv_kernels;

extern const moda_narrow_conv_kernels moda_narrow_conv_kernels_ref;
#if defined(__x86_64__)
extern const moda_narrow_conv_kernels moda_narrow_conv_kernels_avx2,
    moda_narrow_conv_kernels_avx512;
#endif

#endif
