/* datasets/image_internal.h - decoding one picture file to planar RGB of a wanted size.
 * Private to this room. All functions may run on several threads at once. */
#ifndef MODA_DATASETS_IMAGE_INTERNAL_H
#define MODA_DATASETS_IMAGE_INTERNAL_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

/* What the caller wants: pixels [3,height,width]. With shorter > 0 the picture keeps its
 * proportions: its shorter side becomes that long, and height, width and pixels (malloc()ed, the
 * caller's also after a failure) are answers. */
typedef struct moda_picture {
    size_t height, width;
    uint8_t *pixels;
    size_t shorter;
} moda_picture;

/* Settles the size of a picture that keeps its proportions; the decoders call it when they know how
 * large the file's picture is. NULL: fine; else the reason why not. */
const char *moda_picture_fit(moda_picture *picture, size_t height, size_t width);

/* JPEG or PNG, told apart by the first bytes. Fails: MODA_ERR_IO, MODA_ERR_FORMAT (path, byte,
 * reason, remedy), MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_picture_read(const char *path, moda_picture *picture);

/* The two decoders; path is for messages. */
MODA_MUST_USE moda_status moda_jpeg_decode(const char *path, const uint8_t *data, size_t size,
                                           moda_picture *picture);
MODA_MUST_USE moda_status moda_png_decode(const char *path, const uint8_t *data, size_t size,
                                          moda_picture *picture);

/* Which inputs an output pixel is made of, along one direction: the mean under a triangle as below.
 * Output o is the sum of weight[o*taps+t] * input[first[o]+t], t < count[o]; first[] and
 * first[]+count[] never decrease. */
typedef struct moda_axis {
    size_t inputs, outputs, taps; /* taps: room per output */
    size_t *first, *count;        /* [outputs] */
    float *weight;                /* [outputs,taps], each row sums to 1 */
} moda_axis;
/* Inputs that an output can be made of; grows with inputs/outputs. */
size_t moda_axis_taps(size_t inputs, size_t outputs);
/* Fills the arrays for a->inputs and a->outputs; a->taps >= moda_axis_taps() of them. */
void moda_axis_fill(moda_axis *a);

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
