/* engine/batchnorm.c - batch normalisation from the kernels' passes: what is per channel is done
 * here, in f64. */
#include "engine/batchnorm.h"
#include "base/isa.h"
#include "engine/batchnorm_internal.h"
#include <math.h>

const moda_batchnorm_kernels *moda_batchnorm_kernels_now(void)
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
    return (moda_batchnorm_maps){
        .s = b->map, .y_type = b->y_type, .relu = b->relu, .mask = b->mask, .d_mask = b->d_mask};
}

size_t moda_batchnorm_channels(moda_map_shape s)
{
    return moda_channel_blocks_of(s) * s.block;
}

/* Two numbers per map, and four per channel. */
size_t moda_batchnorm_scratch(moda_map_shape s)
{
    return (2 * s.n + 4) * moda_batchnorm_channels(s);
}

static size_t first_channel(const moda_batchnorm_maps *b)
{
    return b->range.first * b->s.block;
}

static size_t end_channel(const moda_batchnorm_maps *b)
{
    return b->range.count ? (b->range.first + b->range.count) * b->s.block
                          : moda_batchnorm_channels(b->s);
}

/* Channels whose sums over the batch are taken together: one by one, each number would be a cache line
 * read for itself. */
enum { GROUP = 16 };

/* sum[l] = sum over the samples of number `which` of channel c + l, in order. */
static void sum_over_samples(const moda_batchnorm_maps *b, moda_batchnorm_sums sums, size_t which,
                             size_t c, size_t count, double *sum)
{
    const size_t channels = moda_batchnorm_channels(b->s);
    for (size_t l = 0; l < count; l++) sum[l] = 0;
    for (size_t i = 0; i < b->s.n; i++) {
        const float *row = sums.partial + sums.width * (i * channels + c) + which;
        for (size_t l = 0; l < count; l++) sum[l] += (double)row[l * sums.width];
    }
}

static size_t group_size(const moda_batchnorm_maps *b, size_t c)
{
    const size_t left = end_channel(b) - c;
    return left < GROUP ? left : GROUP;
}

/* Means and squared deviations of equally large maps, joined (Chan, Golub, LeVeque 1979). */
void moda_batchnorm_statistics(const moda_batchnorm_maps *b, const void *x, float *partial,
                               float *mean, float *variance)
{
    const size_t channels = moda_batchnorm_channels(b->s);
    const double n = (double)b->s.n, hw = (double)b->s.hw;
    moda_batchnorm_kernels_now()->moments(b, x, partial);
#pragma omp parallel for schedule(static)
    for (size_t c = first_channel(b); c < end_channel(b); c += GROUP) {
        const size_t count = group_size(b, c);
        double centre[GROUP], squares[GROUP] = {0};
        sum_over_samples(b, (moda_batchnorm_sums){partial, 2, 1}, 0, c, count, centre);
        for (size_t l = 0; l < count; l++) centre[l] /= n;
        for (size_t i = 0; i < b->s.n; i++) {
            const float *row = partial + 2 * (i * channels + c);
            for (size_t l = 0; l < count; l++) {
                const double deviation = (double)row[2 * l] - centre[l];
                squares[l] += (double)row[2 * l + 1] + hw * deviation * deviation;
            }
        }
        for (size_t l = 0; l < count; l++) {
            mean[c + l] = (float)centre[l];
            variance[c + l] = (float)(squares[l] / (n * hw));
        }
    }
}

void moda_batchnorm_factors(const moda_batchnorm_maps *b, float eps, const float *scale,
                            const float *shift, const float *mean, const float *variance, float *k,
                            float *m)
{
    for (size_t c = first_channel(b); c < end_channel(b); c++) {
        const double factor = (double)scale[c] / sqrt((double)variance[c] + (double)eps);
        k[c] = (float)factor;
        m[c] = (float)((double)shift[c] - (double)mean[c] * factor);
    }
}

/* With N = n*hw, g the gradient by z = k*x + m, and sums over all maps:
 *   d_shift = sum g,  d_scale = sum g*(x - mean)/deviation
 *   d_x     = k * (g - d_shift/N - (x - mean)/deviation * d_scale/N) = k*g + p*x + q */
void moda_batchnorm_slopes(const moda_batchnorm_maps *b, float eps, moda_batchnorm_sums sums,
                           const float *mean, const float *variance, const float *k, float *d_scale,
                           float *d_shift, float *p, float *q)
{
    const double total = (double)b->s.n * (double)b->s.hw;
#pragma omp parallel for schedule(static)
    for (size_t c = first_channel(b); c < end_channel(b); c += GROUP) {
        const size_t count = group_size(b, c);
        double sum[GROUP], product[GROUP];
        sum_over_samples(b, sums, 0, c, count, sum);
        sum_over_samples(b, sums, sums.product, c, count, product);
        for (size_t l = 0; l < count; l++) {
            const size_t i = c + l;
            const double inverse = 1 / sqrt((double)variance[i] + (double)eps);
            const double slope = -(double)k[i] * product[l] * inverse * inverse / total;
            d_shift[i] = (float)sum[l];
            d_scale[i] = (float)(product[l] * inverse);
            p[i] = (float)slope;
            q[i] = (float)(-(double)k[i] * sum[l] / total - slope * (double)mean[i]);
        }
    }
}

void moda_batchnorm_train(const moda_batchnorm *b, const void *x, const float *scale,
                          const float *shift, float *scratch, float *mean, float *variance, void *y,
                          float *a)
{
    float *k = scratch, *m = k + moda_batchnorm_channels(b->map);
    float *partial = m + moda_batchnorm_channels(b->map);
    moda_batchnorm_maps part = maps(b);
    while (moda_channel_blocks_next(b->map, moda_real_size(b->map.type), &part.range)) {
        moda_batchnorm_statistics(&part, x, partial, mean, variance);
        moda_batchnorm_factors(&part, b->eps, scale, shift, mean, variance, k, m);
        moda_batchnorm_kernels_now()->affine(&part, k, m, x, y, a);
    }
}

void moda_batchnorm_forward(const moda_batchnorm *b, const void *x, const float *scale,
                            const float *shift, const float *mean, const float *variance,
                            float *scratch, void *y, float *a)
{
    float *k = scratch, *m = k + moda_batchnorm_channels(b->map);
    const moda_batchnorm_maps all = maps(b);
    moda_batchnorm_factors(&all, b->eps, scale, shift, mean, variance, k, m);
    moda_batchnorm_kernels_now()->affine(&all, k, m, x, y, a);
}

void moda_batchnorm_backward(const moda_batchnorm *b, const void *x, const float *scale,
                             const float *shift, const float *mean, const float *variance,
                             const void *d_y, const float *d_a, float *scratch, void *d_x,
                             float *d_scale, float *d_shift)
{
    const moda_batchnorm_kernels *kernels = moda_batchnorm_kernels_now();
    const size_t channels = moda_batchnorm_channels(b->map);
    const size_t bytes = moda_real_size(b->map.type) + moda_real_size(b->y_type);
    float *k = scratch, *m = k + channels, *p = m + channels, *q = p + channels;
    float *partial = q + channels;
    const moda_batchnorm_sums sums = {partial, 2, 1};
    moda_batchnorm_maps part = maps(b);
    while (moda_channel_blocks_next(b->map, bytes, &part.range)) {
        moda_batchnorm_factors(&part, b->eps, scale, shift, mean, variance, k, m);
        kernels->gradient_sums(&part, k, m, mean, x, d_y, d_a, partial);
        moda_batchnorm_slopes(&part, b->eps, sums, mean, variance, k, d_scale, d_shift, p, q);
        kernels->gradient(&part, k, m, p, q, x, d_y, d_a, d_x);
    }
}
