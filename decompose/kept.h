/* decompose/kept.h - which channels of every layer a module keeps, worked out on the graph.
 *
 * Metrics and slicing both start from here, so that a module can be measured without being built.
 *
 * Masks decide about the channels of some layers, the sites: of the tracked ReLUs, or of what the
 * masks of MwT multiply (class_tables.h). Rules (docs/decomposition.md). Each layer has the
 * channels that its readers want and those that can be had; it keeps what is in both.
 *   wanted     from a site: its mask, as far as its readers want that. By a convolution or linear
 *              layer: all; by any other layer: what is wanted from it; at the end: the classes
 *   to be had  from a convolution or linear layer, a [select] and the input: all; from an addition:
 *              what either side has; from any other layer: what it reads; from a site: no more than
 *              its mask
 * A depthwise convolution or batch norm of which only masks want something gives all that they
 * want: channels that it cannot read enter as zeros. Where nothing would be left, the first
 * channel of a site's mask, or the first wanted one, stays.
 *
 * So a layer that works channel by channel may keep other channels than the layer it reads:
 * slicing puts a [select] between the two. */
#ifndef MODA_DECOMPOSE_KEPT_H
#define MODA_DECOMPOSE_KEPT_H

#include "base/status.h"
#include "decompose/channels.h"
#include "engine/net.h"
#include <stddef.h>
#include <stdint.h>

/* Layers whose channels masks decide about. */
typedef struct moda_sites {
    size_t count;
    const size_t *layers; /* [count], each once */
} moda_sites;

typedef struct moda_kept {
    size_t layer_count;
    size_t *sites; /* [site_count] layers */
    size_t site_count;
    moda_channels *out; /* [layer_count] of the layer's output */
    /* [layer_count] along the second dimension of the weight, in channels of the layer's input:
     * LINEAR and CONV, but NULL for a depthwise one, whose weight has one column, and for all other
     * layers. Borrowed from out. */
    const moda_channels **in;
} moda_kept;

/* keep [sites.count] points to one mask each, [channels of the site], non-zero = kept;
 * classes [class_count] are outputs of the network, in any order. Fails: MODA_ERR_ARG (a class out
 * of range or none), MODA_ERR_UNSUPPORTED (the layer and why it cannot be sliced: a [concat],
 * [softmax] or [mask], a convolution in groups that is not depthwise, a site whose channels are the
 * network's outputs, a mask that keeps nothing), MODA_ERR_NOMEM (about 6.2 bytes per channel of
 * every layer). */
MODA_MUST_USE moda_status moda_kept_create_at(const moda_net *net, moda_sites sites,
                                              const uint8_t *const *keep, const size_t *classes,
                                              size_t class_count, moda_kept **kept);
/* The sites are the tracked ReLUs. */
MODA_MUST_USE moda_status moda_kept_create(const moda_net *net, const uint8_t *const *keep,
                                           const size_t *classes, size_t class_count,
                                           moda_kept **kept);
/* Every channel kept that these outputs need: no mask. Fails as above. */
MODA_MUST_USE moda_status moda_kept_create_outputs(const moda_net *net, const size_t *classes,
                                                   size_t class_count, moda_kept **kept);
/* Everything kept: the whole network as a module of itself. */
MODA_MUST_USE moda_status moda_kept_create_all(const moda_net *net, moda_kept **kept);
void moda_kept_destroy(moda_kept *kept);

/* Columns of a layer's weight per input channel: h*w of the input of a LINEAR, kernel*kernel of a
 * CONV, 0 for layers without a weight matrix. */
size_t moda_kept_run(const moda_net *net, size_t layer);
/* A convolution of each channel alone. One of a single channel counts as an ordinary one. */
bool moda_kept_depthwise(const moda_net *net, size_t layer);

#endif
