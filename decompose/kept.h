/* decompose/kept.h - which channels of every layer a module keeps, worked out on the graph.
 *
 * Metrics and slicing both start from here, so that a module can be measured without being built.
 *
 * Rules (docs/decomposition.md). A convolution, a linear layer or the input heads a group: itself
 * and the channelwise layers (batch norm, ReLU, pools) that follow. A group keeps
 *   - with a ReLU: the mask of that tracked layer;
 *   - that gives the logits: the classes of the module;
 *   - else: everything.
 * The weights of a convolution or linear layer keep the rows of its own group and the columns of
 * the group that it reads; a linear layer owns h*w columns per channel of a map. */
#ifndef MODA_DECOMPOSE_KEPT_H
#define MODA_DECOMPOSE_KEPT_H

#include "base/status.h"
#include "decompose/channels.h"
#include "engine/net.h"
#include <stddef.h>
#include <stdint.h>

typedef struct moda_kept {
    size_t layer_count;
    moda_channels *out; /* [layer_count] of the layer's output */
    /* [layer_count] CONV and LINEAR: along the second dimension of the weight, in channels of the
     * layer's input; else NULL. Borrowed from out. */
    const moda_channels **in;
} moda_kept;

/* keep [tracked_count] points to one mask each, [units of the tracked layer], non-zero = kept;
 * classes [class_count] are outputs of the network, in any order. Fails: MODA_ERR_ARG (a class out
 * of range or none), MODA_ERR_UNSUPPORTED (the layer and why it cannot be sliced; a layer of which
 * nothing would be left), MODA_ERR_NOMEM (about 4.2 bytes per channel of every layer). */
MODA_MUST_USE moda_status moda_kept_create(const moda_net *net, const uint8_t *const *keep,
                                           const size_t *classes, size_t class_count,
                                           moda_kept **kept);
/* Everything kept: the whole network as a module of itself. */
MODA_MUST_USE moda_status moda_kept_create_all(const moda_net *net, moda_kept **kept);
void moda_kept_destroy(moda_kept *kept);

/* Columns of a layer's weight per input channel: h*w of the input of a LINEAR, kernel*kernel of a
 * CONV, 0 for layers without a weight matrix. */
size_t moda_kept_run(const moda_net *net, size_t layer);

#endif
