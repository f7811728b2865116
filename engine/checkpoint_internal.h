/* engine/checkpoint_internal.h - what the files of checkpoints share: one file (checkpoint.c),
 * what it says besides tensors (checkpoint_info.c), the folder (checkpoint_folder.c). */
#ifndef MODA_ENGINE_CHECKPOINT_INTERNAL_H
#define MODA_ENGINE_CHECKPOINT_INTERNAL_H

#include "base/json.h"
#include "engine/checkpoint.h"
#include <stdbool.h>

/* New reference, NULL when out of memory. */
json_t *moda_checkpoint_info_json(const moda_checkpoint_info *info);
/* False if it is none that this moda has written. Texts point into json; tuning is the caller's
 * to free, also when this fails. */
bool moda_checkpoint_info_parse(const json_t *json, moda_checkpoint_info *info);

/* One file. momentum as the model's values. */
moda_status moda_checkpoint_write_file(const char *path, const moda_model *model,
                                       const float *momentum, const moda_checkpoint_info *info);

#endif
