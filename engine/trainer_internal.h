/* engine/trainer_internal.h - what the files of the trainer share: creation and a step (trainer.c),
 * epochs (trainer_run.c). */
#ifndef MODA_ENGINE_TRAINER_INTERNAL_H
#define MODA_ENGINE_TRAINER_INTERNAL_H

#include "datasets/batch.h"
#include "engine/step_parts_internal.h"
#include "engine/trainer.h"

struct moda_trainer {
    moda_model *model;
    const moda_dataset *data;
    moda_train_options options;
    moda_batches *batches;
    uint32_t *labels; /* [batch_size] */
    moda_weights *weights;
    moda_executor *full, *rest; /* rest: an epoch's last smaller batch; either may be NULL */
    moda_executor *test;        /* may be NULL */
    moda_workspace *workspace;
    moda_modular_scratch *scratch; /* modular or masked only */
    moda_train_position at;        /* between two steps */
    moda_executor *profiled;       /* may be NULL */
    moda_step_parts parts;
};

/* Step `step` of the epoch that the batches are at; its record, and its samples. */
moda_status moda_trainer_step(moda_trainer *t, size_t step, double rate, moda_train_record *r,
                              size_t *samples);

#endif
