/* decompose/reuse_steps_internal.h - what is run for the images of one class, in order.
 *
 * The sub-tasks of a class are the leaves of a tree, whose nodes are segments with the channels that
 * are kept up to there. It is walked depth first, so one result per level is enough. Segments below
 * one node read the same and differ in the channels they compute: where that is fewer multiply-adds,
 * one segment computes the channels of all of them together, and each takes its own out of the
 * result (moda_segment_by_channel() says where that gives the same bits). */
#ifndef MODA_DECOMPOSE_REUSE_STEPS_INTERNAL_H
#define MODA_DECOMPOSE_REUSE_STEPS_INTERNAL_H

#include "decompose/reuse_internal.h"

/* Results: value[s] is what segment s reads, joint[s] the same for several nodes together. */
typedef enum moda_reuse_step_kind {
    MODA_REUSE_RUN,    /* segments from .. to-1 for the first sub-task: value[from] -> value[to] */
    MODA_REUSE_JOIN,   /* segment from for all classes of the sub-tasks: value[from] -> joint[to] */
    MODA_REUSE_SELECT, /* the first sub-task's channels: joint[to] -> value[to] */
    MODA_REUSE_JUDGE   /* the logits are those of these sub-tasks */
} moda_reuse_step_kind;

typedef struct moda_reuse_step {
    moda_reuse_step_kind kind;
    size_t from, to;     /* segments; to = from+1 but for RUN and JUDGE */
    size_t first, count; /* sub-tasks, in list */
} moda_reuse_step;

typedef struct moda_reuse_steps {
    size_t *list; /* [list_count] sub-tasks that have the class, in the plan's order */
    size_t list_count;
    moda_reuse_step *items;
    size_t count, room;
    size_t segments; /* that are run */
    double flops;    /* multiply-adds for one image */
} moda_reuse_steps;

/* The sub-tasks that have the part's class: all, or those whose result is not known. Needs
 * w->plan and w->wide. Fails: MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_reuse_steps_create(const moda_reuse_work *w, size_t part, bool all,
                                                  moda_reuse_steps **steps);
void moda_reuse_steps_destroy(moda_reuse_steps *steps);

/* What the network of a RUN or JOIN keeps of the widened one. */
MODA_MUST_USE moda_status moda_reuse_step_kept(const moda_reuse_work *w,
                                               const moda_reuse_steps *steps,
                                               const moda_reuse_step *step, moda_kept **kept);

#endif
