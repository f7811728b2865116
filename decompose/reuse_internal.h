/* decompose/reuse_internal.h - the stages of moda_reuse_run(). */
#ifndef MODA_DECOMPOSE_REUSE_INTERNAL_H
#define MODA_DECOMPOSE_REUSE_INTERNAL_H

#include "decompose/reuse.h"
#include "decompose/reuse_journal.h"
#include "decompose/reuse_plan.h"

/* What is to be run. */
typedef struct moda_reuse_work {
    const moda_reuse_options *options;
    moda_segments segments;
    moda_model *wide; /* what networks are composed of: decompose/widen.h */
    moda_reuse_plan *plan;
    uint32_t *members; /* images grouped by output: those of k are first[k] .. first[k+1]-1 */
    size_t *first;     /* [classes+1] */
    moda_reuse_part *parts;
    size_t part_count, largest; /* images of the largest part */
    size_t *correct;            /* [parts,subtasks] of the composed networks; SIZE_MAX: not known */
} moda_reuse_work;

/* True if the sub-task is run on the part's class. */
bool moda_reuse_has(const moda_reuse_work *w, size_t subtask, const moda_reuse_part *part);
/* Of equal logits the first one counts. outputs [n] numbers in z. */
size_t moda_reuse_predict(const float *z, const uint32_t *outputs, size_t n);

/* Runs what is not known of w->correct, result by result to the journal (NULL: none). */
MODA_MUST_USE moda_status moda_reuse_compose_all(moda_reuse_work *w, moda_reuse_journal *journal);
/* Fills modular and standard of rows, modular of classes: both networks run once, their logits
 * serve all sub-tasks. */
MODA_MUST_USE moda_status moda_reuse_compare(const moda_reuse_work *w, moda_reuse_row *rows,
                                             moda_reuse_class *classes);
/* Means and counts of the finished rows. */
MODA_MUST_USE moda_status moda_reuse_summarise(const moda_reuse_work *w, moda_reuse *r);

#endif
