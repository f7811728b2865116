/* engine/executor.h - running a network at one batch size, forward and backward, over oneDNN.
 *
 * An executor is planned and bound once; afterwards forward and backward allocate nothing, create
 * no primitive and touch no file. Several executors (training batch, last smaller batch,
 * evaluation) share one set of weights and one workspace.
 *
 *     moda_weights_create(net, &w);
 *     moda_executor_create(w, &options, &train);      // the first one chooses the weights' layouts
 *     moda_executor_create(w, &other, &eval);
 *     moda_workspace_create((moda_executor *[]){train, eval}, 2, &space);
 *     moda_weights_load(w, model);
 *     ... fill moda_executor_input(train); moda_executor_forward(train); ...
 * Destroy in the reverse order. */
#ifndef MODA_ENGINE_EXECUTOR_H
#define MODA_ENGINE_EXECUTOR_H

#include "base/status.h"
#include "engine/model.h"
#include "engine/net.h"
#include "engine/profile.h"
#include "engine/tuning.h"
#include "losses/activation.h"
#include <stdbool.h>
#include <stddef.h>

/* ---- weights: values, gradients and momentum, each in one block, in the layouts of oneDNN ---- */

typedef struct moda_weights moda_weights;
MODA_MUST_USE moda_status moda_weights_create(const moda_net *net, moda_weights **weights);
void moda_weights_destroy(moda_weights *weights);
/* Values from and to a model of the same net; load clears the momentum. */
MODA_MUST_USE moda_status moda_weights_load(moda_weights *weights, const moda_model *model);
MODA_MUST_USE moda_status moda_weights_store(moda_weights *weights, moda_model *model);

/* Momentum from and to an array in the order and shapes of a model's values:
 * [parameters.elements], 0 for what is not trained. Only with an executor that trains. */
MODA_MUST_USE moda_status moda_weights_load_momentum(moda_weights *weights, const float *momentum);
MODA_MUST_USE moda_status moda_weights_store_momentum(moda_weights *weights, float *momentum);

typedef struct moda_sgd {
    double learning_rate, momentum, weight_decay; /* Nesterov, as in PyTorch */
} moda_sgd;
/* One pass over all trainable parameters, from the gradients of the last backward. */
void moda_weights_update(moda_weights *weights, moda_sgd sgd);

/* ---- executor ---- */

typedef struct moda_executor moda_executor;

typedef enum moda_convolution {
    MODA_CONVOLUTION_AUTO,  /* Winograd where it is faster, as measured or by rule, else direct */
    MODA_CONVOLUTION_DIRECT /* always direct */
} moda_convolution;

typedef enum moda_precision {
    MODA_PRECISION_F32,
    MODA_PRECISION_BF16, /* activations, their gradients and copies of the weights in bf16 */
    MODA_PRECISION_AUTO  /* each convolution in the faster one, as the tuning says; else f32 */
} moda_precision;

/* Called in forward for tracked layer l while its output is in cache: x in the layout of s. The
 * memory is the executor's own: a tap of an evaluation may change it, and later layers read what
 * it leaves (decompose/suffix.h). */
typedef void (*moda_tap)(void *user, size_t l, moda_map_shape s, const float *x);

typedef struct moda_executor_options {
    size_t batch;
    bool training; /* batch statistics, and backward can be called */
    bool modular; /* activation vectors of the tracked layers are taken, gradients by them joined */
    bool masked;  /* masks of the [mask] layers can be read, gradients by them are joined */
    /* Input and output are passed on to other executors: where they are maps of a multiple of 16
     * channels they are [n,c/16,h,w,16] and not [n,c,h,w], so that nothing is reordered. */
    bool blocked;
    moda_convolution convolution;
    const moda_tuning *tuning; /* AUTO: measured choices, borrowed; NULL: a rule by shape */
    /* Of training; evaluation computes in f32. Weights, their gradients, statistics of batch norms,
     * activation vectors and logits are f32 in both, and so is the last layer. */
    moda_precision precision;
    moda_tap tap; /* may be NULL; not with bf16 */
    void *tap_user;
} moda_executor_options;

/* Fails: MODA_ERR_ARG (bf16 on a CPU without it), MODA_ERR_INTERNAL (oneDNN's status and the layer),
 * MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_executor_create(moda_weights *weights,
                                               const moda_executor_options *options,
                                               moda_executor **executor);
void moda_executor_destroy(moda_executor *executor);

/* Memory for activations and gradients, as large as the hungriest of the executors; they take
 * turns in it. Must be made before the first forward. */
typedef struct moda_workspace moda_workspace;
MODA_MUST_USE moda_status moda_workspace_create(moda_executor *const *executors, size_t count,
                                                moda_workspace **workspace);
void moda_workspace_destroy(moda_workspace *workspace);

size_t moda_workspace_bytes(const moda_workspace *workspace);

/* Bytes of an executor's own: input, logits, activation vectors; they come on top of the workspace. */
size_t moda_executor_own_bytes(const moda_executor *executor);
/* Bytes of both that this executor needs, and what they would be if no two buffers shared memory. */
size_t moda_executor_bytes(const moda_executor *executor);
size_t moda_executor_bytes_unshared(const moda_executor *executor);
size_t moda_weights_bytes(const moda_weights *weights);

size_t moda_executor_batch(const moda_executor *executor);
float *moda_executor_input(moda_executor *executor); /* [batch,c,h,w], written by the caller */
const float *moda_executor_logits(const moda_executor *executor); /* [batch,classes] */
float *moda_executor_d_logits(
    moda_executor *executor); /* [batch,classes], caller, before backward */
/* modular only: activation vectors of tracked layer l [batch,d] after forward, and the gradient by
 * them, which the caller writes before backward. */
const float *moda_executor_activation(const moda_executor *executor, size_t l);
float *moda_executor_d_activation(moda_executor *executor, size_t l);
/* masked only: m of [mask] layer k [batch,c] after forward, and in training the gradient by it, which the
 * caller writes before backward. */
const float *moda_executor_mask(const moda_executor *executor, size_t k);
float *moda_executor_d_mask(moda_executor *executor, size_t k);

/* Adds a part per step of the program; from then on forward and backward record those of every step
 * that the profile keeps. profile is borrowed until destroy. */
MODA_MUST_USE moda_status moda_executor_profile(moda_executor *executor, moda_profile *profile);

MODA_MUST_USE moda_status moda_executor_forward(moda_executor *executor);
MODA_MUST_USE moda_status moda_executor_backward(moda_executor *executor);

#endif
