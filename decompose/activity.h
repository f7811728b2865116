/* decompose/activity.h - which neurons of a tracked layer are active, and how often per class.
 *
 * By the published rule; others are in activity_rule.h.
 * A channel is active for a sample when its map holds any non-zero value: -0.0 is zero, NaN and
 * denormals are not (bits are compared, so no floating point mode matters). A map is left at its
 * first non-zero; in blocked layouts the lanes of a block go together until all of them are hit.
 * After training most maps show a non-zero in their first pixels, so the cost is far below the
 * n*c*hw reads of a full pass. Counts are integers: the same for any number of threads. */
#ifndef MODA_DECOMPOSE_ACTIVITY_H
#define MODA_DECOMPOSE_ACTIVITY_H

#include "losses/activation.h"
#include <stddef.h>
#include <stdint.h>

/* active [n,c] u8 := 1 where sample n's channel c is active, else 0. x in the layout of s. */
void moda_activity_flags(moda_map_shape s, const float *x, uint8_t *active);

/* The same for channels that hold at least `least` > 0 non-zero values. A map is left once its
 * whole block has them. */
void moda_activity_area_flags(moda_map_shape s, size_t least, const float *x, uint8_t *active);

/* counts[row[i], c] += active[i, c]. active [n,c] of 0 and 1, row [n] < rows of counts [rows,c]. */
void moda_activity_count(size_t n, size_t c, const uint8_t *active, const uint32_t *row,
                         uint32_t *counts);

#endif
