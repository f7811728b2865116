/* decompose/channels.h - a set of one layer's channels (of a linear layer: its features). */
#ifndef MODA_DECOMPOSE_CHANNELS_H
#define MODA_DECOMPOSE_CHANNELS_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

/* Both forms of the set are kept: the list is what slicing walks, the bits are what intersections
 * of many pairs of modules count. Bits beyond `of` are zero. */
typedef struct moda_channels {
    size_t of;       /* channels that the layer has */
    size_t count;    /* of them in the set */
    uint32_t *index; /* [count] ascending */
    uint64_t *bits;  /* [ceil(of/64)] */
} moda_channels;

/* Each fills *set, which the caller frees. Fails: MODA_ERR_NOMEM, MODA_ERR_ARG (of >= 2^32, an
 * index >= of). */
MODA_MUST_USE moda_status moda_channels_all(size_t of, moda_channels *set);
/* mask [of]: non-zero is in. */
MODA_MUST_USE moda_status moda_channels_from_mask(size_t of, const uint8_t *mask,
                                                  moda_channels *set);
/* list [n] in any order, repeats allowed. */
MODA_MUST_USE moda_status moda_channels_from_list(size_t of, const size_t *list, size_t n,
                                                  moda_channels *set);
void moda_channels_free(moda_channels *set); /* zeroed struct is fine */

/* Channels that both have; the two are sets of one layer. */
size_t moda_channels_common(const moda_channels *a, const moda_channels *b);

#endif
