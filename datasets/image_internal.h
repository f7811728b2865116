/* datasets/image_internal.h - decoding one picture file to planar RGB of a wanted size.
 * Private to this room. All functions may run on several threads at once. */
#ifndef MODA_DATASETS_IMAGE_INTERNAL_H
#define MODA_DATASETS_IMAGE_INTERNAL_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

/* What the caller wants: pixels [3,height,width]. */
typedef struct moda_picture {
    size_t height, width;
    uint8_t *pixels;
} moda_picture;

/* JPEG or PNG, told apart by the first bytes. Fails: MODA_ERR_IO, MODA_ERR_FORMAT (path, byte,
 * reason, remedy), MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_picture_read(const char *path, moda_picture *picture);

/* The two decoders; path is for messages. */
MODA_MUST_USE moda_status moda_jpeg_decode(const char *path, const uint8_t *data, size_t size,
                                           moda_picture *picture);
MODA_MUST_USE moda_status moda_png_decode(const char *path, const uint8_t *data, size_t size,
                                          moda_picture *picture);

/* Bilinear resampling, fed row by row so that a large picture never has to be in memory. Output
 * pixel i is the mean of the input under a triangle around (i+1/2)*scale of half-width
 * max(scale,1): interpolation when growing, antialiased when shrinking, the identity (exactly) when
 * the size stays. */
typedef struct moda_resizer moda_resizer;
/* NULL when out of memory. All sizes > 0. */
moda_resizer *moda_resizer_create(size_t height, size_t width, moda_picture *picture);
void moda_resizer_destroy(moda_resizer *r);
/* The next of the height rows, interleaved rgb [width,3]. */
void moda_resizer_row(moda_resizer *r, const uint8_t *rgb);
/* After the last row: writes the picture. */
void moda_resizer_finish(moda_resizer *r);

#endif
