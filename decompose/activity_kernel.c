/* decompose/activity_kernel.c - any non-zero per lane, left as soon as every lane has one. */
#include "base/isa.h"
#include "decompose/activity_internal.h"

/* Values as bits without the sign: zero only for +0 and -0, whatever MXCSR says of denormals. */
typedef uint32_t __attribute__((may_alias)) word;
#define MAGNITUDE UINT32_C(0x7fffffff)

enum { CHECK = 8 }; /* pixels between two looks at whether all lanes are hit */

/* One map of its own: x [pixels]. */
static uint8_t any(size_t pixels, const word *x)
{
    size_t p = 0;
    for (; p + 32 <= pixels; p += 32) {
        word seen = 0;
#pragma omp simd reduction(| : seen)
        for (size_t i = 0; i < 32; i++) seen |= x[p + i];
        if (seen & MAGNITUDE) return 1;
    }
    word seen = 0;
    for (; p < pixels; p++) seen |= x[p];
    return (seen & MAGNITUDE) != 0;
}

/* x [pixels, stride], of which the first `lanes` (<= 16) columns are looked at. Always inlined, so
 * that lanes is a constant where the caller's is, and `seen` stays in registers. */
static inline __attribute__((always_inline)) void columns(size_t pixels, size_t stride,
                                                          size_t lanes, size_t real, const word *x,
                                                          uint8_t *flag)
{
    word seen[16];
    for (size_t l = 0; l < lanes; l++) seen[l] = l >= real;
    for (size_t p = 0; p < pixels;) {
        size_t end = pixels - p < CHECK ? pixels : p + CHECK;
        for (; p < end; p++)
#pragma omp simd
            for (size_t l = 0; l < lanes; l++) seen[l] |= x[p * stride + l] & MAGNITUDE;
        word missing = 0;
#pragma omp simd reduction(| : missing)
        for (size_t l = 0; l < lanes; l++) missing |= seen[l] == 0;
        if (!missing) break;
    }
    for (size_t l = 0; l < lanes; l++) flag[l] = seen[l] != 0;
}

/* One pixel: rows of features, nothing to leave early. */
static void once(size_t lanes, const word *x, uint8_t *flag)
{
#pragma omp simd
    for (size_t l = 0; l < lanes; l++) flag[l] = (x[l] & MAGNITUDE) != 0;
}

void MODA_K(moda_k_activity)(size_t pixels, size_t lanes, size_t real, const float *x,
                             uint8_t *flag)
{
    const word *w = (const word *)x;
    size_t l = 0;
    if (pixels == 1) {
        once(lanes, w, flag);
    } else if (lanes == 1) {
        flag[0] = any(pixels, w);
    } else {
        for (; l + 16 <= lanes && l < real; l += 16)
            columns(pixels, lanes, 16, real - l, w + l, flag + l);
        for (; l + 8 <= lanes && l < real; l += 8)
            columns(pixels, lanes, 8, real - l, w + l, flag + l);
        if (l < lanes && l < real) columns(pixels, lanes, lanes - l, real - l, w + l, flag + l);
    }
}
