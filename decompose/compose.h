/* decompose/compose.h - a network for a set of classes, out of a model and its masks.
 *
 * A class's module is the composition of that one class. Composing several is more than laying
 * their modules side by side: a weight between a neuron of one class and a neuron of another is in
 * neither module, so the model itself is needed, not the modules' files.
 *
 * Classes are outputs of the model here (0 .. net->classes-1) except where class numbers are said. */
#ifndef MODA_DECOMPOSE_COMPOSE_H
#define MODA_DECOMPOSE_COMPOSE_H

#include "base/options.h"
#include "base/status.h"
#include "decompose/kept.h"
#include "decompose/masks.h"
#include "engine/model.h"
#include <stddef.h>

/* What the module of classes [count] keeps: the OR of their masks. The order of classes does not
 * matter. Fails as moda_kept_create(). */
MODA_MUST_USE moda_status moda_kept_of_classes(const moda_net *net, const moda_masks *masks,
                                               const size_t *classes, size_t count,
                                               moda_kept **kept);
/* The module itself. Any order of classes gives the same bytes. */
MODA_MUST_USE moda_status moda_compose(const moda_model *model, const moda_masks *masks,
                                       const size_t *classes, size_t count, moda_model **module);

/* Replaces class numbers by the outputs that stand for them, ascending. Fails: MODA_ERR_ARG (a
 * number twice, or one that the model does not know; name is the option, for the message). */
MODA_MUST_USE moda_status moda_model_outputs(const moda_model *model, const char *name,
                                             moda_sizes *classes);

/* Model and masks of a folder that moda decompose wrote. Fails: MODA_ERR_IO (a file is missing),
 * MODA_ERR_FORMAT (masks of another network or of other weights). */
MODA_MUST_USE moda_status moda_decomposition_open(const char *directory, moda_model **model,
                                                  moda_masks **masks);

#endif
