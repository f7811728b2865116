/* decompose/compose.h - a network for a set of classes, out of a model and its masks.
 *
 * Networks and models here are what modules are cut from: those of MwT without their [mask]s
 * (strip.h).
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

/* What the module of classes [count] keeps: the OR of their masks, and of the logits those of the
 * classes, or, of MwT, all. The order of classes does not matter. Fails as
 * moda_kept_create_at(). */
MODA_MUST_USE moda_status moda_kept_of_classes(const moda_net *net, const moda_masks *masks,
                                               const size_t *classes, size_t count,
                                               moda_kept **kept);
/* What keeps `kept`, which is of these classes, as a model. One of MwT has all outputs of the
 * model, for a head to read (subtask_head.h), and says "method": "mwt" in its metadata
 * moda.module. */
MODA_MUST_USE moda_status moda_compose_kept(const moda_model *model, const moda_masks *masks,
                                            const moda_kept *kept, const size_t *classes,
                                            size_t count, moda_model **module);
/* The module itself. Any order of classes gives the same bytes. */
MODA_MUST_USE moda_status moda_compose(const moda_model *model, const moda_masks *masks,
                                       const size_t *classes, size_t count, moda_model **module);

/* The same for unions of masks, keep [tables], that were added to. Fails as above. */
MODA_MUST_USE moda_status moda_kept_of_unions(const moda_net *net, const moda_masks *masks,
                                              const uint8_t *const *keep, const size_t *classes,
                                              size_t count, moda_kept **kept);

/* Model, as it was trained, and masks of a folder that moda decompose wrote. Fails: MODA_ERR_IO (a
 * file is missing), MODA_ERR_FORMAT (masks of another network or of other weights). */
MODA_MUST_USE moda_status moda_decomposition_open(const char *directory, moda_model **model,
                                                  moda_masks **masks);

#endif
