/* engine/channel_blocks.c - as many channel blocks as a cache holds, as few as keep all threads busy. */
#include "engine/channel_blocks.h"
#include <omp.h>

/* A quarter of the L3 that a few cores share on today's servers. */
static const size_t cache_bytes = 8 << 20;
enum { PIECES_PER_THREAD = 8 }; /* map blocks, so that threads end together */

size_t moda_channel_blocks_of(moda_map_shape s)
{
    return (s.c + s.block - 1) / s.block;
}

bool moda_channel_blocks_next(moda_map_shape s, size_t bytes, moda_channel_blocks *range)
{
    const size_t all = moda_channel_blocks_of(s), first = range->first + range->count;
    const size_t size = s.n * s.hw * s.block * bytes;
    const size_t pieces = (size_t)omp_get_max_threads() * PIECES_PER_THREAD;
    const size_t busy = (pieces + s.n - 1) / s.n, fitting = cache_bytes / size;
    size_t count = fitting > busy ? fitting : busy;
    const size_t passes = (all + count - 1) / count;
    count = (all + passes - 1) / passes; /* of one size */
    if (count > all - first) count = all - first;
    *range = (moda_channel_blocks){first, count};
    return count > 0;
}
