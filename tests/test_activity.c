#include "base/isa.h"
#include "base/rng.h"
#include "decompose/activity.h"
#include "decompose/activity_internal.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

TestSuite(activity, .timeout = 60);

/* Where sample i's channel c, pixel p stands: the layouts of losses/activation.h, by definition. */
static size_t place(moda_map_shape s, size_t i, size_t c, size_t p)
{
    size_t blocks = (s.c + s.block - 1) / s.block;
    return ((i * blocks + c / s.block) * s.hw + p) * s.block + c % s.block;
}

static size_t size_of(moda_map_shape s)
{
    return s.n * ((s.c + s.block - 1) / s.block) * s.block * s.hw;
}

/* Maps of zeros of both signs; a share `dead` of them stays so, the others get one value at a
 * random place: an ordinary one, the least denormal, a NaN or an infinity. */
static float *make_maps(moda_map_shape s, double dead, uint8_t *want)
{
    const float values[] = {1.5f, -2, 0x1p-149f, -0x1p-149f, NAN, INFINITY};
    moda_rng rng = moda_rng_make(s.n * 7 + s.c, MODA_RNG_TEST, (uint32_t)(s.hw * 31 + s.block));
    float *x = calloc(size_of(s), sizeof *x);
    uint64_t draw = 0;
    for (size_t i = 0; i < s.n; i++)
        for (size_t c = 0; c < s.c; c++) {
            for (size_t p = 0; p < s.hw; p++)
                x[place(s, i, c, p)] = moda_rng_bits(rng, draw++) & 1 ? -0.0f : 0.0f;
            want[i * s.c + c] = moda_rng_unit(rng, draw++) >= dead;
            if (want[i * s.c + c])
                x[place(s, i, c, moda_rng_below(rng, draw, s.hw))] =
                    values[moda_rng_below(rng, draw + 1, 6)];
            draw += 2;
        }
    return x;
}

static const moda_map_shape shapes[] = {
    {3, 16, 49, 16, MODA_F32}, {2, 64, 1024, 16, MODA_F32}, {5, 24, 9, 8, MODA_F32},
    {2, 20, 16, 16, MODA_F32}, {3, 5, 7, 8, MODA_F32},      {4, 7, 33, 1, MODA_F32},
    {2, 3, 1024, 1, MODA_F32}, {4, 40, 25, 40, MODA_F32},   {3, 6, 4, 6, MODA_F32},
    {3, 100, 1, 1, MODA_F32},  {2, 4096, 1, 16, MODA_F32},  {3, 84, 1, 84, MODA_F32},
    {3, 10, 1, 16, MODA_F32},  {1, 1, 1, 1, MODA_F32},      {1, 17, 8, 17, MODA_F32},
};

Test(activity, flags_agree_with_the_definition_in_every_layout)
{
    for (size_t t = 0; t < sizeof shapes / sizeof *shapes; t++) {
        moda_map_shape s = shapes[t];
        uint8_t *want = calloc(s.n * s.c, 1), *got = malloc(s.n * s.c);
        for (double dead = 0; dead <= 1; dead += 0.5) {
            float *x = make_maps(s, dead, want);
            memset(got, 77, s.n * s.c);
            moda_activity_flags(s, x, got);
            for (size_t k = 0; k < s.n * s.c; k++)
                cr_assert(eq(u8, got[k], want[k]),
                          "shape %zu (c %zu, hw %zu, block %zu): sample %zu channel %zu", t, s.c,
                          s.hw, s.block, k / s.c, k % s.c);
            free(x);
        }
        free(want);
        free(got);
    }
}

/* Every single place must be looked at: a map left too early would miss some of them. */
Test(activity, one_value_anywhere_is_found)
{
    moda_map_shape s = {1, 16, 37, 16, MODA_F32};
    float *x = calloc(size_of(s), sizeof *x);
    uint8_t got[16];
    for (size_t p = 0; p < s.hw; p++)
        for (size_t c = 0; c < s.c; c++) {
            for (size_t other = 0; other < s.c; other++) /* the others are hit at once */
                x[place(s, 0, other, 0)] = other != c;
            x[place(s, 0, c, p)] = 1;
            moda_activity_flags(s, x, got);
            for (size_t k = 0; k < s.c; k++)
                cr_assert(eq(u8, got[k], 1), "value of channel %zu at pixel %zu", c, p);
            x[place(s, 0, c, p)] = 0;
            moda_activity_flags(s, x, got);
            cr_assert(eq(u8, got[c], 0), "channel %zu is all zero", c);
        }
    free(x);
}

Test(activity, instruction_sets_agree_with_the_reference)
{
    moda_activity_kernel *fast[MODA_ISA_COUNT] = {moda_k_activity_ref};
#if defined(__x86_64__)
    fast[MODA_ISA_AVX2] = moda_k_activity_avx2;
    fast[MODA_ISA_AVX512] = moda_k_activity_avx512;
#endif
    for (int isa = 0; isa <= (int)moda_isa_best(); isa++)
        for (size_t lanes = 1; lanes <= 40; lanes++)
            for (size_t pixels = 1; pixels < 70; pixels += 4) {
                moda_map_shape s = {1, lanes, pixels, lanes, MODA_F32};
                const size_t real = lanes - (pixels / 4 % 2 ? lanes / 3 : 0);
                uint8_t made[40], want[40], got[40];
                float *x = make_maps(s, 0.3, made);
                moda_k_activity_ref(pixels, lanes, lanes, x, want);
                fast[isa](pixels, lanes, real, x, got);
                cr_assert(zero(int, memcmp(want, made, lanes)), "reference, lanes %zu", lanes);
                cr_assert(zero(int, memcmp(got, want, real)), "%s, lanes %zu of %zu, pixels %zu",
                          moda_isa_name((moda_isa)isa), real, lanes, pixels);
                free(x);
            }
}

Test(activity, counts_per_row_for_any_number_of_threads)
{
    enum { N = 50, C = 130, ROWS = 4 };
    moda_rng rng = moda_rng_make(1, MODA_RNG_TEST, 9);
    uint8_t active[N * C];
    uint32_t row[N], want[ROWS * C] = {0};
    for (size_t i = 0; i < N; i++) row[i] = (uint32_t)moda_rng_below(rng, i, ROWS);
    for (size_t k = 0; k < N * C; k++) {
        active[k] = moda_rng_bits(rng, N + k) & 1;
        if (active[k]) want[row[k / C] * C + k % C]++;
    }
    for (int threads = 1; threads <= 3; threads++) {
        uint32_t got[ROWS * C] = {0};
        omp_set_num_threads(threads);
        moda_activity_count(N / 2, C, active, row, got); /* counts add up over calls */
        moda_activity_count(N - N / 2, C, active + N / 2 * C, row + N / 2, got);
        for (size_t k = 0; k < ROWS * C; k++)
            cr_assert(eq(u32, got[k], want[k]), "%d threads, row %zu, channel %zu", threads, k / C,
                      k % C);
    }
}
