/* decompose/slice.h - cutting a module out of a model: a smaller network with copied weights.
 *
 * The module is a model like any other. It runs without its parent, and says where it comes from in
 * its metadata moda.module, JSON:
 *     parent_parameters  trainable parameters of the model it was cut from
 *     parent_flops       multiply-adds per sample of that model
 *     tau                threshold of the masks, null if not known
 *     classes            the classes' numbers, ascending
 *     kept               per tracked layer, forward order: the kept channels' numbers, ascending */
#ifndef MODA_DECOMPOSE_SLICE_H
#define MODA_DECOMPOSE_SLICE_H

#include "base/status.h"
#include "decompose/kept.h"
#include "engine/model.h"

/* kept is of model->net; tau is for the metadata (NaN: not known). class_ids, class_names and the
 * input's normalisation come from the model. Fails: MODA_ERR_NOMEM, MODA_ERR_FORMAT (never for a
 * network that can be printed and parsed). Costs the module's bytes. */
MODA_MUST_USE moda_status moda_slice(const moda_model *model, const moda_kept *kept, double tau,
                                     moda_model **module);
/* The same for running layers first .. last of model->net alone: no other layer's weights are copied,
 * the memory they would need is not touched, and nothing is said in metadata. */
MODA_MUST_USE moda_status moda_slice_part(const moda_model *model, const moda_kept *kept,
                                          size_t first, size_t last, moda_model **module);

#endif
