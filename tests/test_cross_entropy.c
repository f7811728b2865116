/* tests/test_cross_entropy.c - softmax cross entropy against its definition in long double. */
#include "losses/cross_entropy.h"
#include "tests/losses_oracle.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <omp.h>
#include <string.h>

TestSuite(cross_entropy, .timeout = 60);

/* Logits in [-range,range]. */
static void fill(uint64_t seed, size_t count, double range, float *z)
{
    for (size_t i = 0; i < count; i++) z[i] = (float)((2 * oracle_uniform(&seed) - 1) * range);
}

/* No maximum is taken off: logits must be small. */
static long double definition(size_t n, size_t k, const float *z, const uint32_t *y, double *d_z)
{
    long double loss = 0;
    for (size_t i = 0; i < n; i++) {
        long double sum = 0;
        for (size_t j = 0; j < k; j++) sum += expl((long double)z[i * k + j]);
        loss -= logl(expl((long double)z[i * k + y[i]]) / sum);
        for (size_t j = 0; j < k; j++)
            d_z[i * k + j] =
                (double)((expl((long double)z[i * k + j]) / sum - (j == y[i])) / (long double)n);
    }
    return loss / (long double)n;
}

Test(cross_entropy, agrees_with_the_definition)
{
    static const size_t shapes[][2] = {{1, 1},   {1, 2},     {3, 10},    {32, 10},
                                       {65, 17}, {128, 100}, {200, 1000}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        const size_t n = shapes[s][0], k = shapes[s][1];
        float *z = malloc(n * k * sizeof *z), *d_z = malloc(n * k * sizeof *d_z);
        double *want_d = malloc(n * k * sizeof *want_d);
        uint32_t *y = malloc(n * sizeof *y);
        size_t correct, want_correct = 0;
        fill(s, n * k, 8, z);
        oracle_labels(s, n, k, y);
        for (size_t i = 0; i < n; i++) {
            size_t below = 0;
            for (size_t j = 0; j < k; j++) below += z[i * k + j] <= z[i * k + y[i]];
            want_correct += below == k;
        }
        const double want = (double)definition(n, k, z, y, want_d);
        const double loss = moda_cross_entropy(n, k, z, y, d_z, &correct);
        cr_assert(n < 3 || want > 1, "reference near 0: %g", want);
        cr_assert(fabs(loss - want) <= 1e-7 * (want + 1), "[%zu,%zu]: loss %.12g, not %.12g", n, k,
                  loss, want);
        cr_assert(eq(sz, correct, want_correct));
        const double far = oracle_distance(n * k, d_z, want_d);
        cr_assert(far <= 1e-6, "[%zu,%zu]: gradient off by %g", n, k, far);
        cr_assert(eq(dbl, moda_cross_entropy(n, k, z, y, NULL, NULL), loss));
        free(z), free(d_z), free(want_d), free(y);
    }
}

Test(cross_entropy, gradient_is_the_slope_of_the_loss)
{
    enum { N = 5, K = 7 };
    float z[N * K], d_z[N * K];
    uint32_t y[N];
    fill(3, N * K, 2, z);
    oracle_labels(3, N, K, y);
    moda_cross_entropy(N, K, z, y, d_z, NULL);
    for (size_t e = 0; e < N * K; e++) {
        const float kept = z[e], step = 1.0f / 64;
        z[e] = kept + step;
        const double up = moda_cross_entropy(N, K, z, y, NULL, NULL), high = (double)z[e];
        z[e] = kept - step;
        const double down = moda_cross_entropy(N, K, z, y, NULL, NULL);
        const double slope = (up - down) / (high - (double)z[e]);
        z[e] = kept;
        cr_assert(fabs(slope - (double)d_z[e]) < 2e-5, "entry %zu: gradient %g, slope %g", e,
                  (double)d_z[e], slope);
    }
}

/* exp(1000) is infinite in float and in double. */
Test(cross_entropy, large_logits_do_not_overflow)
{
    const float z[6] = {1000, 999, -1000, -1e30f, 0, 1e30f};
    const uint32_t y[2] = {1, 2};
    float d_z[6];
    size_t correct;
    const double loss = moda_cross_entropy(2, 3, z, y, d_z, &correct);
    const double want = (1 + log1p(exp(-1))) / 2;
    cr_assert(fabs(loss - want) < 1e-7, "loss %.9g, not %.9g", loss, want);
    cr_assert(eq(sz, correct, 1));
    for (size_t i = 0; i < 6; i++) cr_assert(isfinite(d_z[i]), "d_z %zu is %g", i, (double)d_z[i]);
    cr_assert(d_z[1] < -0.3f && d_z[0] > 0.3f && d_z[5] == 0);
}

Test(cross_entropy, nan_and_infinity_are_seen)
{
    const float bad[3] = {NAN, INFINITY, -INFINITY};
    const uint32_t y[2] = {0, 1};
    for (size_t b = 0; b < 3; b++) {
        float z[4] = {0, 1, 2, 3}, d_z[4];
        size_t correct;
        z[3] = bad[b]; /* the label's logit */
        const double loss = moda_cross_entropy(2, 2, z, y, d_z, &correct);
        cr_assert(isfinite(loss) == 0, "logit %g: loss %g", (double)bad[b], loss);
        cr_assert(eq(sz, correct, 0));
    }
}

Test(cross_entropy, the_first_of_equal_logits_is_the_prediction)
{
    const float z[6] = {1, 2, 2, 1, 2, 2};
    const uint32_t first[2] = {1, 1}, second[2] = {2, 2};
    size_t correct;
    moda_cross_entropy(2, 3, z, first, NULL, &correct);
    cr_assert(eq(sz, correct, 2));
    moda_cross_entropy(2, 3, z, second, NULL, &correct);
    cr_assert(eq(sz, correct, 0));
}

Test(cross_entropy, same_bits_for_any_number_of_threads)
{
    enum { N = 200, K = 100 };
    static float z[N * K], one[N * K], many[N * K];
    uint32_t y[N];
    fill(5, N * K, 5, z);
    oracle_labels(5, N, K, y);
    omp_set_num_threads(1);
    const double want = moda_cross_entropy(N, K, z, y, one, NULL);
    for (int threads = 2; threads <= 3; threads++) {
        omp_set_num_threads(threads);
        const double loss = moda_cross_entropy(N, K, z, y, many, NULL);
        cr_assert(memcmp(&loss, &want, sizeof loss) == 0, "%d threads: %a, not %a", threads, loss,
                  want);
        cr_assert(memcmp(one, many, sizeof one) == 0, "%d threads: another gradient", threads);
    }
}
