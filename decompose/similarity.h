/* decompose/similarity.h - how alike two classes are in a layer. Cosines in [0,1]; 0 where one
 * side is all zeros. */
#ifndef MODA_DECOMPOSE_SIMILARITY_H
#define MODA_DECOMPOSE_SIMILARITY_H

#include "base/status.h"
#include "datasets/dataset.h"
#include "decompose/rates.h"
#include "engine/model.h"
#include <stddef.h>

/* Of the classes' activation rates in tracked layer l. */
double moda_rates_similarity(const moda_rates *rates, size_t l, size_t a, size_t b);

/* Mean cosine of the samples' activation vectors over all pairs of a sample of the row's class and
 * one of the column's (losses/pairwise.h): on the diagonal what affinity, off it what dispersion
 * is made of. matrix [layers, classes, classes], written; 0 where there is no pair. Images are run
 * in evaluation mode; those of classes that the model does not know are passed over. Fails:
 * MODA_ERR_ARG (images of another shape, none), MODA_ERR_NOMEM (4 bytes per image and neuron). */
MODA_MUST_USE moda_status moda_activation_similarity(const moda_model *model,
                                                     const moda_images *images, size_t batch_size,
                                                     double *matrix);

#endif
