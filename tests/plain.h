/* tests/plain.h - the forward pass of a network in evaluation mode, one sample, in f64, as loops
 * over the definitions: the oracle for everything that computes the same faster. */
#ifndef MODA_TESTS_PLAIN_H
#define MODA_TESTS_PLAIN_H

#include "engine/model.h"
#include <stdint.h>

/* x [c,h,w] is the normalised input, logits [classes] are written. keep: NULL, or per tracked layer
 * a mask [units]; the output of channels with 0 is forced to zero. Channels add up in ascending
 * order, so that leaving out channels that are zero changes no bit. */
void plain_forward(const moda_model *model, const float *x, const uint8_t *const *keep,
                   double *logits);

/* The same with a mask, or NULL, for every layer: keep [layer_count]. */
void plain_forward_layers(const moda_model *model, const float *x, const uint8_t *const *keep,
                          double *logits);

#endif
