/* bench/kernels_similarity.c - the modular losses of one layer: closed form against all pairs. */
#include "base/rng.h"
#include "bench/kernels.h"
#include "losses/modular.h"
#include "losses/pairwise.h"
#include "numa/memory.h"
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

enum { BATCH, NEURONS, CLASSES };

typedef struct operands {
    size_t n, d, k;
    float *a, *d_a;   /* [n,d] */
    uint32_t *labels; /* [n] */
    moda_modular_scratch *scratch;
    moda_pair_counts pairs;
} operands;

static void destroy(void *state)
{
    operands *o = state;
    if (!o) return;
    moda_memory_destroy(o->a, o->n * o->d * sizeof(float));
    moda_memory_destroy(o->d_a, o->n * o->d * sizeof(float));
    moda_modular_scratch_destroy(o->scratch);
    free(o->labels);
    free(o);
}

/* Activation vectors as behind a ReLU: half of them zero. Classes take turns, as in a shuffled batch. */
static moda_status create(const size_t *sizes, uint64_t seed, void **state)
{
    moda_status st = MODA_OK;
    const moda_rng rng = moda_rng_make(seed, MODA_RNG_SYNTHETIC, 0);
    const size_t bytes = sizes[BATCH] * sizes[NEURONS] * sizeof(float);
    operands *o = NULL;
    void *a = NULL, *d_a = NULL;
    MODA_ALLOC(o, sizeof *o);
    o->n = sizes[BATCH], o->d = sizes[NEURONS], o->k = sizes[CLASSES];
    MODA_TRY(moda_memory_create(bytes, "activation vectors", &a));
    o->a = a;
    MODA_TRY(moda_memory_create(bytes, "their gradient", &d_a));
    o->d_a = d_a;
    MODA_ALLOC(o->labels, o->n * sizeof *o->labels);
    MODA_TRY(moda_modular_scratch_create(o->n, o->d, o->k, &o->scratch));
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < o->n; i++) {
        for (size_t f = 0; f < o->d; f++) {
            const float x = (float)moda_rng_unit(rng, i * o->d + f) - 0.5f;
            o->a[i * o->d + f] = x > 0 ? x : 0;
        }
        o->labels[i] = (uint32_t)(i % o->k);
    }
    o->pairs = moda_modular_pairs(o->scratch, o->n, o->labels);
    *state = o, o = NULL;
out:
    destroy(o);
    return st;
}

static void closed_form(operands *o, float *d_a)
{
    moda_modular_terms terms;
    moda_modular_layer(o->scratch, o->n, o->d, o->labels, o->a, o->pairs,
                       (moda_modular_weights){1, 1, 0.3}, 1, d_a, &terms);
}

static moda_status call_values(void *state)
{
    closed_form(state, NULL);
    return MODA_OK;
}

static moda_status call_gradient(void *state)
{
    operands *o = state;
    closed_form(o, o->d_a);
    return MODA_OK;
}

static moda_status call_pairwise(void *state)
{
    const operands *o = state;
    double affinity, dispersion;
    return moda_pairwise_similarity(o->n, o->d, o->k, o->a, o->labels, NULL, NULL, &affinity,
                                    &dispersion);
}

/* As losses/modular.h says of its scratch. */
static double closed_scratch(double n, double d, double k)
{
    const double rows = n < k ? n : k, padded = 64 * ceil(d / 64);
    return 4 * rows * padded + 32 * n + 12 * k;
}

/* Per entry: square and 1-norm 3, class sum 2; per entry of the class sums: 3. */
static moda_kernel_work values_work(const size_t *sizes)
{
    const double n = (double)sizes[BATCH], d = (double)sizes[NEURONS], k = (double)sizes[CLASSES];
    const double rows = n < k ? n : k;
    return (moda_kernel_work){5 * n * d + 3 * rows * d, 4 * n * d, 4 * n * d + 4 * n,
                              closed_scratch(n, d, k)};
}

/* On top: per entry the product with the gradient of its class 2 and the way back through the norm
 * 6; per entry of the class sums: 5. */
static moda_kernel_work gradient_work(const size_t *sizes)
{
    const double n = (double)sizes[BATCH], d = (double)sizes[NEURONS], k = (double)sizes[CLASSES];
    const double rows = n < k ? n : k;
    return (moda_kernel_work){13 * n * d + 8 * rows * d, 8 * n * d, 8 * n * d + 4 * n,
                              closed_scratch(n, d, k)};
}

/* Inner products of n(n-1)/2 pairs; the norms' n*d are left out. Scratch as losses/pairwise.h says. */
static moda_kernel_work pairwise_work(const size_t *sizes)
{
    const double n = (double)sizes[BATCH], d = (double)sizes[NEURONS], k = (double)sizes[CLASSES];
    return (moda_kernel_work){n * (n - 1) * d, 4 * n * d, 4 * n * d + 4 * n,
                              4 * n * d + 12 * n + 8 * k * (n / 16 + 2 * k + 2)};
}

static const moda_kernel kernels[] = {
    {"closed form", values_work, create, call_values, destroy},
    {"closed form + gradient", gradient_work, create, call_gradient, destroy},
    {"pairwise", pairwise_work, create, call_pairwise, destroy},
};

const moda_kernel_suite moda_similarity_suite = {
    .name = "similarity",
    .sizes = {{"batch", "batch-size", "samples", "32,64,128,256,512,1024,2048,4096", 1 << 20},
              {"neurons", "neurons", "lengths of the activation vectors", "64,512,4096", 1 << 20},
              {"classes", "classes", "classes among the samples", "10", 1 << 16}},
    .size_count = 3,
    .kernels = kernels,
    .kernel_count = sizeof kernels / sizeof *kernels,
};
