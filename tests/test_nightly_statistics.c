/* tests/test_nightly_statistics.c - bench/nightly_statistics.h: tails, changes, outliers, many
 * tests at once. */
#include "base/rng.h"
#include "bench/nightly_statistics.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>

TestSuite(nightly_statistics, .timeout = 60);

/* ---- Student's t ---- */

/* The density, integrated from t to far out by Simpson's rule after x = t + u/(1-u). */
static double integrated(double t, double df)
{
    enum { PIECES = 20000 };
    const double scale = exp(lgamma((df + 1) / 2) - lgamma(df / 2)) / sqrt(df * M_PI);
    double sum = 0;
    for (int i = 0; i < PIECES; i++) {
        const double u = (double)i / PIECES, x = t + u / (1 - u);
        const double f = pow(1 + x * x / df, -(df + 1) / 2) / ((1 - u) * (1 - u));
        sum += f * (i == 0 ? 1 : i % 2 ? 4 : 2);
    }
    return scale * sum / PIECES / 3;
}

Test(nightly_statistics, tails_of_t_are_the_integral_of_its_density)
{
    static const size_t freedoms[] = {2, 3, 5, 8, 9, 19, 60};
    static const double places[] = {0, 0.3, 1, 2.5, 5, 9};
    for (size_t i = 0; i < 7; i++)
        for (size_t k = 0; k < 6; k++) {
            const double want = integrated(places[k], (double)freedoms[i]);
            const double got = moda_student_upper(places[k], freedoms[i]);
            cr_assert(epsilon_eq(dbl, got, want, 1e-6 * want + 1e-12), "t %g, %zu: %g, not %g",
                      places[k], freedoms[i], got, want);
            const double below = moda_student_upper(-places[k], freedoms[i]);
            cr_assert(epsilon_eq(dbl, below, 1 - got, 1e-12));
        }
}

/* From the tables that every book has. */
Test(nightly_statistics, quantiles_of_t_are_those_of_the_tables)
{
    static const struct {
        double p, t;
        size_t df;
    } table[] = {{0.05, 6.3138, 1},   {0.025, 12.7062, 1}, {0.05, 2.0150, 5},
                 {0.005, 3.1693, 10}, {0.0005, 5.9588, 6}, {0.025, 2.0003, 60}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const double got = moda_student_quantile(table[i].p, table[i].df);
        cr_assert(epsilon_eq(dbl, got, table[i].t, 1e-4), "%g, %zu: %g, not %g", table[i].p,
                  table[i].df, got, table[i].t);
    }
}

/* ---- levels ---- */

Test(nightly_statistics, t_of_a_level_is_the_prediction_tests)
{
    const moda_level level = {1, 0.02, 10, 9};
    const double t = moda_level_t(&level, 1.05, 3);
    cr_assert(epsilon_eq(dbl, t, 0.05 / (0.02 * sqrt(1.0 / 3 + 0.1)), 1e-9));
    const double margin = moda_level_margin(&level, 1, 0.95);
    cr_assert(epsilon_eq(dbl, margin, 2.2622 * 0.02 * sqrt(1.1), 1e-5));
}

/* ---- ranks ---- */

/* All choices of which of n + k places are the later values'. */
Test(nightly_statistics, ranks_are_counted_as_all_orders_are)
{
    static const size_t sizes[][2] = {{4, 3}, {5, 4}, {7, 2}, {6, 6}, {1, 1}};
    for (size_t s = 0; s < 5; s++) {
        const size_t n = sizes[s][0], k = sizes[s][1];
        for (size_t pairs = 0; pairs <= n * k; pairs++) {
            size_t all = 0, above = 0;
            for (unsigned chosen = 0; chosen < 1u << (n + k); chosen++) {
                size_t later = 0, earlier = 0, u = 0;
                for (size_t i = 0; i < n + k; i++) {
                    if (chosen >> i & 1)
                        later++, u += earlier;
                    else
                        earlier++;
                }
                all += later == k, above += later == k && u >= pairs;
            }
            const double got = moda_rank_upper(n, k, pairs), want = (double)above / (double)all;
            cr_assert(epsilon_eq(dbl, got, want, 1e-12), "%zu %zu %zu: %g, not %g", n, k, pairs,
                      got, want);
        }
    }
}

/* ---- changes ---- */

static double squares(const double *x, size_t n)
{
    double mean = 0, sum = 0;
    for (size_t i = 0; i < n; i++) mean += x[i] / (double)n;
    for (size_t i = 0; i < n; i++) sum += (x[i] - mean) * (x[i] - mean);
    return sum;
}

Test(nightly_statistics, a_change_is_found_where_the_squares_are_least)
{
    enum { N = 23, TRIALS = 300 };
    const moda_rng rng = moda_rng_make(5, MODA_RNG_SYNTHETIC, 0);
    double x[N];
    for (size_t trial = 0; trial < TRIALS; trial++) {
        for (size_t i = 0; i < N; i++)
            x[i] = moda_rng_normal(rng, trial * N + i) + (i >= trial % N ? 2 : 0);
        size_t want = 1;
        for (size_t k = 2; k < N; k++)
            if (squares(x, k) + squares(x + k, N - k) <
                squares(x, want) + squares(x + want, N - want))
                want = k;
        const size_t got = moda_change_point(x, N);
        cr_assert(eq(sz, got, want), "trial %zu", trial);
    }
    const double step[] = {1, 1, 1, 5, 5};
    cr_assert(eq(sz, moda_change_point(step, 5), 3));
    cr_assert(eq(sz, moda_change_point(step, 2), 1));
}

/* By the definition: for each split all pairs over it. */
static double pettitt(const double *x, size_t n)
{
    double most = 0;
    for (size_t k = 1; k < n; k++) {
        double u = 0;
        for (size_t i = 0; i < k; i++)
            for (size_t j = k; j < n; j++) u += (x[j] > x[i]) - (x[j] < x[i]);
        most = fmax(most, u);
    }
    const double N = (double)n;
    return fmin(1, exp(-6 * most * most / (N * N * N + N * N)));
}

Test(nightly_statistics, pettitts_statistic_is_that_of_its_definition)
{
    enum { N = 17 };
    const moda_rng rng = moda_rng_make(6, MODA_RNG_SYNTHETIC, 0);
    double x[N];
    for (size_t trial = 0; trial < 200; trial++) {
        for (size_t i = 0; i < N; i++)
            x[i] = floor(4 * moda_rng_normal(rng, trial * N + i)) + (double)(trial % 3 * i);
        const double got = moda_pettitt_rise(x, N), want = pettitt(x, N);
        cr_assert(epsilon_eq(dbl, got, want, 1e-12), "trial %zu: %g, not %g", trial, got, want);
    }
    cr_assert(eq(dbl, moda_pettitt_rise(x, 3), 1));
}

/* Without a change it must not speak more often than it says. */
Test(nightly_statistics, pettitts_p_keeps_its_level)
{
    static const size_t lengths[] = {8, 20, 60};
    static const double levels[] = {0.05, 0.005};
    enum { TRIALS = 4000, MOST = 60 };
    for (size_t l = 0; l < 3; l++) {
        size_t below[2] = {0, 0};
        double x[MOST];
        const moda_rng rng = moda_rng_make(7 + l, MODA_RNG_SYNTHETIC, 0);
        for (size_t trial = 0; trial < TRIALS; trial++) {
            for (size_t i = 0; i < lengths[l]; i++) x[i] = moda_rng_unit(rng, trial * MOST + i);
            const double p = moda_pettitt_rise(x, lengths[l]);
            for (int k = 0; k < 2; k++) below[k] += p <= levels[k];
        }
        for (int k = 0; k < 2; k++) {
            const double expected = levels[k] * TRIALS;
            cr_assert(le(dbl, (double)below[k], expected + 3 * sqrt(expected)),
                      "%zu values: %zu times below %g in %d", lengths[l], below[k], levels[k],
                      TRIALS);
        }
    }
}

/* ---- outliers and Holm ---- */

Test(nightly_statistics, outliers_are_marked_and_nothing_else)
{
    const double x[] = {1.00, 1.01, 0.99, 1.02, 1.60, 0.98, 1.00};
    bool outlier[7];
    double work[7];
    moda_mark_outliers(x, 7, outlier, work);
    for (size_t i = 0; i < 7; i++) cr_assert(eq(int, outlier[i], i == 4), "%zu", i);
    moda_mark_outliers(x + 3, 4, outlier, work);
    for (size_t i = 0; i < 4; i++) cr_assert(eq(int, outlier[i], 0), "too few to tell: %zu", i);
    const double states[] = {1.00, 1.01, 0.99, 1.02, 1.01, 0.98, 1.00, 1.35, 1.36, 1.34};
    bool second[10];
    double space[10];
    moda_mark_outliers(states, 10, second, space);
    for (size_t i = 0; i < 10; i++) cr_assert(eq(int, second[i], 0), "two states: %zu", i);
    const double same[] = {2, 2, 2, 2, 2, 2.1};
    moda_mark_outliers(same, 6, outlier, work);
    cr_assert(eq(int, outlier[5], 0), "a scatter of 0 makes no outlier");
}

/* Holm, Scandinavian Journal of Statistics 6 (1979): the smallest times n, the next times n - 1,
 * ... */
Test(nightly_statistics, holm_as_by_hand)
{
    const double p[] = {0.04, 0.01, 0.03, 0.005}, want[] = {0.06, 0.03, 0.06, 0.02};
    double adjusted[4];
    size_t order[4];
    moda_holm(p, 4, adjusted, order);
    for (size_t i = 0; i < 4; i++) cr_assert(epsilon_eq(dbl, adjusted[i], want[i], 1e-12));
}
