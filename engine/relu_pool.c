/* engine/relu_pool.c - chooses the kernels. */
#include "engine/relu_pool.h"
#include "base/isa.h"
#include "engine/relu_pool_kernel.h"

static const moda_relu_pool_kernels *kernels(void)
{
    static const moda_relu_pool_kernels *const table[MODA_ISA_COUNT] = {
        [MODA_ISA_REF] = &moda_relu_pool_kernels_ref,
#if defined(__x86_64__)
        [MODA_ISA_AVX2] = &moda_relu_pool_kernels_avx2,
        [MODA_ISA_AVX512] = &moda_relu_pool_kernels_avx512,
#endif
    };
    return table[moda_isa_best()];
}

void moda_relu_pool_forward(const moda_relu_pool *p, const void *x, void *y, float *a)
{
    kernels()->forward(p, x, y, a);
}

void moda_relu_pool_backward(const moda_relu_pool *p, const void *x, const void *d_y,
                             const float *d_a, void *d_x)
{
    kernels()->backward(p, x, d_y, d_a, d_x);
}
