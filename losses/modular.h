/* losses/modular.h - affinity, dispersion and compactness of one tracked layer, and their gradient,
 * in the closed form (docs/equations.md E2-E8): time and memory grow as n*d, not n*n.
 *
 * n samples, d neurons, k classes; a [n,d] row-major are the activation vectors.
 *   u_i         = a_i / max(|a_i|, MODA_COSINE_EPS)
 *   affinity    = mean <u_i,u_j> over pairs i<j of one class
 *   dispersion  = mean <u_i,u_j> over pairs of two classes
 *   compactness = sum_i |a_i|_1 / (n*d)
 * With L layers:  L_aff = 1 - mean_l affinity,  L_dis = mean_l dispersion,  L_com = mean_l compactness.
 * A mean over no pairs is 0 with zero gradient. Sums are taken in a fixed order: the same bits for
 * any number of threads. All arrays are the caller's. */
#ifndef MODA_LOSSES_MODULAR_H
#define MODA_LOSSES_MODULAR_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

#define MODA_COSINE_EPS 1e-12f /* a dead (all-zero) row gives u = 0, not NaN */

/* Pairs of a batch; the same for every layer, so computed once per batch. */
typedef struct moda_pair_counts {
    double same, different;
} moda_pair_counts;

/* Weights of the three terms (alpha, beta, gamma of the method). */
typedef struct moda_modular_weights {
    double affinity, dispersion, compactness;
} moda_modular_weights;

/* Of one layer, or, averaged, of a network. */
typedef struct moda_modular_terms {
    double affinity, dispersion, compactness;
} moda_modular_terms;

/* Scratch for batches up to n, layers up to d and labels below k: 4*min(n,k)*d + 32*n + 12*k bytes,
 * d rounded up to 64. Fails: MODA_ERR_ARG (a size is 0 or absurd), MODA_ERR_NOMEM. One scratch
 * serves one call at a time. */
typedef struct moda_modular_scratch moda_modular_scratch;
MODA_MUST_USE moda_status moda_modular_scratch_create(size_t n, size_t d, size_t k,
                                                      moda_modular_scratch **scratch);
void moda_modular_scratch_destroy(moda_modular_scratch *scratch);

/* labels [n], each < k of the scratch. Exact up to n = 2^26. */
moda_pair_counts moda_modular_pairs(moda_modular_scratch *scratch, size_t n,
                                    const uint32_t *labels);

/* One layer. Cannot fail: sizes are the caller's promise (n, d, labels within the scratch's).
 *   a     [n,d] read
 *   d_a   [n,d] written: gradient by a of
 *             w.affinity*(1 - affinity/L) + w.dispersion*dispersion/L + w.compactness*compactness/L
 *         (L = layers); NULL: values only
 *   terms written: this layer's affinity, dispersion and compactness, not divided by L
 * A row shorter than MODA_COSINE_EPS gets its gradient divided by the eps, as in PyTorch: finite, but
 * up to 1e12 times the others'. This goes for an all-zero row too; what comes next on the way back,
 * the channel mean or a fully connected layer's ReLU, passes nothing on where x = 0. */
void moda_modular_layer(moda_modular_scratch *scratch, size_t n, size_t d, const uint32_t *labels,
                        const float *a, moda_pair_counts pairs, moda_modular_weights w,
                        size_t layers, float *d_a, moda_modular_terms *terms);

#endif
