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

/* A run of some 25 us is hardly ever interrupted, even on a busy machine. */
enum { ROUNDS = 1 << 14 };

static moda_status check(double seconds)
{
    moda_status st = MODA_OK;
    MODA_CHECK(seconds > 0, MODA_ERR_ARG, "a peak cannot be measured in %g s", seconds);
out:
    return st;
}

/* One thread's fastest run until the deadline. The factors keep every chain near 2: neither
 * infinite nor denormal, whatever the number of rounds. */
static double fastest_run(moda_k_fma *kernel, double deadline)
{
    double best = 0, now = moda_seconds();
    do {
        float sum;
        const double begin = now;
        const double operations = kernel(ROUNDS, 0.5f, 1, &sum);
        now = moda_seconds();
        if (now > begin && operations / (now - begin) > best) best = operations / (now - begin);
    } while (now < deadline || best == 0);
    return best;
}

static moda_status measure(moda_k_fma *kernel, double seconds, double *flops)
{
    moda_status st = MODA_OK;
    const double deadline = moda_seconds() + seconds;
    double sum = 0;
    MODA_TRY(check(seconds));
#pragma omp parallel reduction(+ : sum)
    sum += fastest_run(kernel, deadline);
    *flops = sum;
out:
    return st;
}

moda_status moda_peak_flops(double seconds, double *flops)
{
    return measure(table[moda_isa_best()]->fma, seconds, flops);
}

moda_status moda_peak_flops_bf16(double seconds, double *flops)
{
    moda_status st = MODA_OK;
    MODA_CHECK(moda_cpu_has_bf16(), MODA_ERR_UNSUPPORTED,
               "this CPU does not multiply bf16: measure f32");
#if defined(__x86_64__)
    MODA_TRY(measure(moda_peak_dot_bf16, seconds, flops));
#endif
out:
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
