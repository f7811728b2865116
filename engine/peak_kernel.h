/* engine/peak_kernel.h - what engine/peak.h times, one set per instruction set (base/isa.h). */
#ifndef MODA_ENGINE_PEAK_KERNEL_H
#define MODA_ENGINE_PEAK_KERNEL_H

#include <stddef.h>

/* One thread's work: MODA_PEAK_CHAINS chains of vectors, chain i from i*addend on, each
 * `rounds` times x := x*factor + addend. *sum := of all lanes of all chains in the end, so that
 * nothing can be left out. Returns the floating-point operations (2 per lane and round; the sum
 * does not count). */
enum { MODA_PEAK_CHAINS = 12 };
typedef double moda_k_fma(size_t rounds, float factor, float addend, float *sum);
/* a := b + factor*c, n floats each, on all threads; each has the same run of elements every
 * time. */
typedef void moda_k_triad(size_t n, float factor, const float *b, const float *c, float *a);

typedef struct moda_peak_kernels {
    moda_k_fma *fma;
    moda_k_triad *triad;
} moda_peak_kernels;

extern const moda_peak_kernels moda_peak_kernels_ref;
#if defined(__x86_64__)
extern const moda_peak_kernels moda_peak_kernels_avx2, moda_peak_kernels_avx512;
/* The same for pairs of bf16 where moda_cpu_has_bf16(): chain i begins at i, each round is x := x +
 * 2*factor*addend, 4 operations a lane of 16. */
moda_k_fma moda_peak_dot_bf16;
#endif

#endif
