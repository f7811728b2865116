/* losses/cross_entropy.h - softmax cross entropy, docs/equations.md E1.
 *   loss    = mean_i -log softmax(z_i)[y_i]
 *   d_z     = (softmax(z_i) - onehot(y_i)) / n */
#ifndef MODA_LOSSES_CROSS_ENTROPY_H
#define MODA_LOSSES_CROSS_ENTROPY_H

#include <stddef.h>
#include <stdint.h>

/* z [n,k] logits, labels [n] each < k, d_z [n,k] written (NULL: values only; may not overlap z).
 * *correct (NULL allowed): samples whose largest logit is at y (the first one of equals). Returns
 * the loss; NaN or infinite logits give NaN or infinity. Fixed order, any thread count. */
double moda_cross_entropy(size_t n, size_t k, const float *z, const uint32_t *labels, float *d_z,
                          size_t *correct);

#endif
