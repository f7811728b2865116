#include "decompose/reuse_steps_internal.h"
#include "decompose/widen.h"
#include <math.h>
#include <stdlib.h>

typedef struct builder {
    const moda_reuse_work *work;
    moda_reuse_steps *steps;
    size_t *shared; /* [list_count] segments that list[i] has in common with list[i-1] */
} builder;

static double flops_of(const builder *b, size_t i, size_t s)
{
    const moda_reuse_plan *plan = b->work->plan;
    return plan->segment_flops[b->steps->list[i] * plan->depth + s];
}

/* Of the sub-tasks from i to end, those that keep segment s as the first one does end here. */
static size_t group_end(const builder *b, size_t i, size_t end, size_t s)
{
    for (i++; i < end && b->shared[i] > s; i++) {}
    return i;
}

moda_status moda_reuse_step_kept(const moda_reuse_work *w, const moda_reuse_steps *steps,
                                 const moda_reuse_step *step, moda_kept **kept)
{
    moda_status st = MODA_OK;
    const moda_subtasks *s = w->options->subtasks;
    const size_t classes = w->wide->net->classes;
    const size_t tasks = step->kind == MODA_REUSE_JOIN ? step->count : 1;
    uint32_t *outputs = NULL;
    bool *has = NULL;
    size_t n = 0;
    MODA_ALLOC(outputs, classes * sizeof *outputs);
    MODA_ALLOC(has, classes * sizeof *has);
    for (size_t i = 0; i < tasks; i++) {
        const size_t t = steps->list[step->first + i];
        for (size_t k = 0; k < moda_subtask_size(s, t); k++)
            has[moda_subtask_outputs(s, t)[k]] = true;
    }
    for (size_t k = 0; k < classes; k++)
        if (has[k]) outputs[n++] = (uint32_t)k;
    MODA_TRY(moda_kept_of_wide(w->wide->net, w->options->masks, outputs, n, kept));
out:
    free(outputs);
    free(has);
    return st;
}

/* ---- joining ---- */

/* True if all channels in the word are idle ones: those from `own` on. */
static bool only_idle(uint64_t bits, size_t word, size_t own)
{
    if (own <= word * 64) return true;
    return own >= (word + 1) * 64 ? bits == 0 : (bits & ((UINT64_C(1) << own % 64) - 1)) == 0;
}

/* True if sub-task t's result of segment s can be taken out of that of `joint`: both read the same,
 * and each channel went through the same layers in both. Idle channels are zeros anyway. Whole blocks
 * of 16 channels get the same primitives whatever their number. */
static bool can_select(const moda_reuse_work *w, const moda_kept *joint, size_t t, size_t s)
{
    const moda_reuse_plan *plan = w->plan;
    const size_t from = w->segments.cut[s], last = w->segments.cut[s + 1];
    const size_t own = w->cut->net->layers[last].shape.c;
    const uint64_t *mine = moda_reuse_plan_bits(plan, t, last), *all = joint->out[last].bits;
    size_t kept = 0;
    for (size_t k = 0; k < plan->at[from + 1] - plan->at[from]; k++)
        if (joint->out[from].bits[k] != moda_reuse_plan_bits(plan, t, from)[k]) return false;
    for (size_t k = 0; k < plan->at[last + 1] - plan->at[last]; k++) {
        kept += (size_t)__builtin_popcountll(mine[k]);
        if (!only_idle(mine[k] & ~all[k], k, own)) return false;
        for (size_t i = from + 1; i < last; i++) {
            if (joint->out[i].of != joint->out[last].of) return false;
            const uint64_t differ = joint->out[i].bits[k] ^ moda_reuse_plan_bits(plan, t, i)[k];
            if (!only_idle(mine[k] & all[k] & differ, k, own)) return false;
        }
    }
    return kept % MODA_WIDEN_MULTIPLE == 0 && joint->out[last].count % MODA_WIDEN_MULTIPLE == 0;
}

/* *flops: of segment s for all sub-tasks of the step together; infinite if they cannot be joined. */
static moda_status price(const builder *b, const moda_reuse_step *step, double *flops)
{
    moda_status st = MODA_OK;
    const moda_reuse_work *w = b->work;
    const size_t s = step->from, end = step->first + step->count;
    moda_kept *kept = NULL;
    *flops = INFINITY;
    if (!moda_segment_by_channel(w->wide->net, &w->segments, s)) goto out;
    MODA_TRY(moda_reuse_step_kept(w, b->steps, step, &kept));
    for (size_t i = step->first; i < end; i = group_end(b, i, end, s))
        if (!can_select(w, kept, b->steps->list[i], s)) goto out;
    *flops = moda_reuse_segment_flops(w->cut->net, &w->segments, kept, s);
out:
    moda_kept_destroy(kept);
    return st;
}

/* ---- the walk ---- */

/* A run that goes on where the last step's ended is one with it. */
static moda_status push(builder *b, moda_reuse_step step)
{
    moda_status st = MODA_OK;
    moda_reuse_steps *list = b->steps;
    moda_reuse_step *last = list->count ? &list->items[list->count - 1] : NULL;
    if (last && step.kind == MODA_REUSE_RUN && last->kind == MODA_REUSE_RUN &&
        last->first == step.first && last->to == step.from) {
        last->to = step.to;
        goto out;
    }
    if (list->count == list->room) {
        const size_t room = list->room ? 2 * list->room : 64;
        moda_reuse_step *more = realloc(list->items, room * sizeof *more);
        MODA_CHECK(more, MODA_ERR_NOMEM, "out of memory: %zu steps", room);
        list->items = more, list->room = room;
    }
    list->items[list->count++] = step;
out:
    return st;
}

static moda_status push_run(builder *b, moda_reuse_step step, double flops)
{
    b->steps->segments++;
    b->steps->flops += flops;
    return push(b, step);
}

/* What the sub-tasks of the step, which share all segments before step.from, have to run. */
static moda_status walk(builder *b, moda_reuse_step step)
{
    moda_status st = MODA_OK;
    const size_t s = step.from, end = step.first + step.count;
    double alone = 0, joined = INFINITY;
    if (s == b->work->plan->depth) {
        step.kind = MODA_REUSE_JUDGE;
        MODA_TRY(push(b, step));
        goto out;
    }
    step.kind = MODA_REUSE_JOIN, step.to = s + 1;
    for (size_t i = step.first; i < end; i = group_end(b, i, end, s)) alone += flops_of(b, i, s);
    if (group_end(b, step.first, end, s) < end) MODA_TRY(price(b, &step, &joined));
    if (joined < alone) MODA_TRY(push_run(b, step, joined));
    for (size_t i = step.first, next; i < end; i = next) {
        next = group_end(b, i, end, s);
        moda_reuse_step child = {.from = s, .to = s + 1, .first = i, .count = next - i};
        child.kind = joined < alone ? MODA_REUSE_SELECT : MODA_REUSE_RUN;
        if (child.kind == MODA_REUSE_SELECT)
            MODA_TRY(push(b, child));
        else
            MODA_TRY(push_run(b, child, flops_of(b, i, s)));
        child.from = s + 1;
        MODA_TRY(walk(b, child));
    }
out:
    return st;
}

moda_status moda_reuse_steps_create(const moda_reuse_work *w, size_t part, bool all,
                                    moda_reuse_steps **result)
{
    moda_status st = MODA_OK;
    const moda_reuse_plan *plan = w->plan;
    moda_reuse_steps *steps = NULL;
    builder b = {.work = w};
    size_t shared = 0;
    MODA_ALLOC(steps, sizeof *steps);
    MODA_ALLOC(steps->list, plan->count * sizeof *steps->list);
    MODA_ALLOC(b.shared, plan->count * sizeof *b.shared);
    for (size_t i = 0; i < plan->count; i++) {
        const size_t t = plan->order[i];
        if (plan->common[i] < shared) shared = plan->common[i];
        if (!moda_reuse_has(w, t, &w->parts[part])) continue;
        if (!all && w->correct[part * plan->count + t] != SIZE_MAX) continue;
        b.shared[steps->list_count] = shared;
        steps->list[steps->list_count++] = t;
        shared = plan->depth;
    }
    b.steps = steps;
    if (steps->list_count) MODA_TRY(walk(&b, (moda_reuse_step){.count = steps->list_count}));
    *result = steps, steps = NULL;
out:
    moda_reuse_steps_destroy(steps);
    free(b.shared);
    return st;
}

void moda_reuse_steps_destroy(moda_reuse_steps *steps)
{
    if (!steps) return;
    free(steps->list);
    free(steps->items);
    free(steps);
}
