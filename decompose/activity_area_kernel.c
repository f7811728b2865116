/* decompose/activity_area_kernel.c - enough non-zeros per lane, left as soon as every lane has them. */
#include "base/isa.h"
#include "decompose/activity_internal.h"

/* Values as bits without the sign, as in activity_kernel.c. */
typedef uint32_t __attribute__((may_alias)) word;
#define MAGNITUDE UINT32_C(0x7fffffff)

enum { CHECK = 16 }; /* pixels between two looks at whether all lanes have enough */

/* One map of its own: x [pixels], looked at in stretches. */
static uint8_t map_of_its_own(size_t pixels, size_t least, const word *x)
{
    enum { STRETCH = 256 };
    size_t count = 0;
    for (size_t p = 0; p < pixels && count < least;) {
        const size_t end = pixels - p < STRETCH ? pixels : p + STRETCH;
        word n = 0;
#pragma omp simd reduction(+ : n)
        for (size_t i = p; i < end; i++) n += (x[i] & MAGNITUDE) != 0;
        count += n;
        p = end;
    }
    return count >= least;
}

/* x [pixels, stride], of which the first `lanes` (<= 16) columns are looked at; inlined, so that
 * lanes is a constant where the caller's is. 2^32 pixels a map are beyond any network's. */
static inline __attribute__((always_inline)) void columns(size_t pixels, size_t stride,
                                                          size_t lanes, size_t real, size_t least,
                                                          const word *x, uint8_t *flag)
{
    word count[16];
    for (size_t l = 0; l < lanes; l++) count[l] = l < real ? 0 : (word)least;
    for (size_t p = 0; p < pixels;) {
        const size_t end = pixels - p < CHECK ? pixels : p + CHECK;
        for (; p < end; p++)
#pragma omp simd
            for (size_t l = 0; l < lanes; l++) count[l] += (x[p * stride + l] & MAGNITUDE) != 0;
        word missing = 0;
#pragma omp simd reduction(| : missing)
        for (size_t l = 0; l < lanes; l++) missing |= count[l] < least;
        if (!missing) break;
    }
    for (size_t l = 0; l < lanes; l++) flag[l] = count[l] >= least;
}

void MODA_K(moda_k_area)(size_t pixels, size_t lanes, size_t real, size_t least, const float *x,
                         uint8_t *flag)
{
    const word *w = (const word *)x;
    size_t l = 0;
    if (lanes == 1) {
        flag[0] = map_of_its_own(pixels, least, w);
        return;
    }
    for (; l + 16 <= lanes && l < real; l += 16)
        columns(pixels, lanes, 16, real - l, least, w + l, flag + l);
    for (; l + 8 <= lanes && l < real; l += 8)
        columns(pixels, lanes, 8, real - l, least, w + l, flag + l);
    if (l < lanes && l < real) columns(pixels, lanes, lanes - l, real - l, least, w + l, flag + l);
}
