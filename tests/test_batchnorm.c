/* tests/test_batchnorm.c - engine/batchnorm.h against loops over single elements in f64, and every
 * instruction set's kernels against those of the reference. */
#include "base/isa.h"
#include "base/rng.h"
#include "engine/batchnorm.h"
#include "engine/batchnorm_kernel.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

TestSuite(batchnorm, .timeout = 60);

/* Blocks that divide 16; channels that fill their last block and that do not; one sample, one pixel. */
static const moda_map_shape shapes[] = {
    {4, 16, 64, 16, MODA_F32}, {3, 20, 9, 16, MODA_F32}, {5, 7, 25, 16, MODA_F32},
    {1, 33, 4, 16, MODA_F32},  {6, 16, 1, 16, MODA_F32}, {4, 8, 15, 8, MODA_F32},
    {3, 21, 7, 8, MODA_F32},   {2, 5, 49, 1, MODA_F32},  {7, 3, 1, 1, MODA_F32},
    {2, 1, 2, 16, MODA_F32},   {9, 4, 36, 8, MODA_F32},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

/* Everything of one case, in memory order; per-channel arrays padded as the header wants them. */
typedef struct arrays {
    moda_map_shape s;
    size_t channels, floats;
    float *x, *y, *d, *scale, *shift, *mean, *variance, *a, *d_a, *d_scale, *d_shift, *scratch;
} arrays;

static float random_normal(uint64_t *drawn)
{
    return (float)moda_rng_normal(moda_rng_make(11, MODA_RNG_TEST, 0), (*drawn)++);
}

static size_t at(moda_map_shape s, size_t n, size_t c, size_t p)
{
    const size_t blocks = (s.c + s.block - 1) / s.block;
    return ((n * blocks + c / s.block) * s.hw + p) * s.block + c % s.block;
}

static float *zeros(size_t n)
{
    return calloc(n ? n : 1, sizeof(float));
}

static arrays make(moda_map_shape s, uint64_t seed)
{
    uint64_t drawn = seed << 32;
    arrays v = {.s = s, .channels = moda_batchnorm_channels(s)};
    v.floats = s.n * v.channels * s.hw;
    v.x = zeros(v.floats), v.y = zeros(v.floats), v.d = zeros(v.floats);
    v.scale = zeros(v.channels), v.shift = zeros(v.channels);
    v.mean = zeros(v.channels), v.variance = zeros(v.channels);
    v.d_scale = zeros(v.channels), v.d_shift = zeros(v.channels);
    v.a = zeros(s.n * s.c), v.d_a = zeros(s.n * s.c);
    v.scratch = zeros(moda_batchnorm_scratch(s));
    for (size_t c = 0; c < s.c; c++) {
        v.scale[c] = 1 + 0.3f * random_normal(&drawn), v.shift[c] = 0.5f * random_normal(&drawn);
        for (size_t n = 0; n < s.n; n++) {
            v.d_a[n * s.c + c] = random_normal(&drawn);
            for (size_t p = 0; p < s.hw; p++) {
                v.x[at(s, n, c, p)] = 3 + 2 * random_normal(&drawn); /* a mean far from 0 */
                v.d[at(s, n, c, p)] = random_normal(&drawn);
            }
        }
    }
    return v;
}

static void release(arrays *v)
{
    float *all[] = {v->x, v->y,   v->d,        v->scale,   v->shift,   v->mean,
                    v->a, v->d_a, v->variance, v->d_scale, v->d_shift, v->scratch};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

/* Mean and variance of one channel. */
static void moments(const arrays *v, size_t c, double *mean, double *variance)
{
    const double count = (double)(v->s.n * v->s.hw);
    *mean = *variance = 0;
    for (size_t n = 0; n < v->s.n; n++)
        for (size_t p = 0; p < v->s.hw; p++) *mean += (double)v->x[at(v->s, n, c, p)] / count;
    for (size_t n = 0; n < v->s.n; n++)
        for (size_t p = 0; p < v->s.hw; p++)
            *variance += pow((double)v->x[at(v->s, n, c, p)] - *mean, 2) / count;
}

Test(batchnorm, statistics_and_forward_agree_with_formula)
{
    for (size_t k = 0; k < 2 * SHAPES; k++) {
        arrays v = make(shapes[k / 2], k);
        const moda_batchnorm b = {.map = v.s, .eps = 1e-5f, .relu = k % 2 == 0};
        moda_batchnorm_train(&b, v.x, v.scale, v.shift, v.scratch, v.mean, v.variance, v.y,
                             b.relu ? v.a : NULL);
        size_t cut = 0;
        for (size_t c = 0; c < v.s.c; c++) {
            double mean, variance;
            moments(&v, c, &mean, &variance);
            cr_assert(epsilon_eq(dbl, (double)v.mean[c], mean, 1e-5), "case %zu channel %zu", k, c);
            cr_assert(epsilon_eq(dbl, (double)v.variance[c], variance, 1e-4),
                      "case %zu channel %zu", k, c);
            for (size_t n = 0; n < v.s.n; n++) {
                double sum = 0;
                for (size_t p = 0; p < v.s.hw; p++) {
                    const double z = (double)v.scale[c] * ((double)v.x[at(v.s, n, c, p)] - mean) /
                                         sqrt(variance + 1e-5) +
                                     (double)v.shift[c];
                    const double want = b.relu && z < 0 ? 0 : z;
                    cut += want != z;
                    sum += want / (double)v.s.hw;
                    /* a channel of one value is all rounding of the mean, times 1/sqrt(eps) */
                    const double slack = v.s.n * v.s.hw == 1 ? 1e-2 : 1e-4;
                    cr_assert(epsilon_eq(dbl, (double)v.y[at(v.s, n, c, p)], want, slack),
                              "case %zu n %zu c %zu p %zu", k, n, c, p);
                }
                if (b.relu)
                    cr_assert(epsilon_eq(dbl, (double)v.a[n * v.s.c + c], sum, 1e-4),
                              "activation, case %zu n %zu c %zu", k, n, c);
            }
        }
        cr_assert(eq(int, cut > 0, b.relu), "case %zu: the ReLU must have work to do", k);
        release(&v);
    }
}

/* The gradient from its definition: through g, then through mean and variance. */
Test(batchnorm, backward_agrees_with_formula)
{
    for (size_t k = 0; k < 3 * SHAPES; k++) {
        arrays v = make(shapes[k / 3], 100 + k);
        const moda_batchnorm b = {.map = v.s, .eps = 1e-3f, .relu = k % 3 != 0};
        const bool joined = k % 3 == 2;
        const double count = (double)(v.s.n * v.s.hw);
        float *d = zeros(v.floats);
        memcpy(d, v.d, v.floats * sizeof *d);
        moda_batchnorm_train(&b, v.x, v.scale, v.shift, v.scratch, v.mean, v.variance, v.y, NULL);
        moda_batchnorm_backward(&b, v.x, v.scale, v.shift, v.mean, v.variance, d,
                                joined ? v.d_a : NULL, v.scratch, d, v.d_scale, v.d_shift);
        for (size_t c = 0; c < v.s.c; c++) {
            double mean, variance, d_scale = 0, d_shift = 0;
            moments(&v, c, &mean, &variance);
            const double inverse = 1 / sqrt(variance + (double)b.eps);
            for (int pass = 0; pass < 2; pass++)
                for (size_t n = 0; n < v.s.n; n++)
                    for (size_t p = 0; p < v.s.hw; p++) {
                        const size_t i = at(v.s, n, c, p);
                        const double hat = ((double)v.x[i] - mean) * inverse;
                        const double z = (double)v.scale[c] * hat + (double)v.shift[c];
                        const double join =
                            joined ? (double)v.d_a[n * v.s.c + c] / (double)v.s.hw : 0;
                        const double g = b.relu && z <= 0 ? 0 : (double)v.d[i] + join;
                        if (pass == 0) {
                            d_shift += g, d_scale += g * hat;
                            continue;
                        }
                        const double want = (double)v.scale[c] * inverse *
                                            (g - d_shift / count - hat * d_scale / count);
                        cr_assert(epsilon_eq(dbl, (double)d[i], want, 2e-4 * (1 + inverse)),
                                  "case %zu n %zu c %zu p %zu", k, n, c, p);
                    }
            cr_assert(epsilon_eq(dbl, (double)v.d_shift[c], d_shift, 1e-4 * count),
                      "case %zu c %zu", k, c);
            cr_assert(epsilon_eq(dbl, (double)v.d_scale[c], d_scale, 1e-4 * count * (1 + inverse)),
                      "case %zu c %zu", k, c);
        }
        free(d);
        release(&v);
    }
}

Test(batchnorm, padding_channels_stay_zero)
{
    arrays v = make((moda_map_shape){3, 20, 9, 16, MODA_F32}, 7);
    const moda_batchnorm b = {.map = v.s, .eps = 1e-5f, .relu = true};
    moda_batchnorm_train(&b, v.x, v.scale, v.shift, v.scratch, v.mean, v.variance, v.y, v.a);
    moda_batchnorm_backward(&b, v.x, v.scale, v.shift, v.mean, v.variance, v.d, v.d_a, v.scratch,
                            v.d, v.d_scale, v.d_shift);
    for (size_t c = v.s.c; c < v.channels; c++) {
        cr_assert(eq(flt, v.d_scale[c], 0), "channel %zu", c);
        cr_assert(eq(flt, v.d_shift[c], 0), "channel %zu", c);
        for (size_t n = 0; n < v.s.n; n++)
            for (size_t p = 0; p < v.s.hw; p++) {
                cr_assert(eq(flt, v.y[at(v.s, n, c, p)], 0), "n %zu c %zu p %zu", n, c, p);
                cr_assert(eq(flt, v.d[at(v.s, n, c, p)], 0), "n %zu c %zu p %zu", n, c, p);
            }
    }
    release(&v);
}

Test(batchnorm, nan_is_not_hidden_by_relu)
{
    arrays v = make((moda_map_shape){2, 16, 32, 16, MODA_F32}, 8);
    const moda_batchnorm b = {.map = v.s, .eps = 1e-5f, .relu = true};
    v.x[at(v.s, 1, 3, 5)] = NAN;
    moda_batchnorm_train(&b, v.x, v.scale, v.shift, v.scratch, v.mean, v.variance, v.y, v.a);
    cr_assert(isnan(v.y[at(v.s, 0, 3, 0)]), "its channel's mean is not a number, so is its output");
    cr_assert(not(isnan(v.y[at(v.s, 0, 4, 0)])), "other channels are as they were");
    release(&v);
}

Test(batchnorm, same_bits_for_any_thread_count)
{
    float *first = NULL, *first_d = NULL;
    for (int threads = 1; threads <= 3; threads++) {
        arrays v = make((moda_map_shape){13, 37, 49, 16, MODA_F32}, 9);
        const moda_batchnorm b = {.map = v.s, .eps = 1e-5f, .relu = true};
        omp_set_num_threads(threads);
        moda_batchnorm_train(&b, v.x, v.scale, v.shift, v.scratch, v.mean, v.variance, v.y, v.a);
        moda_batchnorm_backward(&b, v.x, v.scale, v.shift, v.mean, v.variance, v.d, v.d_a,
                                v.scratch, v.d, v.d_scale, v.d_shift);
        if (threads == 1) {
            first = v.y, first_d = v.d;
            v.y = v.d = NULL;
        } else {
            cr_assert(zero(int, memcmp(v.y, first, v.floats * sizeof *first)), "%d threads, y",
                      threads);
            cr_assert(zero(int, memcmp(v.d, first_d, v.floats * sizeof *first)), "%d threads, d",
                      threads);
        }
        release(&v);
    }
    free(first);
    free(first_d);
}

static void compare(const char *what, size_t k, const float *got, const float *want, size_t n)
{
    for (size_t i = 0; i < n; i++)
        cr_assert(epsilon_eq(flt, got[i], want[i], 1e-5f * (1 + fabsf(want[i])) * 16),
                  "%s, case %zu, %zu", what, k, i);
}

/* ---- bf16 ---- */

/* values in memory as that type, and what is read back from it. */
static void *stored(moda_real type, float *values, size_t n)
{
    void *copy = malloc(n * moda_real_size(type));
    for (size_t i = 0; i < n; i++) {
        moda_real_put(type, copy, i, values[i]);
        values[i] = moda_real_get(type, copy, i);
    }
    return copy;
}

static void check_rounded(const char *what, size_t k, moda_real type, const void *got,
                          const float *want, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const float rounded =
            type == MODA_BF16 ? moda_bf16_to_f32(moda_f32_to_bf16(want[i])) : want[i];
        const float value = moda_real_get(type, got, i);
        cr_assert(eq(flt, value, rounded), "%s, case %zu, %zu: %g, not %g", what, k, i,
                  (double)value, (double)rounded);
    }
}

/* All arithmetic is f32: the same numbers as from f32 maps of the same values, rounded when stored. */
Test(batchnorm, types_differ_by_rounding_alone)
{
    for (size_t k = 0; k < 4 * SHAPES; k++) {
        arrays v = make(shapes[k / 4], 300 + k);
        const moda_real x_type = k % 2 ? MODA_BF16 : MODA_F32,
                        y_type = k & 2 ? MODA_BF16 : MODA_F32;
        const moda_batchnorm wide = {.map = v.s, .eps = 1e-5f, .relu = true};
        moda_batchnorm b = wide;
        b.map.type = x_type, b.y_type = y_type;
        void *x = stored(x_type, v.x, v.floats), *d_y = stored(y_type, v.d, v.floats);
        void *y = stored(y_type, v.y, v.floats), *d_x = stored(x_type, v.y, v.floats);
        float *a = zeros(v.s.n * v.s.c), *sums = zeros(4 * v.channels);
        float *mean = sums, *variance = mean + v.channels, *d_scale = variance + v.channels;
        float *d_shift = d_scale + v.channels;
        moda_batchnorm_train(&wide, v.x, v.scale, v.shift, v.scratch, v.mean, v.variance, v.y, v.a);
        moda_batchnorm_train(&b, x, v.scale, v.shift, v.scratch, mean, variance, y, a);
        check_rounded("mean", k, MODA_F32, mean, v.mean, v.channels);
        check_rounded("variance", k, MODA_F32, variance, v.variance, v.channels);
        check_rounded("y", k, y_type, y, v.y, v.floats);
        check_rounded("a", k, MODA_F32, a, v.a, v.s.n * v.s.c);
        moda_batchnorm_backward(&wide, v.x, v.scale, v.shift, mean, variance, v.d, v.d_a, v.scratch,
                                v.d, v.d_scale, v.d_shift);
        moda_batchnorm_backward(&b, x, v.scale, v.shift, mean, variance, d_y, v.d_a, v.scratch,
                                x_type == y_type ? d_y : d_x, d_scale, d_shift);
        check_rounded("d_x", k, x_type, x_type == y_type ? d_y : d_x, v.d, v.floats);
        check_rounded("d_scale", k, MODA_F32, d_scale, v.d_scale, v.channels);
        check_rounded("d_shift", k, MODA_F32, d_shift, v.d_shift, v.channels);
        free(x), free(y), free(d_x), free(d_y), free(a), free(sums);
        release(&v);
    }
}

#if defined(__x86_64__)
Test(batchnorm, instruction_sets_agree_with_reference)
{
    const moda_batchnorm_kernels *sets[] = {&moda_batchnorm_kernels_avx2,
                                            &moda_batchnorm_kernels_avx512};
    const moda_batchnorm_kernels *ref = &moda_batchnorm_kernels_ref;
    for (size_t set = 0; set < 2; set++)
        for (size_t k = 0; k < SHAPES && (int)set + MODA_ISA_AVX2 <= (int)moda_isa_best(); k++) {
            arrays v = make(shapes[k], 200 + k);
            const size_t partial = 2 * v.s.n * v.channels, rows = v.s.n * v.s.c;
            float *p = zeros(partial), *q = zeros(partial), *y = zeros(v.floats), *a = zeros(rows);
            const moda_batchnorm_maps b = {.s = v.s, .relu = true};
            ref->moments(&b, v.x, p), sets[set]->moments(&b, v.x, q);
            compare("moments", k, q, p, partial);
            ref->affine(&b, v.scale, v.shift, v.x, v.y, v.a);
            sets[set]->affine(&b, v.scale, v.shift, v.x, y, a);
            compare("affine", k, y, v.y, v.floats);
            compare("activation", k, a, v.a, rows);
            ref->gradient_sums(&b, v.scale, v.shift, v.mean, v.x, v.d, v.d_a, p);
            sets[set]->gradient_sums(&b, v.scale, v.shift, v.mean, v.x, v.d, v.d_a, q);
            compare("gradient sums", k, q, p, partial);
            memcpy(y, v.d, v.floats * sizeof *y);
            ref->gradient(&b, v.scale, v.shift, v.shift, v.scale, v.x, v.d, v.d_a, v.d);
            sets[set]->gradient(&b, v.scale, v.shift, v.shift, v.scale, v.x, y, v.d_a, y);
            compare("gradient", k, y, v.d, v.floats);
            free(p), free(q), free(y), free(a);
            release(&v);
        }
}
#endif
