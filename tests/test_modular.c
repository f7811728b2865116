/* tests/test_modular.c - the closed form of the modular losses: against its definition in double,
 * against slopes, and over odd shapes. Published results are in test_modular_golden.c. */
#include "losses/losses_internal.h"
#include "losses/modular.h"
#include "tests/losses_oracle.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <omp.h>
#include <string.h>

TestSuite(modular, .timeout = 60);

/* dead: leading all-zero rows; negative: entries of both signs. */
typedef struct sample_case {
    size_t n, d, k, dead;
    int negative;
} sample_case;

static const sample_case cases[] = {
    {1, 1, 1, 0, 0},       {1, 9, 4, 1, 0},        {2, 3, 1, 0, 0},    {7, 1, 3, 0, 0},
    {9, 1, 2, 2, 1},       {8, 16, 8, 0, 0},       {30, 17, 1, 0, 0},  {33, 7, 3, 1, 0},
    {64, 63, 5, 3, 1},     {64, 64, 5, 0, 0},      {50, 65, 10, 1, 0}, {128, 130, 10, 0, 1},
    {128, 512, 100, 2, 0}, {20, 1000, 300, 20, 0}, {128, 200, 2, 0, 0}};
enum { CASES = sizeof cases / sizeof *cases };

typedef struct sample_input {
    sample_case c;
    uint32_t *labels;
    float *a, *d_a;
    double *exact; /* a in double */
    double *want, *scale;
    moda_modular_scratch *scratch;
    moda_pair_counts pairs;
} sample_input;

static sample_input make(sample_case c)
{
    const size_t count = c.n * c.d;
    sample_input in = {.c = c};
    in.labels = malloc(c.n * sizeof *in.labels);
    in.a = malloc(count * sizeof *in.a);
    in.d_a = malloc(count * sizeof *in.d_a);
    in.exact = malloc(count * sizeof *in.exact);
    in.want = malloc(count * sizeof *in.want);
    in.scale = malloc(c.n * sizeof *in.scale);
    oracle_fill(c.n + c.d, count, 0.4, in.a);
    oracle_labels(c.d, c.n, c.k, in.labels);
    for (size_t e = 0; c.negative && e < count; e += 3) in.a[e] = -in.a[e];
    for (size_t e = 0; e < count; e++) {
        if (e < c.dead * c.d) in.a[e] = 0;
        in.exact[e] = (double)in.a[e];
        in.d_a[e] = NAN; /* whatever stands there is overwritten */
    }
    cr_assert(eq(int, moda_modular_scratch_create(c.n, c.d, c.k, &in.scratch), MODA_OK), "%s",
              moda_last_error());
    in.pairs = moda_modular_pairs(in.scratch, c.n, in.labels);
    return in;
}

static void drop(sample_input *in)
{
    moda_modular_scratch_destroy(in->scratch);
    free(in->labels), free(in->a), free(in->d_a), free(in->exact), free(in->want), free(in->scale);
}

static moda_modular_terms run(sample_input *in, moda_modular_weights w, size_t layers)
{
    moda_modular_terms t;
    moda_modular_layer(in->scratch, in->c.n, in->c.d, in->labels, in->a, in->pairs, w, layers,
                       in->d_a, &t);
    return t;
}

static void check_gradient(const sample_input *in)
{
    const size_t d = in->c.d;
    for (size_t e = 0; e < in->c.n * d; e++)
        cr_assert(fabs((double)in->d_a[e] - in->want[e]) <= 2e-6 * in->scale[e / d],
                  "n %zu d %zu k %zu: d_a[%zu,%zu] is %.9g, not %.9g (scale %g)", in->c.n, d,
                  in->c.k, e / d, e % d, (double)in->d_a[e], in->want[e], in->scale[e / d]);
}

static void check_case(sample_case c)
{
    static const moda_modular_weights weights[] = {
        {1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {1, 1, 0.3}, {0.5, 3, 20}};
    sample_input in = make(c);
    const oracle_terms want = oracle_values(c.n, c.d, in.labels, in.exact);
    cr_assert(eq(dbl, in.pairs.same, want.same));
    cr_assert(eq(dbl, in.pairs.different, want.different));
    for (size_t w = 0; w < sizeof weights / sizeof *weights; w++) {
        const size_t layers = 1 + w * 3;
        oracle_gradient(c.n, c.d, in.labels, in.exact, weights[w].affinity, weights[w].dispersion,
                        weights[w].compactness, (double)layers, in.want, in.scale);
        const moda_modular_terms got = run(&in, weights[w], layers);
        cr_assert(epsilon_eq(dbl, got.affinity, want.affinity, 1e-6));
        cr_assert(epsilon_eq(dbl, got.dispersion, want.dispersion, 1e-6));
        cr_assert(epsilon_eq(dbl, got.compactness, want.compactness, 1e-9));
        check_gradient(&in);
    }
    drop(&in);
}

Test(modular, every_shape_agrees_with_all_pairs_in_double)
{
    const moda_isa best = moda_isa_best();
    for (moda_isa isa = MODA_ISA_REF; isa <= best; isa++) {
        moda_loss_kernels_use(isa);
        for (size_t i = 0; i < CASES; i++) check_case(cases[i]);
    }
}

/* The slope is of the definition in double, so it shares nothing with the code, and checks the
 * gradient of the oracle above as well. */
Test(modular, gradient_is_the_slope_of_the_loss)
{
    const sample_case c = {12, 10, 3, 0, 1};
    const double step = 1e-6, layers = 4, alpha = 1.5, beta = 0.7, gamma = 2;
    sample_input in = make(c);
    double loss[2];
    size_t moved = 0;
    run(&in, (moda_modular_weights){alpha, beta, gamma}, (size_t)layers);
    for (size_t e = 0; e < c.n * c.d; e++) {
        if (in.exact[e] == 0) continue; /* |a| has no slope there */
        for (int side = 0; side < 2; side++) {
            const double kept = in.exact[e];
            in.exact[e] += side ? step : -step;
            const oracle_terms t = oracle_values(c.n, c.d, in.labels, in.exact);
            loss[side] = alpha * (1 - t.affinity / layers) + beta * t.dispersion / layers +
                         gamma * t.compactness / layers;
            in.exact[e] = kept;
        }
        const double slope = (loss[1] - loss[0]) / (2 * step);
        cr_assert(fabs(slope - (double)in.d_a[e]) < 1e-7, "entry %zu: gradient %.9g, slope %.9g", e,
                  (double)in.d_a[e], slope);
        moved += fabs(slope) > 1e-3;
    }
    cr_assert(moved > 20, "only %zu slopes differ from 0: this input proves nothing", moved);
    drop(&in);
}

Test(modular, same_bits_for_any_number_of_threads)
{
    const moda_modular_weights w = {1, 1, 0.3};
    for (size_t i = 0; i < CASES; i++) {
        sample_input in = make(cases[i]);
        const size_t bytes = in.c.n * in.c.d * sizeof(float);
        float *one = malloc(bytes);
        omp_set_num_threads(1);
        const moda_modular_terms want = run(&in, w, 3);
        memcpy(one, in.d_a, bytes);
        for (int threads = 2; threads <= 3; threads++) {
            omp_set_num_threads(threads);
            const moda_modular_terms got = run(&in, w, 3);
            cr_assert(memcmp(&got, &want, sizeof got) == 0, "case %zu, %d threads: other values", i,
                      threads);
            cr_assert(memcmp(one, in.d_a, bytes) == 0, "case %zu, %d threads: another gradient", i,
                      threads);
        }
        free(one);
        drop(&in);
    }
}

Test(modular, a_mean_over_no_pairs_is_zero_and_has_no_gradient)
{
    enum { N = 6, D = 20 };
    const uint32_t alike[N] = {3, 3, 3, 3, 3, 3}, apart[N] = {5, 4, 3, 2, 1, 0};
    const struct {
        const uint32_t *labels;
        moda_modular_weights w;
    } empty[] = {{alike, {0, 1, 0}}, {apart, {1, 0, 0}}};
    float a[N * D], d_a[N * D];
    moda_modular_scratch *s;
    moda_modular_terms t;
    oracle_fill(4, N * D, 0.3, a);
    cr_assert(eq(int, moda_modular_scratch_create(N, D, 8, &s), MODA_OK));
    for (size_t i = 0; i < 2; i++) {
        const moda_pair_counts pairs = moda_modular_pairs(s, N, empty[i].labels);
        cr_assert(eq(dbl, i ? pairs.same : pairs.different, 0));
        cr_assert(eq(dbl, i ? pairs.different : pairs.same, 15));
        moda_modular_layer(s, N, D, empty[i].labels, a, pairs, empty[i].w, 1, d_a, &t);
        cr_assert(eq(dbl, i ? t.affinity : t.dispersion, 0));
        cr_assert(lt(dbl, 0.1, i ? t.dispersion : t.affinity));
        for (size_t e = 0; e < N * D; e++) cr_assert(d_a[e] == 0, "%zu: %g", e, (double)d_a[e]);
    }
    moda_modular_scratch_destroy(s);
}

/* 2^20 samples, 2^19 + 2^18 + 2^18: sums of pairs beyond what a float or a 32-bit count holds. */
Test(modular, pairs_of_a_million_samples_are_exact)
{
    const size_t n = (size_t)1 << 20;
    uint32_t *labels = malloc(n * sizeof *labels);
    moda_modular_scratch *s;
    for (size_t i = 0; i < n; i++) labels[i] = i % 2 ? 99 : i % 4 ? 0 : 7;
    cr_assert(eq(int, moda_modular_scratch_create(n, 1, 100, &s), MODA_OK));
    const moda_pair_counts pairs = moda_modular_pairs(s, n, labels);
    cr_assert(eq(dbl, pairs.same, 137438691328.0 + 2 * 34359607296.0));
    cr_assert(eq(dbl, pairs.same + pairs.different, 549755289600.0));
    moda_modular_scratch_destroy(s);
    free(labels);
}

Test(modular, one_scratch_serves_smaller_layers_and_batches)
{
    const sample_case large = {64, 300, 50, 0, 0}, small = {10, 21, 4, 1, 0};
    sample_input big = make(large), in = make(small);
    const moda_modular_weights w = {1, 1, 1};
    run(&big, w, 1); /* leaves its sums behind */
    const moda_modular_terms want = run(&in, w, 2);
    float *fresh = malloc(small.n * small.d * sizeof *fresh);
    moda_modular_terms got;
    moda_modular_layer(big.scratch, small.n, small.d, in.labels, in.a,
                       moda_modular_pairs(big.scratch, small.n, in.labels), w, 2, fresh, &got);
    cr_assert(memcmp(&got, &want, sizeof got) == 0);
    cr_assert(memcmp(fresh, in.d_a, small.n * small.d * sizeof *fresh) == 0);
    free(fresh);
    drop(&big), drop(&in);
}

/* Squares of these underflow in float; cosines do not depend on a row's length. */
Test(modular, tiny_and_huge_rows_have_the_cosines_of_ordinary_ones)
{
    const sample_case c = {24, 40, 3, 0, 0};
    sample_input in = make(c);
    const moda_modular_weights w = {1, 1, 0};
    const moda_modular_terms want = run(&in, w, 1);
    for (size_t e = 0; e < c.n * c.d; e++) in.a[e] *= e / c.d % 2 ? 0x1p-36f : 0x1p100f;
    const moda_modular_terms got = run(&in, w, 1);
    cr_assert(epsilon_eq(dbl, got.affinity, want.affinity, 1e-6));
    cr_assert(epsilon_eq(dbl, got.dispersion, want.dispersion, 1e-6));
    for (size_t e = 0; e < c.n * c.d; e++) cr_assert(isfinite(in.d_a[e]), "%zu", e);
    drop(&in);
}

Test(modular, a_nan_reaches_the_values)
{
    sample_input in = make((sample_case){10, 70, 3, 0, 0});
    const float bad[2] = {NAN, INFINITY};
    for (size_t i = 0; i < 2; i++) {
        in.a[3 * 70 + 65] = bad[i];
        const moda_modular_terms t = run(&in, (moda_modular_weights){1, 1, 1}, 1);
        cr_assert(isfinite(t.affinity + t.dispersion) == 0, "%g %g", t.affinity, t.dispersion);
        cr_assert(isfinite(t.compactness) == 0, "%g", t.compactness);
    }
    drop(&in);
}

Test(modular, refuses_empty_and_impossible_sizes)
{
    moda_modular_scratch *s = (moda_modular_scratch *)&s;
    cr_assert(eq(int, moda_modular_scratch_create(0, 1, 1, &s), MODA_ERR_ARG));
    cr_assert(s == NULL);
    cr_assert(eq(int, moda_modular_scratch_create(1, 0, 1, &s), MODA_ERR_ARG));
    cr_assert(eq(int, moda_modular_scratch_create(1, 1, 0, &s), MODA_ERR_ARG));
    cr_assert(eq(int, moda_modular_scratch_create(9, SIZE_MAX / 9, 9, &s), MODA_ERR_ARG));
    moda_modular_scratch_destroy(NULL);
}
