/* engine/peak_bf16.c - the peak of bf16's dot products. None of the sets that kernels are compiled for has
 * AVX-512-BF16, so this one function asks for it. */
#include "engine/peak_kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>

enum { LANES = 16 };

/* Two factors and two sums a lane and step: as many chains as for f32 keep the units busy. */
__attribute__((target("avx512f,avx512bf16"))) double moda_peak_dot_bf16(size_t rounds, float factor,
                                                                        float addend, float *sum)
{
    const __m512 f = _mm512_set1_ps(factor), g = _mm512_set1_ps(addend);
    const __m512bh a = _mm512_cvtne2ps_pbh(f, f), b = _mm512_cvtne2ps_pbh(g, g);
    __m512 x[MODA_PEAK_CHAINS];
    for (int i = 0; i < MODA_PEAK_CHAINS; i++) x[i] = _mm512_set1_ps((float)i);
    for (size_t r = 0; r < rounds; r++)
#pragma GCC unroll 12
        for (int i = 0; i < MODA_PEAK_CHAINS; i++) x[i] = _mm512_dpbf16_ps(x[i], a, b);
    *sum = 0;
    for (int i = 0; i < MODA_PEAK_CHAINS; i++) *sum += _mm512_reduce_add_ps(x[i]);
    return 4.0 * MODA_PEAK_CHAINS * LANES * (double)rounds;
}
#endif
