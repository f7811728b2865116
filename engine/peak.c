/* engine/peak.c - timing the peak kernels of this CPU's instruction set. */
#include "engine/peak.h"
#include "base/isa.h"
#include "base/progress.h"
#include "engine/peak_kernel.h"
#include "numa/memory.h"
#include <omp.h>

static const moda_peak_kernels *const table[MODA_ISA_COUNT] = {
    [MODA_ISA_REF] = &moda_peak_kernels_ref,
#if defined(__x86_64__)
    [MODA_ISA_AVX2] = &moda_peak_kernels_avx2,
    [MODA_ISA_AVX512] = &moda_peak_kernels_avx512,
#endif
};

enum {
    LINE = 16, /* floats of a cache line: each thread writes one of its own */
    FIRST_ROUNDS = 1 << 14
};
/* Long against the start of a parallel region, short against what disturbs. */
static const double run_seconds = 0.005;

static moda_status check(double seconds)
{
    moda_status st = MODA_OK;
    MODA_CHECK(seconds > 0, MODA_ERR_ARG, "a peak cannot be measured in %g s", seconds);
out:
    return st;
}

/* Operations of all threads in one run. The factors keep every chain near 2: neither infinite nor
 * denormal, whatever the number of rounds. */
static double run_fma(size_t rounds, float *sums)
{
    double operations = 0;
#pragma omp parallel reduction(+ : operations)
    operations += table[moda_isa_best()]->fma(rounds, 0.5f, 1, &sums[omp_get_thread_num() * LINE]);
    return operations;
}

moda_status moda_peak_flops(double seconds, double *flops)
{
    moda_status st = MODA_OK;
    const size_t threads = (size_t)omp_get_max_threads();
    const double start = moda_seconds();
    size_t rounds = FIRST_ROUNDS;
    double best = 0;
    float *sums = NULL;
    MODA_TRY(check(seconds));
    MODA_ALLOC(sums, threads * LINE * sizeof *sums);
    do {
        const double begin = moda_seconds();
        const double operations = run_fma(rounds, sums);
        const double took = moda_seconds() - begin;
        if (took < run_seconds) rounds *= 2;
        if (took > 0 && operations / took > best) best = operations / took;
    } while (moda_seconds() - start < seconds || best == 0);
    *flops = best;
out:
    free(sums);
    return st;
}

/* Floats of one array: larger than the last-level cache's share of the threads. */
static size_t triad_floats(void)
{
    const size_t mib = 1 << 20, shares = 16 * mib * (size_t)omp_get_max_threads();
    return (shares > 64 * mib ? shares : 64 * mib) / sizeof(float);
}

moda_status moda_peak_bandwidth(double seconds, double *bytes_per_second)
{
    moda_status st = MODA_OK;
    moda_k_triad *const triad = table[moda_isa_best()]->triad;
    const size_t n = triad_floats(), bytes = n * sizeof(float);
    void *a = NULL, *b = NULL, *c = NULL;
    double best = 0;
    MODA_TRY(check(seconds));
    MODA_TRY(moda_memory_create(bytes, "triad", &a));
    MODA_TRY(moda_memory_create(bytes, "triad", &b));
    MODA_TRY(moda_memory_create(bytes, "triad", &c));
    /* Each array is written once, by the threads that use it: pages that are only read would all be
     * the system's one page of zeros, which stays in cache. */
    triad(n, 0, c, c, b);
    triad(n, 0, b, b, c);
    triad(n, 0, b, c, a);
    const double start = moda_seconds();
    do {
        const double begin = moda_seconds();
        triad(n, 3, b, c, a);
        const double took = moda_seconds() - begin;
        if (took > 0 && 3 * (double)bytes / took > best) best = 3 * (double)bytes / took;
    } while (moda_seconds() - start < seconds || best == 0);
    *bytes_per_second = best;
out:
    moda_memory_destroy(a, bytes);
    moda_memory_destroy(b, bytes);
    moda_memory_destroy(c, bytes);
    return st;
}
