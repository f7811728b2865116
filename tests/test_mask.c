/* tests/test_mask.c - engine/mask.h against single elements in f64, every instruction set against the
 * reference, and bf16 against f32. */
#include "base/isa.h"
#include "base/rng.h"
#include "engine/mask.h"
#include "engine/mask_kernel.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

TestSuite(mask, .timeout = 60);

/* n, c, hw, block: padding channels, tails of every kind, single pixels. */
static const size_t shapes[][4] = {{3, 16, 64, 16}, {2, 6, 63, 8},  {1, 20, 55, 16},
                                   {2, 3, 4, 8},    {2, 5, 49, 1},  {4, 7, 1, 1},
                                   {1, 1, 1, 8},    {3, 33, 24, 16}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

typedef struct maps {
    moda_map_shape s;
    size_t floats, rows;
    float *x, *y, *d_y, *d_x, *m, *d_m, *d_s;
} maps;

static float *random_values(size_t n, uint64_t *drawn)
{
    float *v = malloc((n ? n : 1) * sizeof *v);
    for (size_t i = 0; i < n; i++)
        v[i] = (float)moda_rng_normal(moda_rng_make(19, MODA_RNG_TEST, 0), (*drawn)++);
    return v;
}

static maps make(size_t k)
{
    const size_t *s = shapes[k];
    uint64_t drawn = k << 32;
    maps m = {.s = {s[0], s[1], s[2], s[3], MODA_F32}};
    m.floats = s[0] * ((s[1] + s[3] - 1) / s[3]) * s[3] * s[2];
    m.rows = s[0] * s[1];
    m.x = random_values(m.floats, &drawn), m.d_y = random_values(m.floats, &drawn);
    m.y = random_values(m.floats, &drawn), m.d_x = random_values(m.floats, &drawn);
    m.m = random_values(m.rows, &drawn), m.d_m = random_values(m.rows, &drawn);
    m.d_s = random_values(m.rows, &drawn);
    moda_mask_values(m.rows, m.m, m.m);
    return m;
}

static void drop(maps *m)
{
    free(m->x), free(m->y), free(m->d_y), free(m->d_x), free(m->m), free(m->d_m), free(m->d_s);
}

static size_t at(const maps *m, size_t n, size_t c, size_t pixel)
{
    const size_t b = m->s.block, blocks = (m->s.c + b - 1) / b;
    return ((n * blocks + c / b) * m->s.hw + pixel) * b + c % b;
}

static void check_channel(const maps *m, size_t k, size_t n, size_t c, bool joined)
{
    const size_t row = n * m->s.c + c;
    const double mask = (double)m->m[row];
    double sum = joined ? (double)m->d_m[row] : 0;
    for (size_t i = 0; i < m->s.hw; i++) {
        const size_t e = at(m, n, c, i);
        sum += (double)m->d_y[e] * (double)m->x[e];
        cr_assert(eq(flt, m->y[e], m->x[e] * m->m[row]), "case %zu n %zu c %zu", k, n, c);
        cr_assert(eq(flt, m->d_x[e], m->d_y[e] * m->m[row]), "case %zu n %zu c %zu", k, n, c);
    }
    cr_assert(epsilon_eq(dbl, (double)m->d_s[row], mask > 0 ? sum * (1 - mask * mask) : 0, 1e-5),
              "case %zu n %zu c %zu", k, n, c);
}

Test(mask, values)
{
    const float s[] = {-3, -0.0f, 0, 0.25f, 1, 40, NAN, -INFINITY, INFINITY};
    enum { N = sizeof s / sizeof *s };
    float m[N];
    moda_mask_values(N, s, m);
    for (size_t i = 0; i < N; i++)
        cr_assert(isnan(s[i]) ? isnan(m[i])
                              : fabs((double)m[i] - fmax(0, tanh((double)s[i]))) < 1e-7,
                  "tanh(%g) = %g", (double)s[i], (double)m[i]);
}

Test(mask, agrees_with_its_definition)
{
    size_t open = 0, shut = 0;
    for (size_t k = 0; k < 2 * SHAPES; k++) {
        maps m = make(k / 2);
        const bool joined = k % 2;
        moda_mask_forward(m.s, m.x, m.m, m.y);
        moda_mask_backward(m.s, m.x, m.m, joined ? m.d_m : NULL, m.d_y, m.d_x, m.d_s);
        for (size_t n = 0; n < m.s.n; n++)
            for (size_t c = 0; c < m.s.c; c++) check_channel(&m, k, n, c, joined);
        for (size_t c = m.s.c; c % m.s.block; c++) /* padding */
            cr_assert(m.y[at(&m, 0, c, 0)] == 0 && m.d_x[at(&m, 0, c, 0)] == 0, "case %zu", k);
        for (size_t i = 0; i < m.rows; i++) open += m.m[i] > 0, shut += m.m[i] == 0;
        drop(&m);
    }
    cr_assert(open > 50 && shut > 50, "%zu open, %zu shut", open, shut);
}

/* In place, and by any number of threads. */
Test(mask, same_bits)
{
    for (size_t k = 0; k < SHAPES; k++) {
        maps a = make(k), b = make(k);
        omp_set_num_threads(1);
        moda_mask_forward(a.s, a.x, a.m, a.y);
        moda_mask_backward(a.s, a.x, a.m, a.d_m, a.d_y, a.d_x, a.d_s);
        omp_set_num_threads(3);
        moda_mask_backward(b.s, b.x, b.m, b.d_m, b.d_y, b.d_y, b.d_s);
        moda_mask_forward(b.s, b.x, b.m, b.x);
        cr_assert(zero(int, memcmp(a.y, b.x, a.floats * sizeof(float))), "case %zu", k);
        cr_assert(zero(int, memcmp(a.d_x, b.d_y, a.floats * sizeof(float))), "case %zu", k);
        cr_assert(zero(int, memcmp(a.d_s, b.d_s, a.rows * sizeof(float))), "case %zu", k);
        drop(&a), drop(&b);
    }
}

Test(mask, bf16_differs_by_rounding_alone)
{
    for (size_t k = 0; k < SHAPES; k++) {
        maps m = make(k);
        moda_map_shape narrow = m.s;
        narrow.type = MODA_BF16;
        moda_bf16 *x = malloc(2 * m.floats), *y = malloc(2 * m.floats);
        moda_bf16 *d_y = malloc(2 * m.floats), *d_x = malloc(2 * m.floats);
        float *d_s = malloc(m.rows * sizeof *d_s);
        for (size_t i = 0; i < m.floats; i++) {
            x[i] = moda_f32_to_bf16(m.x[i]), m.x[i] = moda_bf16_to_f32(x[i]);
            d_y[i] = moda_f32_to_bf16(m.d_y[i]), m.d_y[i] = moda_bf16_to_f32(d_y[i]);
        }
        moda_mask_forward(m.s, m.x, m.m, m.y);
        moda_mask_forward(narrow, x, m.m, y);
        moda_mask_backward(m.s, m.x, m.m, m.d_m, m.d_y, m.d_x, m.d_s);
        moda_mask_backward(narrow, x, m.m, m.d_m, d_y, d_x, d_s);
        for (size_t i = 0; i < m.floats; i++) {
            cr_assert(eq(u16, y[i], moda_f32_to_bf16(m.y[i])), "case %zu y %zu", k, i);
            cr_assert(eq(u16, d_x[i], moda_f32_to_bf16(m.d_x[i])), "case %zu d_x %zu", k, i);
        }
        for (size_t i = 0; i < m.rows; i++) cr_assert(eq(flt, d_s[i], m.d_s[i]), "case %zu", k);
        free(x), free(y), free(d_y), free(d_x), free(d_s);
        drop(&m);
    }
}

Test(mask, a_nan_is_not_lost)
{
    maps m = make(0);
    m.x[at(&m, 0, 3, 5)] = NAN, m.m[3] = 0.5f;
    moda_mask_forward(m.s, m.x, m.m, m.y);
    moda_mask_backward(m.s, m.x, m.m, NULL, m.d_y, m.d_x, m.d_s);
    cr_assert(isnan(m.y[at(&m, 0, 3, 5)]), "its element");
    cr_assert(isnan(m.d_s[3]), "its channel's gradient");
    cr_assert(not(isnan(m.d_s[4])), "other channels are as they were");
    drop(&m);
}

#if defined(__x86_64__)
Test(mask, instruction_sets_agree_with_reference)
{
    const moda_mask_kernels *sets[] = {&moda_mask_kernels_avx2, &moda_mask_kernels_avx512};
    const moda_mask_kernels *ref = &moda_mask_kernels_ref;
    for (int set = 0; set < 2; set++)
        for (size_t k = 0; k < SHAPES && set + (int)MODA_ISA_AVX2 <= (int)moda_isa_best(); k++) {
            maps m = make(k), o = make(k);
            ref->forward(m.s, m.x, m.m, m.y), sets[set]->forward(m.s, m.x, m.m, o.y);
            ref->backward(m.s, m.x, m.m, m.d_m, m.d_y, m.d_x, m.d_s);
            sets[set]->backward(m.s, m.x, m.m, m.d_m, m.d_y, o.d_x, o.d_s);
            for (size_t i = 0; i < m.floats; i++) {
                cr_assert(eq(flt, o.y[i], m.y[i]), "set %d case %zu y %zu", set, k, i);
                cr_assert(eq(flt, o.d_x[i], m.d_x[i]), "set %d case %zu d_x %zu", set, k, i);
            }
            for (size_t i = 0; i < m.rows; i++)
                cr_assert(epsilon_eq(flt, o.d_s[i], m.d_s[i], 1e-5f), "set %d case %zu d_s %zu",
                          set, k, i);
            drop(&m), drop(&o);
        }
}
#endif
