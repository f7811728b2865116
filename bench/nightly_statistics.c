#include "bench/nightly_statistics.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HAMPEL_SCALE 1.4826 /* of a normal distribution's median deviation */
/* More than a fifth are no outliers but a second state of the machine, part of the scatter. */
enum { LEAST_FOR_OUTLIERS = 5, MOST_OUTLIERS = 5 };

/* ---- Student's t, for whole degrees of freedom: Abramowitz and Stegun 26.7.3, 26.7.4 ---- */

double moda_student_upper(double t, size_t df)
{
    const double size = fabs(t), angle = atan(size / sqrt((double)df));
    const double c = cos(angle), s = sin(angle), c2 = c * c;
    const bool odd = df % 2;
    double term = odd ? c : 1, sum = df > 1 ? term : 0;
    for (size_t i = odd ? 3 : 2; i + 2 <= df; i += 2)
        sum += term *= c2 * (double)(i - 1) / (double)i;
    const double inside = odd ? 2 / M_PI * (angle + s * sum) : s * sum; /* P(|T| < |t|) */
    const double upper = (1 - inside) / 2;
    return t < 0 ? 1 - upper : fmax(upper, 0);
}

double moda_student_quantile(double p, size_t df)
{
    double low = 0, high = 1;
    while (moda_student_upper(high, df) > p && high < 1e9) high *= 2;
    for (int i = 0; i < 100; i++) {
        const double middle = (low + high) / 2;
        *(moda_student_upper(middle, df) > p ? &low : &high) = middle;
    }
    return (low + high) / 2;
}

/* ---- outliers ---- */

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *x, size_t n)
{
    qsort(x, n, sizeof *x, by_size);
    return (x[(n - 1) / 2] + x[n / 2]) / 2;
}

void moda_mark_outliers(const double *x, size_t n, bool *outlier, double *work)
{
    size_t far_ones = 0;
    memset(outlier, 0, n * sizeof *outlier);
    if (n < LEAST_FOR_OUTLIERS) return;
    memcpy(work, x, n * sizeof *x);
    const double middle = median(work, n);
    for (size_t i = 0; i < n; i++) work[i] = fabs(x[i] - middle);
    const double far = MODA_OUTLIER * HAMPEL_SCALE * median(work, n);
    for (size_t i = 0; i < n; i++) far_ones += outlier[i] = fabs(x[i] - middle) > far && far > 0;
    if (far_ones * MOST_OUTLIERS > n) memset(outlier, 0, n * sizeof *outlier);
}

/* ---- levels ---- */

static double error_of(const moda_level *l, size_t count)
{
    return l->scatter * sqrt(1 / (double)count + 1 / (double)l->n);
}

double moda_level_t(const moda_level *l, double mean, size_t count)
{
    return (mean - l->mean) / error_of(l, count);
}

double moda_level_margin(const moda_level *l, size_t count, double confidence)
{
    return moda_student_quantile((1 - confidence) / 2, l->df) * error_of(l, count);
}

/* ---- ranks ---- */

/* Orders with u pairs: the largest of all is an earlier value, which makes no pair, or a later one,
 * which makes n. */
double moda_rank_upper(size_t n, size_t k, size_t pairs)
{
    enum { PAIRS = MODA_RANK_MOST * MODA_RANK_LATER + 1 };
    double orders[MODA_RANK_LATER + 1][PAIRS] = {{1}}, all = 0, above = 0;
    for (size_t j = 1; j <= k; j++) orders[j][0] = 1; /* of no earlier values */
    for (size_t i = 1; i <= n; i++)
        for (size_t j = 1; j <= k; j++)
            for (size_t u = PAIRS; u-- > i;) orders[j][u] += orders[j - 1][u - i];
    for (size_t u = 0; u < PAIRS; u++) all += orders[k][u], above += u >= pairs ? orders[k][u] : 0;
    return above / all;
}

/* ---- changes ---- */

/* The change that takes most off the sum of squares. */
size_t moda_change_point(const double *x, size_t n)
{
    double total = 0, before = 0, most = -1;
    size_t best = 1;
    for (size_t i = 0; i < n; i++) total += x[i];
    for (size_t k = 1; k < n; k++) {
        before += x[k - 1];
        const double a = (double)k, b = (double)(n - k);
        const double step = (total - before) / b - before / a, gain = step * step * a * b;
        if (gain > most) most = gain, best = k;
    }
    return best;
}

double moda_pettitt_rise(const double *x, size_t n)
{
    double u = 0, most = 0;
    const double N = (double)n;
    if (n < 4) return 1;
    for (size_t k = 0; k + 1 < n; k++) {
        /* u counts pairs over the split, later above earlier less below; x[k] changes sides. */
        for (size_t j = 0; j < n; j++) u += (x[j] > x[k]) - (x[j] < x[k]);
        most = fmax(most, u);
    }
    return fmin(1, exp(-6 * most * most / (N * N * N + N * N)));
}

/* ---- many tests ---- */

void moda_holm(const double *p, size_t n, double *adjusted, size_t *order)
{
    double least = 0;
    for (size_t i = 0; i < n; i++) { /* n is small: insertion */
        size_t k = i;
        for (; k > 0 && p[order[k - 1]] > p[i]; k--) order[k] = order[k - 1];
        order[k] = i;
    }
    for (size_t i = 0; i < n; i++) {
        least = fmax(least, fmin(1, p[order[i]] * (double)(n - i)));
        adjusted[order[i]] = least;
    }
}
