/* engine/channel_blocks.h - walking a feature map a few channel blocks at a time.
 *
 * A batch norm needs a channel's sums over the whole batch before it can go over the channel again.
 * Taken some channel blocks at a time, the second pass finds in the cache what the first one read. */
#ifndef MODA_ENGINE_CHANNEL_BLOCKS_H
#define MODA_ENGINE_CHANNEL_BLOCKS_H

#include "losses/activation.h"
#include <stdbool.h>

/* Channel blocks of a map. */
typedef struct moda_channel_blocks {
    size_t first, count; /* count 0: all */
} moda_channel_blocks;

/* Channel blocks of a map of that shape. */
size_t moda_channel_blocks_of(moda_map_shape s);
/* Moves on to the next blocks, {0, 0} being the start; false when all were visited. bytes: what the
 * passes touch per element of the map. Depends on nothing else but the threads' number, and results do
 * not depend on it. */
bool moda_channel_blocks_next(moda_map_shape s, size_t bytes, moda_channel_blocks *range);

#endif
