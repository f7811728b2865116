/* engine/channel_select.c - cutting maps into blocks of lanes for the kernels. */
#include "engine/channel_select.h"
#include "base/isa.h"
#include "engine/channel_select_kernel.h"
#include "engine/net.h"
#include <stdbool.h>

static const moda_select_kernels *kernels(void)
{
    static const moda_select_kernels *const table[MODA_ISA_COUNT] = {
        [MODA_ISA_REF] = &moda_select_kernels_ref,
#if defined(__x86_64__)
        [MODA_ISA_AVX2] = &moda_select_kernels_avx2,
        [MODA_ISA_AVX512] = &moda_select_kernels_avx512,
#endif
    };
    return table[moda_isa_best()];
}

static size_t blocks(moda_map_shape s)
{
    return (s.c + s.block - 1) / s.block;
}

/* What y's channel reads; padding is zeros. */
static uint32_t channel_at(moda_map_shape to, const uint32_t *channels, size_t channel)
{
    return channel < to.c ? channels[channel] : MODA_SELECT_ZERO;
}

/* Lanes of one channel block of y, which begin at channel `channel`, one by one. */
static void fill_lanes(moda_map_shape from, moda_map_shape to, const uint32_t *channels,
                       size_t channel, size_t lanes, const float *x, float *y)
{
    static const float zero = 0;
    const float *source[MODA_SELECT_LANES];
    size_t step[MODA_SELECT_LANES];
    for (size_t l = 0; l < lanes; l++) {
        const uint32_t c = channel_at(to, channels, channel + l);
        const bool empty = c == MODA_SELECT_ZERO;
        source[l] = empty ? &zero : x + c / from.block * from.hw * from.block + c % from.block;
        step[l] = empty ? 0 : from.block;
    }
    kernels()->lanes(to.hw, lanes, to.block, source, step, y);
}

/* The same for a block of 16 out of blocks of 16; false: out of too many. */
static bool fill_block(moda_map_shape from, moda_map_shape to, const uint32_t *channels,
                       size_t channel, const float *x, float *y)
{
    moda_select_sources sources = {0};
    for (size_t l = 0; l < MODA_SELECT_LANES; l++) {
        const uint32_t c = channel_at(to, channels, channel + l);
        size_t s = 0;
        if (c == MODA_SELECT_ZERO) continue;
        const float *block = x + c / MODA_SELECT_LANES * from.hw * MODA_SELECT_LANES;
        while (s < sources.count && sources.block[s] != block) s++;
        if (s == MODA_SELECT_BLOCKS) return false;
        if (s == sources.count) sources.block[sources.count++] = block;
        sources.lane[s][l] = (int)(c % MODA_SELECT_LANES);
        sources.mask[s][l] = -1;
    }
    kernels()->block(to.hw, &sources, y);
    return true;
}

void moda_select(moda_map_shape from, moda_map_shape to, const uint32_t *channels, const float *x,
                 float *y)
{
    const size_t per_sample = blocks(to), block = to.hw * to.block;
    const size_t sample = blocks(from) * from.hw * from.block;
    const bool whole = from.block == MODA_SELECT_LANES && to.block == MODA_SELECT_LANES;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < to.n * per_sample; i++) {
        const float *xs = x + i / per_sample * sample;
        const size_t channel = i % per_sample * to.block;
        if (whole && fill_block(from, to, channels, channel, xs, y + i * block)) continue;
        for (size_t lane = 0; lane < to.block; lane += MODA_SELECT_LANES) {
            const size_t left = to.block - lane;
            fill_lanes(from, to, channels, channel + lane,
                       left < MODA_SELECT_LANES ? left : MODA_SELECT_LANES, xs,
                       y + i * block + lane);
        }
    }
}

void moda_select_inverse(size_t from_count, size_t to_count, const uint32_t *channels,
                         uint32_t *inverse)
{
    for (size_t c = 0; c < from_count; c++) inverse[c] = MODA_SELECT_ZERO;
    for (size_t j = 0; j < to_count; j++)
        if (channels[j] != MODA_SELECT_ZERO) inverse[channels[j]] = (uint32_t)j;
}
