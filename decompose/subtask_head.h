/* decompose/subtask_head.h - the last layers of a network composed of MwT modules.
 *
 * Its trunk, cut out of the model, keeps all outputs z of the model, whatever the classes T.
 * A head
 *     module_head.0  relu(z)
 *     module_head.1  linear, one output per class of T, ascending
 * is trained on T's training samples, the trunk frozen (engine/head.h): learning rate 0.05,
 * momentum 0.9, no weight decay, batches of 128 in random order. The head of the last epoch is the
 * one. */
#ifndef MODA_DECOMPOSE_SUBTASK_HEAD_H
#define MODA_DECOMPOSE_SUBTASK_HEAD_H

#include "base/status.h"
#include "datasets/dataset.h"
#include "engine/model.h"
#include <stddef.h>
#include <stdint.h>

enum { MODA_SUBTASK_HEAD_EPOCHS = 10 };

typedef struct moda_subtask_head {
    size_t inputs, outputs;
    float *weight, *bias; /* [outputs,inputs], [outputs] */
} moda_subtask_head;

/* z [n,inputs] of n samples, of which relu(z) is left; labels [n] are outputs of the head. Fails:
 * MODA_ERR_ARG (no samples, no epochs), MODA_ERR_NUMERIC, MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_subtask_head_train(size_t n, size_t inputs, size_t outputs, float *z,
                                                  const uint32_t *labels, size_t epochs,
                                                  uint64_t seed, moda_subtask_head *head);
/* The same on what the trunk says of the images of classes [count], outputs of the trunk,
 * ascending; taken class by class. source is the data's name, for messages. Fails also:
 * MODA_ERR_ARG (a class without images, images of another shape than the network's input, its
 * normalisation not known). */
MODA_MUST_USE moda_status moda_subtask_head_learn(const moda_model *trunk, const size_t *classes,
                                                  size_t count, const moda_images *images,
                                                  const char *source, size_t epochs, uint64_t seed,
                                                  moda_subtask_head *head);
void moda_subtask_head_free(moda_subtask_head *head); /* zeroed struct is fine */

/* The largest of the head's outputs for one sample's z [inputs]; of equal ones the first. */
size_t moda_subtask_head_predict(const moda_subtask_head *head, const float *z);

/* What a head of so many inputs and outputs adds to a network. */
size_t moda_subtask_head_parameters(size_t inputs, size_t outputs);
uint64_t moda_subtask_head_flops(size_t inputs, size_t outputs);

/* The trunk with the head behind it, whose k-th output stands for output classes[k] of the
 * trunk. */
MODA_MUST_USE moda_status moda_subtask_head_attach(const moda_model *trunk,
                                                   const moda_subtask_head *head,
                                                   const size_t *classes, moda_model **composed);

#endif
