/* losses/activation_kernel.c - channel means and their gradient, docs/equations.md E2. */
#include "losses/losses_internal.h"
#include <math.h>

/* A float sum of this many terms is good to about 1e-6; parts are added in double. */
enum { ROWS_PER_PART = 256 };

/* The type is a constant wherever these are called, so that each loop is compiled for one type. */
#define INLINE static inline __attribute__((always_inline))

/* part[j] += |x[row,j]|. */
INLINE void add_magnitudes(moda_real type, size_t rows, size_t stride, size_t width,
                           const void *restrict x, size_t first, float *restrict part)
{
    for (size_t r = first; r < first + rows; r++) {
#pragma omp simd
        for (size_t j = 0; j < width; j++) part[j] += fabsf(moda_real_get(type, x, r * stride + j));
    }
}

INLINE void abs_means(moda_real type, const moda_map_piece *p, double scale, const void *restrict x,
                      float *restrict a)
{
    const size_t stride = p->stride, width = p->width;
    double sums[MODA_LANES];
    size_t first = 0, rows;
    for (size_t j = 0; j < p->kept; j++) sums[j] = 0;
    do {
        _Alignas(64) float part[MODA_LANES] = {0}; /* a store across lines is slow to read back */
        rows = p->rows - first < ROWS_PER_PART ? p->rows - first : ROWS_PER_PART;
        if (width == MODA_LANES) /* a constant needs no remainders */
            add_magnitudes(type, rows, stride, MODA_LANES, x, first, part);
        else
            add_magnitudes(type, rows, stride, width, x, first, part);
        first += rows;
        if (first == p->rows) add_magnitudes(type, 1, stride, p->tail, x, first, part);
        for (size_t half = width / 2; half >= p->period; half /= 2) {
#pragma omp simd
            for (size_t j = 0; j < half; j++) part[j] += part[j + half];
        }
        for (size_t j = 0; j < p->kept; j++) sums[j] += part[j];
    } while (first < p->rows);
    for (size_t j = 0; j < p->kept; j++) a[j] = (float)(sums[j] * scale);
}

void MODA_K(moda_k_abs_means)(const moda_map_piece *p, double scale, const void *restrict x,
                              float *restrict a)
{
    if (p->type == MODA_BF16)
        abs_means(MODA_BF16, p, scale, x, a);
    else
        abs_means(MODA_F32, p, scale, x, a);
}

/* Two selections and not sign * g: g may be as large as 1/MODA_COSINE_EPS, and there must be no
 * 0 * infinity. */
INLINE void add_rows(moda_real type, size_t first, size_t rows, size_t stride, size_t width,
                     const void *restrict x, const float *restrict g, void *restrict d_x)
{
    for (size_t r = first; r < first + rows; r++) {
#pragma omp simd
        for (size_t j = 0; j < width; j++) {
            const float value = moda_real_get(type, x, r * stride + j);
            const float up = value > 0 ? g[j] : 0, down = value < 0 ? g[j] : 0;
            const float before = moda_real_get(type, d_x, r * stride + j);
            moda_real_put(type, d_x, r * stride + j, before + (up - down));
        }
    }
}

INLINE void add_signs(moda_real type, const moda_map_piece *p, const void *restrict x,
                      const float *restrict g, void *restrict d_x)
{
    if (p->width == MODA_LANES)
        add_rows(type, 0, p->rows, p->stride, MODA_LANES, x, g, d_x);
    else
        add_rows(type, 0, p->rows, p->stride, p->width, x, g, d_x);
    if (p->tail) add_rows(type, p->rows, 1, p->stride, p->tail, x, g, d_x);
}

void MODA_K(moda_k_add_signs)(const moda_map_piece *p, double scale, const void *restrict x,
                              const float *restrict d_a, void *restrict d_x)
{
    _Alignas(64) float g[MODA_LANES] = {0};
    for (size_t j = 0; j < p->kept; j++) g[j] = (float)(d_a[j] * scale);
    for (size_t known = p->period; known < p->width; known *= 2) {
#pragma omp simd
        for (size_t j = 0; j < known; j++) g[j + known] = g[j];
    }
    if (p->type == MODA_BF16)
        add_signs(MODA_BF16, p, x, g, d_x);
    else
        add_signs(MODA_F32, p, x, g, d_x);
}
