/* engine/mask.c - the numbers of a mask, and the choice of the kernels that apply it. */
#include "engine/mask.h"
#include "base/isa.h"
#include "engine/mask_kernel.h"
#include <math.h>

static const moda_mask_kernels *kernels(void)
{
    static const moda_mask_kernels *const table[MODA_ISA_COUNT] = {
        [MODA_ISA_REF] = &moda_mask_kernels_ref,
#if defined(__x86_64__)
        [MODA_ISA_AVX2] = &moda_mask_kernels_avx2,
        [MODA_ISA_AVX512] = &moda_mask_kernels_avx512,
#endif
    };
    return table[moda_isa_best()];
}

void moda_mask_values(size_t count, const float *s, float *m)
{
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < count; i++) m[i] = s[i] <= 0 ? 0 : tanhf(s[i]);
}

void moda_mask_slopes(size_t count, const float *m, const float *given, const float *d_m,
                      float *d_s)
{
    for (size_t i = 0; i < count; i++) {
        const float d = d_m[i] + (given ? given[i] : 0);
        d_s[i] = m[i] <= 0 ? 0 : d * (1 - m[i] * m[i]);
    }
}

void moda_mask_forward(moda_map_shape map, const void *x, const float *m, void *y)
{
    kernels()->forward(map, x, m, y);
}

void moda_mask_backward(moda_map_shape map, const void *x, const float *m, const float *d_m,
                        const void *d_y, void *d_x, float *d_s)
{
    kernels()->backward(map, x, m, d_m, d_y, d_x, d_s);
}
