/* engine/peak_kernel.c - compiled once per instruction set.
 *
 * An FMA takes 4 or 5 cycles and two begin in each, so at least 10 have to be under way: 12 chains,
 * which with the two factors fit the 16 registers of AVX2 as well. Vectors are as wide as the set's
 * registers; wider ones would be split and spill. */
#include "engine/peak_kernel.h"
#include "base/isa.h"

#if defined(__AVX512F__)
enum { LANES = 16 };
#elif defined(__AVX__)
enum { LANES = 8 };
#else
enum { LANES = 4 };
#endif
typedef float vec __attribute__((vector_size(LANES * sizeof(float))));

static double fma_chains(size_t rounds, float factor, float addend, float *sum)
{
    const vec f = factor - (vec){0}, g = addend - (vec){0};
    vec x[MODA_PEAK_CHAINS];
    for (int i = 0; i < MODA_PEAK_CHAINS; i++) x[i] = g * (float)i;
    for (size_t r = 0; r < rounds; r++)
#pragma GCC unroll 12
        for (int i = 0; i < MODA_PEAK_CHAINS; i++) x[i] = x[i] * f + g;
    *sum = 0;
    for (int i = 0; i < MODA_PEAK_CHAINS; i++)
        for (int l = 0; l < LANES; l++) *sum += x[i][l];
    return 2.0 * MODA_PEAK_CHAINS * LANES * (double)rounds;
}

static void triad(size_t n, float factor, const float *b, const float *c, float *a)
{
#pragma omp parallel for simd schedule(static)
    for (size_t i = 0; i < n; i++) a[i] = b[i] + factor * c[i];
}

const moda_peak_kernels MODA_K(moda_peak_kernels) = {fma_chains, triad};
