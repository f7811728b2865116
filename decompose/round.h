/* decompose/round.h - a module's layers rounded up to a multiple of channels, for speed.
 *
 * oneDNN computes 8 or 16 channels at a time, whatever the layer has: 17 cost as much as 32. Rounding
 * fills a layer's mask up to the next multiple with the channels that are most active among those it
 * lacks: the largest rate over the module's classes decides, of equal rates the lower number. A
 * layer never gets more channels than it has. What is kept is a superset of the masks, so the module
 * is another one than the method's; docs/inference.md shows what it costs and brings. */
#ifndef MODA_DECOMPOSE_ROUND_H
#define MODA_DECOMPOSE_ROUND_H

#include "base/status.h"
#include "decompose/kept.h"
#include "decompose/masks.h"
#include "decompose/rates.h"
#include "engine/model.h"
#include <stddef.h>
#include <stdint.h>

/* One layer: keep [units] with `count` classes of rate [.., units], added to until its channels are a
 * multiple, or all. An empty keep stays empty. order [units] is scratch. */
void moda_round_layer(size_t units, const float *rate, const size_t *classes, size_t count,
                      size_t multiple, uint32_t *order, uint8_t *keep);

/* What the module of classes [count] keeps when its masks are rounded up; multiple 1 gives
 * moda_kept_of_classes(). Rates and masks are of net. Fails: MODA_ERR_ARG (multiple 0, a class that
 * net has no output for), and as moda_kept_create(). */
MODA_MUST_USE moda_status moda_kept_rounded(const moda_net *net, const moda_masks *masks,
                                            const moda_rates *rates, const size_t *classes,
                                            size_t count, size_t multiple, moda_kept **kept);

/* rates.safetensors of a folder that moda decompose wrote, for its model and masks. Fails:
 * MODA_ERR_IO (missing), MODA_ERR_FORMAT (of other weights, or another rule than the masks'). */
MODA_MUST_USE moda_status moda_rates_open(const char *directory, const moda_model *model,
                                          const moda_masks *masks, moda_rates **rates);

#endif
