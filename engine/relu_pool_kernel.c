/* engine/relu_pool_kernel.c - compiled once per instruction set.
 *
 * The unit of work is 8 channels of one sample's map: a block of 8, or half of a block of 16. A pixel's
 * 8 channels are one vector of GCC's, which every instruction set can lower. Type, block and the usual
 * window are constants inside; they are looked at once per unit, inside the parallel loop: GCC cuts a
 * parallel region out into a function of its own, to which constants do not follow. */
#include "engine/relu_pool_kernel.h"
#include "base/isa.h"

enum { LANES = 8 };
typedef float vec __attribute__((vector_size(LANES * sizeof(float))));
typedef int mask __attribute__((vector_size(LANES * sizeof(int))));
typedef uint32_t bits __attribute__((vector_size(LANES * sizeof(uint32_t))));
typedef moda_bf16 half __attribute__((vector_size(LANES * sizeof(moda_bf16))));
#define INLINE static inline __attribute__((always_inline))

INLINE vec load(moda_real type, const void *x, size_t i)
{
    if (type == MODA_BF16) {
        half h;
        memcpy(&h, (const moda_bf16 *)x + i, sizeof h);
        return (vec)(__builtin_convertvector(h, bits) << 16);
    }
    vec v;
    memcpy(&v, (const float *)x + i, sizeof v);
    return v;
}

/* Rounds as moda_f32_to_bf16(). */
INLINE void store(moda_real type, void *y, size_t i, vec v)
{
    if (type == MODA_BF16) {
        /* NOLINTNEXTLINE(misc-redundant-expression): a NaN is not itself */
        const bits b = (bits)v, nan = b >> 16 | 0x40, is_nan = (bits)(v != v);
        const bits rounded = (b + 0x7fff + (b >> 16 & 1)) >> 16;
        const half h = __builtin_convertvector((rounded & ~is_nan) | (nan & is_nan), half);
        memcpy((moda_bf16 *)y + i, &h, sizeof h);
    } else {
        memcpy((float *)y + i, &v, sizeof v);
    }
}

INLINE vec masked(vec v, mask keep)
{
    return (vec)((mask)v & keep);
}

/* A NaN passes: it is not <= 0. */
INLINE vec rectified(vec x)
{
    return masked(x, ~(x <= 0));
}

/* Where a later b is larger than a; a NaN is larger than any number, and stays. */
INLINE mask is_larger(vec a, vec b)
{
    return ~(b <= a) & (a == a); /* NOLINT(misc-redundant-expression): a NaN is not itself */
}

INLINE vec larger(vec a, vec b)
{
    const mask second = is_larger(a, b);
    return (vec)(((mask)b & second) | ((mask)a & ~second));
}

/* The 8 channels of unit i: their first element in x and in y, where their means stand, and how many
 * of them are not padding. */
typedef struct unit {
    size_t x, y, mean, real;
} unit;

INLINE unit locate(const moda_relu_pool *p, size_t i)
{
    const moda_map_shape s = p->map;
    const size_t parts = s.block / LANES, blocks = (s.c + s.block - 1) / s.block;
    const size_t block = i / parts, lane = i % parts * LANES;
    const size_t channel = block % blocks * s.block + lane;
    return (unit){.x = block * s.hw * s.block + lane,
                  .y = block * (p->h / p->k) * (p->w / p->k) * s.block + lane,
                  .mean = block / blocks * s.c + channel,
                  .real = channel >= s.c          ? 0
                          : s.c - channel < LANES ? s.c - channel
                                                  : LANES};
}

INLINE size_t units(const moda_relu_pool *p)
{
    return p->map.n * ((p->map.c + p->map.block - 1) / p->map.block) * (p->map.block / LANES);
}

/* Calls f with type, block and window as constants; others than 2 x 2 share one body. */
#define FOR_LAYOUTS(p, f, ...)                                        \
    do {                                                              \
        const moda_real type_ = (p)->map.type;                        \
        const size_t k_ = (p)->k;                                     \
        if (type_ == MODA_F32 && (p)->map.block == 16 && k_ == 2)     \
            f(MODA_F32, 16, 2, p, __VA_ARGS__);                       \
        else if (type_ == MODA_F32 && (p)->map.block == 8 && k_ == 2) \
            f(MODA_F32, 8, 2, p, __VA_ARGS__);                        \
        else if (type_ == MODA_F32)                                   \
            f(MODA_F32, (p)->map.block, k_, p, __VA_ARGS__);          \
        else if (k_ == 2)                                             \
            f(MODA_BF16, (p)->map.block, 2, p, __VA_ARGS__);          \
        else                                                          \
            f(MODA_BF16, (p)->map.block, k_, p, __VA_ARGS__);         \
    } while (0)

/* ---- forward ---- */

INLINE void unit_forward(moda_real type, size_t b, size_t k, const moda_relu_pool *p, unit u,
                         const void *x, void *y, float *a)
{
    const size_t w = p->w, rows = p->h / k, columns = w / k;
    vec sum = {0};
    for (size_t oy = 0; oy < rows; oy++) {
        for (size_t ox = 0; ox < columns; ox++) {
            vec largest = {0};
            for (size_t j = 0; j < k * k; j++) {
                const size_t pixel = (oy * k + j / k) * w + ox * k + j % k;
                const vec v = rectified(load(type, x, u.x + pixel * b));
                sum += v;
                largest = larger(largest, v);
            }
            store(type, y, u.y + (oy * columns + ox) * b, largest);
        }
        for (size_t dy = 0; dy < k; dy++)
            for (size_t ix = columns * k; ix < w; ix++)
                sum += rectified(load(type, x, u.x + ((oy * k + dy) * w + ix) * b));
    }
    for (size_t pixel = rows * k * w; pixel < p->map.hw; pixel++)
        sum += rectified(load(type, x, u.x + pixel * b));
    for (size_t l = 0; a && l < u.real; l++) a[u.mean + l] = sum[l] / (float)p->map.hw;
}

static void forward(const moda_relu_pool *p, const void *x, void *y, float *a)
{
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < units(p); i++) FOR_LAYOUTS(p, unit_forward, locate(p, i), x, y, a);
}

/* ---- backward ---- */

/* d where x > 0, else 0; a NaN in x keeps d, so that a broken loss is seen. */
INLINE void pass_on(moda_real type, const void *x, size_t i, vec d, void *d_x)
{
    store(type, d_x, i, masked(d, ~(load(type, x, i) <= 0)));
}

INLINE void unit_backward(moda_real type, size_t b, size_t k, const moda_relu_pool *p, unit u,
                          const void *x, const void *d_y, const float *d_a, void *d_x)
{
    const size_t w = p->w, rows = p->h / k, columns = w / k;
    vec join = {0};
    for (size_t l = 0; d_a && l < u.real; l++) join[l] = d_a[u.mean + l] / (float)p->map.hw;
    for (size_t oy = 0; oy < rows; oy++) {
        for (size_t ox = 0; ox < columns; ox++) {
            const size_t first = u.x + (oy * k * w + ox * k) * b;
            vec largest = load(type, x, first), d = load(type, d_y, u.y + (oy * columns + ox) * b);
            bits winner = {0};
            for (size_t j = 1; j < k * k; j++) {
                const vec v = load(type, x, first + (j / k * w + j % k) * b);
                const mask later = is_larger(largest, v);
                winner = (winner & ~(bits)later) | ((bits)later & (uint32_t)j);
                largest = (vec)(((mask)v & later) | ((mask)largest & ~later));
            }
            for (size_t j = 0; j < k * k; j++)
                pass_on(type, x, first + (j / k * w + j % k) * b,
                        join + masked(d, winner == (uint32_t)j), d_x);
        }
        for (size_t dy = 0; dy < k; dy++)
            for (size_t ix = columns * k; ix < w; ix++)
                pass_on(type, x, u.x + ((oy * k + dy) * w + ix) * b, join, d_x);
    }
    for (size_t pixel = rows * k * w; pixel < p->map.hw; pixel++)
        pass_on(type, x, u.x + pixel * b, join, d_x);
}

static void backward(const moda_relu_pool *p, const void *x, const void *d_y, const float *d_a,
                     void *d_x)
{
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < units(p); i++)
        FOR_LAYOUTS(p, unit_backward, locate(p, i), x, d_y, d_a, d_x);
}

const moda_relu_pool_kernels MODA_K(moda_relu_pool_kernels) = {forward, backward};
