/* decompose/pick_images.h - some images out of a split, in another order. */
#ifndef MODA_DECOMPOSE_PICK_IMAGES_H
#define MODA_DECOMPOSE_PICK_IMAGES_H

#include "base/status.h"
#include "datasets/dataset.h"
#include <stddef.h>
#include <stdint.h>

/* Images list [n]: their labels and pixels are copied; pictures of sizes of their own are
 * borrowed. Fails: MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_images_pick(const moda_images *images, const uint32_t *list,
                                           size_t n, moda_images *picked);
void moda_images_free_picked(moda_images *picked); /* zeroed struct is fine */

#endif
