/* decompose/reuse.h - how well the networks do that can be composed of a model, for many sets of
 * classes: composed, whole and standard network side by side on the test samples of each set.
 *
 * Networks are composed in memory. Sub-tasks that keep the same channels in their first layers share
 * the results of these, and sub-tasks that part in one layer compute it together; images run class
 * by class, each through the sub-tasks that have its class (docs/reuse.md). Predictions are those of
 * composing each network and evaluating it alone. */
#ifndef MODA_DECOMPOSE_REUSE_H
#define MODA_DECOMPOSE_REUSE_H

#include "base/json.h"
#include "base/status.h"
#include "datasets/dataset.h"
#include "decompose/masks.h"
#include "decompose/subtasks.h"
#include "engine/model.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the heads of networks composed of MwT modules learn from (subtask_head.h). */
typedef struct moda_reuse_training {
    const moda_images *images; /* labels are class numbers of the model */
    size_t epochs;
    uint64_t seed;
    size_t bytes; /* of what trunks say at a time; 0: MODA_REUSE_TRUNK_BYTES */
} moda_reuse_training;

typedef struct moda_reuse_options {
    const moda_model *model; /* as it was trained */
    const moda_masks *masks;
    const moda_reuse_training *training; /* of MwT; NULL for other masks */
    const moda_model *standard;          /* NULL: none to compare with */
    const moda_images *images;           /* test images; labels are class numbers of the model */
    const char *source;                  /* the data's name, for messages */
    const moda_subtasks *subtasks;
    size_t batch_size;   /* of an executor */
    const char *journal; /* file in which results are kept as they come, and from which they are
                          * taken again; NULL: none (decompose/reuse_journal.h) */
    const char *label;   /* of the progress display; NULL: none */
} moda_reuse_options;

/* One sub-task: samples of its classes, how many each network gets right, the composed one's cost. */
typedef struct moda_reuse_row {
    size_t samples, composed, modular, standard;
    size_t parameters; /* with the head */
    uint64_t flops;
} moda_reuse_row;

/* Means over the sub-tasks of one size; or over sizes, or over all sub-tasks. */
typedef struct moda_reuse_mean {
    size_t classes, tasks;
    double composed, modular, standard; /* accuracies; standard NaN without one */
    double size, flops;                 /* shares of the model */
} moda_reuse_mean;

/* One class in all the sub-tasks that have it: its samples, once for each, and how many are
 * right. */
typedef struct moda_reuse_class {
    size_t samples, composed, modular;
} moda_reuse_class;

/* Work saved by sharing: segments run (times the classes they run for), and multiply-adds; plain is
 * what it would be with each network run alone. Counted, not measured. */
typedef struct moda_reuse_sharing {
    size_t segments, segments_plain;
    double flops, flops_plain;
} moda_reuse_sharing;

typedef struct moda_reuse {
    size_t count;
    moda_reuse_row *rows;      /* [count], in the sub-tasks' order */
    moda_reuse_class *classes; /* [classes of the model] */
    moda_reuse_mean *sizes;    /* [size_count] ascending */
    size_t size_count;
    moda_reuse_mean by_size, by_task; /* over sizes (the published figure), over sub-tasks */
    bool has_standard;
    size_t model_parameters; /* of MwT without the layers that make masks */
    uint64_t model_flops;
    moda_reuse_sharing sharing; /* of MwT: on the test images, were all sub-tasks run at once */
    size_t resumed,
        total; /* results (sub-task and part of a class) out of the journal, of so many */
} moda_reuse;

/* Fails: MODA_ERR_ARG (images of another shape, a class without images, a standard model without
 * one of the classes, MwT without training images), MODA_ERR_UNSUPPORTED (the network cannot be
 * sliced, or a mask is empty), MODA_ERR_FORMAT (the journal is of other weights, masks or data),
 * MODA_ERR_IO, MODA_ERR_NOMEM. Memory: MODA_REUSE_BYTES for results of segments,
 * MODA_REUSE_EXECUTOR_BYTES for executors, one composed network; of MwT MODA_REUSE_TRUNK_BYTES for
 * what trunks say (more if one sub-task needs it). */
#define MODA_REUSE_BYTES          ((size_t)3 << 29)
#define MODA_REUSE_EXECUTOR_BYTES ((size_t)1 << 30)
#define MODA_REUSE_TRUNK_BYTES    ((size_t)1 << 26)
MODA_MUST_USE moda_status moda_reuse_run(const moda_reuse_options *options, moda_reuse **reuse);
void moda_reuse_destroy(moda_reuse *reuse);

/* One line per sub-task: classes, samples, accuracies, size, FLOPs. Atomically. */
MODA_MUST_USE moda_status moda_reuse_write_csv(const char *path, const moda_reuse_options *options,
                                               const moda_reuse *reuse);
/* What moda reuse prints, as JSON. New reference. */
MODA_MUST_USE moda_status moda_reuse_json(const moda_reuse_options *options,
                                          const moda_reuse *reuse, json_t **json);
void moda_reuse_print(const moda_reuse *reuse);

/* map [classes of the model]: the outputs of other, of the --standard model, that stand for the same
 * classes; UINT32_MAX: none. Fails: MODA_ERR_ARG (none for a class of the sub-tasks). */
MODA_MUST_USE moda_status moda_reuse_match(const moda_model *model, const moda_subtasks *subtasks,
                                           const moda_model *other, uint32_t *map);

#endif
