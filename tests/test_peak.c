/* tests/test_peak.c - engine/peak.h: the kernels do the arithmetic that is counted, and the limits
 * stand in a possible relation to it. No limit is compared with a number: machines differ. */
#include "base/isa.h"
#include "engine/peak.h"
#include "engine/peak_kernel.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>

TestSuite(peak, .timeout = 60);

static const moda_peak_kernels *const kernels[] = {&moda_peak_kernels_ref,
#if defined(__x86_64__)
                                                   &moda_peak_kernels_avx2,
                                                   &moda_peak_kernels_avx512
#endif
};

/* x := x*f + g from i*g on, r times, is i*g*f^r + g*(1 + f + ... + f^(r-1)). */
Test(peak, chains_do_every_operation_that_they_count)
{
    const double f = 0.75, g = 2;
    for (int isa = 0; isa <= (int)moda_isa_best(); isa++)
        for (size_t rounds = 0; rounds < 40; rounds += 3) {
            float sum = NAN;
            const double operations = kernels[isa]->fma(rounds, (float)f, (float)g, &sum);
            const double power = pow(f, (double)rounds), series = g * (1 - power) / (1 - f);
            double want = 0;
            for (int i = 0; i < MODA_PEAK_CHAINS; i++) want += i * g * power + series;
            const double lanes = rounds ? operations / (2.0 * MODA_PEAK_CHAINS * (double)rounds)
                                        : (double)sum / want;
            cr_assert(want > 1, "reference near 0: this input proves nothing");
            cr_assert(lanes == 4 || lanes == 8 || lanes == 16, "%s, %zu rounds: %g lanes",
                      moda_isa_name((moda_isa)isa), rounds, lanes);
            cr_assert(fabs((double)sum - lanes * want) <= 1e-5 * lanes * want,
                      "%s, %zu rounds: %g, want %g", moda_isa_name((moda_isa)isa), rounds,
                      (double)sum, lanes * want);
        }
}

Test(peak, triad_writes_every_element_and_no_other)
{
    enum { MOST = 71 };
    for (int isa = 0; isa <= (int)moda_isa_best(); isa++)
        for (size_t n = 0; n <= MOST; n += n < 18 ? 1 : 7) {
            float a[MOST + 1], b[MOST], c[MOST];
            for (size_t i = 0; i < MOST; i++) b[i] = (float)i + 1, c[i] = (float)(2 * i) + 3;
            for (size_t i = 0; i <= MOST; i++) a[i] = -1;
            kernels[isa]->triad(n, 0.5f, b, c, a);
            for (size_t i = 0; i < n; i++)
                cr_assert(a[i] == b[i] + 0.5f * c[i], "%s, n %zu: a[%zu] = %g",
                          moda_isa_name((moda_isa)isa), n, i, (double)a[i]);
            cr_assert(a[n] == -1, "%s, n %zu: wrote behind the end", moda_isa_name((moda_isa)isa),
                      n);
        }
}

Test(peak, bf16_chains_do_every_operation_that_they_count)
{
    if (!moda_cpu_has_bf16()) cr_skip("no bf16 on this CPU");
#if defined(__x86_64__)
    for (size_t rounds = 1; rounds < 40; rounds += 3) {
        float sum = NAN;
        const double operations = moda_peak_dot_bf16(rounds, 1.5f, 0.5f, &sum);
        double want = 0;
        for (int i = 0; i < MODA_PEAK_CHAINS; i++) want += 16 * (i + 2 * 0.75 * (double)rounds);
        cr_assert(eq(dbl, operations, 4.0 * 16 * MODA_PEAK_CHAINS * (double)rounds));
        cr_assert(eq(dbl, (double)sum, want), "%zu rounds", rounds);
    }
#endif
}

Test(peak, limits_are_measured)
{
    double flops = 0, bandwidth = 0;
    cr_assert(moda_peak_flops(0.02, &flops) == MODA_OK, "%s", moda_last_error());
    cr_assert(moda_peak_bandwidth(0.02, &bandwidth) == MODA_OK, "%s", moda_last_error());
    cr_assert(isfinite(flops) && flops > 0, "%g FLOP/s", flops);
    const moda_status bf16 = moda_peak_flops_bf16(0.02, &flops);
    cr_assert(eq(int, bf16, moda_cpu_has_bf16() ? MODA_OK : MODA_ERR_UNSUPPORTED));
    cr_assert(isfinite(bandwidth) && bandwidth > 0, "%g B/s", bandwidth);
}

Test(peak, no_time_is_refused)
{
    double x = 7;
    cr_assert(moda_peak_flops(0, &x) == MODA_ERR_ARG);
    cr_assert(moda_peak_bandwidth(-1, &x) == MODA_ERR_ARG);
    cr_assert(moda_peak_flops(NAN, &x) == MODA_ERR_ARG);
    cr_assert(x == 7, "written in spite of the failure: %g", x);
}
