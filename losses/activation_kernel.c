/* losses/activation_kernel.c - channel means and their gradient, docs/equations.md E2. */
#include "losses/losses_internal.h"
#include <math.h>

/* A float sum of this many terms is good to about 1e-6; parts are added in double. */
enum { ROWS_PER_PART = 256 };

/* part[j] += |x[row,j]|. */
static inline void add_magnitudes(size_t rows, size_t stride, size_t width, const float *restrict x,
                                  float *restrict part)
{
    for (size_t r = 0; r < rows; r++) {
#pragma omp simd
        for (size_t j = 0; j < width; j++) part[j] += fabsf(x[r * stride + j]);
    }
}

void MODA_K(moda_k_abs_means)(const moda_map_piece *p, double scale, const float *restrict x,
                              float *restrict a)
{
    const size_t stride = p->stride, width = p->width;
    double sums[MODA_LANES];
    size_t first = 0, rows;
    for (size_t j = 0; j < p->kept; j++) sums[j] = 0;
    do {
        _Alignas(64) float part[MODA_LANES] = {0}; /* a store across lines is slow to read back */
        const float *from = x + first * stride;
        rows = p->rows - first < ROWS_PER_PART ? p->rows - first : ROWS_PER_PART;
        if (width == MODA_LANES) /* a constant needs no remainders */
            add_magnitudes(rows, stride, MODA_LANES, from, part);
        else
            add_magnitudes(rows, stride, width, from, part);
        if (first + rows == p->rows) add_magnitudes(1, stride, p->tail, from + rows * stride, part);
        for (size_t half = width / 2; half >= p->period; half /= 2) {
#pragma omp simd
            for (size_t j = 0; j < half; j++) part[j] += part[j + half];
        }
        for (size_t j = 0; j < p->kept; j++) sums[j] += part[j];
        first += rows;
    } while (first < p->rows);
    for (size_t j = 0; j < p->kept; j++) a[j] = (float)(sums[j] * scale);
}

/* Two selections and not sign * g: g may be as large as 1/MODA_COSINE_EPS, and there must be no
 * 0 * infinity. */
static inline void add_rows(size_t rows, size_t stride, size_t width, const float *restrict x,
                            const float *restrict g, float *restrict d_x)
{
    for (size_t r = 0; r < rows; r++) {
        const float *xr = x + r * stride;
        float *dr = d_x + r * stride;
#pragma omp simd
        for (size_t j = 0; j < width; j++) {
            const float up = xr[j] > 0 ? g[j] : 0, down = xr[j] < 0 ? g[j] : 0;
            dr[j] += up - down;
        }
    }
}

void MODA_K(moda_k_add_signs)(const moda_map_piece *p, double scale, const float *restrict x,
                              const float *restrict d_a, float *restrict d_x)
{
    _Alignas(64) float g[MODA_LANES] = {0};
    const size_t end = p->rows * p->stride;
    for (size_t j = 0; j < p->kept; j++) g[j] = (float)(d_a[j] * scale);
    for (size_t known = p->period; known < p->width; known *= 2) {
#pragma omp simd
        for (size_t j = 0; j < known; j++) g[j + known] = g[j];
    }
    if (p->width == MODA_LANES)
        add_rows(p->rows, p->stride, MODA_LANES, x, g, d_x);
    else
        add_rows(p->rows, p->stride, p->width, x, g, d_x);
    if (p->tail) add_rows(1, p->stride, p->tail, x + end, g, d_x + end);
}
