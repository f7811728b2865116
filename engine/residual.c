/* engine/residual.c - from the kernels' passes; what is per channel is done as in engine/batchnorm.c. */
#include "engine/residual.h"
#include "base/isa.h"
#include "engine/batchnorm.h"
#include "engine/batchnorm_internal.h"
#include "engine/residual_kernel.h"

static const moda_residual_kernels *kernels(void)
{
    static const moda_residual_kernels *const table[MODA_ISA_COUNT] = {
        [MODA_ISA_REF] = &moda_residual_kernels_ref,
#if defined(__x86_64__)
        [MODA_ISA_AVX2] = &moda_residual_kernels_avx2,
        [MODA_ISA_AVX512] = &moda_residual_kernels_avx512,
#endif
    };
    return table[moda_isa_best()];
}

/* Three numbers per map, and four per channel. */
size_t moda_residual_scratch(moda_map_shape s)
{
    return (3 * s.n + 4) * moda_batchnorm_channels(s);
}

/* What a pass over one batch norm's input works on, its result being of y's type. */
static moda_batchnorm_maps norm_maps(const moda_residual *r, size_t i, moda_channel_blocks range)
{
    moda_batchnorm_maps b = {.s = r->map, .y_type = r->map.type, .range = range};
    b.s.type = r->x_type[i];
    return b;
}

static size_t bytes_of_inputs(const moda_residual *r)
{
    return moda_real_size(r->x_type[0]) + (r->norms == 2 ? moda_real_size(r->x_type[1]) : 0);
}

void moda_residual_forward(const moda_residual *r, const moda_residual_norm *norm,
                           const void *const x[2], float *scratch, void *y, float *a)
{
    const size_t channels = moda_batchnorm_channels(r->map);
    float *const k[2] = {scratch, scratch + channels};
    float *const m[2] = {k[1] + channels, k[1] + 2 * channels}, *partial = m[1] + channels;
    moda_residual_maps part = {
        .s = r->map, .x_type = {r->x_type[0], r->x_type[1]}, .relu = r->relu};
    for (size_t c = 0; c < channels; c++) k[1][c] = 1, m[1][c] = 0; /* of an x_1 as it is */
    while (moda_channel_blocks_next(r->map, bytes_of_inputs(r), &part.range)) {
        for (size_t i = 0; i < r->norms; i++) {
            const moda_batchnorm_maps b = norm_maps(r, i, part.range);
            const moda_residual_norm *v = &norm[i];
            moda_batchnorm_statistics(&b, x[i], partial, v->mean, v->variance);
            /* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): norms <= 2 */
            moda_batchnorm_factors(&b, v->eps, v->scale, v->shift, v->mean, v->variance, k[i],
                                   m[i]);
        }
        kernels()->sum(&part, (const float *const *)k, (const float *const *)m, x, y, a);
    }
}

void moda_residual_backward(const moda_residual *r, const moda_residual_norm *norm,
                            const void *const x[2], const void *y, void *d_y, const void *share,
                            const float *d_a, float *scratch, void *const d_x[2])
{
    const size_t channels = moda_batchnorm_channels(r->map);
    const size_t bytes = bytes_of_inputs(r) + moda_real_size(r->map.type);
    const float *const mean[2] = {norm[0].mean, r->norms == 2 ? norm[1].mean : NULL};
    float *k = scratch, *m = k + channels, *p = m + channels, *q = p + channels;
    float *partial = q + channels;
    moda_residual_maps part = {
        .s = r->map, .x_type = {r->x_type[0], r->x_type[1]}, .relu = r->relu};
    while (moda_channel_blocks_next(r->map, bytes, &part.range)) {
        kernels()->gradient(&part, mean, x, y, share, d_a, d_y, partial);
        for (size_t i = 0; i < r->norms; i++) { /* the second may be in place of d_y */
            const moda_batchnorm_maps b = norm_maps(r, i, part.range);
            const moda_residual_norm *v = &norm[i];
            const moda_batchnorm_sums sums = {partial, 3, 1 + i};
            moda_batchnorm_factors(&b, v->eps, v->scale, v->shift, v->mean, v->variance, k, m);
            moda_batchnorm_slopes(&b, v->eps, sums, v->mean, v->variance, k, v->d_scale, v->d_shift,
                                  p, q);
            moda_batchnorm_kernels_now()->gradient(&b, k, m, p, q, x[i], d_y, NULL, d_x[i]);
        }
    }
}
