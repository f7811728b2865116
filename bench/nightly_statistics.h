/* bench/nightly_statistics.h - the few tests that a verdict on a night rests on. docs/nightly.md
 * says why these.
 *
 * Values are logarithms, so that a difference is a ratio; up is worse. No randomness, no state. */
#ifndef MODA_BENCH_NIGHTLY_STATISTICS_H
#define MODA_BENCH_NIGHTLY_STATISTICS_H

#include <stdbool.h>
#include <stddef.h>

/* P(T > t) for Student's t with df >= 1 degrees of freedom. */
double moda_student_upper(double t, size_t df);
/* The t with P(T > t) = p, 0 < p < 0.5. */
double moda_student_quantile(double p, size_t df);

/* Marks values further from the median than MODA_OUTLIER robust deviations (1.4826 times the median
 * of the deviations), the Hampel identifier; none among fewer than 5, or if more than a fifth were any. outlier [n] is written. work
 * [n]. */
#define MODA_OUTLIER 5.0
void moda_mark_outliers(const double *x, size_t n, bool *outlier, double *work);

/* What is known of a figure's level: from `n` values around it, with the scatter of single values
 * known with df degrees of freedom. */
typedef struct moda_level {
    double mean, scatter;
    size_t n, df;
} moda_level;

/* Student's prediction of the mean of `count` new values. */
double moda_level_t(const moda_level *level, double mean, size_t count);
/* Half the width of the interval of (mean of count values - level), of this two-sided confidence.
 */
double moda_level_margin(const moda_level *level, size_t count, double confidence);

/* Mann and Whitney's test, exact, for any distribution: the probability that so many pairs of a
 * later and an earlier value have the later one above (`pairs` or more of n earlier times k later
 * ones), if all n + k are alike. n at most MODA_RANK_MOST, k at most MODA_RANK_LATER. */
enum { MODA_RANK_MOST = 32, MODA_RANK_LATER = 8 };
double moda_rank_upper(size_t n, size_t k, size_t pairs);

/* Where one change of level explains x [n], n >= 2, best, by least squares: the index, 1 .. n-1, of
 * the first value behind it. */
size_t moda_change_point(const double *x, size_t n);
/* Pettitt's test for a change of level at an unknown place: an upper bound of the probability of
 * values that rise so clearly (fall: of -x) without one. 1 for n < 4. O(n^2). */
double moda_pettitt_rise(const double *x, size_t n);

/* Holm: adjusted[i] is p[i] as it counts among n tests: to be held against the level of all of them
 * together. order [n] is for work. */
void moda_holm(const double *p, size_t n, double *adjusted, size_t *order);

#endif
