/* bench/kernels_optimizer.c - the pass over all parameters that ends a training step. */
#include "base/rng.h"
#include "bench/kernels.h"
#include "engine/sgd.h"
#include "numa/memory.h"
#include <stdlib.h>

typedef struct operands {
    size_t n;
    float *w, *g, *v; /* [n] in one block */
} operands;

static void destroy(void *state)
{
    operands *o = state;
    if (!o) return;
    moda_memory_destroy(o->w, 3 * o->n * sizeof(float));
    free(o);
}

static moda_status create(const size_t *sizes, uint64_t seed, void **state)
{
    moda_status st = MODA_OK;
    const moda_rng rng = moda_rng_make(seed, MODA_RNG_SYNTHETIC, 0);
    operands *o = NULL;
    void *block = NULL;
    MODA_ALLOC(o, sizeof *o);
    o->n = sizes[0];
    MODA_TRY(moda_memory_create(3 * o->n * sizeof(float), "parameters", &block));
    o->w = block, o->g = o->w + o->n, o->v = o->g + o->n;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < o->n; i++) {
        o->g[i] = (float)moda_rng_unit(rng, i) - 0.5f;
        o->w[i] = o->v[i] = 0;
    }
    *state = o, o = NULL;
out:
    destroy(o);
    return st;
}

static moda_status call(void *state)
{
    operands *o = state;
    moda_sgd_update(o->n, 1e-3f, 0.9f, 0, o->w, o->g, o->v);
    return MODA_OK;
}

/* Reads w, g and v, writes w and v. */
static moda_kernel_work work(const size_t *sizes)
{
    const double n = (double)sizes[0];
    return (moda_kernel_work){8 * n, 20 * n, 12 * n, 0};
}

static const moda_kernel kernels[] = {{"sgd with momentum", work, create, call, destroy}};

const moda_kernel_suite moda_optimizer_suite = {
    .name = "optimizer",
    .sizes = {{"parameters", "parameters", "floats, of which each has a gradient and a momentum",
               "62006,3217226,33646666", (size_t)1 << 36}},
    .size_count = 1,
    .kernels = kernels,
    .kernel_count = sizeof kernels / sizeof *kernels,
};
