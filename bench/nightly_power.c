/* bench/nightly_power.c - the change that a night would find. Four things have to come together, each
 * taken here with the fourth root of the chance: the first measurement arouses suspicion, all
 * confirmations are above the floor, Student's test is passed, and the rank test. */
#include "bench/nightly_power_internal.h"
#include <math.h>
#include <stdlib.h>

enum { LATER = MODA_NIGHTLY_CONFIRMATIONS + 1 };

static int falling(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (y > x) - (y < x);
}

/* What all measurements of the night have to exceed to pass the rank test: of the base's values as
 * many may lie above them as the level allows. */
static double rank_threshold(const moda_nightly_series *series, double p)
{
    double base[MODA_NIGHTLY_ANCHOR];
    const size_t n = moda_nightly_base_values(series, base);
    size_t above = 0;
    qsort(base, n, sizeof *base, falling);
    while (above + 1 < n && moda_rank_upper(n, LATER, LATER * (n - above - 1)) <= p) above++;
    return base[above];
}

double moda_nightly_detectable(const moda_level *base, const moda_nightly_series *series,
                               size_t figures)
{
    const double least = log(1 + MODA_NIGHTLY_EFFECT);
    const double p = MODA_NIGHTLY_LEVEL / (2 * (double)figures); /* Holm's first step */
    const double chance = pow(MODA_NIGHTLY_POWER, 0.25);
    const double one = base->scatter * sqrt(1 + 1 / (double)base->n);
    const double mean =
        base->scatter * sqrt(1 / (double)MODA_NIGHTLY_CONFIRMATIONS + 1 / (double)base->n);
    const double miss = moda_student_quantile(1 - chance, base->df);
    const double each = one * moda_student_quantile(1 - pow(chance, 1.0 / LATER), base->df);
    const double suspicion =
        fmax(least / 2, one * moda_student_quantile(MODA_NIGHTLY_SUSPICION, base->df)) + one * miss;
    const double student = mean * (moda_student_quantile(p, base->df) + miss);
    const double ranks = rank_threshold(series, p) - base->mean + each;
    return expm1(fmax(fmax(suspicion, least + each), fmax(student, ranks)));
}
