/* decompose/segments.h - a network in pieces that run one after the other.
 *
 * A network can be cut behind a layer if no later layer reads anything before it: then one value
 * alone crosses the cut. Cuts are made where a convolution or linear layer follows, so that a piece
 * of a chain is such a layer with its batch norm, ReLU and pools, and a residual block is one piece. */
#ifndef MODA_DECOMPOSE_SEGMENTS_H
#define MODA_DECOMPOSE_SEGMENTS_H

#include "base/status.h"
#include "engine/net.h"
#include <stdbool.h>
#include <stddef.h>

typedef struct moda_segments {
    size_t count;
    size_t
        *cut; /* [count+1] layers: cut[0] is the input, cut[count] the last layer. Segment s has the
                  * layers cut[s]+1 .. cut[s+1] and reads the output of cut[s] */
} moda_segments;

MODA_MUST_USE moda_status moda_segments_find(const moda_net *net, moda_segments *segments);
/* The same cuts in a network composed of net, whose layers have the same names, with others among
 * them. Fails: MODA_ERR_INTERNAL. */
MODA_MUST_USE moda_status moda_segments_in(const moda_net *net, const moda_segments *segments,
                                           const moda_net *composed, moda_segments *result);
void moda_segments_free(moda_segments *segments); /* zeroed struct is fine */

/* True if no layer behind this one reads one before it: a network can be cut behind it. */
bool moda_net_can_cut(const moda_net *net, size_t layer);

/* True if what segment s computes for one channel does not depend on which others it computes: its
 * weights, if any, are convolutions of what it reads. Not said of linear layers: which sums a matrix
 * product splits between threads depends on its size, so their last bits would differ. */
bool moda_segment_by_channel(const moda_net *net, const moda_segments *segments, size_t s);

#endif
