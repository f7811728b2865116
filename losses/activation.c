/* losses/activation.c - channel means over blocked layouts.
 *
 * A channel block is hw*b contiguous floats. Where b divides MODA_LANES, lane j of a row of
 * MODA_LANES floats always belongs to channel j mod b, whatever the row: the block is summed as one
 * stream and the lanes are folded at its end. Any other b (channels-last with 96 channels, say)
 * goes pixel by pixel, MODA_LANES channels at a time. Both read memory once and in order. */
#include "losses/activation.h"
#include "losses/losses_internal.h"
#include <stdbool.h>

enum { PARALLEL_FROM = 1 << 15 }; /* floats; fewer take less time than waking the threads */

/* How a map is cut into pieces of work: a channel block, or MODA_LANES channels of one. */
typedef struct map_walk {
    moda_map_shape s;
    size_t blocks;    /* channel blocks per sample */
    size_t per_block; /* pieces per channel block */
    bool stream;      /* a piece is a whole channel block */
} map_walk;

static map_walk walk_of(moda_map_shape s)
{
    map_walk w = {.s = s};
    if (s.hw == 1 && s.block == 1) w.s.block = s.c; /* one row per sample, not n*c blocks of one */
    w.blocks = (s.c + w.s.block - 1) / w.s.block;
    w.stream = MODA_LANES % w.s.block == 0;
    w.per_block = w.stream ? 1 : (w.s.block + MODA_LANES - 1) / MODA_LANES;
    return w;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Piece i; *x is its first byte's place in the map, *a its first channel's in [n,c]. */
static moda_map_piece piece_of(const map_walk *w, size_t i, size_t *x, size_t *a)
{
    const moda_map_shape s = w->s;
    const size_t block = i / w->per_block, lane = i % w->per_block * MODA_LANES;
    const size_t channel = block % w->blocks * s.block + lane, floats = s.hw * s.block;
    moda_map_piece p = {.rows = s.hw, .stride = s.block, .type = s.type};
    p.width = p.period = least(MODA_LANES, s.block - lane);
    if (w->stream) {
        p.rows = floats / MODA_LANES, p.tail = floats % MODA_LANES;
        p.stride = p.width = MODA_LANES;
    }
    p.kept = channel < s.c ? least(p.period, s.c - channel) : 0;
    *x = (block * floats + lane) * moda_real_size(s.type);
    *a = block / w->blocks * s.c + channel;
    return p;
}

void moda_channel_means(moda_map_shape s, const void *x, float *a)
{
    const moda_loss_kernels *k = moda_loss_kernels_now();
    const map_walk w = walk_of(s);
    const double share = 1 / (double)s.hw;
#pragma omp parallel for schedule(static) if (s.n * s.c * s.hw > PARALLEL_FROM)
    for (size_t i = 0; i < s.n * w.blocks * w.per_block; i++) {
        size_t from, to;
        const moda_map_piece p = piece_of(&w, i, &from, &to);
        k->abs_means(&p, share, (const char *)x + from, a + to);
    }
}

void moda_channel_means_backward(moda_map_shape s, const void *x, const float *d_a, void *d_x)
{
    const moda_loss_kernels *k = moda_loss_kernels_now();
    const map_walk w = walk_of(s);
    const double share = 1 / (double)s.hw;
#pragma omp parallel for schedule(static) if (s.n * s.c * s.hw > PARALLEL_FROM)
    for (size_t i = 0; i < s.n * w.blocks * w.per_block; i++) {
        size_t to, from;
        const moda_map_piece p = piece_of(&w, i, &to, &from);
        k->add_signs(&p, share, (const char *)x + to, d_a + from, (char *)d_x + to);
    }
}
