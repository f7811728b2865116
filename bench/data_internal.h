/* bench/data_internal.h - a training step without its batch (data_step.c), for data.c. */
#ifndef MODA_BENCH_DATA_INTERNAL_H
#define MODA_BENCH_DATA_INTERNAL_H

#include "base/status.h"
#include "datasets/dataset.h"
#include "engine/executor.h"

typedef struct moda_data_step {
    moda_model *model;
    moda_weights *weights;
    moda_executor *executor;
    moda_workspace *workspace;
} moda_data_step;

/* A network for the data set's images and classes, with weights, inputs and gradients of the loss that are made up. */
MODA_MUST_USE moda_status moda_data_step_create(const char *network, const moda_dataset *data,
                                                size_t batch, uint64_t seed, moda_data_step *step);
/* Forward, backward, weights: standard training in f32. state: a moda_data_step. */
moda_status moda_data_step_call(void *state);
void moda_data_step_free(moda_data_step *step); /* zeroed struct is fine */

#endif
