/* decompose/sweep.h - one decomposition at several thresholds, out of its stored rates: size,
 * overlap, FLOPs and reuse accuracy of each, without another pass over the training data. */
#ifndef MODA_DECOMPOSE_SWEEP_H
#define MODA_DECOMPOSE_SWEEP_H

#include "base/json.h"
#include "base/status.h"
#include "datasets/dataset.h"
#include "decompose/rates.h"
#include "decompose/reuse.h"
#include "decompose/subtasks.h"
#include "engine/model.h"
#include <stdbool.h>
#include <stddef.h>

typedef struct moda_sweep_options {
    const char *directory;               /* of a decomposition: results are kept in its sweep/ */
    const moda_model *model, *standard;  /* standard may be NULL */
    const moda_rates *rates;             /* of model */
    const moda_reuse_training *training; /* of MwT; NULL for other models */
    double min_active;
    const moda_images *images; /* test images */
    const char *source;        /* the data's name, for messages */
    const moda_subtasks *subtasks;
    size_t batch_size;
    bool display; /* progress on stderr */
} moda_sweep_options;

/* At one threshold. Of a training run, the weights of its losses come with it. */
typedef struct moda_sweep_row {
    bool trained; /* alpha, beta, gamma, accuracy mean something */
    double alpha, beta, gamma;
    double accuracy; /* of the whole model on the test images */
    double tau;
    double size, overlap, flops;   /* means over the modules, as moda decompose reports them */
    moda_reuse_mean reuse;         /* over sub-task sizes */
    moda_reuse_mean reuse_by_task; /* over sub-tasks */
} moda_sweep_row;

/* Results of sub-tasks are kept in directory/sweep/ as they come (decompose/reuse_journal.h). Fails as
 * moda_masks_from_rates(), moda_decomposition_measure() and moda_reuse_run(). */
MODA_MUST_USE moda_status moda_sweep_tau(const moda_sweep_options *options, double tau,
                                         moda_sweep_row *row);

/* The rows as a table on stdout, as CSV (atomically), and as a JSON array (new reference). */
void moda_sweep_print(const moda_sweep_row *rows, size_t count);
MODA_MUST_USE moda_status moda_sweep_write_csv(const char *path, const moda_sweep_row *rows,
                                               size_t count);
MODA_MUST_USE moda_status moda_sweep_json(const moda_sweep_row *rows, size_t count, json_t **json);

#endif
