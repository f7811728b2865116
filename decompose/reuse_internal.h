/* decompose/reuse_internal.h - the stages of moda_reuse_run(). */
#ifndef MODA_DECOMPOSE_REUSE_INTERNAL_H
#define MODA_DECOMPOSE_REUSE_INTERNAL_H

#include "decompose/reuse.h"
#include "decompose/reuse_journal.h"
#include "decompose/reuse_plan.h"

/* What composed networks say of the images of their classes, sub-task by sub-task: the classes in
 * the sub-task's order, of each its images in the order of the data. */
typedef struct moda_reuse_outputs {
    size_t count;
    size_t *n;         /* [count] images */
    float **z;         /* [count] -> [n,model's classes] */
    uint32_t **labels; /* [count] -> [n] places in the sub-task */
} moda_reuse_outputs;

/* What is to be run. */
typedef struct moda_reuse_work {
    const moda_reuse_options *options;
    const char *split;        /* that the images are of, for messages */
    moda_model *stripped;     /* of MwT, else NULL */
    const moda_model *cut;    /* what modules are cut from: that, or the model */
    moda_reuse_outputs *keep; /* not NULL: logits are put there, nothing is judged */
    moda_segments segments;
    moda_model *wide; /* the same with idle channels, for running: decompose/widen.h */
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

/* Everything but the running. Valid, and to be freed, also after a failure. */
MODA_MUST_USE moda_status moda_reuse_prepare(const moda_reuse_options *o, const char *split,
                                             moda_reuse_work *w);
void moda_reuse_work_free(moda_reuse_work *w);

/* Of MwT: trains a head for each sub-task of which something is not known of w->correct, and
 * judges it. */
MODA_MUST_USE moda_status moda_reuse_learn_all(moda_reuse_work *w, moda_reuse_journal *journal);
/* The images of output number k in a sub-task's outputs stand from here on. */
size_t moda_reuse_place(const moda_reuse_work *w, size_t subtask, size_t output);

/* Runs what is not known of w->correct, result by result to the journal (NULL: none). */
MODA_MUST_USE moda_status moda_reuse_compose_all(moda_reuse_work *w, moda_reuse_journal *journal);
/* Fills modular and standard of rows, modular of classes: both networks run once, their logits
 * serve all sub-tasks. */
MODA_MUST_USE moda_status moda_reuse_compare(const moda_reuse_work *w, moda_reuse_row *rows,
                                             moda_reuse_class *classes);
/* Means and counts of the finished rows. */
MODA_MUST_USE moda_status moda_reuse_summarise(const moda_reuse_work *w, moda_reuse *r);

#endif
