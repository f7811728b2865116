/* engine/batchnorm_kernel.c - compiled once per instruction set.
 *
 * The unit of work is one map block: hw pixels of b channels, hw*b floats in a row (64 KiB for a
 * 32x32 map of 16 channels: it stays in L2 between the two loops that read it). b divides 16, so a
 * vector of 16 floats always begins at channel 0 of the block, and per-channel factors repeat with
 * period b inside it: one loop serves nchw, nChw8c and nChw16c. Vectors are GCC's, which every
 * instruction set can lower. */
#include "engine/batchnorm_kernel.h"
#include "base/isa.h"
#include <string.h>

enum { LANES = 16 };
typedef float vec __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));
typedef int mask __attribute__((vector_size(LANES * sizeof(int))));

/* One map block and its channels. */
typedef struct block {
    size_t length;  /* hw*b floats */
    size_t map;     /* index of its sample's row in [n, channels] arrays, at its first channel */
    size_t channel; /* its first channel */
    size_t offset;  /* of its first float */
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

static inline vec load(const float *p)
{
    vec v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void store(float *p, vec v)
{
    memcpy(p, &v, sizeof v);
}

/* The last length % 16 floats of a block, zeros behind them. */
static inline vec load_tail(const float *p, size_t count)
{
    vec v = {0};
    memcpy(&v, p, count * sizeof *p);
    return v;
}

static inline void store_tail(float *p, vec v, size_t count)
{
    memcpy(p, &v, count * sizeof *p);
}

/* value where test > 0, else 0; a NaN in test keeps the value, so that a broken loss is seen. */
static inline vec positive(vec test, vec value)
{
    const mask drop = test <= 0;
    return (vec)((mask)value & ~drop);
}

/* ---- statistics ---- */

static void block_moments(const float *x, size_t length, size_t b, size_t hw,
                          float *out /* [b,2] */)
{
    float mean[LANES], squares[LANES];
    const size_t whole = length / LANES * LANES, rest = length - whole;
    vec sum[2] = {{0}, {0}};
    for (size_t i = 0; i < whole; i += LANES) sum[i / LANES % 2] += load(x + i);
    sum[0] += sum[1] + load_tail(x + whole, rest);
    fold(sum[0], b, mean);
    for (size_t l = 0; l < b; l++) mean[l] /= (float)hw;
    const vec centre = repeat(mean, b);
    vec square[2] = {{0}, {0}};
    for (size_t i = 0; i < whole; i += LANES) {
        const vec deviation = load(x + i) - centre;
        square[i / LANES % 2] += deviation * deviation;
    }
    vec last = load_tail(x + whole, rest) - centre;
    for (size_t l = rest; l < LANES; l++) last[l] = 0;
    fold(square[0] + square[1] + last * last, b, squares);
    for (size_t l = 0; l < b; l++) out[2 * l] = mean[l], out[2 * l + 1] = squares[l];
}

static void map_moments(moda_map_shape s, const float *x, float *partial)
{
    const size_t count = s.n * blocks_per_sample(s);
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < count; i++) {
        const block o = locate(s, i);
        block_moments(x + o.offset, o.length, s.block, s.hw, partial + 2 * o.map);
    }
}

/* ---- forward ---- */

static void block_affine(size_t length, bool relu, vec k, vec m, const float *x, float *y, vec *sum)
{
    const size_t whole = length / LANES * LANES, rest = length - whole;
    vec total = {0};
    for (size_t i = 0; i < whole; i += LANES) {
        const vec z = load(x + i) * k + m, v = relu ? positive(z, z) : z;
        store(y + i, v);
        total += v;
    }
    const vec z = load_tail(x + whole, rest) * k + m;
    vec v = relu ? positive(z, z) : z;
    store_tail(y + whole, v, rest);
    for (size_t l = rest; l < LANES; l++) v[l] = 0;
    *sum = total + v;
}

static void affine(moda_map_shape s, bool relu, const float *k, const float *m, const float *x,
                   float *y, float *a)
{
    const size_t count = s.n * blocks_per_sample(s), per_sample = blocks_per_sample(s);
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < count; i++) {
        const block o = locate(s, i);
        float sums[LANES];
        vec sum;
        block_affine(o.length, relu, repeat(k + o.channel, s.block), repeat(m + o.channel, s.block),
                     x + o.offset, y + o.offset, &sum);
        if (!a) continue;
        fold(sum, s.block, sums);
        float *row = a + i / per_sample * s.c + o.channel;
        for (size_t l = 0; l < o.real; l++) row[l] = sums[l] / (float)s.hw;
    }
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

static void gradient_sums(moda_map_shape s, bool relu, const float *k, const float *m,
                          const float *mean, const float *x, const float *d, const float *d_a,
                          float *partial)
{
    const size_t count = s.n * blocks_per_sample(s), b = s.block;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < count; i++) {
        const block o = locate(s, i);
        const float *xs = x + o.offset, *ds = d + o.offset;
        const vec kv = repeat(k + o.channel, b), mv = repeat(m + o.channel, b);
        const vec centre = repeat(mean + o.channel, b), join = spread(s, &o, i, d_a);
        const size_t whole = o.length / LANES * LANES, rest = o.length - whole;
        vec sum = {0}, product = {0};
        for (size_t j = 0; j < whole; j += LANES) {
            const vec v = load(xs + j), g = load(ds + j) + join;
            const vec kept = relu ? positive(v * kv + mv, g) : g;
            sum += kept;
            product += kept * (v - centre);
        }
        const vec v = load_tail(xs + whole, rest), g = load_tail(ds + whole, rest) + join;
        vec kept = relu ? positive(v * kv + mv, g) : g;
        for (size_t l = rest; l < LANES; l++) kept[l] = 0;
        float sums[LANES], products[LANES];
        fold(sum + kept, b, sums);
        fold(product + kept * (v - centre), b, products);
        for (size_t l = 0; l < b; l++) {
            partial[2 * (o.map + l)] = sums[l];
            partial[2 * (o.map + l) + 1] = products[l];
        }
    }
}

static void gradient(moda_map_shape s, bool relu, const float *k, const float *m, const float *p,
                     const float *q, const float *x, const float *d_a, float *d)
{
    const size_t count = s.n * blocks_per_sample(s), b = s.block;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < count; i++) {
        const block o = locate(s, i);
        const float *xs = x + o.offset;
        float *ds = d + o.offset;
        const vec kv = repeat(k + o.channel, b), mv = repeat(m + o.channel, b);
        const vec pv = repeat(p + o.channel, b), qv = repeat(q + o.channel, b);
        const vec join = spread(s, &o, i, d_a);
        const size_t whole = o.length / LANES * LANES, rest = o.length - whole;
        for (size_t j = 0; j < whole; j += LANES) {
            const vec v = load(xs + j), g = load(ds + j) + join;
            store(ds + j, kv * (relu ? positive(v * kv + mv, g) : g) + (pv * v + qv));
        }
        const vec v = load_tail(xs + whole, rest), g = load_tail(ds + whole, rest) + join;
        store_tail(ds + whole, kv * (relu ? positive(v * kv + mv, g) : g) + (pv * v + qv), rest);
    }
}

const moda_batchnorm_kernels MODA_K(moda_batchnorm_kernels) = {map_moments, affine, gradient_sums,
                                                               gradient};
