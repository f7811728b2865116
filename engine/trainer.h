/* engine/trainer.h - training a model, standard or with the modular losses, of its activation vectors or of
 * its masks.
 *
 *   L = cross entropy + alpha*L_aff + beta*L_dis + gamma*L_com          docs/equations.md E1-E8
 * SGD with Nesterov momentum; the learning rate follows a cosine over the epochs, stepped per epoch:
 * rate(e) = lr * (1 + cos(pi*e/epochs))/2. */
#ifndef MODA_ENGINE_TRAINER_H
#define MODA_ENGINE_TRAINER_H

#include "base/status.h"
#include "datasets/dataset.h"
#include "engine/executor.h"
#include "engine/model.h"
#include "losses/modular.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct moda_train_options {
    size_t epochs, batch_size;
    size_t max_steps; /* 0: no limit; stops in the middle of an epoch if need be */
    moda_sgd sgd;     /* learning_rate: of epoch 0 */
    /* One of them at most; neither: cross entropy alone, the terms are not even taken. */
    bool modular;                 /* terms of the tracked layers' activation vectors */
    bool masked;                  /* terms of the [mask] layers' masks, docs/equations.md E18 */
    moda_modular_weights weights; /* alpha, beta, gamma; masked: gamma is 0 */
    bool augment, shuffle;
    size_t crop_padding; /* with augment; the flip follows the data set */
    moda_convolution convolution;
    const moda_tuning *tuning; /* of all executors, as in engine/executor.h */
    moda_precision precision;  /* the test is always in f32 */
    uint64_t seed;
    /* Borrowed, may be NULL: is given the parts of a training step and records the first steps of
     * full batches (of smaller ones, if the data do not fill one). */
    moda_profile *profile;
} moda_train_options;

/* What an epoch, or one step, brought. Losses are means over its samples. affinity, dispersion and
 * compactness are the losses L_aff, L_dis, L_com; NaN in standard training, the last one for masks, too. */
typedef struct moda_train_record {
    size_t epoch, steps; /* counted from 1; steps since the start of training */
    double loss, cross_entropy, affinity, dispersion, compactness;
    double train_accuracy, test_accuracy; /* test: NaN in a step's record or without test images */
    double learning_rate;
    /* Of an epoch: from the drawing of its order to the end of its last step, without the test; of a
     * step: its own. data_share of these seconds, in [0,1], went into order and batches. */
    double seconds, samples_per_second, data_share;
    size_t batches_without_same, batches_without_different; /* whose pair set was empty */
} moda_train_record;

/* Any of them may be NULL. step and epoch are called after each; a failure ends the training
 * with it. stop is asked before each step and each batch of the test: true ends the training
 * with MODA_STOPPED, as it was behind its last step. */
typedef struct moda_train_events {
    void *user;
    moda_status (*step)(void *user, const moda_train_record *record);
    moda_status (*epoch)(void *user, const moda_train_record *record);
    bool (*stop)(void *user);
} moda_train_events;

/* Where a training is between two steps. Order and augmentation of a batch are functions of
 * seed, epoch and step (datasets/batch.h): with values and momentum this is all there is to
 * know. */
typedef struct moda_train_position {
    size_t epoch;         /* that are done, with their tests */
    size_t step, samples; /* done in the one after them */
    size_t steps;         /* since the start */
    moda_train_record
        sum; /* over that epoch: terms, accuracy and data_share still weighed by samples
                            * and seconds */
} moda_train_position;

typedef struct moda_trainer moda_trainer;

/* Plans and allocates everything. model and data are borrowed until destroy; the model's values are
 * the start. Fails: MODA_ERR_ARG (images do not fit the network, labels beyond its classes, masked
 * without masks). */
MODA_MUST_USE moda_status moda_trainer_create(moda_model *model, const moda_dataset *data,
                                              const moda_train_options *options,
                                              moda_trainer **trainer);
void moda_trainer_destroy(moda_trainer *trainer);
/* Bytes of weights, gradients, momentum, activations and their gradients. */
size_t moda_trainer_bytes(const moda_trainer *trainer);
/* The executor of full batches, or of the one smaller batch if there are no full ones. */
moda_executor *moda_trainer_executor(const moda_trainer *trainer);

/* Trains to the end; then the model has the trained values. Fails: MODA_ERR_NUMERIC when a term of
 * the loss is NaN or infinite (names step and term), or the weights are in the end. */
MODA_MUST_USE moda_status moda_trainer_run(moda_trainer *trainer, moda_train_events events);
/* Gives the model the values as they are now: in events.epoch, those behind that epoch. */
MODA_MUST_USE moda_status moda_trainer_store(moda_trainer *trainer);
/* In an event, or behind a run that was stopped. */
moda_train_position moda_trainer_position(const moda_trainer *trainer);
/* Momentum as it is now, [parameters.elements] as the model's values; 0 for what is not trained. */
MODA_MUST_USE moda_status moda_trainer_momentum(moda_trainer *trainer, float *momentum);
/* moda_trainer_run() goes on from there with the model's values, as if it had never stopped. Fails:
 * MODA_ERR_FORMAT (a position that this training cannot be at). */
MODA_MUST_USE moda_status moda_trainer_continue(moda_trainer *trainer,
                                                const moda_train_position *position,
                                                const float *momentum);

/* rate(epoch) as above, epoch counted from 0. */
double moda_cosine_rate(double rate, size_t epoch, size_t epochs);

#endif
