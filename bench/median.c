#include "bench/median.h"
#include <math.h>

/* Terms further from n/2 than this many times sqrt(n)/2, one standard deviation, are below 1e-30. */
#define NEGLIGIBLE 12

/* log of P(B = i) */
static double log_probability(size_t n, size_t i)
{
    int sign;
    const double N = (double)n, I = (double)i;
    return lgamma_r(N + 1, &sign) - lgamma_r(I + 1, &sign) - lgamma_r(N - I + 1, &sign) -
           N * log(2);
}

size_t moda_median_rank(size_t n, double confidence, double *covered)
{
    const double half = (double)n / 2, far = NEGLIGIBLE * sqrt((double)n) / 2;
    size_t k = far < half ? (size_t)(half - far) : 0;
    double below = 0; /* P(B < k) */
    while (2 * (k + 1) <= n + 1) {
        const double next = below + exp(log_probability(n, k));
        if (k >= 1 && 1 - 2 * next < confidence) break;
        below = next, k++;
    }
    *covered = 1 - 2 * below;
    return k;
}
