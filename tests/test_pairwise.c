/* tests/test_pairwise.c - the tiled form against plain cosines, and against the closed form. */
#include "losses/losses_internal.h"
#include "losses/modular.h"
#include "losses/pairwise.h"
#include "tests/losses_oracle.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <omp.h>
#include <string.h>

TestSuite(pairwise, .timeout = 60);

/* Samples, neurons, classes that labels are drawn from, and zero rows. */
typedef struct sample_case {
    size_t n, d, k, dead;
} sample_case;

static const sample_case cases[] = {{1, 5, 1, 0},     {2, 1, 1, 0},      {2, 1, 2, 0},
                                    {15, 16, 3, 1},   {16, 7, 1, 0},     {17, 64, 4, 0},
                                    {33, 63, 3, 4},   {100, 257, 10, 0}, {128, 84, 100, 2},
                                    {150, 600, 7, 1}, {40, 20, 40, 40},  {300, 33, 5, 3}};
enum { CASES = sizeof cases / sizeof *cases };

typedef struct sample_input {
    float *a;
    uint32_t *labels;
    double *want; /* [n,n] cosines */
} sample_input;

static sample_input make(sample_case c)
{
    sample_input in = {malloc(c.n * c.d * sizeof(float)), malloc(c.n * sizeof(uint32_t)),
                       malloc(c.n * c.n * sizeof(double))};
    double *a = malloc(c.n * c.d * sizeof *a);
    oracle_fill(c.n, c.n * c.d, 0.4, in.a);
    oracle_labels(c.d, c.n, c.k, in.labels);
    for (size_t z = 0; z < c.dead; z++) memset(in.a + z * c.d, 0, c.d * sizeof(float));
    for (size_t e = 0; e < c.n * c.d; e++) a[e] = (double)in.a[e];
    for (size_t i = 0; i < c.n; i++)
        for (size_t j = 0; j < c.n; j++)
            in.want[i * c.n + j] = oracle_cosine(c.d, a + i * c.d, a + j * c.d);
    free(a);
    return in;
}

static void drop(sample_input *in)
{
    free(in->a), free(in->labels), free(in->want);
}

static void check_case(sample_case c)
{
    sample_input in = make(c);
    double *sum = calloc(c.k * c.k, sizeof *sum), *number = calloc(c.k * c.k, sizeof *number);
    double *got = malloc(c.k * c.k * sizeof *got), *pairs = malloc(c.k * c.k * sizeof *pairs);
    double affinity, dispersion, within = 0, across = 0, same = 0, different = 0;
    for (size_t i = 0; i < c.n; i++)
        for (size_t j = 0; j < i; j++) {
            const size_t p = in.labels[i], q = in.labels[j];
            const double cosine = in.want[i * c.n + j];
            sum[p * c.k + q] += cosine, number[p * c.k + q]++;
            if (p != q) sum[q * c.k + p] += cosine, number[q * c.k + p]++;
            if (p == q) within += cosine, same++;
            if (p != q) across += cosine, different++;
        }
    const moda_status st = moda_pairwise_similarity(c.n, c.d, c.k, in.a, in.labels, got, pairs,
                                                    &affinity, &dispersion);
    cr_assert(eq(int, st, MODA_OK), "%s", moda_last_error());
    for (size_t e = 0; e < c.k * c.k; e++) {
        const double want = number[e] > 0 ? sum[e] / number[e] : 0;
        cr_assert(eq(dbl, pairs[e], number[e]));
        cr_assert(fabs(got[e] - want) <= 1e-6, "n %zu d %zu k %zu: classes %zu,%zu: %.9g, not %.9g",
                  c.n, c.d, c.k, e / c.k, e % c.k, got[e], want);
    }
    cr_assert(epsilon_eq(dbl, affinity, same > 0 ? within / same : 0, 1e-6));
    cr_assert(epsilon_eq(dbl, dispersion, different > 0 ? across / different : 0, 1e-6));
    cr_assert(c.n < 50 || across / different > 0.1, "reference near 0: this input proves nothing");
    free(sum), free(number), free(got), free(pairs);
    drop(&in);
}

Test(pairwise, every_class_pair_agrees_with_plain_cosines)
{
    const moda_isa best = moda_isa_best();
    for (moda_isa isa = MODA_ISA_REF; isa <= best; isa++) {
        moda_loss_kernels_use(isa);
        for (size_t i = 0; i < CASES; i++) check_case(cases[i]);
    }
}

Test(pairwise, agrees_with_the_closed_form)
{
    for (size_t i = 0; i < CASES; i++) {
        const sample_case c = cases[i];
        sample_input in = make(c);
        double affinity, dispersion;
        moda_modular_terms terms;
        moda_modular_scratch *scratch;
        cr_assert(eq(int, moda_modular_scratch_create(c.n, c.d, c.k, &scratch), MODA_OK), "%s",
                  moda_last_error());
        moda_modular_layer(scratch, c.n, c.d, in.labels, in.a,
                           moda_modular_pairs(scratch, c.n, in.labels),
                           (moda_modular_weights){1, 1, 1}, 1, NULL, &terms);
        cr_assert(eq(int,
                     moda_pairwise_similarity(c.n, c.d, c.k, in.a, in.labels, NULL, NULL, &affinity,
                                              &dispersion),
                     MODA_OK),
                  "%s", moda_last_error());
        cr_assert(epsilon_eq(dbl, affinity, terms.affinity, 2e-6));
        cr_assert(epsilon_eq(dbl, dispersion, terms.dispersion, 2e-6));
        moda_modular_scratch_destroy(scratch);
        drop(&in);
    }
}

Test(pairwise, same_bits_for_any_number_of_threads)
{
    for (size_t i = 0; i < CASES; i++) {
        const sample_case c = cases[i];
        sample_input in = make(c);
        const size_t bytes = c.k * c.k * sizeof(double);
        double *one = malloc(bytes), *many = malloc(bytes), terms[2][2];
        for (int threads = 1; threads <= 3; threads++) {
            double *t = terms[threads > 1];
            omp_set_num_threads(threads);
            cr_assert(eq(int,
                         moda_pairwise_similarity(c.n, c.d, c.k, in.a, in.labels,
                                                  threads > 1 ? many : one, NULL, &t[0], &t[1]),
                         MODA_OK));
            if (threads == 1) continue;
            cr_assert(memcmp(one, many, bytes) == 0, "case %zu, %d threads", i, threads);
            cr_assert(memcmp(terms[0], terms[1], sizeof terms[0]) == 0, "case %zu, %d threads", i,
                      threads);
        }
        free(one), free(many);
        drop(&in);
    }
}

Test(pairwise, order_of_samples_does_not_matter)
{
    const sample_case c = {64, 40, 4, 0};
    sample_input in = make(c);
    float *turned = malloc(c.n * c.d * sizeof *turned);
    uint32_t *labels = malloc(c.n * sizeof *labels);
    double one[16], two[16];
    for (size_t i = 0; i < c.n; i++) {
        memcpy(turned + (c.n - 1 - i) * c.d, in.a + i * c.d, c.d * sizeof *turned);
        labels[c.n - 1 - i] = in.labels[i];
    }
    cr_assert(eq(int,
                 moda_pairwise_similarity(c.n, c.d, c.k, in.a, in.labels, one, NULL, NULL, NULL),
                 MODA_OK));
    cr_assert(eq(int,
                 moda_pairwise_similarity(c.n, c.d, c.k, turned, labels, two, NULL, NULL, NULL),
                 MODA_OK));
    for (size_t e = 0; e < 16; e++) cr_assert(epsilon_eq(dbl, one[e], two[e], 1e-6));
    free(turned), free(labels);
    drop(&in);
}

Test(pairwise, refuses_wrong_sizes_and_labels)
{
    const float a[4] = {1, 2, 3, 4};
    const uint32_t good[2] = {0, 1}, bad[2] = {0, 2};
    double x;
    cr_assert(
        eq(int, moda_pairwise_similarity(0, 2, 2, a, good, NULL, NULL, &x, NULL), MODA_ERR_ARG));
    cr_assert(
        eq(int, moda_pairwise_similarity(2, 0, 2, a, good, NULL, NULL, &x, NULL), MODA_ERR_ARG));
    cr_assert(
        eq(int, moda_pairwise_similarity(2, 2, 0, a, good, NULL, NULL, &x, NULL), MODA_ERR_ARG));
    cr_assert(
        eq(int, moda_pairwise_similarity(2, 2, 2, a, bad, NULL, NULL, &x, NULL), MODA_ERR_ARG));
    cr_assert(strstr(moda_last_error(), "label 2 of sample 1") != NULL, "%s", moda_last_error());
    cr_assert(eq(int, moda_pairwise_similarity(2, SIZE_MAX / 8, 2, a, good, NULL, NULL, &x, NULL),
                 MODA_ERR_ARG));
}
