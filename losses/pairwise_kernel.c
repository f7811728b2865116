/* losses/pairwise_kernel.c - the inner product of two panels of samples, docs/equations.md E4
 * and E5.
 *
 * A panel holds MODA_PANEL samples, neuron by neuron: one neuron of all its samples is one or two
 * vector registers. For each neuron a sample of p is broadcast and multiplied with all of q, so no
 * product is ever added across a register. On an AVX-512 core the 16 sums of 16 samples are 16
 * registers, and a step of 16 multiply-adds waits for 17 loads; AVX2 has half the registers and a
 * quarter of the sums, so it goes through the panels four times. */
#include "losses/losses_internal.h"

/* The reference stays plain even where the whole build may use wide registers (make ARCH=native). */
#define PLAIN_ref    1
#define PLAIN_avx2   0
#define PLAIN_avx512 0

#if !MODA_K(PLAIN)
#include <immintrin.h>

#ifdef __AVX512F__
typedef __m512 lanes;
enum { WIDTH = 16, SAMPLES = 16 };
#define LOAD(p)         _mm512_load_ps(p)
#define LOADU(p)        _mm512_loadu_ps(p)
#define STOREU(p, v)    _mm512_storeu_ps(p, v)
#define BROADCAST(x)    _mm512_set1_ps(x)
#define MULADD(a, b, c) _mm512_fmadd_ps(a, b, c)
#else
typedef __m256 lanes;
enum { WIDTH = 8, SAMPLES = 4 };
#define LOAD(p)         _mm256_load_ps(p)
#define LOADU(p)        _mm256_loadu_ps(p)
#define STOREU(p, v)    _mm256_storeu_ps(p, v)
#define BROADCAST(x)    _mm256_set1_ps(x)
#define MULADD(a, b, c) _mm256_fmadd_ps(a, b, c)
#endif
enum { PARTS = MODA_PANEL / WIDTH };

/* tile rows first .. first+SAMPLES-1. */
static inline void some_rows(size_t depth, const float *restrict p, const float *restrict q,
                             float *restrict tile)
{
    lanes sum[SAMPLES][PARTS];
#pragma GCC unroll 16
    for (size_t r = 0; r < SAMPLES; r++)
#pragma GCC unroll 2
        for (size_t v = 0; v < PARTS; v++) sum[r][v] = LOADU(tile + r * MODA_PANEL + v * WIDTH);
    for (size_t f = 0; f < depth; f++) {
        lanes right[PARTS];
#pragma GCC unroll 2
        for (size_t v = 0; v < PARTS; v++) right[v] = LOAD(q + f * MODA_PANEL + v * WIDTH);
#pragma GCC unroll 16
        for (size_t r = 0; r < SAMPLES; r++) {
            const lanes left = BROADCAST(p[f * MODA_PANEL + r]);
#pragma GCC unroll 2
            for (size_t v = 0; v < PARTS; v++) sum[r][v] = MULADD(left, right[v], sum[r][v]);
        }
    }
#pragma GCC unroll 16
    for (size_t r = 0; r < SAMPLES; r++)
#pragma GCC unroll 2
        for (size_t v = 0; v < PARTS; v++) STOREU(tile + r * MODA_PANEL + v * WIDTH, sum[r][v]);
}

void MODA_K(moda_k_pair_tile)(size_t depth, const float *p, const float *q, float *tile)
{
    for (size_t r = 0; r < MODA_PANEL; r += SAMPLES)
        some_rows(depth, p + r, q, tile + r * MODA_PANEL);
}

#else

/* The plain twin: one inner product after the other. */
void MODA_K(moda_k_pair_tile)(size_t depth, const float *p, const float *q, float *tile)
{
    for (size_t r = 0; r < MODA_PANEL; r++)
        for (size_t s = 0; s < MODA_PANEL; s++) {
            float sum = 0;
            for (size_t f = 0; f < depth; f++) sum += p[f * MODA_PANEL + r] * q[f * MODA_PANEL + s];
            tile[r * MODA_PANEL + s] += sum;
        }
}

#endif
