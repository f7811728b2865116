/* losses/pairwise.h - cosine similarity of all pairs, tile by tile: the long way, n*n*d/2
 * multiply-adds. The oracle of losses/modular.h, the kernel of the scalability study, and the full
 * class-by-class similarity matrix, which the closed form gives only in sums. */
#ifndef MODA_LOSSES_PAIRWISE_H
#define MODA_LOSSES_PAIRWISE_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

/* similarity [k,k] f64, symmetric: mean of <u_i,u_j> over pairs i != j with classes (p,q); pairs
 * [k,k]: how many (each unordered pair once); a mean over no pairs is 0. Either may be NULL.
 *   a [n,d] activation vectors, labels [n] each < k.
 * affinity and dispersion (NULL allowed) as in losses/modular.h, from the same pass.
 * Samples are grouped by class internally. Fails: MODA_ERR_ARG (a size is 0 or absurd, a label >=
 * k), MODA_ERR_NOMEM (4*n*d + 12*n + 8*k*(n/16 + 2*k + 2) bytes). Same bits for any thread count. */
MODA_MUST_USE moda_status moda_pairwise_similarity(size_t n, size_t d, size_t k, const float *a,
                                                   const uint32_t *labels, double *similarity,
                                                   double *pairs, double *affinity,
                                                   double *dispersion);

#endif
