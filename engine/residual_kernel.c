/* engine/residual_kernel.c - compiled once per instruction set; engine/map_block_kernel.h says how maps
 * are walked. */
#include "engine/residual_kernel.h"
#include "base/isa.h"
#include "engine/map_block_kernel.h"

/* Calls f with the types of x0, x1 and y as constants. Inside the parallel loops, once per block: GCC cuts
 * a parallel region out into a function of its own, to which constants do not follow. */
#define FOR_TYPES(b, f, ...)                                              \
    do {                                                                  \
        const moda_real *x_ = (b)->x_type;                                \
        switch ((int)x_[0] << 2 | (int)x_[1] << 1 | (int)(b)->s.type) {   \
        case 0: f(MODA_F32, MODA_F32, MODA_F32, b, __VA_ARGS__); break;   \
        case 1: f(MODA_F32, MODA_F32, MODA_BF16, b, __VA_ARGS__); break;  \
        case 2: f(MODA_F32, MODA_BF16, MODA_F32, b, __VA_ARGS__); break;  \
        case 3: f(MODA_F32, MODA_BF16, MODA_BF16, b, __VA_ARGS__); break; \
        case 4: f(MODA_BF16, MODA_F32, MODA_F32, b, __VA_ARGS__); break;  \
        case 5: f(MODA_BF16, MODA_F32, MODA_BF16, b, __VA_ARGS__); break; \
        case 6: f(MODA_BF16, MODA_BF16, MODA_F32, b, __VA_ARGS__); break; \
        default: f(MODA_BF16, MODA_BF16, MODA_BF16, b, __VA_ARGS__);      \
        }                                                                 \
    } while (0)

/* ---- forward ---- */

INLINE void block_sum(moda_real x0_type, moda_real x1_type, moda_real y_type,
                      const moda_residual_maps *b, size_t i, const float *const k[2],
                      const float *const m[2], const void *const x[2], void *y, float *a)
{
    const moda_map_shape s = b->s;
    const block o = locate(s, b->range, i);
    const bool relu = b->relu;
    const void *x0 = at(x0_type, x[0], o.offset), *x1 = at(x1_type, x[1], o.offset);
    void *ys = at_out(y_type, y, o.offset);
    const vec k0 = repeat(k[0] + o.channel, s.block), m0 = repeat(m[0] + o.channel, s.block);
    const vec k1 = repeat(k[1] + o.channel, s.block), m1 = repeat(m[1] + o.channel, s.block);
    const size_t whole = o.length / LANES * LANES, rest = o.length - whole;
    vec total = {0};
    for (size_t j = 0; j < whole; j += LANES) {
        const vec z = (load(x0_type, x0, j) * k0 + m0) + (load(x1_type, x1, j) * k1 + m1);
        const vec v = relu ? positive(z, z) : z;
        store(y_type, ys, j, v);
        total += v;
    }
    const vec z = (load_tail(x0_type, at(x0_type, x0, whole), rest) * k0 + m0) +
                  (load_tail(x1_type, at(x1_type, x1, whole), rest) * k1 + m1);
    const vec v = relu ? positive(z, z) : z;
    store_tail(y_type, at_out(y_type, ys, whole), v, rest);
    if (a) store_means(s, &o, total + first_lanes(v, rest), a);
}

static void sum(const moda_residual_maps *b, const float *const k[2], const float *const m[2],
                const void *const x[2], void *y, float *a)
{
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < blocks_of(b->s, b->range); i++)
        FOR_TYPES(b, block_sum, i, k, m, x, y, a);
}

/* ---- backward ---- */

/* A block of the maps, and what is the same for all of its elements. */
typedef struct gradient_block {
    const void *x0, *x1, *y, *share;
    void *d;
    vec join, centre0, centre1;
    bool relu;
} gradient_block;

/* Sums per lane. */
typedef struct gradient_sums {
    vec g, product0, product1;
} gradient_sums;

/* `count` elements from j on: LANES of them, a constant then, or a tail. */
INLINE void add_gradient(moda_real x0_type, moda_real x1_type, moda_real y_type,
                         const gradient_block *o, size_t j, size_t count, gradient_sums *t)
{
    vec g = load_tail(y_type, at(y_type, o->d, j), count);
    if (o->share) g += load_tail(y_type, at(y_type, o->share, j), count);
    g += o->join;
    if (o->relu) g = positive(load_tail(y_type, at(y_type, o->y, j), count), g);
    if (count < LANES) g = first_lanes(g, count);
    store_tail(y_type, at_out(y_type, o->d, j), g, count);
    t->g += g;
    t->product0 += g * (load_tail(x0_type, at(x0_type, o->x0, j), count) - o->centre0);
    if (o->x1) t->product1 += g * (load_tail(x1_type, at(x1_type, o->x1, j), count) - o->centre1);
}

INLINE void block_gradient(moda_real x0_type, moda_real x1_type, moda_real y_type,
                           const moda_residual_maps *b, size_t i, const float *const mean[2],
                           const void *const x[2], const void *y, const void *share,
                           const float *d_a, void *d, float *partial)
{
    const moda_map_shape s = b->s;
    const block o = locate(s, b->range, i);
    const gradient_block g = {
        .x0 = at(x0_type, x[0], o.offset),
        .x1 = mean[1] ? at(x1_type, x[1], o.offset) : NULL,
        .y = at(y_type, y, o.offset),
        .share = share ? at(y_type, share, o.offset) : NULL,
        .d = at_out(y_type, d, o.offset),
        .join = spread(s, &o, d_a),
        .centre0 = repeat(mean[0] + o.channel, s.block),
        .centre1 = repeat((mean[1] ? mean[1] : mean[0]) + o.channel, s.block),
        .relu = b->relu,
    };
    const size_t whole = o.length / LANES * LANES, rest = o.length - whole;
    gradient_sums t = {{0}, {0}, {0}};
    for (size_t j = 0; j < whole; j += LANES)
        add_gradient(x0_type, x1_type, y_type, &g, j, LANES, &t);
    if (rest) add_gradient(x0_type, x1_type, y_type, &g, whole, rest, &t);
    float sums[LANES], products0[LANES], products1[LANES];
    fold(t.g, s.block, sums);
    fold(t.product0, s.block, products0);
    fold(t.product1, s.block, products1);
    for (size_t l = 0; l < s.block; l++) {
        float *of_map = partial + 3 * (o.map + l);
        of_map[0] = sums[l], of_map[1] = products0[l], of_map[2] = products1[l];
    }
}

static void gradient(const moda_residual_maps *b, const float *const mean[2],
                     const void *const x[2], const void *y, const void *share, const float *d_a,
                     void *d, float *partial)
{
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < blocks_of(b->s, b->range); i++)
        FOR_TYPES(b, block_gradient, i, mean, x, y, share, d_a, d, partial);
}

const moda_residual_kernels MODA_K(moda_residual_kernels) = {sum, gradient};
