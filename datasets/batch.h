/* datasets/batch.h - from images in memory to normalised network inputs.
 *
 * A batch is a pure function of (seed, epoch, step): any thread count gives the same order and the
 * same pixels, and a resumed run needs no state. Augmentation as published: crop of the original
 * size out of the image padded with zeros on each side, then a horizontal flip with probability
 * 1/2; each image draws from its own random stream. Or, in place of that crop, a box of random size,
 * place and proportions, resized. */
#ifndef MODA_DATASETS_BATCH_H
#define MODA_DATASETS_BATCH_H

#include "base/status.h"
#include "datasets/dataset.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct moda_batch_options {
    size_t batch_size; /* > 0; the last batch of an epoch may be smaller */
    bool shuffle;
    size_t crop_padding; /* 0: no crop; published: 4 */
    bool crop_resized; /* a random box, resized; crop_padding must be 0. Without it, of an image of
                          * a size of its own the middle is taken */
    bool flip;
    uint64_t seed;
    float mean[MODA_MAX_CHANNELS], std[MODA_MAX_CHANNELS];
} moda_batch_options;

typedef struct moda_batches moda_batches;

/* images is borrowed and must outlive the object. Fails: MODA_ERR_ARG (no images, batch_size 0,
 * std not positive, both kinds of crop, padding for images of their own sizes), MODA_ERR_NOMEM (4
 * bytes per image; for resized crops some 10 to 100 KiB per image of a batch). */
MODA_MUST_USE moda_status moda_batches_create(const moda_images *images,
                                              const moda_batch_options *options,
                                              moda_batches **batches);
void moda_batches_destroy(moda_batches *b);

/* Batches per epoch: ceil(n / batch_size). */
size_t moda_batches_per_epoch(const moda_batches *b);
/* Draws the order of epoch (0, 1, ...). Allocates nothing. A new object is at epoch 0. */
void moda_batches_start_epoch(moda_batches *b, size_t epoch);
/* Writes step's inputs x [count,c,h,w] = (pixel/255 - mean)/std and labels [count]; returns count,
 * which is batch_size except for the last step. Parallel over images; allocates nothing. */
size_t moda_batches_fill(const moda_batches *b, size_t step, float *x, uint32_t *labels);
/* index[count] into images of the samples of a step, in the order of moda_batches_fill(). */
size_t moda_batches_indices(const moda_batches *b, size_t step, uint32_t *index);

#endif
