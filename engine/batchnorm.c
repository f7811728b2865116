/* engine/batchnorm.c - batch normalisation from the kernels' passes: what is per channel is done
 * here, in f64. */
#include "engine/batchnorm.h"
#include "base/isa.h"
#include "engine/batchnorm_kernel.h"
#include <math.h>

static const moda_batchnorm_kernels *kernels(void)
{
    static const moda_batchnorm_kernels *const table[MODA_ISA_COUNT] = {
        [MODA_ISA_REF] = &moda_batchnorm_kernels_ref,
#if defined(__x86_64__)
        [MODA_ISA_AVX2] = &moda_batchnorm_kernels_avx2,
        [MODA_ISA_AVX512] = &moda_batchnorm_kernels_avx512,
#endif
    };
    return table[moda_isa_best()];
}

static moda_batchnorm_maps maps(const moda_batchnorm *b)
{
    return (moda_batchnorm_maps){.s = b->map, .y_type = b->y_type, .relu = b->relu};
}

size_t moda_batchnorm_channels(moda_map_shape s)
{
    return (s.c + s.block - 1) / s.block * s.block;
}

/* Two numbers per map, or four per channel: whichever pass is running. */
size_t moda_batchnorm_scratch(moda_map_shape s)
{
    return (2 * s.n + 4) * moda_batchnorm_channels(s);
}

/* Means and squared deviations of equally large maps, joined (Chan, Golub, LeVeque 1979). */
void moda_batchnorm_statistics(const moda_batchnorm *b, const void *x, float *scratch, float *mean,
                               float *variance)
{
    const size_t channels = moda_batchnorm_channels(b->map);
    const double n = (double)b->map.n, hw = (double)b->map.hw;
    const moda_batchnorm_maps shape = maps(b);
    kernels()->moments(&shape, x, scratch);
#pragma omp parallel for schedule(static)
    for (size_t c = 0; c < channels; c++) {
        double sum = 0, squares = 0;
        for (size_t i = 0; i < b->map.n; i++) sum += (double)scratch[2 * (i * channels + c)];
        const double centre = sum / n;
        for (size_t i = 0; i < b->map.n; i++) {
            const double deviation = (double)scratch[2 * (i * channels + c)] - centre;
            squares += (double)scratch[2 * (i * channels + c) + 1] + hw * deviation * deviation;
        }
        mean[c] = (float)centre;
        variance[c] = (float)(squares / (n * hw));
    }
}

/* The normalisation as y = k*x + m. */
static void factors(const moda_batchnorm *b, const float *scale, const float *shift,
                    const float *mean, const float *variance, float *k, float *m)
{
    const size_t channels = moda_batchnorm_channels(b->map);
    for (size_t c = 0; c < channels; c++) {
        const double factor = (double)scale[c] / sqrt((double)variance[c] + (double)b->eps);
        k[c] = (float)factor;
        m[c] = (float)((double)shift[c] - (double)mean[c] * factor);
    }
}

void moda_batchnorm_forward(const moda_batchnorm *b, const void *x, const float *scale,
                            const float *shift, const float *mean, const float *variance,
                            float *scratch, void *y, float *a)
{
    float *k = scratch, *m = k + moda_batchnorm_channels(b->map);
    factors(b, scale, shift, mean, variance, k, m);
    const moda_batchnorm_maps shape = maps(b);
    kernels()->affine(&shape, k, m, x, y, a);
}

/* With N = n*hw, g the gradient by z = k*x + m, and sums over all maps:
 *   d_shift = sum g,  d_scale = sum g*(x - mean)/deviation
 *   d_x     = k * (g - d_shift/N - (x - mean)/deviation * d_scale/N) = k*g + p*x + q */
void moda_batchnorm_backward(const moda_batchnorm *b, const void *x, const float *scale,
                             const float *shift, const float *mean, const float *variance,
                             const void *d_y, const float *d_a, float *scratch, void *d_x,
                             float *d_scale, float *d_shift)
{
    const size_t channels = moda_batchnorm_channels(b->map);
    const double total = (double)b->map.n * (double)b->map.hw;
    float *k = scratch, *m = k + channels, *p = m + channels, *q = p + channels;
    float *partial = q + channels;
    factors(b, scale, shift, mean, variance, k, m);
    const moda_batchnorm_maps shape = maps(b);
    kernels()->gradient_sums(&shape, k, m, mean, x, d_y, d_a, partial);
#pragma omp parallel for schedule(static)
    for (size_t c = 0; c < channels; c++) {
        const double inverse = 1 / sqrt((double)variance[c] + (double)b->eps);
        double sum = 0, product = 0;
        for (size_t i = 0; i < b->map.n; i++) {
            sum += (double)partial[2 * (i * channels + c)];
            product += (double)partial[2 * (i * channels + c) + 1];
        }
        const double slope = -(double)k[c] * product * inverse * inverse / total;
        d_shift[c] = (float)sum;
        d_scale[c] = (float)(product * inverse);
        p[c] = (float)slope;
        q[c] = (float)(-(double)k[c] * sum / total - slope * (double)mean[c]);
    }
    kernels()->gradient(&shape, k, m, p, q, x, d_y, d_a, d_x);
}
