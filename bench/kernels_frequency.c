/* bench/kernels_frequency.c - counting active neurons, as decomposition does with each tracked layer
 * of each batch. */
#include "base/rng.h"
#include "bench/kernels.h"
#include "decompose/activity.h"
#include "numa/memory.h"
#include <stdint.h>
#include <stdlib.h>

enum { BATCH, CHANNELS, PIXELS, BLOCK, CLASSES = 10 };

typedef struct operands {
    moda_map_shape shape;
    size_t bytes;     /* of the maps */
    float *x;         /* [n, ceil(c/block), hw, block] */
    uint8_t *active;  /* [n,c] */
    uint32_t *row;    /* [n] class of a sample */
    uint32_t *counts; /* [CLASSES,c] */
} operands;

static size_t values_of(const size_t *sizes)
{
    const size_t blocks = (sizes[CHANNELS] + sizes[BLOCK] - 1) / sizes[BLOCK];
    return sizes[BATCH] * blocks * sizes[BLOCK] * sizes[PIXELS];
}

static void destroy(void *state)
{
    operands *o = state;
    if (!o) return;
    moda_memory_destroy(o->x, o->bytes);
    free(o->active);
    free(o->row);
    free(o->counts);
    free(o);
}

/* dead: all values are zero, else every second one by chance, as behind a ReLU. */
static moda_status create(const size_t *sizes, uint64_t seed, bool dead, void **state)
{
    moda_status st = MODA_OK;
    const moda_rng rng = moda_rng_make(seed, MODA_RNG_SYNTHETIC, 0);
    const size_t values = values_of(sizes), n = sizes[BATCH], c = sizes[CHANNELS];
    operands *o = NULL;
    void *x = NULL;
    MODA_ALLOC(o, sizeof *o);
    o->shape = (moda_map_shape){.n = n, .c = c, .hw = sizes[PIXELS], .block = sizes[BLOCK]};
    o->bytes = values * sizeof(float);
    MODA_TRY(moda_memory_create(o->bytes, "feature maps", &x));
    o->x = x;
    MODA_ALLOC(o->active, n * c);
    MODA_ALLOC(o->row, n * sizeof *o->row);
    MODA_ALLOC(o->counts, CLASSES * c * sizeof *o->counts);
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < values; i++)
        o->x[i] = !dead && moda_rng_unit(rng, i) < 0.5 ? 1 : 0; /* zeros are written: real pages */
    for (size_t i = 0; i < n; i++) o->row[i] = (uint32_t)(i % CLASSES);
    *state = o, o = NULL;
out:
    destroy(o);
    return st;
}

static moda_status create_dead(const size_t *sizes, uint64_t seed, void **state)
{
    return create(sizes, seed, true, state);
}

static moda_status create_live(const size_t *sizes, uint64_t seed, void **state)
{
    return create(sizes, seed, false, state);
}

static moda_status count(operands *o, size_t least)
{
    moda_activity_area_flags(o->shape, least, o->x, o->active);
    moda_activity_count(o->shape.n, o->shape.c, o->active, o->row, o->counts);
    return MODA_OK;
}

static moda_status call_any(void *state)
{
    return count(state, 1);
}

static moda_status call_area(void *state)
{
    operands *o = state;
    return count(o, (o->shape.hw + 3) / 4);
}

/* Two operations a value (mask and or) that are not floating-point ones: bandwidth is the bound. */
static moda_kernel_work work(const size_t *sizes)
{
    const double maps = 4 * (double)values_of(sizes), n = (double)sizes[BATCH];
    const double flags = n * (double)sizes[CHANNELS], counts = 4.0 * CLASSES * sizes[CHANNELS];
    return (moda_kernel_work){0, maps + flags, maps + flags + 4 * n + counts, 0};
}

static const moda_kernel kernels[] = {
    {"any value; dead maps", work, create_dead, call_any, destroy},
    {"any value; live maps", work, create_live, call_any, destroy},
    {"quarter of area; dead maps", work, create_dead, call_area, destroy},
    {"quarter of area; live maps", work, create_live, call_area, destroy},
};

const moda_kernel_suite moda_frequency_suite = {
    .name = "frequency",
    .sizes = {{"batch", "batch-size", "samples", "128", 1 << 16},
              {"channels", "channels", "channels of the maps", "64,256", 1 << 16},
              {"pixels", "pixels", "pixels of a map; 1: features of a linear layer",
               "1,16,256,1024", 1 << 20},
              {"block", "block", "channels that stand together: 1 nchw, 8, 16 as oneDNN's", "16",
               1 << 16}},
    .size_count = 4,
    .kernels = kernels,
    .kernel_count = sizeof kernels / sizeof *kernels,
};
