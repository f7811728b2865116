/* engine/map_block_kernel.h - feature maps as our kernels walk them; included by files that are compiled
 * once per instruction set.
 *
 * The unit of work is one map block: hw pixels of b channels, hw*b elements in a row (64 KiB for a
 * 32x32 map of 16 channels in f32: it stays in L2 between the two loops that read it). b divides 16,
 * so a vector of 16 elements always begins at channel 0 of the block, and per-channel factors repeat
 * with period b inside it: one loop serves nchw, nChw8c and nChw16c. Vectors are GCC's, which every
 * instruction set can lower. Elements are f32 or bf16 in memory and f32 in registers; the inner
 * functions take the types as constants, so that there is one loop for each combination. */
#ifndef MODA_ENGINE_MAP_BLOCK_KERNEL_H
#define MODA_ENGINE_MAP_BLOCK_KERNEL_H

#include "engine/channel_blocks.h"
#include <string.h>

enum { LANES = 16 };
typedef float vec __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));
typedef int mask __attribute__((vector_size(LANES * sizeof(int))));
typedef uint32_t bits __attribute__((vector_size(LANES * sizeof(uint32_t))));
typedef moda_bf16 half __attribute__((vector_size(LANES * sizeof(moda_bf16))));
#define INLINE static inline __attribute__((always_inline))

/* One map block and its channels. */
typedef struct block {
    size_t length;  /* hw*b elements */
    size_t map;     /* index of its sample's row in [n, channels] arrays, at its first channel */
    size_t row;     /* the same in [n, c] arrays, which have no padding */
    size_t channel; /* its first channel */
    size_t offset;  /* of its first element */
    size_t real;    /* channels that are not padding */
} block;

static inline size_t blocks_per_sample(moda_map_shape s)
{
    return (s.c + s.block - 1) / s.block;
}

/* How many map blocks those channel blocks have. */
static inline size_t blocks_of(moda_map_shape s, moda_channel_blocks range)
{
    return s.n * (range.count ? range.count : blocks_per_sample(s));
}

/* Number i of them. */
static inline block locate(moda_map_shape s, moda_channel_blocks range, size_t i)
{
    const size_t per_sample = blocks_per_sample(s), count = range.count ? range.count : per_sample;
    const size_t n = i / count, cb = range.first + i % count;
    const size_t channel = cb * s.block, left = s.c - channel;
    return (block){.length = s.hw * s.block,
                   .map = n * per_sample * s.block + channel,
                   .row = n * s.c + channel,
                   .channel = channel,
                   .offset = (n * per_sample + cb) * s.hw * s.block,
                   .real = left < s.block ? left : s.block};
}

/* b = 16 has no remainders to compute, which for maps of a few pixels would take longer than the map;
 * the others stand apart, so that the loops around them stay small. */
static __attribute__((noinline)) void repeat_fewer(const float *factor, size_t b, float *v)
{
    for (size_t l = 0; l < LANES; l++) v[l] = factor[l % b];
}

static __attribute__((noinline)) void fold_to_fewer(const float *v, size_t b, float *out)
{
    for (size_t l = 0; l < b; l++) out[l] = 0;
    for (size_t l = 0; l < LANES; l++) out[l % b] += v[l];
}

/* The block's b factors, repeated to fill a vector. */
static inline vec repeat(const float *factor, size_t b)
{
    vec v;
    if (b == LANES)
        memcpy(&v, factor, sizeof v);
    else
        repeat_fewer(factor, b, (float *)&v);
    return v;
}

/* Adds up lanes of the same channel: out[b]. */
static inline void fold(vec v, size_t b, float *out)
{
    if (b == LANES)
        memcpy(out, &v, sizeof v);
    else
        fold_to_fewer((const float *)&v, b, out);
}

/* Element `offset` of an array. */
INLINE const void *at(moda_real type, const void *x, size_t offset)
{
    return (const char *)x + offset * moda_real_size(type);
}

INLINE void *at_out(moda_real type, void *y, size_t offset)
{
    return (char *)y + offset * moda_real_size(type);
}

INLINE vec widen(half h)
{
    return (vec)(__builtin_convertvector(h, bits) << 16);
}

/* As moda_f32_to_bf16(). */
INLINE half narrow(vec v)
{
    const bits b = (bits)v, rounded = (b + 0x7fff + (b >> 16 & 1)) >> 16, nan = b >> 16 | 0x40;
    const bits is_nan = (bits)(v != v);
    return __builtin_convertvector((rounded & ~is_nan) | (nan & is_nan), half);
}

/* The first `count` <= LANES elements from p on, zeros behind them. */
INLINE vec load_tail(moda_real type, const void *p, size_t count)
{
    if (type == MODA_BF16) {
        half h = {0};
        memcpy(&h, p, count * sizeof(moda_bf16));
        return widen(h);
    }
    vec v = {0};
    memcpy(&v, p, count * sizeof(float));
    return v;
}

INLINE void store_tail(moda_real type, void *p, vec v, size_t count)
{
    if (type == MODA_BF16) {
        const half h = narrow(v);
        memcpy(p, &h, count * sizeof(moda_bf16));
    } else {
        memcpy(p, &v, count * sizeof(float));
    }
}

INLINE vec load(moda_real type, const void *x, size_t i)
{
    return load_tail(type, at(type, x, i), LANES);
}

INLINE void store(moda_real type, void *y, size_t i, vec v)
{
    store_tail(type, at_out(type, y, i), v, LANES);
}

/* value where test > 0, else 0; a NaN in test keeps the value, so that a broken loss is seen. */
static inline vec positive(vec test, vec value)
{
    const mask drop = test <= 0;
    return (vec)((mask)value & ~drop);
}

/* The block's numbers of m [n,c], 0 for padding channels, repeated to fill a vector. m NULL: ones. */
static inline vec factors_of(moda_map_shape s, const block *o, const float *m)
{
    float factor[LANES] = {0};
    if (!m) return (vec){0} + 1;
    memcpy(factor, m + o->row, o->real * sizeof *factor);
    return repeat(factor, s.block);
}

/* The gradient by a [n,c], spread over the map: one addend per channel of the block. d_a NULL: 0. */
static inline vec spread(moda_map_shape s, const block *o, const float *d_a)
{
    float addend[LANES] = {0};
    if (d_a) memcpy(addend, d_a + o->row, o->real * sizeof *addend);
    return repeat(addend, s.block) / (float)s.hw;
}

/* a [n,c] := means over the block's map, from sums per lane. */
static inline void store_means(moda_map_shape s, const block *o, vec sum, float *a)
{
    float sums[LANES];
    fold(sum, s.block, sums);
    for (size_t l = 0; l < o->real; l++) a[o->row + l] = sums[l] / (float)s.hw;
}

/* v with the lanes from `count` on cleared: what a tail's padding would add to a sum. */
static inline vec first_lanes(vec v, size_t count)
{
    for (size_t l = count; l < LANES; l++) v[l] = 0;
    return v;
}

#endif
