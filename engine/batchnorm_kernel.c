/* engine/batchnorm_kernel.c - compiled once per instruction set.
 *
 * The unit of work is one map block: hw pixels of b channels, hw*b elements in a row (64 KiB for a
 * 32x32 map of 16 channels in f32: it stays in L2 between the two loops that read it). b divides 16,
 * so a vector of 16 elements always begins at channel 0 of the block, and per-channel factors repeat
 * with period b inside it: one loop serves nchw, nChw8c and nChw16c. Vectors are GCC's, which every
 * instruction set can lower. Elements are f32 or bf16 in memory and f32 in registers; the inner
 * functions take the types as constants, so that there is one loop for each pair of them. */
#include "engine/batchnorm_kernel.h"
#include "base/isa.h"
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
    size_t channel; /* its first channel */
    size_t offset;  /* of its first element */
    size_t real;    /* channels that are not padding */
} block;

static inline size_t blocks_per_sample(moda_map_shape s)
{
    return (s.c + s.block - 1) / s.block;
}

static inline block locate(moda_map_shape s, size_t i)
{
    const size_t per_sample = blocks_per_sample(s), n = i / per_sample, cb = i % per_sample;
    const size_t channel = cb * s.block, left = s.c - channel;
    return (block){.length = s.hw * s.block,
                   .map = n * per_sample * s.block + channel,
                   .channel = channel,
                   .offset = i * s.hw * s.block,
                   .real = left < s.block ? left : s.block};
}

/* The block's b factors, repeated to fill a vector. */
static inline vec repeat(const float *factor, size_t b)
{
    vec v;
    for (size_t l = 0; l < LANES; l++) v[l] = factor[l % b];
    return v;
}

/* Adds up lanes of the same channel: out[b]. */
static inline void fold(vec v, size_t b, float *out)
{
    for (size_t l = 0; l < b; l++) out[l] = 0;
    for (size_t l = 0; l < LANES; l++) out[l % b] += v[l];
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

/* Calls f with the types of x and y as constants. Inside the parallel loops, once per block: GCC cuts
 * a parallel region out into a function of its own, to which constants do not follow. */
#define FOR_TYPES(b, f, ...)                                    \
    do {                                                        \
        if ((b)->s.type == MODA_F32 && (b)->y_type == MODA_F32) \
            f(MODA_F32, MODA_F32, b, __VA_ARGS__);              \
        else if ((b)->s.type == MODA_F32)                       \
            f(MODA_F32, MODA_BF16, b, __VA_ARGS__);             \
        else if ((b)->y_type == MODA_F32)                       \
            f(MODA_BF16, MODA_F32, b, __VA_ARGS__);             \
        else                                                    \
            f(MODA_BF16, MODA_BF16, b, __VA_ARGS__);            \
    } while (0)

static inline size_t blocks(const moda_batchnorm_maps *b)
{
    return b->s.n * blocks_per_sample(b->s);
}

/* ---- statistics ---- */

INLINE void block_moments(moda_real type, const void *x, size_t length, size_t b, size_t hw,
                          float *out /* [b,2] */)
{
    float mean[LANES], squares[LANES];
    const size_t whole = length / LANES * LANES, rest = length - whole;
    const vec tail = load_tail(type, at(type, x, whole), rest);
    vec sum[2] = {{0}, {0}};
    for (size_t i = 0; i < whole; i += LANES) sum[i / LANES % 2] += load(type, x, i);
    fold(sum[0] + sum[1] + tail, b, mean);
    for (size_t l = 0; l < b; l++) mean[l] /= (float)hw;
    const vec centre = repeat(mean, b);
    vec square[2] = {{0}, {0}};
    for (size_t i = 0; i < whole; i += LANES) {
        const vec deviation = load(type, x, i) - centre;
        square[i / LANES % 2] += deviation * deviation;
    }
    vec last = tail - centre;
    for (size_t l = rest; l < LANES; l++) last[l] = 0;
    fold(square[0] + square[1] + last * last, b, squares);
    for (size_t l = 0; l < b; l++) out[2 * l] = mean[l], out[2 * l + 1] = squares[l];
}

static void map_moments(const moda_batchnorm_maps *b, const void *x, float *partial)
{
    const moda_map_shape s = b->s;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < blocks(b); i++) {
        const block o = locate(s, i);
        if (s.type == MODA_BF16)
            block_moments(MODA_BF16, at(MODA_BF16, x, o.offset), o.length, s.block, s.hw,
                          partial + 2 * o.map);
        else
            block_moments(MODA_F32, at(MODA_F32, x, o.offset), o.length, s.block, s.hw,
                          partial + 2 * o.map);
    }
}

/* ---- forward ---- */

INLINE void block_affine(moda_real x_type, moda_real y_type, const moda_batchnorm_maps *b, size_t i,
                         const float *k, const float *m, const void *x, void *y, float *a)
{
    const moda_map_shape s = b->s;
    const block o = locate(s, i);
    const bool relu = b->relu;
    const void *xs = at(x_type, x, o.offset);
    void *ys = at_out(y_type, y, o.offset);
    const vec kv = repeat(k + o.channel, s.block), mv = repeat(m + o.channel, s.block);
    const size_t whole = o.length / LANES * LANES, rest = o.length - whole;
    vec total = {0};
    for (size_t j = 0; j < whole; j += LANES) {
        const vec z = load(x_type, xs, j) * kv + mv, v = relu ? positive(z, z) : z;
        store(y_type, ys, j, v);
        total += v;
    }
    const vec z = load_tail(x_type, at(x_type, xs, whole), rest) * kv + mv;
    vec v = relu ? positive(z, z) : z;
    store_tail(y_type, at_out(y_type, ys, whole), v, rest);
    if (!a) return;
    float sums[LANES], *row = a + i / blocks_per_sample(s) * s.c + o.channel;
    for (size_t l = rest; l < LANES; l++) v[l] = 0;
    fold(total + v, s.block, sums);
    for (size_t l = 0; l < o.real; l++) row[l] = sums[l] / (float)s.hw;
}

static void affine(const moda_batchnorm_maps *b, const float *k, const float *m, const void *x,
                   void *y, float *a)
{
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < blocks(b); i++) FOR_TYPES(b, block_affine, i, k, m, x, y, a);
}

/* ---- backward ---- */

/* The gradient by a, spread over the map: one addend per channel of the block. */
static inline vec spread(moda_map_shape s, const block *o, size_t i, const float *d_a)
{
    float addend[LANES] = {0};
    const float *row = d_a ? d_a + i / blocks_per_sample(s) * s.c + o->channel : NULL;
    for (size_t l = 0; row && l < o->real; l++) addend[l] = row[l] / (float)s.hw;
    return repeat(addend, s.block);
}

INLINE void block_gradient_sums(moda_real x_type, moda_real y_type, const moda_batchnorm_maps *b,
                                size_t i, const float *k, const float *m, const float *mean,
                                const void *x, const void *d_y, const float *d_a, float *partial)
{
    const moda_map_shape s = b->s;
    const block o = locate(s, i);
    const bool relu = b->relu;
    const void *xs = at(x_type, x, o.offset), *ds = at(y_type, d_y, o.offset);
    const vec kv = repeat(k + o.channel, s.block), mv = repeat(m + o.channel, s.block);
    const vec centre = repeat(mean + o.channel, s.block), join = spread(s, &o, i, d_a);
    const size_t whole = o.length / LANES * LANES, rest = o.length - whole;
    vec sum = {0}, product = {0};
    for (size_t j = 0; j < whole; j += LANES) {
        const vec v = load(x_type, xs, j), g = load(y_type, ds, j) + join;
        const vec kept = relu ? positive(v * kv + mv, g) : g;
        sum += kept;
        product += kept * (v - centre);
    }
    const vec v = load_tail(x_type, at(x_type, xs, whole), rest);
    const vec g = load_tail(y_type, at(y_type, ds, whole), rest) + join;
    vec kept = relu ? positive(v * kv + mv, g) : g;
    for (size_t l = rest; l < LANES; l++) kept[l] = 0;
    float sums[LANES], products[LANES];
    fold(sum + kept, s.block, sums);
    fold(product + kept * (v - centre), s.block, products);
    for (size_t l = 0; l < s.block; l++) {
        partial[2 * (o.map + l)] = sums[l];
        partial[2 * (o.map + l) + 1] = products[l];
    }
}

static void gradient_sums(const moda_batchnorm_maps *b, const float *k, const float *m,
                          const float *mean, const void *x, const void *d_y, const float *d_a,
                          float *partial)
{
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < blocks(b); i++)
        FOR_TYPES(b, block_gradient_sums, i, k, m, mean, x, d_y, d_a, partial);
}

INLINE void block_gradient(moda_real x_type, moda_real y_type, const moda_batchnorm_maps *b,
                           size_t i, const float *k, const float *m, const float *p, const float *q,
                           const void *x, const void *d_y, const float *d_a, void *d_x)
{
    const moda_map_shape s = b->s;
    const block o = locate(s, i);
    const bool relu = b->relu;
    const void *xs = at(x_type, x, o.offset), *ds = at(y_type, d_y, o.offset);
    void *out = at_out(x_type, d_x, o.offset);
    const vec kv = repeat(k + o.channel, s.block), mv = repeat(m + o.channel, s.block);
    const vec pv = repeat(p + o.channel, s.block), qv = repeat(q + o.channel, s.block);
    const vec join = spread(s, &o, i, d_a);
    const size_t whole = o.length / LANES * LANES, rest = o.length - whole;
    for (size_t j = 0; j < whole; j += LANES) {
        const vec v = load(x_type, xs, j), g = load(y_type, ds, j) + join;
        store(x_type, out, j, kv * (relu ? positive(v * kv + mv, g) : g) + (pv * v + qv));
    }
    const vec v = load_tail(x_type, at(x_type, xs, whole), rest);
    const vec g = load_tail(y_type, at(y_type, ds, whole), rest) + join;
    store_tail(x_type, at_out(x_type, out, whole),
               kv * (relu ? positive(v * kv + mv, g) : g) + (pv * v + qv), rest);
}

static void gradient(const moda_batchnorm_maps *b, const float *k, const float *m, const float *p,
                     const float *q, const void *x, const void *d_y, const float *d_a, void *d_x)
{
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < blocks(b); i++)
        FOR_TYPES(b, block_gradient, i, k, m, p, q, x, d_y, d_a, d_x);
}

const moda_batchnorm_kernels MODA_K(moda_batchnorm_kernels) = {map_moments, affine, gradient_sums,
                                                               gradient};
