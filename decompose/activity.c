#include "decompose/activity.h"
#include "base/isa.h"
#include "decompose/activity_internal.h"
#include <string.h>

static moda_activity_kernel *const KERNELS[MODA_ISA_COUNT] = {
    [MODA_ISA_REF] = moda_k_activity_ref,
#if defined(__x86_64__)
    [MODA_ISA_AVX2] = moda_k_activity_avx2,
    [MODA_ISA_AVX512] = moda_k_activity_avx512,
#endif
};

static moda_area_kernel *const AREA_KERNELS[MODA_ISA_COUNT] = {
    [MODA_ISA_REF] = moda_k_area_ref,
#if defined(__x86_64__)
    [MODA_ISA_AVX2] = moda_k_area_avx2,
    [MODA_ISA_AVX512] = moda_k_area_avx512,
#endif
};

enum { MAX_BLOCK = 16 };

static void flag_block(moda_map_shape s, size_t real, size_t least, const float *x, uint8_t *flag)
{
    if (least == 1)
        KERNELS[moda_isa_best()](s.hw, s.block, real, x, flag);
    else
        AREA_KERNELS[moda_isa_best()](s.hw, s.block, real, least, x, flag);
}

/* The last block of a sample may have padding lanes, which have no place in active [n,c]. */
static void ragged_block(moda_map_shape s, size_t least, const float *x, uint8_t *active,
                         size_t channels)
{
    uint8_t flag[MAX_BLOCK];
    flag_block(s, channels, least, x, flag);
    memcpy(active, flag, channels);
}

void moda_activity_flags(moda_map_shape s, const float *x, uint8_t *active)
{
    moda_activity_area_flags(s, 1, x, active);
}

void moda_activity_area_flags(moda_map_shape s, size_t least, const float *x, uint8_t *active)
{
    size_t blocks = (s.c + s.block - 1) / s.block;
    if (s.hw == 1 && s.c % s.block == 0) { /* one row of features per sample, whatever the block */
        s.block = s.c;
        blocks = 1;
    }
#pragma omp parallel for collapse(2) schedule(static)
    for (size_t i = 0; i < s.n; i++)
        for (size_t b = 0; b < blocks; b++) {
            const float *map = x + (i * blocks + b) * s.hw * s.block;
            uint8_t *flag = active + i * s.c + b * s.block;
            size_t channels = s.c - b * s.block;
            if (channels >= s.block)
                flag_block(s, s.block, least, map, flag);
            else
                ragged_block(s, least, map, flag, channels);
        }
}

/* Threads own channels, so that no two of them add to one count. */
void moda_activity_count(size_t n, size_t c, const uint8_t *active, const uint32_t *row,
                         uint32_t *counts)
{
    enum { SLICE = 64 };
#pragma omp parallel for schedule(static)
    for (size_t first = 0; first < c; first += SLICE) {
        size_t end = c - first < SLICE ? c : first + SLICE;
        for (size_t i = 0; i < n; i++) {
            const uint8_t *from = active + i * c;
            uint32_t *to = counts + row[i] * c;
            for (size_t k = first; k < end; k++) to[k] += from[k];
        }
    }
}
