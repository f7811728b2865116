/* engine/evaluate.h - how well a network does on a split of a data set. */
#ifndef MODA_ENGINE_EVALUATE_H
#define MODA_ENGINE_EVALUATE_H

#include "base/options.h"
#include "base/status.h"
#include "datasets/dataset.h"
#include "engine/executor.h"
#include "engine/model.h"
#include <stddef.h>
#include <stdint.h>

/* A model ready to run forward: executor, weights and workspace in one. */
typedef struct moda_runner moda_runner;
/* model is borrowed, its values are copied. tap and tap_user as in engine/executor.h, may be NULL. */
MODA_MUST_USE moda_status moda_runner_create(const moda_model *model, size_t batch, moda_tap tap,
                                             void *tap_user, moda_runner **runner);
void moda_runner_destroy(moda_runner *runner);
moda_executor *moda_runner_executor(moda_runner *runner);

typedef struct moda_evaluation {
    size_t samples, correct; /* samples whose class is among the wanted outputs */
    double cross_entropy;    /* mean over those, softmax over the wanted outputs */
} moda_evaluation;

/* What is wanted besides; all of it may be left out. */
typedef struct moda_evaluation_wish {
    /* Of the model, ascending, that count; n = 0: all. A sample whose label is the class_id of none
     * of them is run but not judged; the prediction is the largest among them. */
    moda_sizes outputs;
    float *logits;             /* [images->n, model->net->classes] written */
    size_t *samples, *correct; /* [model->net->classes] counts per output, written */
    const char *label;         /* of the progress bar; NULL: none */
    /* [net->classes, net->classes] written: row: the sample's output, column: the predicted one */
    size_t *confusion;
    /* Asked before each batch: true ends it with MODA_STOPPED. */
    bool (*stop)(void *user);
    void *stop_user;
} moda_evaluation_wish;

/* Runs the images through an evaluating executor (training = false) in order, without augmentation.
 * Normalisation and class_ids are the model's; wish NULL: nothing besides. Fails: MODA_ERR_ARG (no
 * images, or of another shape than the network's input), MODA_ERR_NUMERIC (an output is NaN or
 * infinite: an accuracy would mean nothing), MODA_STOPPED. */
MODA_MUST_USE moda_status moda_evaluate(moda_executor *executor, const moda_model *model,
                                        const moda_images *images, const moda_evaluation_wish *wish,
                                        moda_evaluation *result);

#endif
