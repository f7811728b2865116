/* decompose/reuse_plan.h - what sub-tasks keep, and in which order they share most of it.
 *
 * What the network of a sub-task computes up to a cut depends on the channels that it keeps up to
 * there, and on nothing else. Sorted by what they keep, segment after segment, sub-tasks that begin
 * alike stand side by side: the leaves of a tree, which decompose/reuse_steps_internal.h walks. */
#ifndef MODA_DECOMPOSE_REUSE_PLAN_H
#define MODA_DECOMPOSE_REUSE_PLAN_H

#include "base/status.h"
#include "decompose/kept.h"
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
    uint64_t *flops;       /* whole */
    double *segment_flops; /* [count,depth] */
    /* Channels that are kept, idle ones too: bit c of layer i of sub-task t is in
     * bits[t*words + at[i] + c/64]. */
    size_t words, *at; /* [layers+1] */
    uint64_t *bits;    /* [count,words] */
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

/* Bits of the channels that sub-task t keeps of a layer. */
static inline const uint64_t *moda_reuse_plan_bits(const moda_reuse_plan *plan, size_t t,
                                                   size_t layer)
{
    return plan->bits + t * plan->words + plan->at[layer];
}

/* Multiply-adds per image of segment s of net, of which kept is kept, or of the widened network's
 * kept without its idle channels. */
double moda_reuse_segment_flops(const moda_net *net, const moda_segments *segments,
                                const moda_kept *kept, size_t s);

#endif
