/* decompose/slice_internal.h - the two halves of slicing: the graph, and the weights. */
#ifndef MODA_DECOMPOSE_SLICE_INTERNAL_H
#define MODA_DECOMPOSE_SLICE_INTERNAL_H

#include "decompose/kept.h"
#include "engine/net.h"

/* The network that keeps those channels: layers keep their names, and a [select] stands where a layer
 * that works channel by channel reads one that keeps other channels. Layers that read the same
 * channels of one layer share it; where the channels are the same there is none. Fails:
 * MODA_ERR_NOMEM, MODA_ERR_FORMAT (more layers than a description may have). */
MODA_MUST_USE moda_status moda_slice_net(const moda_net *net, const moda_kept *kept,
                                         moda_net **sliced);

#endif
