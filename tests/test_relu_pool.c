/* tests/test_relu_pool.c - engine/relu_pool.h against single elements in f64, every instruction set
 * against the reference, and bf16 against f32. */
#include "base/isa.h"
#include "base/rng.h"
#include "engine/relu_pool.h"
#include "engine/relu_pool_kernel.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdlib.h>

TestSuite(relu_pool, .timeout = 60);

/* n, c, h, w, k, block: windows that fit and that leave rows or columns over; padding channels. */
static const size_t shapes[][6] = {
    {3, 16, 8, 8, 2, 16}, {2, 6, 9, 7, 2, 8}, {1, 20, 5, 11, 3, 16},
    {2, 3, 2, 2, 2, 8},   {1, 1, 1, 1, 1, 8}, {4, 33, 4, 6, 4, 16},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

typedef struct maps {
    moda_relu_pool p;
    size_t floats, pooled, rows;
    float *x, *y, *d_y, *d_x, *a, *d_a;
} maps;

static float draw(uint64_t *drawn)
{
    return (float)moda_rng_normal(moda_rng_make(17, MODA_RNG_TEST, 0), (*drawn)++);
}

static float *random_values(size_t n, uint64_t *drawn)
{
    float *v = malloc((n ? n : 1) * sizeof *v);
    for (size_t i = 0; i < n; i++) v[i] = draw(drawn);
    return v;
}

static maps make(const size_t *s, uint64_t seed)
{
    uint64_t drawn = seed << 32;
    maps m = {.p = {{s[0], s[1], s[2] * s[3], s[5], MODA_F32}, s[2], s[3], s[4]}};
    const size_t blocks = s[0] * ((s[1] + s[5] - 1) / s[5]) * s[5];
    m.floats = blocks * s[2] * s[3];
    m.pooled = blocks * (s[2] / s[4]) * (s[3] / s[4]);
    m.rows = s[0] * s[1];
    m.x = random_values(m.floats, &drawn), m.d_y = random_values(m.pooled, &drawn);
    m.y = random_values(m.pooled, &drawn), m.d_x = random_values(m.floats, &drawn);
    m.a = random_values(m.rows, &drawn), m.d_a = random_values(m.rows, &drawn);
    for (size_t i = 0; i < m.floats; i += 5) m.x[i] = roundf(m.x[i]); /* equal ones in a window */
    return m;
}

static void drop(maps *m)
{
    free(m->x), free(m->y), free(m->d_y), free(m->d_x), free(m->a), free(m->d_a);
}

static size_t at(const maps *m, size_t n, size_t c, size_t pixel, size_t hw)
{
    const size_t b = m->p.map.block, blocks = (m->p.map.c + b - 1) / b;
    return ((n * blocks + c / b) * hw + pixel) * b + c % b;
}

static double rectified(double x)
{
    return x > 0 ? x : 0;
}

/* The first pixel of the largest entry of window (oy, ox), and that entry. */
static size_t winner(const maps *m, size_t n, size_t c, size_t oy, size_t ox, double *largest)
{
    const size_t k = m->p.k;
    size_t first = oy * k * m->p.w + ox * k;
    *largest = -1;
    for (size_t dy = 0; dy < k; dy++)
        for (size_t dx = 0; dx < k; dx++) {
            const size_t pixel = (oy * k + dy) * m->p.w + ox * k + dx;
            const double v = rectified((double)m->x[at(m, n, c, pixel, m->p.map.hw)]);
            if (v > *largest) *largest = v, first = pixel;
        }
    return first;
}

static void check_channel(const maps *m, size_t k, size_t n, size_t c, bool joined)
{
    const size_t hw = m->p.map.hw, rows = m->p.h / m->p.k, columns = m->p.w / m->p.k;
    double *want = calloc(hw, sizeof *want), mean = 0, largest;
    for (size_t i = 0; i < hw; i++) {
        mean += rectified((double)m->x[at(m, n, c, i, hw)]) / (double)hw;
        want[i] = joined ? (double)m->d_a[n * m->p.map.c + c] / (double)hw : 0;
    }
    for (size_t oy = 0; oy < rows; oy++)
        for (size_t ox = 0; ox < columns; ox++) {
            const size_t o = at(m, n, c, oy * columns + ox, rows * columns);
            want[winner(m, n, c, oy, ox, &largest)] += (double)m->d_y[o];
            cr_assert(eq(dbl, (double)m->y[o], largest), "case %zu n %zu c %zu", k, n, c);
        }
    cr_assert(epsilon_eq(dbl, (double)m->a[n * m->p.map.c + c], mean, 1e-5), "case %zu c %zu", k,
              c);
    for (size_t i = 0; i < hw; i++) {
        if (!(m->x[at(m, n, c, i, hw)] > 0)) want[i] = 0;
        cr_assert(epsilon_eq(dbl, (double)m->d_x[at(m, n, c, i, hw)], want[i], 1e-5),
                  "case %zu n %zu c %zu pixel %zu", k, n, c, i);
    }
    free(want);
}

Test(relu_pool, agrees_with_its_definition)
{
    for (size_t k = 0; k < 2 * SHAPES; k++) {
        maps m = make(shapes[k / 2], k);
        moda_relu_pool_forward(&m.p, m.x, m.y, m.a);
        moda_relu_pool_backward(&m.p, m.x, m.d_y, k % 2 ? m.d_a : NULL, m.d_x);
        for (size_t n = 0; n < m.p.map.n; n++)
            for (size_t c = 0; c < m.p.map.c; c++) check_channel(&m, k, n, c, k % 2);
        drop(&m);
    }
}

Test(relu_pool, a_nan_is_not_lost)
{
    maps m = make(shapes[0], 40);
    m.x[at(&m, 0, 3, 0, m.p.map.hw)] = NAN; /* first of its window: others come after it */
    moda_relu_pool_forward(&m.p, m.x, m.y, m.a);
    moda_relu_pool_backward(&m.p, m.x, m.d_y, m.d_a, m.d_x);
    cr_assert(isnan(m.y[at(&m, 0, 3, 0, m.p.map.hw / 4)]), "its window's maximum");
    cr_assert(isnan(m.a[3]), "its channel's mean");
    cr_assert(not(isnan(m.a[4])), "other channels are as they were");
    drop(&m);
}

Test(relu_pool, bf16_differs_by_rounding_alone)
{
    for (size_t k = 0; k < SHAPES; k++) {
        maps m = make(shapes[k], 60 + k);
        moda_relu_pool narrow = m.p;
        narrow.map.type = MODA_BF16;
        moda_bf16 *x = malloc(2 * m.floats), *y = malloc(2 * m.pooled);
        moda_bf16 *d_y = malloc(2 * m.pooled), *d_x = malloc(2 * m.floats);
        float *a = malloc(m.rows * sizeof *a);
        for (size_t i = 0; i < m.floats; i++)
            x[i] = moda_f32_to_bf16(m.x[i]), m.x[i] = moda_bf16_to_f32(x[i]);
        for (size_t i = 0; i < m.pooled; i++)
            d_y[i] = moda_f32_to_bf16(m.d_y[i]), m.d_y[i] = moda_bf16_to_f32(d_y[i]);
        moda_relu_pool_forward(&m.p, m.x, m.y, m.a);
        moda_relu_pool_forward(&narrow, x, y, a);
        moda_relu_pool_backward(&m.p, m.x, m.d_y, m.d_a, m.d_x);
        moda_relu_pool_backward(&narrow, x, d_y, m.d_a, d_x);
        for (size_t i = 0; i < m.pooled; i++)
            cr_assert(eq(u16, y[i], moda_f32_to_bf16(m.y[i])), "case %zu y %zu", k, i);
        for (size_t i = 0; i < m.floats; i++)
            cr_assert(eq(u16, d_x[i], moda_f32_to_bf16(m.d_x[i])), "case %zu d_x %zu", k, i);
        for (size_t i = 0; i < m.rows; i++) cr_assert(eq(flt, a[i], m.a[i]), "case %zu", k);
        free(x), free(y), free(d_y), free(d_x), free(a);
        drop(&m);
    }
}

#if defined(__x86_64__)
Test(relu_pool, instruction_sets_agree_with_reference)
{
    const moda_relu_pool_kernels *sets[] = {&moda_relu_pool_kernels_avx2,
                                            &moda_relu_pool_kernels_avx512};
    const moda_relu_pool_kernels *ref = &moda_relu_pool_kernels_ref;
    for (int set = 0; set < 2; set++)
        for (size_t k = 0; k < SHAPES && set + (int)MODA_ISA_AVX2 <= (int)moda_isa_best(); k++) {
            maps m = make(shapes[k], 80 + k), o = make(shapes[k], 80 + k);
            ref->forward(&m.p, m.x, m.y, m.a), sets[set]->forward(&m.p, m.x, o.y, o.a);
            ref->backward(&m.p, m.x, m.d_y, m.d_a, m.d_x);
            sets[set]->backward(&m.p, m.x, m.d_y, m.d_a, o.d_x);
            for (size_t i = 0; i < m.pooled; i++)
                cr_assert(eq(flt, o.y[i], m.y[i]), "set %d case %zu y %zu", set, k, i);
            for (size_t i = 0; i < m.rows; i++)
                cr_assert(epsilon_eq(flt, o.a[i], m.a[i], 1e-6f), "set %d case %zu", set, k);
            for (size_t i = 0; i < m.floats; i++)
                cr_assert(epsilon_eq(flt, o.d_x[i], m.d_x[i], 1e-6f), "set %d case %zu d_x %zu",
                          set, k, i);
            drop(&m), drop(&o);
        }
}
#endif
