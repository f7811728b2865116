/* engine/head.h - training the last layer of a network, a linear one, with all before it frozen.
 *
 * The frozen part, the trunk, runs in evaluation mode: batch norms take their running statistics, so
 * what it gives for an image never changes. Cross entropy, SGD with Nesterov momentum and a cosine
 * over the epochs, as in engine/trainer.h; the layer starts with weights N(0, 0.01^2) and bias 0,
 * whatever it held. Same seed, inputs and thread count: same bits. A layer of few weights is trained by
 * one thread, however many there are. */
#ifndef MODA_ENGINE_HEAD_H
#define MODA_ENGINE_HEAD_H

#include "base/status.h"
#include "datasets/dataset.h"
#include "engine/executor.h"
#include "engine/model.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct moda_head_options {
    size_t epochs, batch_size; /* at least 1 */
    moda_sgd sgd;              /* learning_rate: of epoch 0 */
    bool shuffle;
    /* moda_head_train_model() only: random crops and flips, as the data set allows them. */
    bool augment;
    size_t crop_padding; /* with augment */
    uint64_t seed;       /* of start values, order and augmentation */
    const char *label;   /* of the progress bar, borrowed; NULL: none */
} moda_head_options;

/* How it did in the last epoch, over that epoch's samples, each judged before the step it was in. */
typedef struct moda_head_record {
    double cross_entropy, accuracy;
} moda_head_record;

/* What the layer reads, and what it should say. All borrowed. */
typedef struct moda_head_samples {
    size_t n;
    moda_shape shape;       /* of one sample's features; vectors are [d,1,1] */
    const float *features;  /* [n,c,h,w] */
    const uint32_t *labels; /* [n], each less than the outputs */
} moda_head_samples;

/* Trains a layer of that many outputs. weight [outputs,c*h*w] and bias [outputs] are written on MODA_OK
 * only; bias NULL: the layer has none. last may be NULL. Fails: MODA_ERR_ARG (no samples, epochs or
 * batch size 0, a label beyond the outputs), MODA_ERR_NUMERIC (the loss or the weights are not finite),
 * MODA_ERR_NOMEM (4 bytes a sample, and two batches of features). */
MODA_MUST_USE moda_status moda_head_train(const moda_head_samples *samples, size_t outputs,
                                          const moda_head_options *options, float *weight,
                                          float *bias, moda_head_record *last);

/* What the model's last layer reads of each image, not augmented: features [images->n,c,h,w], the
 * caller's, c,h,w being the shape of the last but one layer. Fails: MODA_ERR_ARG (no images, or of
 * another shape). */
MODA_MUST_USE moda_status moda_head_features(const moda_model *model, const moda_images *images,
                                             size_t batch_size, float *features);

/* Trains the model's last layer on data->train and leaves everything else as it is. Without
 * augmentation the trunk runs once over the images (4*c*h*w bytes each are kept), with it once per
 * epoch. Labels are class_ids of the outputs. Fails, besides as above: MODA_ERR_ARG (the last layer is
 * no linear one, a label is the class of no output); then the model is as it was. */
MODA_MUST_USE moda_status moda_head_train_model(moda_model *model, const moda_dataset *data,
                                                const moda_head_options *options,
                                                moda_head_record *last);

#endif
