/* datasets/reader_internal.h - what the format readers and the data set's assembly share.
 * Private to this room. */
#ifndef MODA_DATASETS_READER_INTERNAL_H
#define MODA_DATASETS_READER_INTERNAL_H

#include "datasets/dataset.h"
#include "numa/placement.h"

/* A reader takes what stands behind the colon of the SPEC and fills classes, class_names, train and
 * test of a zeroed data set. What it had filled before a failure is freed by the caller. Directory
 * readers are called with a directory that exists. */
typedef moda_status moda_reader(const char *where, const moda_dataset_options *options,
                                moda_dataset *dataset);
moda_reader moda_mnist_read, moda_fashion_mnist_read; /* idx.c */
moda_reader moda_cifar10_read, moda_cifar100_read;    /* cifar.c */
moda_reader moda_svhn_read;                           /* svhn.c */
moda_reader moda_folder_read;                         /* folder.c */
moda_reader moda_synthetic_read;                      /* synthetic.c */

/* Zeroed pixels and labels of the given shape. Fails: MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_images_alloc(moda_images *images, size_t n, size_t channels,
                                            size_t height, size_t width);
void moda_images_free(moda_images *images); /* and zeroes the struct */
/* Gives every node of the team a copy of the pixels, where that is worth while; see
 * numa/replicas.h. */
MODA_MUST_USE moda_status moda_images_replicate(moda_images *images,
                                                const moda_placement *placement);
/* n images without pixels, each to get a picture of its own in images->own. Fails: MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_images_alloc_own(moda_images *images, size_t n, size_t channels,
                                                size_t height, size_t width);
/* Image i, whichever way it is kept; its pixels stay the split's. */
moda_own_image moda_images_at(const moda_images *images, size_t i);
/* Bytes of one image, where all have one size. */
size_t moda_images_stride(const moda_images *images);

/* Surrounds every image with zeros so that it has at least the given size; it stays in the middle
 * (an odd row or column goes to the bottom or right). */
MODA_MUST_USE moda_status moda_images_pad(moda_images *images, size_t height, size_t width);

/* Mean and standard deviation of pixel/255 per channel. Sums are whole numbers, so the result has
 * one value for any thread count. A channel that is constant gets std 1. */
void moda_images_measure(const moda_images *images, float *mean, float *std);

/* Copies names[classes] into the data set; names NULL: "0", "1", ... */
MODA_MUST_USE moda_status moda_dataset_set_classes(moda_dataset *dataset, size_t classes,
                                                   const char *const *names);

/* Class filter, per-class sampling and relabelling (select.c). spec is for messages. */
MODA_MUST_USE moda_status moda_dataset_select(moda_dataset *dataset, const char *spec,
                                              const moda_dataset_options *options);

#endif
