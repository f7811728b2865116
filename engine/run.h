/* engine/run.h - the folder of a training run: config.json, metrics.jsonl, steps.jsonl, trace.json,
 * epoch-N.safetensors and model.safetensors (docs/formats.md). */
#ifndef MODA_ENGINE_RUN_H
#define MODA_ENGINE_RUN_H

#include "base/json.h"
#include "base/status.h"
#include "engine/model.h"
#include "engine/trainer.h"
#include <stdbool.h>

typedef struct moda_run moda_run;

/* Names, and patterns of names, of the files that a run writes, closed by NULL. */
extern const char *const moda_run_files[];

/* DIR/checkpoints, fresh memory; NULL when out of it. */
char *moda_run_checkpoints(const char *directory);

/* Makes the folder, writes config.json (borrowed) and removes the figures of an earlier run in
 * it, its checkpoints and the models of its epochs; its model is kept as previous.safetensors
 * until moda_run_save(). A folder without model.safetensors holds a run that is not done.
 * log_steps: steps.jsonl too. Fails: MODA_ERR_IO, MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_run_create(const char *directory, const json_t *config,
                                          bool log_steps, moda_run **run);
/* Goes on with a run whose lines end at these bytes: what stands behind them is cut off. */
MODA_MUST_USE moda_status moda_run_resume(const char *directory, bool log_steps,
                                          size_t metrics_bytes, size_t steps_bytes, moda_run **run);
void moda_run_destroy(moda_run *run);
/* Appends a line; it is on its way to disk when the call returns. A disk that is full costs a
 * warning, and the line is written later. Fails: MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_run_epoch(moda_run *run, const moda_train_record *record);
MODA_MUST_USE moda_status moda_run_step(moda_run *run, const moda_train_record *record);
/* All lines onto the disk; how long the files are then. Fails: MODA_ERR_IO. */
MODA_MUST_USE moda_status moda_run_sync(moda_run *run, size_t *metrics_bytes, size_t *steps_bytes);
/* Path of the trace of a profiled run; the caller writes it. Borrowed. */
const char *moda_run_trace(const moda_run *run);
/* The model as it is behind epoch N, counted from 1: epoch-N.safetensors. */
MODA_MUST_USE moda_status moda_run_keep(const moda_run *run, const moda_model *model, size_t epoch);
/* The trained model, and all lines. The run is done: its checkpoints are removed. */
MODA_MUST_USE moda_status moda_run_save(moda_run *run, const moda_model *model);
/* Of a run that came to its end, and whose model is there, but which may have been killed right behind
 * it: removes what moda_run_save() still had to. What cannot be removed now, or is locked, may be next
 * time. */
void moda_run_finish(const char *directory);

#endif
