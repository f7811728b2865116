/* decompose/widen.h - a model with idle channels, so that networks composed of it come in few shapes.
 *
 * Composed networks keep any number of channels, so hardly two of them have layers of one shape,
 * and a primitive made for one serves no other. Out of a widened model each layer can be kept with
 * its channels rounded up to a multiple: the rest are idle ones, whose weights are all zero. They
 * add zeros to every sum, so the outputs are the same. oneDNN computes in blocks of 16 channels
 * anyway. */
#ifndef MODA_DECOMPOSE_WIDEN_H
#define MODA_DECOMPOSE_WIDEN_H

#include "base/status.h"
#include "decompose/kept.h"
#include "decompose/masks.h"
#include "engine/model.h"
#include <stddef.h>
#include <stdint.h>

enum { MODA_WIDEN_MULTIPLE = 16 };

/* Appends MODA_WIDEN_MULTIPLE - 1 idle channels to every layer whose channels a mask at one of the
 * sites decides about; to none at all where the network does not allow it. Fails:
 * MODA_ERR_UNSUPPORTED (the network cannot be sliced), MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_widen(const moda_model *model, moda_sites sites, moda_model **wide);

/* What a network composed of the widened model keeps for outputs [count]: the OR of their masks, which
 * are of the original model, and idle channels up to the next multiple. Of the logits it keeps all. */
MODA_MUST_USE moda_status moda_kept_of_wide(const moda_net *wide, const moda_masks *masks,
                                            const uint32_t *outputs, size_t count,
                                            moda_kept **kept);

#endif
