/* tests/test_residual.c - engine/residual.h against single elements in f64, every instruction set against
 * the reference, types against f32. */
#include "base/isa.h"
#include "base/rng.h"
#include "engine/batchnorm.h"
#include "engine/residual.h"
#include "engine/residual_kernel.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

TestSuite(residual, .timeout = 60);

/* Channels that fill their last block and that do not; one sample, one pixel; more than one part. */
static const moda_map_shape shapes[] = {
    {4, 16, 64, 16, MODA_F32}, {3, 20, 9, 16, MODA_F32}, {5, 7, 25, 16, MODA_F32},
    {1, 33, 4, 16, MODA_F32},  {6, 16, 1, 16, MODA_F32}, {3, 21, 7, 8, MODA_F32},
    {2, 5, 49, 1, MODA_F32},   {7, 3, 1, 1, MODA_F32},   {2, 1, 2, 16, MODA_F32},
    {2, 70, 5, 16, MODA_F32},
};
enum { SHAPES = sizeof shapes / sizeof *shapes, CASES = 16 * SHAPES };

/* Per-channel arrays are padded as the header wants them. */
typedef struct arrays {
    moda_residual r;
    bool shared, joined;
    size_t channels, floats, rows;
    float *x[2], *y, *d, *share, *d_x[2], *a, *d_a, *scratch;
    float *scale[2], *shift[2], *mean[2], *variance[2], *d_scale[2], *d_shift[2];
} arrays;

static uint64_t drawn;

static float draw(void)
{
    return (float)moda_rng_normal(moda_rng_make(23, MODA_RNG_TEST, 0), drawn++);
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

/* Values in the real channels, zeros in the others. */
static float *map_values(const arrays *v, float mean)
{
    const moda_map_shape s = v->r.map;
    float *x = zeros(v->floats);
    for (size_t n = 0; n < s.n; n++)
        for (size_t c = 0; c < s.c; c++)
            for (size_t p = 0; p < s.hw; p++) x[at(s, n, c, p)] = mean + draw();
    return x;
}

static float *channel_values(const arrays *v, float mean)
{
    float *x = zeros(v->channels);
    for (size_t c = 0; c < v->r.map.c; c++) x[c] = mean + 0.3f * draw();
    return x;
}

/* Case k: a shape, and each combination of one or two batch norms, ReLU, shares, activations. */
static arrays make(size_t k)
{
    const moda_map_shape s = shapes[k / 16];
    arrays v = {.r = {.map = s, .norms = 1 + k % 2, .relu = k & 2},
                .shared = k & 4,
                .joined = (k & 8) && (k & 2),
                .channels = moda_batchnorm_channels(s),
                .rows = s.n * s.c};
    drawn = k << 32;
    v.floats = s.n * v.channels * s.hw;
    v.y = zeros(v.floats), v.a = zeros(v.rows), v.d_a = zeros(v.rows);
    for (size_t i = 0; i < v.rows; i++) v.d_a[i] = draw();
    v.d = map_values(&v, 0), v.share = map_values(&v, 0);
    v.scratch = zeros(moda_residual_scratch(s));
    for (size_t i = 0; i < 2; i++) {
        v.x[i] = map_values(&v, i ? 0.2f : 3), v.d_x[i] = zeros(v.floats);
        v.scale[i] = channel_values(&v, 1), v.shift[i] = channel_values(&v, 0);
        v.mean[i] = zeros(v.channels), v.variance[i] = zeros(v.channels);
        v.d_scale[i] = zeros(v.channels), v.d_shift[i] = zeros(v.channels);
    }
    return v;
}

static void release(arrays *v)
{
    free(v->y), free(v->d), free(v->share), free(v->a), free(v->d_a), free(v->scratch);
    for (size_t i = 0; i < 2; i++) {
        free(v->x[i]), free(v->d_x[i]), free(v->scale[i]), free(v->shift[i]), free(v->mean[i]);
        free(v->variance[i]), free(v->d_scale[i]), free(v->d_shift[i]);
    }
}

static const float eps[2] = {1e-3f, 1e-2f};

static void norms_of(const arrays *v, moda_residual_norm norm[2])
{
    for (size_t i = 0; i < 2; i++)
        norm[i] = (moda_residual_norm){eps[i],         v->scale[i],   v->shift[i],  v->mean[i],
                                       v->variance[i], v->d_scale[i], v->d_shift[i]};
}

/* Both directions, on maps of the types of r. */
static void run(const arrays *v, const moda_residual *r, const void *const x[2], void *y, void *d,
                const void *share, void *const d_x[2])
{
    moda_residual_norm norm[2];
    norms_of(v, norm);
    moda_residual_forward(r, norm, x, v->scratch, y, v->joined ? v->a : NULL);
    moda_residual_backward(r, norm, x, y, d, v->shared ? share : NULL, v->joined ? v->d_a : NULL,
                           v->scratch, d_x);
}

static void run_f32(const arrays *v)
{
    const void *const x[2] = {v->x[0], v->x[1]};
    void *const d_x[2] = {v->d_x[0], v->d_x[1]};
    run(v, &v->r, x, v->y, v->d, v->share, d_x);
}

/* ---- the definition ---- */

/* One channel of one batch norm. */
typedef struct channel {
    double mean, inverse, scale, shift;
    double d_scale, d_shift;
} channel;

static channel channel_of(const arrays *v, size_t i, size_t c)
{
    const moda_map_shape s = v->r.map;
    const double count = (double)(s.n * s.hw);
    channel k = {.scale = (double)v->scale[i][c], .shift = (double)v->shift[i][c]};
    double variance = 0;
    for (size_t j = 0; j < s.n * s.hw; j++)
        k.mean += (double)v->x[i][at(s, j / s.hw, c, j % s.hw)] / count;
    for (size_t j = 0; j < s.n * s.hw; j++)
        variance += pow((double)v->x[i][at(s, j / s.hw, c, j % s.hw)] - k.mean, 2) / count;
    k.inverse = 1 / sqrt(variance + (double)eps[i]);
    return k;
}

static double normalised(const channel *k, float x)
{
    return k->scale * ((double)x - k->mean) * k->inverse + k->shift;
}

static double branch(const arrays *v, const channel *k, size_t i, size_t e)
{
    return i < v->r.norms ? normalised(k, v->x[i][e]) : (double)v->x[i][e];
}

/* d, share: as they were before. */
static void check_channel(const arrays *v, size_t k, size_t c, const float *d, size_t *cut)
{
    const moda_map_shape s = v->r.map;
    const size_t total = s.n * s.hw;
    const double count = (double)total, slack = total == 1 ? 1e-2 : 2e-4;
    channel b[2] = {channel_of(v, 0, c), channel_of(v, 1, c)};
    double *g = calloc(total, sizeof *g), *means = calloc(s.n, sizeof *means);
    for (size_t j = 0; j < total; j++) {
        const size_t n = j / s.hw, e = at(s, n, c, j % s.hw);
        const double z = branch(v, &b[0], 0, e) + branch(v, &b[1], 1, e);
        const double y = v->r.relu && z <= 0 ? 0 : z;
        *cut += y != z;
        means[n] += y / (double)s.hw;
        g[j] = (double)d[e] + (v->shared ? (double)v->share[e] : 0) +
               (v->joined ? (double)v->d_a[n * s.c + c] / (double)s.hw : 0);
        if (v->r.relu && z <= 0) g[j] = 0;
        cr_assert(epsilon_eq(dbl, (double)v->y[e], y, slack), "y, case %zu c %zu %zu", k, c, j);
        if (v->r.norms == 1 || v->d_x[1] != v->d)
            cr_assert(epsilon_eq(dbl, (double)v->d[e], g[j], 1e-5), "g, case %zu c %zu %zu", k, c,
                      j);
        for (size_t i = 0; i < v->r.norms; i++) {
            b[i].d_shift += g[j];
            b[i].d_scale += g[j] * ((double)v->x[i][e] - b[i].mean) * b[i].inverse;
        }
    }
    for (size_t n = 0; n < s.n && v->joined; n++)
        cr_assert(epsilon_eq(dbl, (double)v->a[n * s.c + c], means[n], slack), "case %zu", k);
    for (size_t i = 0; i < v->r.norms; i++) {
        const double wide = 1 + b[i].inverse;
        for (size_t j = 0; j < total; j++) {
            const size_t e = at(s, j / s.hw, c, j % s.hw);
            const double hat = ((double)v->x[i][e] - b[i].mean) * b[i].inverse;
            const double want = b[i].scale * b[i].inverse *
                                (g[j] - b[i].d_shift / count - hat * b[i].d_scale / count);
            cr_assert(epsilon_eq(dbl, (double)v->d_x[i][e], want, 2e-4 * wide),
                      "d_x %zu, case %zu c %zu %zu", i, k, c, j);
        }
        cr_assert(epsilon_eq(dbl, (double)v->d_shift[i][c], b[i].d_shift, 1e-4 * count));
        cr_assert(epsilon_eq(dbl, (double)v->d_scale[i][c], b[i].d_scale, 1e-4 * count * wide));
    }
    free(g), free(means);
}

Test(residual, agrees_with_its_definition)
{
    for (size_t k = 0; k < CASES; k++) {
        arrays v = make(k);
        float *d = zeros(v.floats);
        size_t cut = 0;
        memcpy(d, v.d, v.floats * sizeof *d);
        run_f32(&v);
        for (size_t c = 0; c < v.r.map.c; c++) check_channel(&v, k, c, d, &cut);
        cr_assert(eq(int, cut > 0, v.r.relu), "case %zu: the ReLU must have work to do", k);
        for (size_t c = v.r.map.c; c < v.channels; c++) {
            const size_t e = at(v.r.map, v.r.map.n - 1, c, v.r.map.hw - 1);
            cr_assert(eq(flt, v.y[e], 0), "padding, case %zu channel %zu", k, c);
            cr_assert(eq(flt, v.d_x[0][e], 0), "padding, case %zu channel %zu", k, c);
        }
        free(d);
        release(&v);
    }
}

/* The gradient by the second input may have the memory of the gradient by the sum, the sum that of a
 * second input which is not normalised. */
Test(residual, in_place)
{
    for (size_t k = 0; k < CASES; k++) {
        arrays v = make(k), w = make(k);
        const void *const x[2] = {w.x[0], w.x[1]};
        void *const d_x[2] = {w.d_x[0], w.d};
        run_f32(&v);
        run(&w, &w.r, x, w.r.norms == 1 ? w.x[1] : w.y, w.d, w.share, d_x);
        const float *y = w.r.norms == 1 ? w.x[1] : w.y;
        const float *last = v.r.norms == 1 ? v.d : v.d_x[1];
        const size_t bytes = v.floats * sizeof(float);
        cr_assert(zero(int, memcmp(v.y, y, bytes)), "y, case %zu", k);
        cr_assert(zero(int, memcmp(v.d_x[0], w.d_x[0], bytes)), "d_x 0, case %zu", k);
        cr_assert(zero(int, memcmp(last, w.d, bytes)), "d_x 1, case %zu", k);
        release(&v), release(&w);
    }
}

Test(residual, nan_is_not_hidden_by_relu)
{
    arrays v = make(11); /* two batch norms, ReLU, activations */
    v.x[1][at(v.r.map, 1, 3, 5)] = NAN;
    run_f32(&v);
    cr_assert(isnan(v.y[at(v.r.map, 0, 3, 0)]), "its channel's mean is not a number");
    cr_assert(isnan(v.a[3]), "nor is its activation");
    cr_assert(isnan(v.d_x[1][at(v.r.map, 0, 3, 0)]), "nor its gradient");
    cr_assert(not(isnan(v.y[at(v.r.map, 0, 4, 0)])), "other channels are as they were");
    release(&v);
}

Test(residual, same_bits_for_any_thread_count)
{
    for (size_t k = 3; k < CASES; k += 5) {
        arrays first = make(k);
        omp_set_num_threads(1);
        run_f32(&first);
        for (int threads = 2; threads <= 5; threads += 3) {
            arrays v = make(k);
            const size_t bytes = v.floats * sizeof(float);
            omp_set_num_threads(threads);
            run_f32(&v);
            cr_assert(zero(int, memcmp(v.y, first.y, bytes)), "y, case %zu", k);
            cr_assert(zero(int, memcmp(v.d, first.d, bytes)), "g, case %zu", k);
            cr_assert(zero(int, memcmp(v.d_x[0], first.d_x[0], bytes)), "d_x 0, case %zu", k);
            cr_assert(zero(int, memcmp(v.d_x[1], first.d_x[1], bytes)), "d_x 1, case %zu", k);
            release(&v);
        }
        release(&first);
    }
}

/* ---- bf16 ---- */

/* values in memory as that type, and what is read back from it. */
static void *stored(moda_real type, float *values, size_t n)
{
    void *copy = malloc((n ? n : 1) * moda_real_size(type));
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
        cr_assert(eq(flt, moda_real_get(type, got, i), rounded), "%s, case %zu, %zu", what, k, i);
    }
}

/* From the gradient by the sum as it was stored, which is all that is rounded on the way. */
static void check_close(size_t k, moda_real type, const void *got, const float *want, size_t n)
{
    float largest = 0;
    for (size_t i = 0; i < n; i++) largest = fmaxf(largest, fabsf(want[i]));
    for (size_t i = 0; i < n; i++)
        cr_assert(epsilon_eq(flt, moda_real_get(type, got, i), want[i], largest / 64 + 1e-6f),
                  "d_x, case %zu, %zu", k, i);
}

/* All arithmetic is f32: the same numbers as from f32 maps of the same values, rounded when stored. */
Test(residual, types_differ_by_rounding_alone)
{
    for (size_t k = 0; k < CASES; k++)
        for (int types = 1; types < 8; types++) {
            arrays v = make(k), w = make(k);
            const moda_real of_x[2] = {types & 1 ? MODA_BF16 : MODA_F32,
                                       types & 2 ? MODA_BF16 : MODA_F32};
            const moda_real of_y = types & 4 ? MODA_BF16 : MODA_F32;
            moda_residual r = v.r;
            r.x_type[0] = of_x[0], r.x_type[1] = of_x[1], r.map.type = of_y;
            const void *const x[2] = {stored(of_x[0], v.x[0], v.floats),
                                      stored(of_x[1], v.x[1], v.floats)};
            void *const d_x[2] = {stored(of_x[0], w.d_x[0], v.floats),
                                  stored(of_x[1], w.d_x[1], v.floats)};
            void *y = stored(of_y, w.y, v.floats), *d = stored(of_y, v.d, v.floats);
            void *share = stored(of_y, v.share, v.floats);
            run_f32(&v);
            run(&w, &r, x, y, d, share, d_x);
            check_rounded("y", k, of_y, y, v.y, v.floats);
            check_rounded("g", k, of_y, d, v.d, v.floats);
            check_rounded("a", k, MODA_F32, w.a, v.a, v.rows);
            for (size_t i = 0; i < r.norms; i++) {
                check_rounded("mean", k, MODA_F32, w.mean[i], v.mean[i], v.channels);
                check_rounded("d_scale", k, MODA_F32, w.d_scale[i], v.d_scale[i], v.channels);
                check_rounded("d_shift", k, MODA_F32, w.d_shift[i], v.d_shift[i], v.channels);
                if (v.r.map.n * v.r.map.hw > 1) check_close(k, of_x[i], d_x[i], v.d_x[i], v.floats);
            }
            free((void *)x[0]), free((void *)x[1]), free(d_x[0]), free(d_x[1]);
            free(y), free(d), free(share);
            release(&v), release(&w);
        }
}

#if defined(__x86_64__)
static void compare(const char *what, size_t k, const float *got, const float *want, size_t n)
{
    for (size_t i = 0; i < n; i++)
        cr_assert(epsilon_eq(flt, got[i], want[i], 1e-5f * (1 + fabsf(want[i])) * 16),
                  "%s, case %zu, %zu", what, k, i);
}

static void check_set(const moda_residual_kernels *set, size_t k)
{
    const moda_residual_kernels *ref = &moda_residual_kernels_ref;
    arrays v = make(k), w = make(k);
    const moda_residual_maps b = {.s = v.r.map, .relu = v.r.relu};
    const float *const factor[2] = {v.scale[0], v.scale[1]}, *const add[2] = {v.shift[0],
                                                                              v.shift[1]};
    const float *const mean[2] = {v.shift[0], v.r.norms == 2 ? v.scale[1] : NULL};
    const void *const x[2] = {v.x[0], v.x[1]};
    const size_t partial = 3 * v.r.map.n * v.channels;
    float *p = zeros(partial), *q = zeros(partial);
    ref->sum(&b, factor, add, x, v.y, v.joined ? v.a : NULL);
    set->sum(&b, factor, add, x, w.y, v.joined ? w.a : NULL);
    compare("sum", k, w.y, v.y, v.floats);
    compare("activation", k, w.a, v.a, v.rows);
    const float *share = v.shared ? v.share : NULL, *d_a = v.joined ? v.d_a : NULL;
    ref->gradient(&b, mean, x, v.y, share, d_a, v.d, p);
    set->gradient(&b, mean, x, v.y, share, d_a, w.d, q);
    compare("gradient", k, w.d, v.d, v.floats);
    compare("sums", k, q, p, partial);
    free(p), free(q);
    release(&v), release(&w);
}

Test(residual, instruction_sets_agree_with_reference)
{
    const moda_residual_kernels *sets[] = {&moda_residual_kernels_avx2,
                                           &moda_residual_kernels_avx512};
    for (size_t set = 0; set < 2; set++)
        for (size_t k = 0; k < CASES && (int)set + MODA_ISA_AVX2 <= (int)moda_isa_best(); k++)
            check_set(sets[set], k);
}
#endif
