/* datasets/dataset.h - labelled images in memory, whatever file format they came from.
 *
 * A SPEC names a data set:
 *     fashion-mnist[:DIR]   IDX files, plain or gzipped; DIR as Debian's dataset-fashion-mnist has it
 *     mnist:DIR             the same format
 *     cifar10:DIR           data_batch_*.bin and test_batch.bin, any number of records
 *     cifar100:DIR          train.bin, test.bin; fine labels
 *     svhn:DIR              train_32x32.mat, test_32x32.mat: the cropped digits
 *     folder:DIR            train/ and test/ (or val/), one folder per class, JPEG or PNG
 *     synthetic[:KEY=N,...] made up: classes, channels, size, train, test, seed
 * docs/datasets.md tells more. Pixels stay uint8, planar [n,c,h,w]; folders give RGB. IDX images
 * smaller than 32x32 are padded with zeros to 32x32, the image in the middle. The data depend on
 * the SPEC alone (synthetic data too: their seed is a key), only sampling on the options' seed. */
#ifndef MODA_DATASETS_DATASET_H
#define MODA_DATASETS_DATASET_H

#include "base/options.h"
#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MODA_MAX_CHANNELS = 4, MODA_MAX_CLASSES = 65536 };

/* A picture of a size of its own: pixels [c,height,width], memory of its own. */
typedef struct moda_own_image {
    size_t height, width;
    uint8_t *pixels;
} moda_own_image;

/* One split. channels, height and width are those of the network's input, and so of all pixels;
 * only the training split of a folder read with MODA_CROP_RESIZED has pictures of different sizes
 * instead, of which batches cut their inputs. */
typedef struct moda_images {
    size_t n;
    size_t channels, height, width;
    uint8_t *pixels;     /* [n,c,h,w]; NULL with own */
    moda_own_image *own; /* [n]; NULL: all have one size */
    uint32_t *labels;    /* [n], each < the data set's classes */
    /* NULL: the pixels exist once; else they are the first of copies, one per NUMA node, of which
     * batches read the thread's own. Whoever puts other pixels into a struct clears it. */
    struct moda_replicas *replicas;
} moda_images;

typedef struct moda_dataset {
    char *name;         /* the SPEC's first word */
    size_t classes;     /* labels are 0 .. classes-1 */
    char **class_names; /* [classes] */
    /* [classes] what the classes were called before they were renumbered, ascending; NULL: they were
     * not. */
    uint32_t *class_numbers;
    /* Of a pixel in [0,1], per channel: published for CIFAR, else measured on the training split
     * as read (before padding, before any filter). */
    float mean[MODA_MAX_CHANNELS], std[MODA_MAX_CHANNELS];
    bool flip;         /* mirror images mean the same (not so for digits) */
    bool crop_resized; /* training cuts boxes of any size and resizes them (MODA_CROP_RESIZED) */
    /* A folder without test/ and val/ has test.n = 0; of CIFAR's two splits one may be missing. A
     * split that the class filter empties has n = 0 too. */
    moda_images train, test;
} moda_dataset;

/* Where mean and std of a data set come from. */
typedef enum moda_normalisation {
    MODA_NORMALISATION_DEFAULT,  /* CIFAR: as published; others: measured */
    MODA_NORMALISATION_MEASURED, /* on the training split as read */
    MODA_NORMALISATION_CIFAR10,  /* published constants, for 3 channels */
    MODA_NORMALISATION_CIFAR100,
    MODA_NORMALISATION_IMAGENET
} moda_normalisation;

/* How training cuts its inputs out of the images, and folders bring pictures to size
 * (docs/datasets.md). */
typedef enum moda_crop {
    MODA_CROP_DEFAULT, /* not said: PADDED, or as the model was trained */
    MODA_CROP_PADDED,  /* at a random place of the image with zeros around it */
    MODA_CROP_RESIZED  /* a random box of it, 8 % to all of its area, resized to the input */
} moda_crop;

/* What of the data is wanted. */
typedef struct moda_dataset_options {
    size_t height, width; /* folders: resize to this (bilinear); 0: 32 x 32. Others: must be 0. */
    moda_crop crop;       /* RESIZED: folders keep proportions; height and width must be equal */
    moda_sizes classes;   /* keep only samples of these; empty: all. Labels keep their numbers */
    bool relabel;         /* number the kept classes 0,1,... in ascending order */
    double per_class;     /* training samples kept per class: >= 1 a whole number, in (0,1) a
                               * share (rounded, at least 1), 0: all. Which ones is drawn from seed,
                               * per class, without replacement. More than there are: all of them,
                               * with a warning. */
    uint64_t seed;
    moda_normalisation normalisation;
    /* Folders: where decoded pictures are kept for the next run. NULL or "off": nowhere; "auto":
     * in the user's cache folder, no more than 4 GiB; else a folder, made when missing, any number
     * of bytes; others must have one of the words. A cache that fails is a warning. */
    const char *image_cache;
} moda_dataset_options;

/* options NULL: all defaults. Fails: MODA_ERR_ARG (unknown SPEC, class outside the data set, twice
 * in the list, or no image left), MODA_ERR_IO, MODA_ERR_FORMAT (message has path, byte offset or
 * record, remedy), MODA_ERR_NOMEM, MODA_ERR_UNSUPPORTED (2^32 images, 65537 classes). */
MODA_MUST_USE moda_status moda_dataset_open(const char *spec, const moda_dataset_options *options,
                                            moda_dataset **dataset);
void moda_dataset_destroy(moda_dataset *dataset);

/* Images in the split of every class: counts[classes]. */
void moda_images_count(const moda_images *images, size_t classes, size_t *counts);

#endif
