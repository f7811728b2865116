/* tests/test_probe.c - bench/probe.h: clock and distance of cores. */
#include "bench/calibration.h"
#include "bench/probe.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <omp.h>

TestSuite(probe, .timeout = 300);

/* Computed by another program, in another language. */
Test(probe, the_chain_never_changes)
{
    cr_assert(moda_calibration_chain(5, 0) == 5);
    cr_assert(moda_calibration_chain(1, 3) == UINT64_C(0xc308017ee03ce800));
    cr_assert(moda_calibration_chain(2, 1000) == UINT64_C(0x691561a7f72f61b8));
}

/* More threads than cores, too: nobody waits for ever. */
Test(probe, any_number_of_threads_passes_the_word_on)
{
    static const int threads[] = {1, 2, 3, 7, 70};
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        moda_probe p = {0};
        omp_set_num_threads(threads[i]);
        for (int k = 0; k < 3; k++)
            cr_assert(eq(int, moda_probe_take(&p), MODA_OK), "%s", moda_last_error());
        cr_assert(eq(sz, p.clock.n, 3));
        cr_assert(eq(sz, p.handover.n, 3));
        for (size_t k = 0; k < 3; k++) {
            cr_assert(lt(dbl, 0, p.clock.seconds[k]));
            if (threads[i] == 1)
                cr_assert(eq(dbl, p.handover.seconds[k], 0));
            else
                cr_assert(lt(dbl, 0, p.handover.seconds[k]), "%d threads", threads[i]);
        }
        moda_probe_free(&p);
        moda_probe_free(&p);
    }
}

Test(probe, a_state_is_within_half_as_much_again)
{
    const bool same = moda_probe_same_state(60e-9, 89e-9),
               other = moda_probe_same_state(60e-9, 91e-9);
    const bool back = moda_probe_same_state(91e-9, 60e-9), alone = moda_probe_same_state(0, 0);
    const bool unknown = moda_probe_same_state(0, 60e-9);
    cr_assert(same && alone);
    cr_assert(not(other || back || unknown));
}

Test(probe, quantiles_are_timings)
{
    moda_timings t = {0};
    double q;
    cr_assert(eq(int, moda_timings_quantile(&t, 0.5, &q), MODA_OK));
    cr_assert(isnan(q));
    for (int i = 0; i <= 10; i++) cr_assert(eq(int, moda_timings_add(&t, (7 * i) % 11), MODA_OK));
    for (int i = 0; i <= 10; i++) {
        cr_assert(eq(int, moda_timings_quantile(&t, 0.1 * i, &q), MODA_OK));
        cr_assert(eq(dbl, q, i));
    }
    cr_assert(eq(dbl, t.seconds[1], 7)); /* left in their order */
    moda_timings_free(&t);
}
