/* tests/naive_net.h - a whole network and its loss in f64, as loops over the definitions: the oracle
 * of engine/executor.h and engine/trainer.h. Slow, and meant to be: small networks only. */
#ifndef MODA_TESTS_NAIVE_NET_H
#define MODA_TESTS_NAIVE_NET_H

#include "engine/model.h"
#include "losses/modular.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct naive_net {
    const moda_net *net; /* borrowed from the model */
    size_t n;
    bool training;
    moda_parameter_list list;
    double *parameters;        /* [list.elements] the model's values; tests may change them */
    double **y;                /* [layer_count] outputs [n,c,h,w] */
    double **mean, **variance; /* [layer_count] of a batch norm's input, biased; [c] */
} naive_net;

naive_net *naive_create(const moda_model *model, size_t n, bool training);
void naive_destroy(naive_net *net);

/* x [n,c,h,w]. In training, batch norm takes the batch's statistics. */
void naive_forward(naive_net *net, const float *x);
/* The same input again, where only parameters of layers from first on have changed. */
void naive_forward_from(naive_net *net, size_t first);
/* [n,classes] */
const double *naive_logits(const naive_net *net);
/* a [n,d]: mean |x| of the channels of tracked layer l. */
void naive_activation(const naive_net *net, size_t l, double *a);
/* Running statistics take in this batch's, as PyTorch does it: share momentum, unbiased variance. */
void naive_track(naive_net *net);

/* m [n,c]: relu(tanh(s)) of [mask] layer k. */
void naive_mask(const naive_net *net, size_t k, double *m);

typedef struct naive_loss {
    double total, cross_entropy, affinity, dispersion, compactness; /* the losses L_... */
} naive_loss;
/* Of the last forward; weights NULL: cross entropy alone. Pair by pair. */
naive_loss naive_losses(const naive_net *net, const uint32_t *labels,
                        const moda_modular_weights *weights);
/* The same terms of the masks instead of the activation vectors. */
naive_loss naive_mask_losses(const naive_net *net, const uint32_t *labels,
                             const moda_modular_weights *weights);

#endif
