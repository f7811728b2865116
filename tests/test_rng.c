/* tests/test_rng.c - base/rng.h: the generator's published answers, moments, permutations. */
#include "base/rng.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <omp.h>
#include <string.h>

TestSuite(rng, .timeout = 60);

/* Known answers of philox4x32-10 as the Random123 distribution has them (kat_vectors). */
Test(rng, known_answers)
{
    static const uint32_t kat[3][10] = {
        {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
        {~0u, ~0u, ~0u, ~0u, ~0u, ~0u, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09,
         0x94fdcceb, 0x5001e420, 0x24126ea1}};
    for (int i = 0; i < 3; i++) {
        uint32_t out[4];
        moda_philox4x32(kat[i], kat[i] + 4, out);
        for (int k = 0; k < 4; k++) cr_assert(eq(u32, out[k], kat[i][6 + k]), "vector %d", i);
    }
}

/* Part of the promise that runs can be repeated: files of this version hold numbers drawn so. */
Test(rng, counter_is_index_then_stream_key_is_seed)
{
    moda_rng rng = {.seed = 0x299f31d0a4093822, .stream = 0x0370734413198a2e};
    cr_assert(eq(u64, moda_rng_bits(rng, 0x85a308d3243f6a88), 0x94fdccebd16cfe09));
}

Test(rng, purposes_numbers_and_seeds_differ)
{
    moda_rng a = moda_rng_make(1, MODA_RNG_INIT, 0), b = moda_rng_make(1, MODA_RNG_SHUFFLE, 0),
             c = moda_rng_make(1, MODA_RNG_INIT, 1), d = moda_rng_make(2, MODA_RNG_INIT, 0);
    for (uint64_t i = 0; i < 100; i++) {
        cr_assert(ne(u64, moda_rng_bits(a, i), moda_rng_bits(b, i)));
        cr_assert(ne(u64, moda_rng_bits(a, i), moda_rng_bits(c, i)));
        cr_assert(ne(u64, moda_rng_bits(a, i), moda_rng_bits(d, i)));
        cr_assert(ne(u64, moda_rng_bits(a, i), moda_rng_bits(a, i + 1)));
    }
}

enum { DRAWS = 1 << 20 };

/* Central moments 1..4 of DRAWS numbers. */
static void moments(double (*draw)(moda_rng, uint64_t), double m[5])
{
    moda_rng rng = moda_rng_make(7, MODA_RNG_TEST, 3);
    double sum[5] = {0};
    for (uint64_t i = 0; i < DRAWS; i++) {
        double x = draw(rng, i);
        for (int k = 1; k < 5; k++) sum[k] += pow(x, k);
    }
    for (int k = 1; k < 5; k++) m[k] = sum[k] / DRAWS;
}

/* Raw moments of U[0,1) are 1/(k+1); the standard error of the first is 0.29/1024. */
Test(rng, unit_moments)
{
    double m[5];
    moments(moda_rng_unit, m);
    for (int k = 1; k < 5; k++)
        cr_assert(fabs(m[k] - 1.0 / (k + 1)) < 1.5e-3, "moment %d is %g, not %g", k, m[k],
                  1.0 / (k + 1));
}

/* Raw moments of N(0,1) are 0, 1, 0, 3, with standard errors 0.001, 0.0014, 0.004, 0.0096. */
Test(rng, normal_moments)
{
    static const double want[5] = {1, 0, 1, 0, 3}, error[5] = {0, 0.001, 0.0014, 0.004, 0.0096};
    double m[5];
    moments(moda_rng_normal, m);
    for (int k = 1; k < 5; k++)
        cr_assert(fabs(m[k] - want[k]) < 5 * error[k], "moment %d is %g, not %g", k, m[k], want[k]);
}

Test(rng, normal_tails_and_neighbours)
{
    moda_rng rng = moda_rng_make(9, MODA_RNG_TEST, 0);
    double beyond = 0, product = 0, before = 0;
    for (uint64_t i = 0; i < DRAWS; i++) {
        double x = moda_rng_normal(rng, i);
        cr_assert(isfinite(x));
        beyond += fabs(x) > 2;
        product += x * before;
        before = x;
    }
    cr_assert(fabs(beyond / DRAWS - 0.0455) < 0.001, "%g beyond 2 sigma, not 0.0455",
              beyond / DRAWS);
    cr_assert(fabs(product / DRAWS) < 0.005, "neighbours correlate: %g", product / DRAWS);
}

Test(rng, below_is_uniform_and_in_range)
{
    enum { BOUND = 7 };
    size_t counts[BOUND] = {0};
    moda_rng rng = moda_rng_make(3, MODA_RNG_TEST, 0);
    for (uint64_t i = 0; i < 70000; i++) {
        uint64_t x = moda_rng_below(rng, i, BOUND);
        cr_assert(lt(u64, x, BOUND));
        counts[x]++;
    }
    for (int k = 0; k < BOUND; k++) /* standard deviation 93 */
        cr_assert(fabs((double)counts[k] - 10000) < 460, "value %d: %zu of 10000", k, counts[k]);
    for (uint64_t i = 0; i < 100; i++) cr_assert(eq(u64, moda_rng_below(rng, i, 1), 0));
    /* Bounds near 2^64 reach both ends. */
    bool low = false, high = false;
    for (uint64_t i = 0; i < 100; i++) {
        uint64_t x = moda_rng_below(rng, i, UINT64_MAX);
        low = low || x < UINT64_MAX / 4, high = high || x > UINT64_MAX / 4 * 3;
    }
    cr_assert(low && high);
}

Test(rng, permutation_holds_every_index_once)
{
    static uint32_t order[1000];
    static bool seen[1000];
    moda_rng_permutation(moda_rng_make(5, MODA_RNG_SHUFFLE, 2), 1000, order);
    size_t fixed = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        cr_assert(lt(u32, order[i], 1000));
        cr_assert(seen[order[i]] == false, "%u stands twice", order[i]);
        seen[order[i]] = true;
        fixed += order[i] == i;
    }
    cr_assert(lt(sz, fixed, 10), "hardly shuffled"); /* Poisson with mean 1 */
    moda_rng_permutation(moda_rng_make(5, MODA_RNG_SHUFFLE, 2), 1, order);
    cr_assert(eq(u32, order[0], 0));
    order[0] = 77;
    moda_rng_permutation(moda_rng_make(5, MODA_RNG_SHUFFLE, 2), 0, order);
    cr_assert(eq(u32, order[0], 77), "n = 0 writes nothing");
}

/* All 24 orders of 4 elements: chi-squared with 23 degrees of freedom is above 49.7 once in 1000. */
Test(rng, permutation_is_uniform)
{
    enum { TRIES = 24000 };
    size_t counts[256] = {0}, kinds = 0;
    double chi = 0;
    for (uint32_t t = 0; t < TRIES; t++) {
        uint32_t o[4];
        moda_rng_permutation(moda_rng_make(11, MODA_RNG_SHUFFLE, t), 4, o);
        counts[o[0] | o[1] << 2 | o[2] << 4 | o[3] << 6]++;
    }
    for (int i = 0; i < 256; i++) {
        if (!counts[i]) continue;
        kinds++;
        chi += ((double)counts[i] - 1000) * ((double)counts[i] - 1000) / 1000;
    }
    cr_assert(eq(sz, kinds, 24));
    cr_assert(lt(dbl, chi, 49.7));
}

Test(rng, threads_draw_what_one_thread_draws)
{
    static double one[4096], many[4096];
    moda_rng rng = moda_rng_make(1, MODA_RNG_AUGMENT, 1);
    for (uint64_t i = 0; i < 4096; i++) one[i] = moda_rng_normal(rng, i);
#pragma omp parallel for schedule(dynamic, 7) num_threads(4)
    for (uint64_t i = 0; i < 4096; i++) many[4095 - i] = moda_rng_normal(rng, 4095 - i);
    cr_assert(eq(int, memcmp(one, many, sizeof one), 0));
}
