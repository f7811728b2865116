/* tests/test_activation.c - channel means of blocked layouts and their gradient. */
#include "losses/activation.h"
#include "losses/losses_internal.h"
#include "tests/losses_oracle.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <omp.h>
#include <string.h>

TestSuite(activation, .timeout = 60);

/* A map in some layout, and the same numbers as plain [n,c,hw]. */
typedef struct sample_map {
    moda_map_shape s;
    size_t floats; /* with padding */
    float *plain, *x;
} sample_map;

static size_t place(moda_map_shape s, size_t n, size_t c, size_t p)
{
    const size_t blocks = (s.c + s.block - 1) / s.block;
    return ((n * blocks + c / s.block) * s.hw + p) * s.block + c % s.block;
}

static sample_map make(moda_map_shape s)
{
    sample_map m = {.s = s};
    m.floats = s.n * ((s.c + s.block - 1) / s.block) * s.block * s.hw;
    m.plain = malloc(s.n * s.c * s.hw * sizeof(float));
    m.x = malloc(m.floats * sizeof(float));
    for (size_t i = 0; i < m.floats; i++)
        m.x[i] = 1e30f; /* what stays is padding: not to be seen */
    oracle_fill(7 + s.c, s.n * s.c * s.hw, 0.5, m.plain);
    for (size_t i = 0; i < s.n * s.c * s.hw; i += 3) m.plain[i] = -m.plain[i];
    for (size_t n = 0; n < s.n; n++)
        for (size_t c = 0; c < s.c; c++)
            for (size_t p = 0; p < s.hw; p++)
                m.x[place(s, n, c, p)] = m.plain[(n * s.c + c) * s.hw + p];
    return m;
}

static void drop(sample_map *m)
{
    free(m->plain);
    free(m->x);
}

static const moda_map_shape shapes[] = {
    {1, 1, 1, 1, MODA_F32},       {3, 5, 1, 1, MODA_F32},       {2, 5, 1, 16, MODA_F32},
    {4, 70, 1, 70, MODA_F32},     {2, 16, 25, 1, MODA_F32},     {2, 3, 50176, 1, MODA_F32},
    {3, 17, 50176, 16, MODA_F32}, {2, 16, 25, 16, MODA_F32},    {3, 17, 9, 8, MODA_F32},
    {3, 17, 9, 16, MODA_F32},     {2, 64, 64, 16, MODA_F32},    {2, 512, 4, 16, MODA_F32},
    {2, 130, 1023, 8, MODA_F32},  {2, 96, 49, 96, MODA_F32},    {2, 64, 50, 64, MODA_F32},
    {2, 6, 784, 6, MODA_F32},     {2, 130, 257, 130, MODA_F32}, {2, 7, 30, 32, MODA_F32},
    {1, 40, 1024, 48, MODA_F32},  {130, 4, 36, 4, MODA_F32}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static void check_means(const sample_map *m, const float *a)
{
    for (size_t i = 0; i < m->s.n * m->s.c; i++) {
        double want = 0;
        for (size_t p = 0; p < m->s.hw; p++) want += fabs((double)m->plain[i * m->s.hw + p]);
        want /= (double)m->s.hw;
        cr_assert(fabs(a[i] - want) <= 1e-6 * want,
                  "c %zu hw %zu block %zu: mean %zu is %.9g, not %.9g", m->s.c, m->s.hw, m->s.block,
                  i, (double)a[i], want);
    }
}

static void check_backward(const sample_map *m, const float *d_a, const float *before,
                           const float *d_x)
{
    const moda_map_shape s = m->s;
    float *want = malloc(m->floats * sizeof *want);
    memcpy(want, before, m->floats * sizeof *want);
    for (size_t n = 0; n < s.n; n++)
        for (size_t c = 0; c < s.c; c++)
            for (size_t p = 0; p < s.hw; p++) {
                const float v = m->plain[(n * s.c + c) * s.hw + p];
                const double share = (double)d_a[n * s.c + c] / (double)s.hw;
                want[place(s, n, c, p)] += (float)(v > 0 ? share : v < 0 ? -share : 0);
            }
    for (size_t i = 0; i < m->floats; i++)
        cr_assert(fabsf(d_x[i] - want[i]) <= 1e-6f,
                  "c %zu hw %zu block %zu: d_x %zu is %.9g, not %.9g", s.c, s.hw, s.block, i,
                  (double)d_x[i], (double)want[i]);
    free(want);
}

static void check_all_shapes(void)
{
    for (size_t k = 0; k < SHAPES; k++) {
        sample_map m = make(shapes[k]);
        const size_t vectors = m.s.n * m.s.c;
        float *a = malloc(vectors * sizeof *a), *d_a = malloc(vectors * sizeof *d_a);
        float *before = malloc(m.floats * sizeof *before), *d_x = malloc(m.floats * sizeof *d_x);
        for (size_t i = 0; i < vectors; i++) a[i] = NAN; /* whatever stands there is overwritten */
        moda_channel_means(m.s, m.x, a);
        check_means(&m, a);
        oracle_fill(91, vectors, 0, d_a);
        oracle_fill(92, m.floats, 0, before);
        memcpy(d_x, before, m.floats * sizeof *d_x);
        moda_channel_means_backward(m.s, m.x, d_a, d_x);
        check_backward(&m, d_a, before, d_x);
        free(a), free(d_a), free(before), free(d_x);
        drop(&m);
    }
}

Test(activation, every_layout_and_size_agrees_with_plain_sums)
{
    check_all_shapes();
}

Test(activation, every_instruction_set_agrees_with_plain_sums)
{
    const moda_isa best = moda_isa_best();
    for (moda_isa isa = MODA_ISA_REF; isa <= best; isa++) {
        moda_loss_kernels_use(isa);
        check_all_shapes();
    }
}

Test(activation, same_bits_for_any_number_of_threads)
{
    for (size_t k = 0; k < SHAPES; k++) {
        sample_map m = make(shapes[k]);
        const size_t bytes = m.s.n * m.s.c * sizeof(float);
        float *one = malloc(bytes), *many = malloc(bytes);
        float *d_one = calloc(m.floats, sizeof(float)), *d_many = calloc(m.floats, sizeof(float));
        omp_set_num_threads(1);
        moda_channel_means(m.s, m.x, one);
        moda_channel_means_backward(m.s, m.x, one, d_one);
        for (int threads = 2; threads <= 3; threads++) {
            omp_set_num_threads(threads);
            memset(d_many, 0, m.floats * sizeof(float));
            moda_channel_means(m.s, m.x, many);
            moda_channel_means_backward(m.s, m.x, many, d_many);
            cr_assert(memcmp(one, many, bytes) == 0, "means differ: shape %zu, %d threads", k,
                      threads);
            cr_assert(memcmp(d_one, d_many, m.floats * sizeof(float)) == 0,
                      "gradients differ: shape %zu, %d threads", k, threads);
        }
        free(one), free(many), free(d_one), free(d_many);
        drop(&m);
    }
}

/* A plain float sum of 50176 terms is off by some 1e-5: the input can fail the bound of 1e-6. */
Test(activation, a_long_sum_keeps_its_digits)
{
    enum { HW = 50176 };
    float *x = malloc(HW * sizeof *x), a = 0, naive = 0;
    double want = 0;
    for (size_t p = 0; p < HW; p++) x[p] = 0.1f + 1e-6f * (float)(p % 7);
    for (size_t p = 0; p < HW; p++) want += (double)x[p], naive += x[p];
    want /= HW;
    cr_assert(fabs((double)naive / HW - want) > 2e-6 * want, "input too easy: %.9g, %.9g",
              (double)naive / HW, want);
    moda_channel_means((moda_map_shape){1, 1, HW, 1, MODA_F32}, x, &a);
    cr_assert(fabs((double)a - want) <= 2e-7 * want, "mean %.9g, not %.9g", (double)a, want);
    free(x);
}

Test(activation, a_nan_is_seen_in_its_channel_only)
{
    const moda_map_shape s = {2, 20, 30, 16, MODA_F32};
    sample_map m = make(s);
    float a[40];
    m.x[place(s, 1, 17, 29)] = NAN;
    moda_channel_means(s, m.x, a);
    for (size_t i = 0; i < 40; i++)
        cr_assert(eq(int, isnan(a[i]) != 0, i == 20 + 17), "channel %zu is %g", i, (double)a[i]);
    drop(&m);
}

/* What a dead sample's clamped norm sends down, 1/MODA_COSINE_EPS, meets sign(0) = 0. */
Test(activation, a_huge_gradient_does_not_reach_a_zero_map)
{
    const moda_map_shape s = {1, 2, 4, 1, MODA_F32};
    const float x[8] = {0, -0.0f, 0, 0, 0, 2, -3, 0}, d_a[2] = {INFINITY, 4e12f};
    const float want[8] = {5, 5, 5, 5, 5, 1e12f + 5, -1e12f + 5, 5};
    float d_x[8] = {5, 5, 5, 5, 5, 5, 5, 5};
    moda_channel_means_backward(s, x, d_a, d_x);
    for (size_t i = 0; i < 8; i++)
        cr_assert(eq(flt, d_x[i], want[i]), "d_x %zu is %g, not %g", i, (double)d_x[i],
                  (double)want[i]);
}

/* ---- bf16: the f32 result of the same values, rounded where a map is written ---- */

Test(activation, bf16_differs_by_rounding_alone)
{
    for (size_t k = 0; k < SHAPES; k++) {
        moda_map_shape narrow = shapes[k];
        sample_map m = make(shapes[k]);
        const size_t rows = m.s.n * m.s.c;
        moda_bf16 *x = malloc(m.floats * sizeof *x), *d = malloc(m.floats * sizeof *d);
        float *wide = malloc(m.floats * sizeof *wide), *d_a = malloc(rows * sizeof *d_a);
        float *want = malloc(rows * sizeof *want), *got = malloc(rows * sizeof *got);
        narrow.type = MODA_BF16;
        oracle_fill(31 + k, rows, 0.5, d_a);
        for (size_t i = 0; i < m.floats; i++) {
            x[i] = moda_f32_to_bf16(m.x[i]), m.x[i] = moda_bf16_to_f32(x[i]);
            d[i] = moda_f32_to_bf16((float)(i % 97) / 64 - 0.7f), wide[i] = moda_bf16_to_f32(d[i]);
        }
        moda_channel_means(m.s, m.x, want);
        moda_channel_means(narrow, x, got);
        for (size_t i = 0; i < rows; i++)
            cr_assert(eq(flt, got[i], want[i]), "shape %zu: mean %zu is %.9g, not %.9g", k, i,
                      (double)got[i], (double)want[i]);
        moda_channel_means_backward(m.s, m.x, d_a, wide);
        moda_channel_means_backward(narrow, x, d_a, d);
        for (size_t i = 0; i < m.floats; i++)
            cr_assert(eq(u16, d[i], moda_f32_to_bf16(wide[i])), "shape %zu: d %zu is %x, not %x", k,
                      i, (unsigned)d[i], (unsigned)moda_f32_to_bf16(wide[i]));
        free(x), free(d), free(wide), free(d_a), free(want), free(got);
        drop(&m);
    }
}
