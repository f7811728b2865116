/* decompose/activity_internal.h - the kernels of activity.h, one per instruction set.
 * Maps of one sample and channel block: `pixels` groups of `lanes` values, [hw, b]; flag[lane] := 1
 * where at least `least` > 0 values of the lane are non-zero. Only the first `real` lanes are channels:
 * the others, padding of the block, are not waited for; flag has room for them and what it says there
 * means nothing. */
#ifndef MODA_DECOMPOSE_ACTIVITY_INTERNAL_H
#define MODA_DECOMPOSE_ACTIVITY_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

typedef void moda_area_kernel(size_t pixels, size_t lanes, size_t real, size_t least,
                              const float *x, uint8_t *flag);
/* The case least = 1, which has the early end almost at once. */
typedef void moda_activity_kernel(size_t pixels, size_t lanes, size_t real, const float *x,
                                  uint8_t *flag);

moda_activity_kernel moda_k_activity_ref;
moda_area_kernel moda_k_area_ref;
#if defined(__x86_64__)
moda_activity_kernel moda_k_activity_avx2, moda_k_activity_avx512;
moda_area_kernel moda_k_area_avx2, moda_k_area_avx512;
#endif

#endif
