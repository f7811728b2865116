/* tests/test_narrow_conv.c - engine/narrow_conv.h: every instruction set against the definition in f64,
 * over channels and maps that fill no vector and no tile. */
#include "base/isa.h"
#include "base/rng.h"
#include "engine/narrow_conv.h"
#include "engine/narrow_conv_kernel.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

TestSuite(narrow_conv, .timeout = 60);

/* n, ic, oc, h, w, k, padding, x_block, y_block: LeNet-5's layers; single pixels; half vectors; more
 * images than threads and fewer; padding as wide as it gets. */
static const size_t shapes[][9] = {
    {5, 3, 6, 32, 32, 5, 0, 1, 8}, {2, 6, 16, 14, 14, 5, 0, 8, 16}, {3, 1, 1, 3, 3, 3, 0, 1, 8},
    {1, 9, 7, 1, 1, 3, 1, 16, 8},  {4, 16, 9, 7, 9, 3, 1, 16, 16},  {1, 4, 8, 6, 17, 5, 4, 8, 8},
    {2, 5, 11, 11, 5, 5, 2, 8, 8}, {7, 2, 3, 4, 31, 3, 2, 1, 16},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

typedef struct problem {
    moda_narrow_conv forward, data;
    size_t oh, ow, windows;
    size_t maps_x, maps_y, weights; /* floats */
    float *w;                       /* [oc,ic,k,k] */
    float *x, *y, *d_x, *d_y, *own, *own_data, *d_w, *bias, *d_bias;
} problem;

static float *room(size_t n)
{
    float *v = calloc(n + 16, sizeof *v);
    cr_assert(ne(ptr, v, NULL));
    return v;
}

static size_t up(size_t x, size_t to)
{
    return (x + to - 1) / to * to;
}

/* Where channel c of image n is, of maps of so many channels in blocks of b. */
static size_t at(size_t n, size_t c, size_t channels, size_t b, size_t pixels, size_t pixel)
{
    return ((n * (up(channels, b) / b) + c / b) * pixels + pixel) * b + c % b;
}

static size_t at_x(const problem *p, size_t n, size_t c, size_t i, size_t j)
{
    const moda_narrow_conv *f = &p->forward;
    return at(n, c, f->ic, f->x_block, f->h * f->w, i * f->w + j);
}

static size_t at_y(const problem *p, size_t n, size_t c, size_t i, size_t j)
{
    return at(n, c, p->forward.oc, p->forward.y_block, p->oh * p->ow, i * p->ow + j);
}

/* Numbers everywhere, padding channels of maps that are read included: they must not matter. */
static void draw(float *v, size_t n, uint64_t *drawn)
{
    for (size_t i = 0; i < n; i++)
        v[i] = (float)moda_rng_normal(moda_rng_make(23, MODA_RNG_TEST, 0), (*drawn)++);
}

/* w[oc,ic,k,k] as both passes have it; lanes without a channel are zeros. */
static void spread_weights(problem *p)
{
    const moda_narrow_conv *f = &p->forward;
    const size_t groups = up(f->ic, 8) / 8;
    for (size_t o = 0; o < f->oc; o++)
        for (size_t c = 0; c < f->ic; c++)
            for (size_t i = 0; i < p->windows; i++) {
                const float w = p->w[(o * f->ic + c) * p->windows + i];
                p->own[((o / 8 * f->ic + c) * p->windows + i) * 8 + o % 8] = w;
                p->own_data[((o * groups + c / 8) * p->windows + i) * 8 + c % 8] = w;
            }
}

static problem make(const size_t *s, uint64_t seed)
{
    uint64_t drawn = seed << 32;
    problem p = {.oh = s[3] + 2 * s[6] - s[5] + 1, .ow = s[4] + 2 * s[6] - s[5] + 1};
    p.windows = s[5] * s[5];
    p.forward = (moda_narrow_conv){.n = s[0],
                                   .ic = s[1],
                                   .oc = s[2],
                                   .h = s[3],
                                   .w = s[4],
                                   .k = s[5],
                                   .padding = s[6],
                                   .x_block = s[7],
                                   .y_block = s[8],
                                   .w_group = s[1] * p.windows * 8,
                                   .w_channel = p.windows * 8,
                                   .threads = 2};
    p.data = moda_narrow_conv_backward_data(&p.forward);
    if (p.data.y_block == 1) p.data.y_block = 8; /* what it writes is never plain */
    p.maps_x = s[0] * up(s[1], s[7]) * s[3] * s[4];
    p.maps_y = s[0] * up(s[2], s[8]) * p.oh * p.ow;
    p.weights = up(s[1], 8) * up(s[2], 8) * p.windows;
    p.x = room(p.maps_x), p.y = room(p.maps_y), p.d_y = room(p.maps_y);
    p.d_x = room(s[0] * up(s[1], p.data.y_block) * s[3] * s[4]);
    p.w = room(p.weights), p.own = room(p.weights), p.own_data = room(p.weights);
    p.d_w = room(p.weights), p.bias = room(s[2]), p.d_bias = room(s[2]);
    draw(p.x, p.maps_x, &drawn), draw(p.d_y, p.maps_y, &drawn), draw(p.bias, s[2], &drawn);
    memset(p.y, 0xff, p.maps_y * sizeof(float)); /* NaNs: all of it has to be written */
    memset(p.d_x, 0xff, s[0] * up(s[1], p.data.y_block) * s[3] * s[4] * sizeof(float));
    draw(p.w, p.weights, &drawn), draw(p.d_w, p.weights, &drawn); /* d_w: to be overwritten */
    spread_weights(&p);
    return p;
}

static void drop(problem *p)
{
    free(p->x), free(p->y), free(p->d_x), free(p->d_y), free(p->w), free(p->own);
    free(p->own_data), free(p->d_w), free(p->bias), free(p->d_bias);
}

static void run(problem *p, const moda_narrow_conv_kernels *k)
{
    const size_t one = k->scratch(&p->forward), two = k->scratch(&p->data);
    float *scratch = aligned_alloc(64, up((one > two ? one : two) + 1, 64));
    memset(scratch, 0xff,
           one > two ? one : two); /* NaNs: nothing may be read before it is written */
    k->forward(&p->forward, p->x, p->own, p->bias, p->y, scratch);
    memset(scratch, 0xff, one > two ? one : two);
    k->backward_weights(&p->forward, p->x, p->d_y, p->d_w, p->d_bias, scratch);
    memset(scratch, 0xff, one > two ? one : two);
    k->forward(&p->data, p->d_y, p->own_data, NULL, p->d_x, scratch);
    free(scratch);
}

/* What the definition says, entry by entry: the gradients of sum(d_y * y). */
typedef struct wanted {
    double *y, *d_x, *d_w, *d_bias;
} wanted;

static void one_output(const problem *p, wanted *o, size_t n, size_t c, size_t i, size_t j)
{
    const moda_narrow_conv *f = &p->forward;
    const double d = (double)p->d_y[at_y(p, n, c, i, j)];
    double y = (double)p->bias[c];
    o->d_bias[c] += d;
    for (size_t from = 0; from < f->ic; from++)
        for (size_t t = 0; t < p->windows; t++) {
            const size_t a = i + t / f->k, b = j + t % f->k,
                         w = (c * f->ic + from) * p->windows + t;
            if (a < f->padding || b < f->padding || a >= f->h + f->padding ||
                b >= f->w + f->padding)
                continue;
            const size_t pixel = (a - f->padding) * f->w + b - f->padding;
            const double x = (double)p->x[at(n, from, f->ic, f->x_block, f->h * f->w, pixel)];
            y += (double)p->w[w] * x;
            o->d_w[w] += d * x;
            o->d_x[(n * f->ic + from) * f->h * f->w + pixel] += d * (double)p->w[w];
        }
    o->y[((n * f->oc + c) * p->oh + i) * p->ow + j] = y;
}

static wanted compute(const problem *p)
{
    const moda_narrow_conv *f = &p->forward;
    wanted o = {calloc(f->n * f->oc * p->oh * p->ow, sizeof(double)),
                calloc(f->n * f->ic * f->h * f->w, sizeof(double)),
                calloc(f->oc * f->ic * p->windows, sizeof(double)), calloc(f->oc, sizeof(double))};
    for (size_t n = 0; n < f->n; n++)
        for (size_t c = 0; c < f->oc; c++)
            for (size_t i = 0; i < p->oh; i++)
                for (size_t j = 0; j < p->ow; j++) one_output(p, &o, n, c, i, j);
    return o;
}

static void compare_maps(const problem *p, const wanted *o, int set, size_t k)
{
    const moda_narrow_conv *f = &p->forward;
    const size_t b = p->data.y_block;
    for (size_t n = 0; n < f->n; n++) {
        for (size_t c = 0; c < up(f->oc, f->y_block); c++)
            for (size_t i = 0; i < p->oh * p->ow; i++) {
                const double got = (double)p->y[at(n, c, f->oc, f->y_block, p->oh * p->ow, i)];
                const double want = c < f->oc ? o->y[(n * f->oc + c) * p->oh * p->ow + i] : 0;
                cr_assert(epsilon_eq(dbl, got, want, 1e-4), "set %d case %zu y %zu %zu %zu", set, k,
                          n, c, i);
            }
        for (size_t c = 0; c < up(f->ic, b); c++)
            for (size_t i = 0; i < f->h * f->w; i++) {
                const double got = (double)p->d_x[at(n, c, f->ic, b, f->h * f->w, i)];
                const double want = c < f->ic ? o->d_x[(n * f->ic + c) * f->h * f->w + i] : 0;
                cr_assert(epsilon_eq(dbl, got, want, 1e-4), "set %d case %zu d_x %zu %zu %zu", set,
                          k, n, c, i);
            }
    }
}

static void compare_weights(const problem *p, const wanted *o, int set, size_t k)
{
    const moda_narrow_conv *f = &p->forward;
    for (size_t c = 0; c < up(f->oc, 8); c++)
        for (size_t i = 0; i < f->ic * p->windows; i++) {
            const double got = (double)p->d_w[(c / 8 * f->ic * p->windows + i) * 8 + c % 8];
            const double want = c < f->oc ? o->d_w[c * f->ic * p->windows + i] : 0;
            cr_assert(epsilon_eq(dbl, got, want, 1e-3), "set %d case %zu d_w %zu %zu", set, k, c,
                      i);
        }
    for (size_t c = 0; c < f->oc; c++)
        cr_assert(epsilon_eq(dbl, (double)p->d_bias[c], o->d_bias[c], 1e-3),
                  "set %d case %zu d_bias %zu", set, k, c);
}

Test(narrow_conv, every_instruction_set_agrees_with_the_definition)
{
    const moda_narrow_conv_kernels *sets[MODA_ISA_COUNT] = {
        &moda_narrow_conv_kernels_ref,
#if defined(__x86_64__)
        &moda_narrow_conv_kernels_avx2,
        &moda_narrow_conv_kernels_avx512
#endif
    };
    for (size_t k = 0; k < SHAPES; k++) {
        problem p = make(shapes[k], k);
        wanted o = compute(&p);
        for (int set = 0; set <= (int)moda_isa_best(); set++) {
            run(&p, sets[set]);
            compare_maps(&p, &o, set, k);
            compare_weights(&p, &o, set, k);
        }
        free(o.y), free(o.d_x), free(o.d_w), free(o.d_bias);
        drop(&p);
    }
}

Test(narrow_conv, relu_keeps_a_nan)
{
    problem p = make(shapes[0], 50);
    const size_t bytes = moda_narrow_conv_scratch(&p.forward);
    void *scratch = aligned_alloc(64, up(bytes, 64));
    float *plain = room(p.maps_y);
    size_t below = 0;
    p.x[at_x(&p, 1, 0, 9, 9)] = NAN;
    moda_narrow_conv_forward(&p.forward, p.x, p.own, p.bias, plain, scratch);
    p.forward.relu = true;
    moda_narrow_conv_forward(&p.forward, p.x, p.own, p.bias, p.y, scratch);
    for (size_t i = 0; i < p.maps_y; i++) {
        const float want = plain[i] <= 0 ? 0 : plain[i];
        below += plain[i] < 0;
        if (isnan(want))
            cr_assert(isnan(p.y[i]), "y %zu: %g", i, (double)p.y[i]);
        else
            cr_assert(eq(flt, p.y[i], want), "y %zu", i);
    }
    cr_assert(lt(sz, p.maps_y / 10, below), "ReLU had something to do");
    cr_assert(isnan(p.y[at_y(&p, 1, 0, 9, 9)]));
    free(plain), free(scratch);
    drop(&p);
}

/* The same bits whenever the same threads do it. */
Test(narrow_conv, repeats_itself)
{
    problem p = make(shapes[0], 60), o = make(shapes[0], 60);
    const moda_narrow_conv_kernels *k = &moda_narrow_conv_kernels_ref;
    run(&p, k), run(&o, k);
    cr_assert(eq(int, memcmp(p.d_w, o.d_w, p.weights * sizeof(float)), 0));
    cr_assert(eq(int, memcmp(p.y, o.y, p.maps_y * sizeof(float)), 0));
    drop(&p), drop(&o);
}
