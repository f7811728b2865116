/* engine/checkpoint.h - the state of a training between two steps, in a file from which it goes
 * on with the same bits. docs/formats.md has the format, docs/reliability.md the use.
 *
 * A checkpoint is a safetensors file: the model's tensors, "momentum/NAME" for those that are
 * trained, and in __metadata__ the position and what else decides about bits, as JSON, with a
 * CRC-32 over all of it. A folder holds the last few, named by their step. */
#ifndef MODA_ENGINE_CHECKPOINT_H
#define MODA_ENGINE_CHECKPOINT_H

#include "base/status.h"
#include "engine/trainer.h"
#include "engine/tuning_cache.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Everything but the tensors. */
typedef struct moda_checkpoint_info {
    moda_train_position position;
    size_t metrics_bytes, steps_bytes; /* of the run's files of lines, engine/run.h */
    uint32_t data;                     /* moda_checkpoint_data() */
    moda_tuning_machine machine;
    moda_tuning tuning; /* choices in use: others give other bits */
} moda_checkpoint_info;

/* CRC-32 over the numbers of images and the training labels: other data are nearly always seen. */
uint32_t moda_checkpoint_data(const moda_dataset *data);

/* ---- writing ---- */

/* Writes FOLDER/step-N.safetensors (atomically; the folder is made), then removes all others but
 * the newest keep - 1 before it; what claims to be of a later step, too. The model is the
 * trainer's and gets its values; info.position is where the trainer is. Fails: MODA_ERR_IO,
 * MODA_ERR_NOMEM; then all files are as they were. */
MODA_MUST_USE moda_status moda_checkpoint_write(const char *folder, size_t keep,
                                                moda_trainer *trainer, moda_model *model,
                                                const moda_checkpoint_info *info);

/* ---- reading ---- */

typedef struct moda_checkpoint moda_checkpoint;

/* Reads all of it. Fails: MODA_ERR_IO, MODA_ERR_FORMAT (damaged, of another version),
 * MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_checkpoint_open(const char *path, moda_checkpoint **checkpoint);
/* The newest whole one of a folder, NULL if it has none at all or is not there. Each damaged one
 * that is passed over costs a warning. Fails: MODA_ERR_FORMAT (only damaged ones), as above. */
MODA_MUST_USE moda_status moda_checkpoint_open_newest(const char *folder,
                                                      moda_checkpoint **checkpoint);
void moda_checkpoint_close(moda_checkpoint *checkpoint);
const char *moda_checkpoint_path(const moda_checkpoint *checkpoint);
/* Texts and choices are the checkpoint's. */
const moda_checkpoint_info *moda_checkpoint_get(const moda_checkpoint *checkpoint);
/* The trainer, which is new and whose model this is, goes on from there. Fails: MODA_ERR_FORMAT
 * (tensors of another network, a position of another training). */
MODA_MUST_USE moda_status moda_checkpoint_restore(const moda_checkpoint *checkpoint,
                                                  moda_model *model, moda_trainer *trainer);

/* ---- the folder ---- */

/* Step of the newest checkpoint by its name; *found false: there is none. Fails: MODA_ERR_IO,
 * MODA_ERR_NOMEM: there may well be one. */
MODA_MUST_USE moda_status moda_checkpoint_newest(const char *folder, size_t *step, bool *found);
/* Removes all checkpoints, what killed processes left of them, and the folder. */
MODA_MUST_USE moda_status moda_checkpoint_remove(const char *folder);

#endif
