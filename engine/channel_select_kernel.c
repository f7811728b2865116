/* engine/channel_select_kernel.c - compiled once per instruction set. Memory is read once and written
 * once; a block whose channels come from one or two blocks, as in modules, is a permutation of whole
 * vectors per pixel, anything else goes float by float. */
#include "engine/channel_select_kernel.h"
#include "base/isa.h"
#include <string.h>

typedef int vec __attribute__((vector_size(MODA_SELECT_LANES * sizeof(int)), may_alias));

static inline vec load(const void *p)
{
    vec v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* y[i] = v[lane[i]]. Clang has no permutation by lanes that are known at run time only. */
static inline vec permute(vec v, vec lane)
{
#ifdef __clang__
    vec y;
    for (size_t i = 0; i < MODA_SELECT_LANES; i++) y[i] = v[lane[i] % MODA_SELECT_LANES];
    return y;
#else
    return __builtin_shuffle(v, lane);
#endif
}

static void lanes(size_t hw, size_t count, size_t to, const float *const *from, const size_t *step,
                  float *y)
{
    if (count == 1 && to == 1 && step[0] == 1) {
        memcpy(y, from[0], hw * sizeof *y);
        return;
    }
    for (size_t p = 0; p < hw; p++)
        for (size_t l = 0; l < count; l++) y[p * to + l] = from[l][p * step[l]];
}

/* `count` is a constant in each of the calls below. */
static inline void merge(size_t hw, size_t count, const moda_select_sources *from, float *y)
{
    vec lane[MODA_SELECT_BLOCKS], mask[MODA_SELECT_BLOCKS];
    for (size_t s = 0; s < count; s++) lane[s] = load(from->lane[s]), mask[s] = load(from->mask[s]);
    for (size_t p = 0; p < hw * MODA_SELECT_LANES; p += MODA_SELECT_LANES) {
        vec v = {0};
        for (size_t s = 0; s < count; s++)
            v |= permute(load(from->block[s] + p), lane[s]) & mask[s];
        memcpy(y + p, &v, sizeof v);
    }
}

static void block(size_t hw, const moda_select_sources *from, float *y)
{
    switch (from->count) {
    case 0: memset(y, 0, hw * MODA_SELECT_LANES * sizeof *y); break;
    case 1: merge(hw, 1, from, y); break;
    case 2: merge(hw, 2, from, y); break;
    case 3: merge(hw, 3, from, y); break;
    default: merge(hw, MODA_SELECT_BLOCKS, from, y);
    }
}

const moda_select_kernels MODA_K(moda_select_kernels) = {lanes, block};
