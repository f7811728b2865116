#include "decompose/channels.h"
#include <stdlib.h>

static moda_status start(size_t of, moda_channels *set)
{
    moda_status st = MODA_OK;
    *set = (moda_channels){.of = of};
    MODA_CHECK(of <= UINT32_MAX, MODA_ERR_ARG, "%zu channels in one layer: at most 2^32-1", of);
    MODA_ALLOC(set->bits, (of + 63) / 64 * sizeof *set->bits);
out:
    return st;
}

static void add(moda_channels *set, size_t channel)
{
    set->bits[channel / 64] |= UINT64_C(1) << channel % 64;
}

/* The list and the count from the bits. */
static moda_status finish(moda_channels *set)
{
    moda_status st = MODA_OK;
    size_t words = (set->of + 63) / 64, n = 0;
    for (size_t w = 0; w < words; w++) n += (size_t)__builtin_popcountll(set->bits[w]);
    MODA_ALLOC(set->index, n * sizeof *set->index);
    for (size_t w = 0; w < words; w++)
        for (uint64_t rest = set->bits[w]; rest; rest &= rest - 1)
            set->index[set->count++] = (uint32_t)(w * 64 + (size_t)__builtin_ctzll(rest));
out:
    return st;
}

moda_status moda_channels_all(size_t of, moda_channels *set)
{
    moda_status st = MODA_OK;
    MODA_TRY(start(of, set));
    for (size_t c = 0; c < of; c++) add(set, c);
    MODA_TRY(finish(set));
out:
    if (st != MODA_OK) moda_channels_free(set);
    return st;
}

moda_status moda_channels_from_mask(size_t of, const uint8_t *mask, moda_channels *set)
{
    moda_status st = MODA_OK;
    MODA_TRY(start(of, set));
    for (size_t c = 0; c < of; c++)
        if (mask[c]) add(set, c);
    MODA_TRY(finish(set));
out:
    if (st != MODA_OK) moda_channels_free(set);
    return st;
}

moda_status moda_channels_from_list(size_t of, const size_t *list, size_t n, moda_channels *set)
{
    moda_status st = MODA_OK;
    MODA_TRY(start(of, set));
    for (size_t i = 0; i < n; i++) {
        MODA_CHECK(list[i] < of, MODA_ERR_ARG, "channel %zu of a layer that has %zu", list[i], of);
        add(set, list[i]);
    }
    MODA_TRY(finish(set));
out:
    if (st != MODA_OK) moda_channels_free(set);
    return st;
}

void moda_channels_free(moda_channels *set)
{
    if (!set) return;
    free(set->index);
    free(set->bits);
    *set = (moda_channels){0};
}

size_t moda_channels_common(const moda_channels *a, const moda_channels *b)
{
    size_t words =
        (a->of < b->of ? a->of : b->of) / 64 + ((a->of < b->of ? a->of : b->of) % 64 != 0);
    size_t n = 0;
    for (size_t w = 0; w < words; w++) n += (size_t)__builtin_popcountll(a->bits[w] & b->bits[w]);
    return n;
}
