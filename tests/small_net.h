/* tests/small_net.h - a small network with random weights and an executor of its own, and what is
 * wanted of it: logits, the loss, gradients by every parameter. Anything that fails stops the test. */
#ifndef MODA_TESTS_SMALL_NET_H
#define MODA_TESTS_SMALL_NET_H

#include "engine/executor.h"
#include "losses/modular.h"
#include "tests/naive_net.h"

/* body: a description without [net], with ';' for the ends of lines; input as in "3 9 7". All values
 * are random, running statistics too. */
moda_model *small_model(const char *input, const char *body, uint64_t seed);

/* n of a normal distribution, free() it; labels below k with at least two of class 0, so that for
 * n >= 3 and k >= 2 there are pairs of both kinds. */
float *small_values(size_t n, uint64_t seed);
uint32_t *small_labels(size_t n, size_t k);

typedef struct small_net {
    moda_model *model; /* borrowed */
    moda_weights *weights;
    moda_executor *executor;
    moda_workspace *workspace;
} small_net;
small_net small_create(moda_model *model, moda_executor_options options);
void small_destroy(small_net *s);
/* Copies x in and runs forward; the logits. */
const float *small_forward(const small_net *s, const float *x);
/* Loss gradients into the executor, backward. weights NULL: cross entropy alone. */
void small_backward(const small_net *s, const uint32_t *labels,
                    const moda_modular_weights *weights);
/* With the terms of the masks, as naive_mask_losses(). */
void small_backward_masked(const small_net *s, const uint32_t *labels,
                           moda_modular_weights weights);
/* g [parameters.elements] from the last backward, 0 for running statistics; weights and running
 * statistics are the model's again afterwards. */
void small_gradients(const small_net *s, float *g);

/* Largest |got - want| over the largest |want|; infinity for NaN. */
double small_distance(size_t n, const float *got, const double *want);
double small_largest(size_t n, const double *x);

#endif
