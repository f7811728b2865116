/* decompose/join.h - two networks as one: a model and a module of another model that takes over, or
 * adds, one of its classes (docs/replacement.md).
 *
 *     input -> the weak model, its layers prefixed "weak."         -> all outputs but the class's
 *     input -> the module, its layers prefixed "module."           -> the class's output
 *     both, one after the other -> what decides, by strategy       -> one output per class, ascending
 *
 * The images are prepared for the weak model. Where the module wants another mean or standard deviation
 * a batch norm "module_input" makes the difference; it stands before any zero padding, so that is exact.
 * The result is a model like any other. */
#ifndef MODA_DECOMPOSE_JOIN_H
#define MODA_DECOMPOSE_JOIN_H

#include "base/status.h"
#include "engine/model.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum moda_join_strategy {
    MODA_JOIN_CALIBRATE, /* a linear layer "calibration" over all of them, to be trained */
    /* CNNSplitter: a softmax of the weak model, and the module's output scaled to [0,1] by a linear
     * layer "module_scale" of one weight and one bias, to be set from its minimum and maximum. */
    MODA_JOIN_MINMAX
} moda_join_strategy;

typedef struct moda_join_options {
    uint32_t class_number; /* the data set's own, moda_model_class_number() */
    bool add;              /* the weak model has no such class: its outputs grow by one */
    moda_join_strategy strategy;
} moda_join_options;

/* Values of both are copied, those of what decides are 0. The module may have more outputs than the
 * class's. Classes and preparation of images are the weak model's; with add, the new class takes its
 * name from the module. Fails: MODA_ERR_ARG (the class is no output of the weak model, or with add is
 * one; is none of the module; no other class is left; inputs of different size; a normalisation that is
 * not known), MODA_ERR_FORMAT (more layers than a description may have), MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_join(const moda_model *weak, const moda_model *module,
                                    const moda_join_options *options, moda_model **joined);

/* The output that stands for a class of the data set; net->classes when there is none. */
size_t moda_model_output_of(const moda_model *model, uint32_t class_number);

/* Names of layers that join adds, for what fills their weights. */
#define MODA_JOIN_WEAK   "weak."
#define MODA_JOIN_MODULE "module."
#define MODA_JOIN_INPUT  "module_input"
#define MODA_JOIN_SCALE  "module_scale"

#endif
