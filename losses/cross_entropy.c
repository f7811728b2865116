/* losses/cross_entropy.c - softmax cross entropy. The largest logit is taken off first, so nothing
 * overflows; sums are double, so that a nearly perfect sample still has a loss above 0. */
#include "losses/cross_entropy.h"
#include <math.h>

/* The batch is cut into this many runs of samples, whatever the number of threads; each is summed
 * in order, and then the runs are. */
enum { RUNS = 64, PARALLEL_FROM = 1 << 12 };

typedef struct run_result {
    double loss;
    size_t correct;
} run_result;

/* One sample. d_z may be NULL. */
static run_result sample(size_t n, size_t k, const float *z, uint32_t label, float *d_z)
{
    float largest = -INFINITY;
    size_t best = k;
    for (size_t j = 0; j < k; j++)
        if (z[j] > largest) largest = z[j], best = j;
    double sum = 0;
    for (size_t j = 0; j < k; j++) {
        const float e = expf(z[j] - largest); /* NaN - x and inf - inf: NaN, and it stays */
        sum += (double)e;
        if (d_z) d_z[j] = e;
    }
    const double scale = 1 / sum;
    for (size_t j = 0; d_z && j < k; j++)
        d_z[j] = (float)(((double)d_z[j] * scale - (j == label)) / (double)n);
    return (run_result){log(sum) - ((double)z[label] - (double)largest),
                        best == label && !isnan(sum)};
}

double moda_cross_entropy(size_t n, size_t k, const float *z, const uint32_t *labels, float *d_z,
                          size_t *correct)
{
    run_result runs[RUNS] = {0}, all = {0};
#pragma omp parallel for schedule(static) if (n * k > PARALLEL_FROM)
    for (size_t r = 0; r < RUNS; r++)
        for (size_t i = n * r / RUNS; i < n * (r + 1) / RUNS; i++) {
            const run_result one = sample(n, k, z + i * k, labels[i], d_z ? d_z + i * k : NULL);
            runs[r].loss += one.loss;
            runs[r].correct += one.correct;
        }
    for (size_t r = 0; r < RUNS; r++) all.loss += runs[r].loss, all.correct += runs[r].correct;
    if (correct) *correct = all.correct;
    return all.loss / (double)n;
}
