/* datasets/image_cache_file_internal.h - one entry of the image cache as a file
 * (image_cache_internal.h has its format). Private to this room. */
#ifndef MODA_DATASETS_IMAGE_CACHE_FILE_INTERNAL_H
#define MODA_DATASETS_IMAGE_CACHE_FILE_INTERNAL_H

#include "datasets/image_cache_internal.h"

/* Bytes that the entry takes. */
size_t moda_image_file_bytes(const moda_image_key *key, const moda_images *images);
/* Whole or not at all. Fails: MODA_ERR_IO, MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_image_file_write(const moda_image_key *key,
                                                const moda_images *images);
/* Fills the images' pixels from the file at key->path. *found = false: it is of another version or
 * another key, and so out of date; then, and after a failure, all have to be decoded. Fails: MODA_ERR_IO, MODA_ERR_FORMAT (damaged;
 * path and place), MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_image_file_read(const moda_image_key *key, moda_images *images,
                                               bool *found);

#endif
