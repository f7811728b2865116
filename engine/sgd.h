/* engine/sgd.h - stochastic gradient descent with Nesterov momentum, one pass over all parameters.
 *   g := g + weight_decay * w;  v := momentum * v + g;  w := w - rate * (g + momentum * v)
 * as torch.optim.SGD(nesterov=True) does it, docs/equations.md. */
#ifndef MODA_ENGINE_SGD_H
#define MODA_ENGINE_SGD_H

#include <stddef.h>

/* n floats each: values w and momentum v are updated, gradients g read; no two overlap. */
void moda_sgd_update(size_t n, float rate, float momentum, float weight_decay, float *w,
                     const float *g, float *v);

#endif
