/* engine/channel_select.h - channels of feature maps by number, the work of a [select] layer: forward with
 * the layer's list, backward with its inverse, so one kernel does both.
 *
 *   y[n,j,p] = x[n,channels[j],p], or 0 where channels[j] is MODA_SELECT_ZERO
 *
 * Maps are [n, ceil(c/b), hw, b] with channel block b (losses/activation.h); x and y may differ in b.
 * Padding channels of y are set to 0, those of x are not read. */
#ifndef MODA_ENGINE_CHANNEL_SELECT_H
#define MODA_ENGINE_CHANNEL_SELECT_H

#include "losses/activation.h"
#include <stddef.h>
#include <stdint.h>

/* channels [to.c], below from.c or MODA_SELECT_ZERO. from.n = to.n, from.hw = to.hw. x and y must not
 * overlap. */
void moda_select(moda_map_shape from, moda_map_shape to, const uint32_t *channels, const float *x,
                 float *y);

/* inverse [from_count] of channels [to_count]: where each input channel went, or MODA_SELECT_ZERO. */
void moda_select_inverse(size_t from_count, size_t to_count, const uint32_t *channels,
                         uint32_t *inverse);

#endif
