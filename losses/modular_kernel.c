/* losses/modular_kernel.c - the closed form's inner loops, docs/equations.md E3-E8. Tiles are laid
 * out as losses/losses_internal.h says. */
#include "losses/losses_internal.h"
#include <math.h>
#include <string.h>

/* Double, because the square of a small activation underflows in float. */
void MODA_K(moda_k_row_sums)(size_t d, const float *restrict a, double *restrict square,
                             double *restrict absolute)
{
    double squares = 0, sum = 0;
#pragma omp simd reduction(+ : squares, sum)
    for (size_t f = 0; f < d; f++) {
        const double v = a[f];
        squares += v * v;
        sum += fabs(v);
    }
    *square = squares, *absolute = sum;
}

void MODA_K(moda_k_class_sums)(size_t n, size_t width, size_t stride, const float *restrict a,
                               const float *restrict inverse, const uint32_t *restrict slot,
                               size_t slots, float *restrict tile)
{
    memset(tile, 0, slots * MODA_LANES * sizeof *tile);
    for (size_t i = 0; i < n; i++) {
        const float *row = a + i * stride;
        float *sum = tile + slot[i] * (size_t)MODA_LANES;
        const float scale = inverse[i];
#pragma omp simd
        for (size_t j = 0; j < width; j++) sum[j] += scale * row[j];
    }
}

void MODA_K(moda_k_class_squares)(size_t slots, const float *restrict tile, double *restrict own,
                                  double *restrict all)
{
    _Alignas(64) double total[MODA_LANES] = {0}, squares[MODA_LANES] = {0};
    for (size_t c = 0; c < slots; c++) {
        const float *sum = tile + c * MODA_LANES;
#pragma omp simd
        for (size_t j = 0; j < MODA_LANES; j++) {
            const double v = sum[j];
            total[j] += v;
            squares[j] += v * v;
        }
    }
    double o = 0, t = 0;
    for (size_t j = 0; j < MODA_LANES; j++) {
        o += squares[j];
        t += total[j] * total[j];
    }
    *own = o, *all = t;
}

void MODA_K(moda_k_class_gradients)(size_t slots, float same, float different, float *restrict tile)
{
    _Alignas(64) float total[MODA_LANES] = {0};
    for (size_t c = 0; c < slots; c++) {
#pragma omp simd
        for (size_t j = 0; j < MODA_LANES; j++) total[j] += tile[c * MODA_LANES + j];
    }
    for (size_t c = 0; c < slots; c++) {
        float *sum = tile + c * MODA_LANES;
#pragma omp simd
        for (size_t j = 0; j < MODA_LANES; j++)
            sum[j] = same * sum[j] + different * (total[j] - sum[j]);
    }
}

void MODA_K(moda_k_row_gradient)(size_t d, const float *restrict a, float inverse,
                                 const float *restrict g, size_t block_stride, int project,
                                 float along, float compactness, float *restrict d_a)
{
    _Alignas(64) double lane[MODA_LANES] = {0};
    double dot = 0;
    for (size_t f = 0; project && f < d; f += MODA_LANES) {
        const size_t width = f + MODA_LANES < d ? MODA_LANES : d - f;
        const float *row = a + f, *block = g + f / MODA_LANES * block_stride;
#pragma omp simd
        for (size_t j = 0; j < width; j++) lane[j] += (double)row[j] * (double)block[j];
    }
    for (size_t j = 0; j < MODA_LANES; j++) dot += lane[j];
    const float t = project ? (float)(dot * (double)inverse) : along;
    for (size_t f = 0; f < d; f += MODA_LANES) {
        const size_t width = f + MODA_LANES < d ? MODA_LANES : d - f;
        const float *row = a + f, *block = g + f / MODA_LANES * block_stride;
        float *to = d_a + f;
#pragma omp simd
        for (size_t j = 0; j < width; j++) {
            const float up = row[j] > 0 ? compactness : 0, down = row[j] < 0 ? compactness : 0;
            to[j] = inverse * (block[j] - t * (inverse * row[j])) + (up - down);
        }
    }
}
