/* tests/test_scale_fit.c - the laws of scaling: curves made from known laws give them back, and on noisy ones no
 * point of a fine grid of laws fits better. */
#include "base/rng.h"
#include "bench/scale_fit.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>

TestSuite(scale_fit, .timeout = 60);

static const size_t threads[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64};
enum { COUNT = sizeof threads / sizeof *threads };

/* Written from the definition of speedup: time alone, in queues, in pairs. */
static double law(double one, double s, double k, double n)
{
    const double each = 1 / (one * n);
    return 1 / (each + s * (n - 1) * each + k * n * (n - 1) * each);
}

static void fill(moda_scale_sample *x, size_t count, double one, double s, double k, double noise,
                 uint64_t seed)
{
    const moda_rng rng = moda_rng_make(seed, MODA_RNG_TEST, 0);
    for (size_t i = 0; i < count; i++)
        x[i] = (moda_scale_sample){threads[i], law(one, s, k, (double)threads[i]) *
                                                   (1 + noise * (2 * moda_rng_unit(rng, i) - 1))};
}

/* Root mean square of relative errors of the time, as the fit's. */
static double error_of(const moda_scale_sample *x, size_t count, double one, double s, double k)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        const double r = x[i].rate / law(one, s, k, (double)x[i].threads) - 1;
        sum += r * r;
    }
    return sqrt(sum / (double)count);
}

Test(scale_fit, amdahl_gives_exact_curves_back)
{
    const double fractions[] = {0, 0.001, 0.05, 0.3, 1};
    moda_scale_sample x[COUNT];
    for (size_t i = 0; i < 5; i++) {
        fill(x, COUNT, 37.5, fractions[i], 0, 0, 1);
        const moda_scale_fit f = moda_scale_fit_amdahl(x, COUNT);
        cr_assert(eq(int, f.kind, MODA_FIT_LEAST_SQUARES));
        cr_assert(epsilon_eq(dbl, f.contention, fractions[i], 1e-9), "%g for %g", f.contention,
                  fractions[i]);
        cr_assert(epsilon_eq(dbl, f.rate, 37.5, 1e-7));
        cr_assert(lt(dbl, f.error, 1e-9));
        cr_assert(
            epsilon_eq(dbl, moda_scale_fit_rate(&f, 1000), law(37.5, fractions[i], 0, 1000), 1e-4));
    }
}

Test(scale_fit, usl_gives_exact_curves_back)
{
    const double laws[][2] = {{0, 0},         {0.05, 0},   {0, 0.0002},
                              {0.02, 0.0005}, {0.4, 0.02}, {1.5, 0}};
    moda_scale_sample x[COUNT];
    for (size_t i = 0; i < sizeof laws / sizeof *laws; i++) {
        fill(x, COUNT, 995.7, laws[i][0], laws[i][1], 0, 1);
        const moda_scale_fit f = moda_scale_fit_usl(x, COUNT);
        cr_assert(epsilon_eq(dbl, f.contention, laws[i][0], 1e-8), "%g for %g", f.contention,
                  laws[i][0]);
        cr_assert(epsilon_eq(dbl, f.coherence, laws[i][1], 1e-9), "%g for %g", f.coherence,
                  laws[i][1]);
        cr_assert(lt(dbl, f.error, 1e-9));
    }
    /* The published example of the law's maximum: sqrt((1 - 0.02)/0.0005). */
    fill(x, COUNT, 995.7, 0.02, 0.0005, 0, 1);
    const moda_scale_fit f = moda_scale_fit_usl(x, COUNT);
    const double best = moda_scale_fit_best_threads(&f);
    cr_assert(epsilon_eq(dbl, best, 44.2719, 1e-3), "%g", best);
    cr_assert(lt(dbl, moda_scale_fit_rate(&f, best + 1), moda_scale_fit_rate(&f, best)));
    cr_assert(lt(dbl, moda_scale_fit_rate(&f, best - 1), moda_scale_fit_rate(&f, best)));
}

Test(scale_fit, no_other_law_fits_noisy_points_better)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        moda_scale_sample x[COUNT];
        fill(x, COUNT, 10, 0.03, 0.0004, 0.05, seed);
        const moda_scale_fit a = moda_scale_fit_amdahl(x, COUNT), u = moda_scale_fit_usl(x, COUNT);
        cr_assert(lt(dbl, 0.001, u.error), "no noise: this proves nothing");
        cr_assert(
            epsilon_eq(dbl, error_of(x, COUNT, u.rate, u.contention, u.coherence), u.error, 1e-12));
        cr_assert(epsilon_eq(dbl, error_of(x, COUNT, a.rate, a.contention, 0), a.error, 1e-12));
        for (double s = 0; s < 0.12; s += 0.002)
            for (double k = 0; k < 0.001; k += 0.00005)
                for (double one = 9; one < 11; one += 0.1) {
                    const double e = error_of(x, COUNT, one, s, k);
                    cr_assert(le(dbl, u.error, e), "%g: %g %g %g", u.error, one, s, k);
                    if (k == 0) cr_assert(le(dbl, a.error, e));
                }
    }
}

Test(scale_fit, noise_moves_the_fit_a_little)
{
    double s = 0, k = 0, worst = 0;
    enum { SEEDS = 200 };
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        moda_scale_sample x[COUNT];
        fill(x, COUNT, 10, 0.05, 0, 0.01, seed);
        const moda_scale_fit f = moda_scale_fit_amdahl(x, COUNT);
        worst = fmax(worst, fabs(f.contention - 0.05));
        fill(x, COUNT, 10, 0.03, 0.0004, 0.01, seed);
        const moda_scale_fit u = moda_scale_fit_usl(x, COUNT);
        s += u.contention / SEEDS, k += u.coherence / SEEDS;
        cr_assert(lt(dbl, u.error, 0.01));
    }
    cr_assert(lt(dbl, worst, 0.003), "%g", worst);
    cr_assert(lt(dbl, 0, worst), "no noise: this proves nothing");
    cr_assert(epsilon_eq(dbl, s, 0.03, 0.001), "%g", s);
    cr_assert(epsilon_eq(dbl, k, 0.0004, 0.00002), "%g", k);
}

Test(scale_fit, laws_stay_within_their_bounds)
{
    /* Faster than the number of threads: no negative fraction. */
    const moda_scale_sample more[] = {{1, 10}, {2, 23}, {4, 50}, {8, 110}};
    moda_scale_fit f = moda_scale_fit_amdahl(more, 4);
    cr_assert(eq(dbl, f.contention, 0));
    cr_assert(lt(dbl, 0.01, f.error));
    f = moda_scale_fit_usl(more, 4);
    cr_assert(eq(dbl, f.contention, 0));
    cr_assert(eq(dbl, f.coherence, 0));
    cr_assert(eq(dbl, moda_scale_fit_best_threads(&f), INFINITY));
    /* Slower with every thread: Amdahl's law has no such curve, the other has. */
    const moda_scale_sample less[] = {{1, 10}, {2, 7}, {4, 3}, {8, 1}};
    f = moda_scale_fit_amdahl(less, 4);
    cr_assert(epsilon_eq(dbl, f.contention, 1, 1e-12));
    f = moda_scale_fit_usl(less, 4);
    cr_assert(lt(dbl, 0.1, f.coherence));
    cr_assert(eq(dbl, moda_scale_fit_best_threads(&f), 1));
}

Test(scale_fit, few_points_are_said_to_be_few)
{
    moda_scale_sample x[COUNT];
    fill(x, COUNT, 10, 0.2, 0.001, 0, 1);
    cr_assert(eq(int, moda_scale_fit_amdahl(x, 0).kind, MODA_FIT_NONE));
    cr_assert(eq(int, moda_scale_fit_amdahl(x, 1).kind, MODA_FIT_NONE));
    cr_assert(eq(int, moda_scale_fit_amdahl(x, 2).kind, MODA_FIT_EXACT));
    cr_assert(eq(int, moda_scale_fit_amdahl(x, 3).kind, MODA_FIT_LEAST_SQUARES));
    cr_assert(eq(int, moda_scale_fit_usl(x, 2).kind, MODA_FIT_NONE));
    cr_assert(eq(int, moda_scale_fit_usl(x, 3).kind, MODA_FIT_EXACT));
    cr_assert(eq(int, moda_scale_fit_usl(x, 4).kind, MODA_FIT_LEAST_SQUARES));
    /* Karp and Flatt: s = (1/S - 1/n)/(1 - 1/n). */
    const moda_scale_sample two[] = {{1, 10}, {2, 16}};
    const moda_scale_fit f = moda_scale_fit_amdahl(two, 2);
    cr_assert(epsilon_eq(dbl, f.contention, (1 / 1.6 - 0.5) / 0.5, 1e-12));
    /* Without one thread, too. */
    const moda_scale_fit late = moda_scale_fit_usl(x + 3, COUNT - 3);
    cr_assert(epsilon_eq(dbl, late.contention, 0.2, 1e-8));
    cr_assert(epsilon_eq(dbl, late.rate, 10, 1e-6));
}
