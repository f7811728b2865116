/* engine/step_losses_internal.h - the modular terms of a training step: of the activation vectors of
 * tracked layers, or, masked, of the masks of [mask] layers. */
#ifndef MODA_ENGINE_STEP_LOSSES_INTERNAL_H
#define MODA_ENGINE_STEP_LOSSES_INTERNAL_H

#include "engine/trainer.h"

/* The layers whose vectors [batch,c] the terms are taken of. */
typedef struct moda_step_layers {
    const size_t *index; /* [count] borrowed from the net */
    size_t count;
} moda_step_layers;
moda_step_layers moda_step_layers_of(const moda_net *net, bool masked);

/* Scratch for the widest of those layers. */
MODA_MUST_USE moda_status moda_step_losses_scratch(const moda_net *net,
                                                   const moda_train_options *options,
                                                   moda_modular_scratch **scratch);
/* Values of the terms into the record, weighted to its loss as well; their gradients into the executor.
 * Masks have no compactness: NaN. */
void moda_step_losses(const moda_net *net, const moda_train_options *options,
                      moda_modular_scratch *scratch, moda_executor *e, size_t n,
                      const uint32_t *labels, moda_train_record *record);

#endif
