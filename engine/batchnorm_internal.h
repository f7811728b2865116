/* engine/batchnorm_internal.h - the per-channel half of batch normalisation, in f64, for those who run
 * its kernels. Shapes as in engine/batchnorm.h; only the channels of `range` are touched. */
#ifndef MODA_ENGINE_BATCHNORM_INTERNAL_H
#define MODA_ENGINE_BATCHNORM_INTERNAL_H

#include "engine/batchnorm_kernel.h"

const moda_batchnorm_kernels *moda_batchnorm_kernels_now(void);

/* x, whose shape and type are b->s, -> mean, variance. partial [n, channels, 2] is scratch. */
void moda_batchnorm_statistics(const moda_batchnorm_maps *b, const void *x, float *partial,
                               float *mean, float *variance);
/* The normalisation as k*x + m. */
void moda_batchnorm_factors(const moda_batchnorm_maps *b, float eps, const float *scale,
                            const float *shift, const float *mean, const float *variance, float *k,
                            float *m);

/* Sums of maps: per map and channel `width` numbers, of which the first is the sum of g and number
 * `product` that of g*(x - mean). */
typedef struct moda_batchnorm_sums {
    const float *partial; /* [n, channels, width] */
    size_t width, product;
} moda_batchnorm_sums;
/* d_scale, d_shift, and p, q in d_x = k*g + p*x + q. */
void moda_batchnorm_slopes(const moda_batchnorm_maps *b, float eps, moda_batchnorm_sums sums,
                           const float *mean, const float *variance, const float *k, float *d_scale,
                           float *d_shift, float *p, float *q);

#endif
