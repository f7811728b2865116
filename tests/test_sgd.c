/* tests/test_sgd.c - engine/sgd.h: Nesterov momentum as PyTorch's SGD has it, against the formula in
 * f64, for every instruction set of this CPU. */
#include "base/isa.h"
#include "base/rng.h"
#include "engine/sgd.h"
#include "engine/sgd_kernel.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

TestSuite(sgd, .timeout = 60);

enum { STEPS = 4, GUARD = 4 };

static moda_k_sgd *const kernels[] = {moda_k_sgd_ref,
#if defined(__x86_64__)
                                      moda_k_sgd_avx2, moda_k_sgd_avx512
#endif
};

static float draw(uint64_t stream, size_t i)
{
    return (float)moda_rng_normal(moda_rng_make(7, MODA_RNG_TEST, (uint32_t)stream), i);
}

/* What PyTorch does with one parameter. The momentum buffer of the first step is the gradient
 * itself, which is what an empty (zero) buffer gives too. */
typedef struct torch_sgd {
    double rate, momentum, decay, w, buffer;
    int begun;
} torch_sgd;

static void torch_step(torch_sgd *p, double gradient)
{
    double d = gradient + p->decay * p->w;
    if (p->momentum != 0) {
        p->buffer = p->begun ? p->momentum * p->buffer + d : d;
        p->begun = 1;
        d = d + p->momentum * p->buffer;
    }
    p->w = p->w - p->rate * d;
}

/* STEPS updates of n floats, and of the floats behind them, which must stay. */
static void check(moda_k_sgd *kernel, size_t n, double rate, double momentum, double decay)
{
    float *w = calloc(n + GUARD, sizeof *w), *g = calloc(n + GUARD, sizeof *g);
    float *v = calloc(n + GUARD, sizeof *v);
    torch_sgd *want = calloc(n + 1, sizeof *want);
    double moved = 0;
    for (size_t i = 0; i < n + GUARD; i++) w[i] = draw(0, i);
    for (size_t i = 0; i < n; i++) want[i] = (torch_sgd){rate, momentum, decay, (double)w[i], 0, 0};
    for (int step = 0; step < STEPS; step++) {
        for (size_t i = 0; i < n + GUARD; i++) g[i] = draw(1 + (uint64_t)step, i);
        kernel(n, (float)rate, (float)momentum, (float)decay, w, g, v);
        for (size_t i = 0; i < n; i++) {
            torch_step(&want[i], (double)g[i]);
            cr_assert(epsilon_eq(dbl, (double)w[i], want[i].w, 1e-5), "n %zu, step %d, %zu", n,
                      step, i);
            if (momentum != 0) cr_assert(epsilon_eq(dbl, (double)v[i], want[i].buffer, 1e-5));
        }
    }
    for (size_t i = 0; i < n; i++) moved += fabs(want[i].w - (double)draw(0, i));
    cr_assert(n == 0 || rate == 0 || moved / (double)n > 0.001, "weights hardly moved: %g", moved);
    for (size_t i = n; i < n + GUARD; i++) {
        cr_assert(eq(flt, w[i], draw(0, i)), "float %zu behind the end", i - n);
        cr_assert(eq(flt, v[i], 0.0f), "float %zu behind the end", i - n);
    }
    free(w), free(g), free(v), free(want);
}

Test(sgd, every_kernel_follows_the_formula)
{
    const size_t sizes[] = {0, 1, 2, 7, 8, 15, 16, 17, 31, 33, 63, 65, 1000, 4099};
    const double settings[][3] = {{0.05, 0.9, 0}, {0.05, 0.9, 5e-4}, {0.1, 0, 0},
                                  {0.1, 0, 0.01}, {0, 0.9, 0},       {1, 0.5, 0.1}};
    for (int isa = 0; isa <= (int)moda_isa_best(); isa++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
            for (size_t k = 0; k < sizeof settings / sizeof *settings; k++)
                check(kernels[isa], sizes[s], settings[k][0], settings[k][1], settings[k][2]);
}

Test(sgd, the_dispatcher_follows_the_formula)
{
    check(moda_sgd_update, 1001, 0.05, 0.9, 1e-3);
}

/* The wide sets may contract to FMA: no more than rounding apart. */
Test(sgd, sets_agree)
{
    enum { N = 1003 };
    float w[2][N], g[N], v[2][N];
    for (int isa = 1; isa <= (int)moda_isa_best(); isa++) {
        for (size_t i = 0; i < N; i++) {
            w[0][i] = w[1][i] = draw(10, i), g[i] = draw(11, i);
            v[0][i] = v[1][i] = draw(12, i);
        }
        kernels[0](N, 0.05f, 0.9f, 1e-3f, w[0], g, v[0]);
        kernels[isa](N, 0.05f, 0.9f, 1e-3f, w[1], g, v[1]);
        for (size_t i = 0; i < N; i++) {
            cr_assert(epsilon_eq(flt, w[1][i], w[0][i], 1e-6f), "%s", moda_isa_name(isa));
            cr_assert(epsilon_eq(flt, v[1][i], v[0][i], 1e-6f), "%s", moda_isa_name(isa));
        }
    }
}

Test(sgd, same_bits_for_any_thread_count)
{
    enum { N = 70001 };
    float *w[2], *v[2], *g = malloc(N * sizeof *g);
    const int threads[2] = {1, 3};
    for (int t = 0; t < 2; t++) {
        w[t] = malloc(N * sizeof(float)), v[t] = malloc(N * sizeof(float));
        for (size_t i = 0; i < N; i++)
            w[t][i] = draw(20, i), v[t][i] = draw(21, i), g[i] = draw(22, i);
        omp_set_num_threads(threads[t]);
        moda_sgd_update(N, 0.03f, 0.9f, 1e-4f, w[t], g, v[t]);
    }
    cr_assert(eq(int, memcmp(w[0], w[1], N * sizeof(float)), 0));
    cr_assert(eq(int, memcmp(v[0], v[1], N * sizeof(float)), 0));
    for (int t = 0; t < 2; t++) free(w[t]), free(v[t]);
    free(g);
}
