/* engine/relu_pool_kernel.h - engine/relu_pool.h, one set per instruction set (base/isa.h). */
#ifndef MODA_ENGINE_RELU_POOL_KERNEL_H
#define MODA_ENGINE_RELU_POOL_KERNEL_H

#include "engine/relu_pool.h"

typedef void moda_k_relu_pool(const moda_relu_pool *p, const void *x, void *y, float *a);
typedef void moda_k_relu_pool_gradient(const moda_relu_pool *p, const void *x, const void *d_y,
                                       const float *d_a, void *d_x);

typedef struct moda_relu_pool_kernels {
    moda_k_relu_pool *forward;
    moda_k_relu_pool_gradient *backward;
} moda_relu_pool_kernels;

extern const moda_relu_pool_kernels moda_relu_pool_kernels_ref;
#if defined(__x86_64__)
extern const moda_relu_pool_kernels moda_relu_pool_kernels_avx2, moda_relu_pool_kernels_avx512;
#endif

#endif
