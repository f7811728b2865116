/* tests/test_channel_select.c - engine/channel_select.h on every pair of layouts, element by element. */
#include "base/rng.h"
#include "engine/channel_select.h"
#include "engine/net.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>

TestSuite(channel_select, .timeout = 60);

static uint64_t drawn;
static size_t draw(size_t bound)
{
    return (size_t)moda_rng_below(moda_rng_make(5, MODA_RNG_TEST, 3), drawn++, bound);
}

static size_t floats(moda_map_shape s)
{
    return s.n * ((s.c + s.block - 1) / s.block) * s.hw * s.block;
}

/* Where element p of channel c of sample n stands. */
static size_t place(moda_map_shape s, size_t n, size_t c, size_t p)
{
    return ((n * ((s.c + s.block - 1) / s.block) + c / s.block) * s.hw + p) * s.block + c % s.block;
}

/* Some channels in random order, each once, and zeros between them. */
static uint32_t *random_list(size_t from, size_t to)
{
    uint32_t *list = calloc(to, sizeof *list), *order = calloc(from, sizeof *order);
    moda_rng_permutation(moda_rng_make(6, MODA_RNG_TEST, (uint32_t)drawn++), from, order);
    for (size_t j = 0, next = 0; j < to; j++)
        list[j] = next < from && draw(3) ? order[next++] : MODA_SELECT_ZERO;
    free(order);
    return list;
}

static void check(moda_map_shape from, moda_map_shape to)
{
    uint32_t *list = random_list(from.c, to.c);
    float *x = calloc(floats(from), sizeof *x), *y = calloc(floats(to), sizeof *y);
    for (size_t i = 0; i < floats(from); i++) x[i] = (float)(i + 1); /* padding too */
    for (size_t i = 0; i < floats(to); i++) y[i] = -1;
    moda_select(from, to, list, x, y);
    const size_t padded = (to.c + to.block - 1) / to.block * to.block;
    for (size_t n = 0; n < to.n; n++)
        for (size_t c = 0; c < padded; c++)
            for (size_t p = 0; p < to.hw; p++) {
                const bool some = c < to.c && list[c] != MODA_SELECT_ZERO;
                const float want = some ? x[place(from, n, list[c], p)] : 0;
                cr_assert(eq(flt, y[place(to, n, c, p)], want),
                          "%zu of %zu to %zu of %zu: sample %zu, channel %zu, pixel %zu", from.c,
                          from.block, to.c, to.block, n, c, p);
            }
    free(x), free(y), free(list);
}

Test(channel_select, every_pair_of_layouts)
{
    const size_t blocks[] = {1, 8, 16, 0}; /* 0: channels last */
    for (size_t a = 0; a < 4; a++)
        for (size_t b = 0; b < 4; b++)
            for (size_t round = 0; round < 20; round++) {
                const size_t n = 1 + draw(3), hw = round % 4 ? 1 + draw(30) : 1;
                moda_map_shape from = {n, 1 + draw(round % 2 ? 50 : 200), hw, blocks[a], MODA_F32};
                moda_map_shape to = {n, 1 + draw(50), hw, blocks[b], MODA_F32};
                if (!from.block) from.block = from.c;
                if (!to.block) to.block = to.c;
                check(from, to);
            }
}

/* What went forward comes back to where it was; channels that were left out get zeros. */
Test(channel_select, inverse_list_goes_back)
{
    for (size_t round = 0; round < 50; round++) {
        const size_t from = 1 + draw(40), to = 1 + draw(40);
        uint32_t *list = random_list(from, to), *inverse = calloc(from, sizeof *inverse);
        size_t used = 0, back = 0;
        moda_select_inverse(from, to, list, inverse);
        for (size_t j = 0; j < to; j++) {
            if (list[j] == MODA_SELECT_ZERO) continue;
            used++;
            cr_assert(eq(u32, inverse[list[j]], (uint32_t)j));
        }
        for (size_t c = 0; c < from; c++) back += inverse[c] != MODA_SELECT_ZERO;
        cr_assert(eq(sz, back, used));
        free(list), free(inverse);
    }
}
