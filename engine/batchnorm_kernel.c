/* engine/batchnorm_kernel.c - compiled once per instruction set; engine/map_block_kernel.h says how maps
 * are walked. */
#include "engine/batchnorm_kernel.h"
#include "base/isa.h"
#include "engine/map_block_kernel.h"

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
    return blocks_of(b->s, b->range);
}

/* ---- statistics ---- */

/* elements; sums that do not wait for each other, and what they take at once */
enum { HEAD = 64 * LANES, CHAINS = 4, FOUR = CHAINS * LANES };

/* `length` elements, whole vectors and a tail, added up lane by lane. */
INLINE vec lane_sums(moda_real type, const void *x, size_t length)
{
    const size_t whole = length / LANES * LANES, four = length / FOUR * FOUR;
    vec sum[CHAINS] = {{0}, {0}, {0}, {0}};
    for (size_t i = 0; i < four; i += FOUR)
        for (size_t u = 0; u < CHAINS; u++) sum[u] += load(type, x, i + u * LANES);
    for (size_t i = four; i < whole; i += LANES) sum[0] += load(type, x, i);
    sum[1] += load_tail(type, at(type, x, whole), length - whole);
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* One pass, as far as memory goes: deviations are taken from the mean of the map's first pixels, which
 * is that of small maps and near enough to any other for the squares to keep their digits. */
INLINE void block_moments(moda_real type, const void *x, size_t length, size_t b, size_t hw,
                          float *out /* [b,2] */)
{
    const size_t head = length < HEAD ? length : HEAD;
    const size_t whole = length / LANES * LANES, four = length / FOUR * FOUR;
    float centre[LANES], sums[LANES], squares[LANES];
    fold(lane_sums(type, x, head), b, centre);
    const size_t pixels = head / b;
    for (size_t l = 0; l < b; l++) centre[l] /= (float)pixels;
    const vec c = repeat(centre, b);
    vec sum[CHAINS] = {{0}, {0}, {0}, {0}}, square[CHAINS] = {{0}, {0}, {0}, {0}};
    for (size_t i = 0; i < four; i += FOUR)
        for (size_t u = 0; u < CHAINS; u++) {
            const vec deviation = load(type, x, i + u * LANES) - c;
            sum[u] += deviation, square[u] += deviation * deviation;
        }
    for (size_t i = four; i < whole; i += LANES) {
        const vec deviation = load(type, x, i) - c;
        sum[0] += deviation, square[0] += deviation * deviation;
    }
    const vec last =
        first_lanes(load_tail(type, at(type, x, whole), length - whole) - c, length - whole);
    fold((sum[0] + sum[1]) + (sum[2] + sum[3]) + last, b, sums);
    fold((square[0] + square[1]) + (square[2] + square[3]) + last * last, b, squares);
    for (size_t l = 0; l < b; l++) {
        const float shift = sums[l] / (float)hw, about_mean = squares[l] - sums[l] * shift;
        out[2 * l] = centre[l] + shift;
        out[2 * l + 1] = about_mean < 0 ? 0 : about_mean; /* by rounding; a NaN stays */
    }
}

static void map_moments(const moda_batchnorm_maps *b, const void *x, float *partial)
{
    const moda_map_shape s = b->s;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < blocks(b); i++) {
        const block o = locate(s, b->range, i);
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
    const block o = locate(s, b->range, i);
    const bool relu = b->relu;
    const void *xs = at(x_type, x, o.offset);
    void *ys = at_out(y_type, y, o.offset);
    const vec kv = repeat(k + o.channel, s.block), mv = repeat(m + o.channel, s.block);
    const vec mask_of = factors_of(s, &o, b->mask);
    const size_t whole = o.length / LANES * LANES, rest = o.length - whole;
    vec total = {0};
    for (size_t j = 0; j < whole; j += LANES) {
        const vec z = load(x_type, xs, j) * kv + mv, v = (relu ? positive(z, z) : z) * mask_of;
        store(y_type, ys, j, v);
        total += v;
    }
    const vec z = load_tail(x_type, at(x_type, xs, whole), rest) * kv + mv;
    const vec v = (relu ? positive(z, z) : z) * mask_of;
    store_tail(y_type, at_out(y_type, ys, whole), v, rest);
    if (a) store_means(s, &o, total + first_lanes(v, rest), a);
}

static void affine(const moda_batchnorm_maps *b, const float *k, const float *m, const void *x,
                   void *y, float *a)
{
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < blocks(b); i++) FOR_TYPES(b, block_affine, i, k, m, x, y, a);
}

/* ---- backward ---- */

INLINE void block_gradient_sums(moda_real x_type, moda_real y_type, const moda_batchnorm_maps *b,
                                size_t i, const float *k, const float *m, const float *mean,
                                const void *x, const void *d_y, const float *d_a, float *partial)
{
    const moda_map_shape s = b->s;
    const block o = locate(s, b->range, i);
    const bool relu = b->relu;
    const void *xs = at(x_type, x, o.offset), *ds = at(y_type, d_y, o.offset);
    const vec kv = repeat(k + o.channel, s.block), mv = repeat(m + o.channel, s.block);
    const vec centre = repeat(mean + o.channel, s.block), join = spread(s, &o, d_a);
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
    const vec kept = first_lanes(relu ? positive(v * kv + mv, g) : g, rest);
    float sums[LANES], products[LANES];
    fold(sum + kept, s.block, sums);
    fold(product + kept * (v - centre), s.block, products);
    for (size_t l = 0; b->mask && l < o.real; l++) { /* k*x + m = k*(x - mean) + (k*mean + m) */
        const size_t c = o.channel + l;
        b->d_mask[o.row + l] = k[c] * products[l] + (k[c] * mean[c] + m[c]) * sums[l];
        sums[l] *= b->mask[o.row + l], products[l] *= b->mask[o.row + l];
    }
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
    const block o = locate(s, b->range, i);
    const bool relu = b->relu;
    const void *xs = at(x_type, x, o.offset), *ds = at(y_type, d_y, o.offset);
    void *out = at_out(x_type, d_x, o.offset);
    const vec kv = repeat(k + o.channel, s.block), mv = repeat(m + o.channel, s.block);
    const vec pv = repeat(p + o.channel, s.block), qv = repeat(q + o.channel, s.block);
    const vec join = spread(s, &o, d_a), slope = kv * factors_of(s, &o, b->mask);
    const size_t whole = o.length / LANES * LANES, rest = o.length - whole;
    for (size_t j = 0; j < whole; j += LANES) {
        const vec v = load(x_type, xs, j), g = load(y_type, ds, j) + join;
        store(x_type, out, j, slope * (relu ? positive(v * kv + mv, g) : g) + (pv * v + qv));
    }
    const vec v = load_tail(x_type, at(x_type, xs, whole), rest);
    const vec g = load_tail(y_type, at(y_type, ds, whole), rest) + join;
    store_tail(x_type, at_out(x_type, out, whole),
               slope * (relu ? positive(v * kv + mv, g) : g) + (pv * v + qv), rest);
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
