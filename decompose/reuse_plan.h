/* decompose/reuse_plan.h - in which order sub-tasks run so that they share what they have in common.
 *
 * What the network of a sub-task computes up to a cut depends on the channels that it keeps up to
 * there, and on nothing else. Sorted by what they keep, segment after segment, sub-tasks that begin
 * alike stand side by side: as in a tree walked depth first, each keeps the results of the segments
 * that it has in common with the one before, and runs the others. */
#ifndef MODA_DECOMPOSE_REUSE_PLAN_H
#define MODA_DECOMPOSE_REUSE_PLAN_H

#include "base/status.h"
#include "decompose/masks.h"
#include "decompose/segments.h"
#include "decompose/subtasks.h"
#include "engine/net.h"
#include <stddef.h>
#include <stdint.h>

typedef struct moda_reuse_plan {
    size_t count, depth; /* sub-tasks; segments */
    size_t *order;       /* [count] sub-tasks, sorted */
    size_t *common; /* [count] first segments that order[i] keeps as order[i-1] does; [0] is 0 */
    /* Per sub-task, of the composed network. */
    size_t *parameters;
    uint64_t *flops;         /* whole */
    uint64_t *segment_flops; /* [count,depth] */
} moda_reuse_plan;

/* net and masks are the model's own, segments are cuts of net and of wide, the network that is composed
 * of (decompose/widen.h). Fails as moda_kept_create(), with the
 * sub-task's classes (class_ids [net->classes]) in the message. Needs an
 * eighth of a byte per channel of every layer and sub-task. */
MODA_MUST_USE moda_status moda_reuse_plan_create(const moda_net *net, const moda_net *wide,
                                                 const uint32_t *class_ids, const moda_masks *masks,
                                                 const moda_segments *segments,
                                                 const moda_subtasks *subtasks,
                                                 moda_reuse_plan **plan);
void moda_reuse_plan_destroy(moda_reuse_plan *plan);

/* Walking the sub-tasks of one class: *shared := segments that sub-task order[i] has in common with
 * the last one that was visited. Start with *shared = 0; call for every i in order, visited or
 * not, and set *shared = plan->depth after each visit. */
static inline void moda_reuse_plan_step(const moda_reuse_plan *plan, size_t i, size_t *shared)
{
    if (plan->common[i] < *shared) *shared = plan->common[i];
}

#endif
