/* decompose/replace.h - giving a weak model another model's module for one of its classes, or for a
 * class that it never had (docs/replacement.md).
 *
 * Both networks stay as they are. CALIBRATE trains one linear layer over the weak model's other outputs
 * and the module's; MINMAX trains nothing and takes the module's smallest and largest output over the
 * training data as its scale. */
#ifndef MODA_DECOMPOSE_REPLACE_H
#define MODA_DECOMPOSE_REPLACE_H

#include "base/options.h"
#include "base/status.h"
#include "datasets/dataset.h"
#include "decompose/join.h"
#include "engine/head.h"
#include <stddef.h>

/* How a model does on the test split. Shares in [0,1]; NaN where there are no samples or no output. */
typedef struct moda_replace_accuracy {
    double target; /* of the class's samples */
    double others; /* mean over the other classes of their accuracies */
    double all;    /* of all samples of a class that the model has */
} moda_replace_accuracy;

typedef struct moda_replace_options {
    moda_join_options join;
    /* MODA_JOIN_CALIBRATE: how its layer is trained; published: 20 epochs, {0.05, 0.9, 0}, batches of
     * 128. MINMAX takes the batch size alone. */
    moda_head_options training;
    /* Classes, by the labels of the data, whose outputs may be predicted in the test; n = 0: all. */
    moda_sizes classes;
} moda_replace_options;

typedef struct moda_replace_report {
    moda_replace_accuracy before, after;   /* of the weak model, of the result */
    moda_head_record calibration;          /* of the last epoch; NaN for MINMAX */
    double module_minimum, module_maximum; /* MINMAX: what the scale was made of; else NaN */
    size_t target_samples, other_samples;  /* of the test split */
} moda_replace_report;

/* weak and module are borrowed; data has the weak model's classes (with join.add also the new one's) under
 * the labels that the result has as class_ids: those of the weak model, and with add those that
 * moda_join() gives. The training split is for the fit, the test split for the accuracies. The result
 * is the caller's. report may be NULL: then nothing is tested. Fails as moda_join() and
 * moda_head_train_model(); besides MODA_ERR_ARG (CALIBRATE: no training image of the class; MINMAX: none
 * at all; renumbered data of other classes than the model's), MODA_ERR_NUMERIC. */
MODA_MUST_USE moda_status moda_replace(const moda_model *weak, const moda_model *module,
                                       const moda_dataset *data,
                                       const moda_replace_options *options, moda_model **result,
                                       moda_replace_report *report);

/* The module of a class out of a folder that `moda decompose` wrote, found by the data set's own number
 * of the class. Fails: MODA_ERR_ARG (its model has no such class), and as
 * moda_decomposition_open(). */
MODA_MUST_USE moda_status moda_replace_module(const char *directory, uint32_t class_number,
                                              moda_model **module);

#endif
