/* engine/net_masked.h - a network with a mask behind every convolution and batch norm but the first, as
 * modularizing-while-training (MwT) wants it, and the network without its masks.
 *
 * A batch norm b behind a convolution of outputs C, whose input is x, gets (docs/networks.md)
 *     mean = global average of x        once for all convolutions of one input
 *     s    = fc2 relu(fc1 mean)         fc1 without bias, C hidden units, from 128 outputs on C/2
 *     y    = b * relu(tanh(s))          a [mask], which everyone reads who has read b
 * fc1 and fc2 start as kaiming_fan_in says, the bias of fc2 at 1; their ReLU is not tracked. The names are
 * b.mask, b.mask.mean, b.mask.fc1, b.mask.relu and b.mask.fc2; all others stay as they are. */
#ifndef MODA_ENGINE_NET_MASKED_H
#define MODA_ENGINE_NET_MASKED_H

#include "engine/net.h"

/* Fails: MODA_ERR_ARG (it has masks already, or less than two batch norms behind convolutions),
 * MODA_ERR_FORMAT (a map that is not square, a name too long or taken), MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_net_add_masks(const moda_net *plain, moda_net **masked);
/* Whoever reads a mask reads its first input instead; what nobody reads any more goes, too. A network
 * without masks is copied. Fails: MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_net_strip_masks(const moda_net *masked, moda_net **plain);

#endif
