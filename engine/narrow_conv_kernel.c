/* engine/narrow_conv_kernel.c - compiled once per instruction set.
 *
 * A vector holds the 8 output channels of PIXELS neighbouring pixels, channel by channel: o0 of all
 * pixels, o1 of all pixels, ... What it is multiplied with is then PIXELS neighbouring floats of a
 * plane of x, repeated 8 times, which one load broadcasts. So each image is first unpacked into planes
 * with their padding around them, which stay in the first-level cache. */
#include "engine/narrow_conv_kernel.h"
#include "base/isa.h"
#include <omp.h>
#include <string.h>

enum { GROUP = 8 };
#if defined(__AVX512F__)
/* PAIRS x 2 rows of sums in forward; all 25 sums of a window in backward. */
enum { PIXELS = 2, TILE = 7, WINDOW_ROWS = 5 };
typedef double broadcast; /* as many bytes as PIXELS floats */
#else
enum { PIXELS = 1, TILE = 5, WINDOW_ROWS = 2 };
typedef float broadcast;
#endif
enum { LANES = GROUP * PIXELS, STEP = TILE * PIXELS };
typedef float vec __attribute__((vector_size(LANES * sizeof(float))));
typedef float octet __attribute__((vector_size(GROUP * sizeof(float))));
typedef int mask __attribute__((vector_size(GROUP * sizeof(int))));
typedef broadcast spread __attribute__((vector_size(LANES * sizeof(float))));
#define INLINE static inline __attribute__((always_inline))

INLINE octet load(const float *x)
{
    octet v;
    memcpy(&v, x, sizeof v);
    return v;
}

INLINE void store(float *y, octet v)
{
    memcpy(y, &v, sizeof v);
}

/* A NaN passes: it is not <= 0. */
INLINE octet rectified(octet v)
{
    return (octet)((mask)v & ~(v <= 0));
}

/* x[0..PIXELS), once for each of the 8 channels. */
INLINE vec repeated(const float *x)
{
    broadcast b;
    memcpy(&b, x, sizeof b);
    return (vec)(b - (spread){0}); /* x - 0 is x, for -0 and NaN as well: becomes one broadcast */
}

#if defined(__AVX512F__)
INLINE vec interleave(octet a, octet b)
{
    return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
}

INLINE octet pixel(vec v, int p)
{
    return p ? __builtin_shufflevector(v, v, 1, 3, 5, 7, 9, 11, 13, 15)
             : __builtin_shufflevector(v, v, 0, 2, 4, 6, 8, 10, 12, 14);
}
#else
INLINE vec interleave(octet a, octet b)
{
    (void)b;
    return a;
}

INLINE octet pixel(vec v, int p)
{
    (void)p;
    return v;
}
#endif

/* ---- sizes ---- */

typedef struct sizes {
    size_t oh, ow;
    size_t rows, row; /* a plane's: with padding, and room for tiles that reach over the edge */
    size_t groups, blocks;               /* of 8 output channels; vectors of a row of y */
    size_t planes, packed, sums, thread; /* floats */
} sizes;

INLINE size_t up(size_t x, size_t to)
{
    return (x + to - 1) / to * to;
}

static sizes measure(const moda_narrow_conv *c)
{
    sizes s = {.oh = c->h + 2 * c->padding - c->k + 1, .ow = c->w + 2 * c->padding - c->k + 1};
    s.rows = up(s.oh, 2) + c->k - 1;
    const size_t tiles = up(s.ow, STEP) + c->k - 1, octets = c->padding + up(c->w, GROUP);
    s.row = up(tiles > octets ? tiles : octets, 16);
    s.groups = (c->oc + GROUP - 1) / GROUP;
    s.blocks = (s.ow + PIXELS - 1) / PIXELS;
    s.planes = up(c->ic * s.rows * s.row, 16);
    s.packed = s.oh * s.blocks * LANES;
    s.sums = s.groups * (c->ic * c->k * c->k + 1) * LANES; /* the last of a group: of the bias */
    s.thread = s.planes + up(s.packed, 16) + up(s.sums, 16);
    return s;
}

static size_t k_scratch(const moda_narrow_conv *c)
{
    return measure(c).thread * c->threads * sizeof(float);
}

/* ---- unpacking ---- */

/* v[i][j] <-> v[j][i] */
INLINE void transpose(octet v[GROUP])
{
    octet a[GROUP], b[GROUP];
    for (int i = 0; i < GROUP; i += 2) {
        a[i] = __builtin_shufflevector(v[i], v[i + 1], 0, 8, 2, 10, 4, 12, 6, 14);
        a[i + 1] = __builtin_shufflevector(v[i], v[i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
    }
    for (int i = 0; i < GROUP; i++) {
        const int low = i & ~2, high = i | 2;
        b[i] = i & 2 ? __builtin_shufflevector(a[low], a[high], 2, 3, 10, 11, 6, 7, 14, 15)
                     : __builtin_shufflevector(a[low], a[high], 0, 1, 8, 9, 4, 5, 12, 13);
    }
    for (int i = 0; i < GROUP; i++) {
        const int low = i & ~4, high = i | 4;
        v[i] = i & 4 ? __builtin_shufflevector(b[low], b[high], 4, 5, 6, 7, 12, 13, 14, 15)
                     : __builtin_shufflevector(b[low], b[high], 0, 1, 2, 3, 8, 9, 10, 11);
    }
}

/* 8 channels of a row of `width` pixels, `block` floats each, into rows of planes that are `plane` floats
 * apart; real: how many of the channels are wanted. Writes zeros behind the row, where its padding is. */
INLINE void unpack_row(size_t block, const float *from, size_t width, float *to, size_t plane,
                       size_t real)
{
    for (size_t j = 0; j < width; j += GROUP) {
        octet v[GROUP] = {0};
        for (size_t p = 0; p < GROUP && j + p < width; p++) v[p] = load(from + (j + p) * block);
        transpose(v);
        for (size_t o = 0; o < GROUP && o < real; o++) store(to + o * plane + j, v[o]);
    }
}

/* An image of x into its planes; their borders are zeros already. */
static void unpack(const moda_narrow_conv *c, const sizes *s, const float *x, float *planes)
{
    const size_t b = c->x_block, plane = s->rows * s->row;
    float *corner = planes + c->padding * s->row + c->padding;
    for (size_t channel = 0; channel < c->ic; channel += b == 1 ? 1 : GROUP) {
        const float *from = x + channel / b * c->h * c->w * b + channel % b;
        float *to = corner + channel * plane;
        for (size_t i = 0; i < c->h; i++, to += s->row, from += c->w * b)
            if (b == 1)
                memcpy(to, from, c->w * sizeof(float));
            else
                unpack_row(b, from, c->w, to, plane, c->ic - channel);
    }
}

/* ---- forward ---- */

/* One row of a window on two rows of y: x is the row of the plane that both read, w[r] the window's row
 * for row r of y, NULL: it has none. */
INLINE void two_rows(size_t k, const float *x, const float *const w[2], bool turned,
                     vec sum[2][TILE])
{
    for (size_t b = 0; b < k; b++) {
        const size_t at = (turned ? k - 1 - b : b) * GROUP;
        vec weight[2];
        for (int r = 0; r < 2; r++)
            if (w[r]) weight[r] = interleave(load(w[r] + at), load(w[r] + at));
        for (size_t t = 0; t < TILE; t++) {
            const vec value = repeated(x + t * PIXELS + b);
            for (int r = 0; r < 2; r++)
                if (w[r]) sum[r][t] += weight[r] * value;
        }
    }
}

/* Two rows of a tile of y, over all input channels. Of the k + 1 rows of a plane that they read, only
 * [from,to) are not padding. */
INLINE void tile(size_t k, const moda_narrow_conv *c, const sizes *s, const float *x,
                 const float *w, octet bias, size_t from, size_t to, vec sum[2][TILE])
{
    const ptrdiff_t next = c->turned ? -(ptrdiff_t)(k * GROUP) : (ptrdiff_t)(k * GROUP);
    for (int r = 0; r < 2; r++)
        for (size_t t = 0; t < TILE; t++) sum[r][t] = interleave(bias, bias);
    for (size_t channel = 0; channel < c->ic; channel++) {
        const float *row = x + channel * s->rows * s->row;
        const float *window = w + channel * c->w_channel + (c->turned ? (k - 1) * k * GROUP : 0);
        if (from == 0) two_rows(k, row, (const float *[]){window, NULL}, c->turned, sum);
        for (size_t a = from ? from : 1; a < k && a < to; a++)
            two_rows(
                k, row + a * s->row,
                (const float *[]){window + (ptrdiff_t)a * next, window + ((ptrdiff_t)a - 1) * next},
                c->turned, sum);
        if (to > k)
            two_rows(k, row + k * s->row,
                     (const float *[]){NULL, window + ((ptrdiff_t)k - 1) * next}, c->turned, sum);
    }
}

/* A block of 16 whose second half has no channels. */
static void clear_rest(const moda_narrow_conv *c, const sizes *s, float *y)
{
    const size_t first = s->groups * GROUP;
    float *to = y + first / c->y_block * s->oh * s->ow * c->y_block + first % c->y_block;
    if (first % c->y_block == 0) return;
    for (size_t i = 0; i < s->oh * s->ow; i++) store(to + i * c->y_block, (octet){0});
}

INLINE void image_forward(size_t k, const moda_narrow_conv *c, const sizes *s, const float *planes,
                          const float *w, const float *bias, float *y)
{
    vec sum[2][TILE];
    for (size_t g = 0; g < s->groups; g++) {
        const size_t first = g * GROUP, real = c->oc - first < GROUP ? c->oc - first : GROUP;
        float own[GROUP] = {0};
        float *to = y + first / c->y_block * s->oh * s->ow * c->y_block + first % c->y_block;
        if (bias) memcpy(own, bias + first, real * sizeof(float));
        for (size_t i = 0; i < s->oh; i += 2) {
            const size_t from = i < c->padding ? c->padding - i : 0, end = c->padding + c->h;
            const size_t rows = end > i ? end - i : 0;
            for (size_t j = 0; j < s->ow; j += STEP) {
                tile(k, c, s, planes + i * s->row + j, w + g * c->w_group, load(own), from, rows,
                     sum);
                for (size_t r = 0; r < 2 && i + r < s->oh; r++)
                    for (size_t t = 0; t < STEP && j + t < s->ow; t++) {
                        octet v = pixel(sum[r][t / PIXELS], t % PIXELS);
                        if (c->relu) v = rectified(v);
                        store(to + ((i + r) * s->ow + j + t) * c->y_block, v);
                    }
            }
        }
    }
}

static void k_forward(const moda_narrow_conv *c, const float *x, const float *w, const float *bias,
                      float *y, float *scratch)
{
    const sizes s = measure(c);
    const size_t x_image = up(c->ic, c->x_block) * c->h * c->w;
    const size_t y_image = up(c->oc, c->y_block) * s.oh * s.ow;
#pragma omp parallel num_threads((int)c->threads)
    {
        float *planes = scratch + (size_t)omp_get_thread_num() * s.thread;
        memset(planes, 0, s.planes * sizeof(float));
#pragma omp for schedule(static)
        for (size_t n = 0; n < c->n; n++) {
            unpack(c, &s, x + n * x_image, planes);
            if (c->k == 3)
                image_forward(3, c, &s, planes, w, bias, y + n * y_image);
            else
                image_forward(5, c, &s, planes, w, bias, y + n * y_image);
            clear_rest(c, &s, y + n * y_image);
        }
    }
}

/* ---- backward weights ---- */

/* A group of an image of d_y as vectors, [oh,blocks]; the sum of them all. */
INLINE vec pack(const moda_narrow_conv *c, const sizes *s, const float *d_y, vec *packed)
{
    vec sum = {0};
    for (size_t i = 0; i < s->oh; i++)
        for (size_t j = 0; j < s->blocks; j++) {
            const float *at = d_y + (i * s->ow + j * PIXELS) * c->y_block;
            const bool whole = PIXELS * j + PIXELS <= s->ow;
            const vec v = interleave(load(at), whole ? load(at + c->y_block) : (octet){0});
            packed[i * s->blocks + j] = v;
            sum += v;
        }
    return sum;
}

/* Rows [a,a+rows) of the gradient by one window: sum [k*k] += those of one image. */
INLINE void window_rows(size_t k, size_t a, size_t rows, const sizes *s, const float *plane,
                        const vec *packed, vec *sum)
{
    vec own[WINDOW_ROWS * 5] = {0};
    for (size_t i = 0; i < s->oh; i++)
        for (size_t j = 0; j < s->blocks; j++) {
            const vec d = packed[i * s->blocks + j];
            const float *x = plane + (i + a) * s->row + j * PIXELS;
            for (size_t r = 0; r < rows; r++)
                for (size_t b = 0; b < k; b++) own[r * k + b] += d * repeated(x + r * s->row + b);
        }
    for (size_t r = 0; r < rows * k; r++) sum[a * k + r] += own[r];
}

INLINE void window(size_t k, const sizes *s, const float *plane, const vec *packed, vec *sum)
{
    size_t a = 0;
    for (; a + WINDOW_ROWS <= k; a += WINDOW_ROWS)
        window_rows(k, a, WINDOW_ROWS, s, plane, packed, sum);
    if (k % WINDOW_ROWS) window_rows(k, a, k % WINDOW_ROWS, s, plane, packed, sum);
}

/* sum [groups, ic*k*k + 1] += one image's. */
static void image_backward(const moda_narrow_conv *c, const sizes *s, const float *planes,
                           const float *d_y, vec *packed, vec *sum)
{
    for (size_t g = 0; g < s->groups; g++) {
        const size_t first = g * GROUP, windows = c->k * c->k;
        vec *own = sum + g * (c->ic * windows + 1);
        const float *from =
            d_y + first / c->y_block * s->oh * s->ow * c->y_block + first % c->y_block;
        own[c->ic * windows] += pack(c, s, from, packed);
        for (size_t channel = 0; channel < c->ic; channel++) {
            const float *plane = planes + channel * s->rows * s->row;
            if (c->k == 3)
                window(3, s, plane, packed, own + channel * windows);
            else
                window(5, s, plane, packed, own + channel * windows);
        }
    }
}

/* The sum over threads and pixels of vector `at`, of which so many channels are real. */
INLINE octet total(const float *sums, size_t at, size_t threads, size_t thread, size_t real)
{
    octet t = {0};
    for (size_t i = 0; i < threads; i++)
        for (int p = 0; p < PIXELS; p++) t += pixel(((const vec *)(sums + i * thread))[at], p);
    for (size_t o = real; o < GROUP; o++) t[o] = 0;
    return t;
}

static void k_backward_weights(const moda_narrow_conv *c, const float *x, const float *d_y,
                               float *d_w, float *d_bias, float *scratch)
{
    const sizes s = measure(c);
    const size_t x_image = up(c->ic, c->x_block) * c->h * c->w, windows = c->k * c->k;
    const size_t y_image = up(c->oc, c->y_block) * s.oh * s.ow;
    float *sums = scratch + s.planes + up(s.packed, 16);
    size_t threads = 1;
#pragma omp parallel num_threads((int)c->threads)
    {
        float *planes = scratch + (size_t)omp_get_thread_num() * s.thread;
        vec *packed = (vec *)(planes + s.planes), *sum = packed + up(s.packed, 16) / LANES;
        memset(planes, 0, s.planes * sizeof(float));
        memset(sum, 0, s.sums * sizeof(float));
#pragma omp single
        threads = (size_t)omp_get_num_threads();
#pragma omp for schedule(static)
        for (size_t n = 0; n < c->n; n++) {
            unpack(c, &s, x + n * x_image, planes);
            image_backward(c, &s, planes, d_y + n * y_image, packed, sum);
        }
    }
    for (size_t g = 0; g < s.groups; g++) {
        const size_t own = g * (c->ic * windows + 1), first = g * GROUP;
        const size_t real = c->oc - first < GROUP ? c->oc - first : GROUP;
        for (size_t channel = 0; channel < c->ic; channel++)
            for (size_t i = 0; i < windows; i++)
                store(d_w + g * c->w_group + channel * c->w_channel + i * GROUP,
                      total(sums, own + channel * windows + i, threads, s.thread, real));
        if (!d_bias) continue;
        const octet bias = total(sums, own + c->ic * windows, threads, s.thread, real);
        memcpy(d_bias + first, &bias, real * sizeof(float));
    }
}

const moda_narrow_conv_kernels MODA_K(moda_narrow_conv_kernels) = {k_scratch, k_forward,
                                                                   k_backward_weights};
