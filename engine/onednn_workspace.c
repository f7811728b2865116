/* engine/onednn_workspace.c - memory for executors: one plan for all that take turns in a workspace,
 * its pages on their nodes, and every buffer's address. */
#include "engine/onednn_internal.h"
#include "numa/memory.h"
#include <stdlib.h>
#include <string.h>

struct moda_workspace {
    void *memory;
    size_t bytes;
};

/* ---- planning ---- */

/* The densest plan of one executor's buffers. */
static moda_status plan_alone(moda_plan_buffer *plan, size_t count, moda_space *space)
{
    moda_status st = MODA_OK;
    size_t bytes;
    MODA_TRY(moda_plan(plan, count, &bytes));
    if (bytes > space->bytes) space->bytes = bytes;
out:
    return st;
}

/* One behind the other in time as well, so that nothing of two executors is alive together. Returns
 * the end of their time. */
static void one_after_the_other(moda_plan_buffer *plan, size_t count, size_t *time)
{
    size_t end = 0;
    for (size_t i = 0; i < count; i++) {
        moda_plan_buffer *b = &plan[i];
        if (b->first > b->last) continue;
        if (b->last + 1 > end) end = b->last + 1;
        b->first += *time, b->last += *time;
    }
    *time += end;
}

static size_t unshared(const moda_executor *e)
{
    size_t sum = 0;
    for (size_t i = 0; i < e->program.buffer_count; i++)
        if (e->program.buffers[i].home == MODA_HOME_WORKSPACE) sum += e->program.buffers[i].bytes;
    return sum;
}

/* Those of the batch size of the one that needs most get a plan together, in an array of their own. */
static moda_status plan_together(moda_executor *const *executors, size_t count, moda_space *space)
{
    moda_status st = MODA_OK;
    size_t most = 0, used = 0, time = 0, at = 0;
    moda_plan_buffer *joint = NULL;
    for (size_t i = 1; i < count; i++)
        if (unshared(executors[i]) > unshared(executors[most])) most = i;
    MODA_ALLOC(joint, space->count * sizeof *joint);
    for (size_t i = 0, n; i < count; i++, at += n) {
        n = executors[i]->program.buffer_count;
        if (executors[i]->options.batch != executors[most]->options.batch) {
            MODA_TRY(plan_alone(space->plan + at, n, space));
            for (size_t k = 0; k < n; k++) space->plan[at + k].sliced = false;
            continue;
        }
        memcpy(joint + used, space->plan + at, n * sizeof *joint);
        one_after_the_other(joint + used, n, &time);
        used += n;
    }
    size_t bytes;
    MODA_TRY(moda_plan_sliced(joint, used, moda_page_bytes(), &space->sliced, &bytes));
    if (bytes > space->bytes) space->bytes = bytes;
    used = at = 0;
    for (size_t i = 0, n; i < count; i++, at += n) {
        n = executors[i]->program.buffer_count;
        if (executors[i]->options.batch != executors[most]->options.batch) continue;
        memcpy(space->plan + at, joint + used, n * sizeof *joint);
        used += n;
    }
out:
    free(joint);
    return st;
}

moda_status moda_space_plan(moda_executor *const *executors, size_t count,
                            const moda_placement *placement, moda_space *space)
{
    moda_status st = MODA_OK;
    const bool sliced =
        moda_placement_policy(placement, MODA_PLACE_SLICED) == MODA_PLACE_SLICED && count;
    *space = (moda_space){0};
    for (size_t i = 0; i < count; i++) space->count += executors[i]->program.buffer_count;
    MODA_ALLOC(space->plan, space->count * sizeof *space->plan);
    for (size_t i = 0, at = 0, n; i < count; i++, at += n) {
        n = executors[i]->program.buffer_count;
        moda_program_lifetimes(&executors[i]->program, space->plan + at);
        if (!sliced) MODA_TRY(plan_alone(space->plan + at, n, space));
    }
    if (sliced) MODA_TRY(plan_together(executors, count, space));
out:
    return st;
}

void moda_space_free(moda_space *space)
{
    free(space->plan);
    *space = (moda_space){0};
}

/* ---- memory ---- */

/* True for one buffer of each range of the sliced front. */
static bool begins_range(const moda_space *space, size_t i)
{
    const moda_plan_buffer *b = &space->plan[i];
    bool first = b->sliced && b->bytes && b->first <= b->last;
    for (size_t k = 0; first && k < i; k++)
        first =
            !(space->plan[k].sliced && space->plan[k].bytes && space->plan[k].offset == b->offset);
    return first;
}

void moda_space_spread(const moda_space *space, const moda_placement *p, size_t *home)
{
    for (size_t i = 0; space->sliced && i < space->count; i++)
        if (begins_range(space, i))
            moda_placement_spread(p, MODA_PLACE_SLICED, space->plan[i].bytes, home);
    moda_placement_spread(p, MODA_PLACE_INTERLEAVED, space->bytes - space->sliced, home);
}

/* Pages of the front by slices; what all threads use in ways of their own page by page. */
static moda_status place(const moda_space *space, char *memory)
{
    moda_status st = MODA_OK;
    const moda_placement p = moda_placement_current();
    size_t *home = NULL;
    if (moda_placement_policy(&p, MODA_PLACE_SLICED) == MODA_PLACE_LOCAL) goto out;
    MODA_ALLOC(home, (p.team->nodes + 1) * sizeof *home);
    moda_space_spread(space, &p, home);
    moda_placement_room(&p, home, "activations and gradients");
    for (size_t i = 0; space->sliced && i < space->count; i++)
        if (begins_range(space, i))
            moda_place(&p, memory + space->plan[i].offset, space->plan[i].bytes, MODA_PLACE_SLICED);
    if (space->bytes > space->sliced)
        moda_place(&p, memory + space->sliced, space->bytes - space->sliced,
                   MODA_PLACE_INTERLEAVED);
out:
    free(home);
    return st;
}

static moda_status own_create(moda_buffer *b)
{
    moda_status st = MODA_OK;
    const moda_placement p = moda_placement_current();
    const moda_policy policy = b->sliced ? MODA_PLACE_SLICED : MODA_PLACE_INTERLEAVED;
    const size_t whole =
        (b->bytes + MODA_PLAN_ALIGNMENT) / MODA_PLAN_ALIGNMENT * MODA_PLAN_ALIGNMENT;
    if (moda_placement_policy(&p, policy) != MODA_PLACE_LOCAL) {
        MODA_TRY(moda_memory_create_placed(b->bytes, policy, "inputs and results", &b->memory));
        b->placed = true;
        goto out;
    }
    MODA_CHECK((b->memory = aligned_alloc(MODA_PLAN_ALIGNMENT, whole)) != NULL, MODA_ERR_NOMEM,
               "out of memory: %zu bytes", whole);
    memset(b->memory, 0, whole);
out:
    return st;
}

void moda_own_destroy(moda_buffer *b)
{
    if (b->placed)
        moda_memory_destroy(b->memory, b->bytes);
    else
        free(b->memory);
}

/* Sets every buffer's address: in the workspace, in the weights, or fresh memory. */
static moda_status bind(moda_executor *e, char *workspace, const moda_plan_buffer *plan)
{
    moda_status st = MODA_OK;
    const moda_weights *w = e->weights;
    for (size_t i = 0; i < e->program.buffer_count; i++) {
        moda_buffer *b = &e->program.buffers[i];
        switch (b->home) {
        case MODA_HOME_WORKSPACE: b->memory = workspace + plan[i].offset; break;
        case MODA_HOME_VALUE: b->memory = w->values + w->offset[b->parameter]; break;
        case MODA_HOME_GRADIENT: b->memory = w->gradients + w->offset[b->parameter]; break;
        case MODA_HOME_OWN:
            if (!b->memory) MODA_TRY(own_create(b)); /* else bound before */
            break;
        }
    }
    MODA_TRY(moda_program_bind(&e->program));
out:
    return st;
}

moda_status moda_workspace_create(moda_executor *const *executors, size_t count,
                                  moda_workspace **workspace)
{
    moda_status st = MODA_OK;
    const moda_placement placement = moda_placement_current();
    moda_space space = {0};
    moda_workspace *w = NULL;
    *workspace = NULL;
    MODA_ALLOC(w, sizeof *w);
    MODA_TRY(moda_space_plan(executors, count, &placement, &space));
    w->bytes = space.bytes;
    MODA_TRY(moda_memory_create(w->bytes, "activations and gradients", &w->memory));
    MODA_TRY(place(&space, w->memory));
    for (size_t i = 0, at = 0; i < count; i++) {
        MODA_TRY(moda_weights_allocate(executors[i]->weights));
        MODA_TRY(bind(executors[i], w->memory, space.plan + at));
        at += executors[i]->program.buffer_count;
    }
    *workspace = w, w = NULL;
out:
    moda_space_free(&space);
    moda_workspace_destroy(w);
    return st;
}

void moda_workspace_destroy(moda_workspace *w)
{
    if (!w) return;
    moda_memory_destroy(w->memory, w->bytes);
    free(w);
}

size_t moda_workspace_bytes(const moda_workspace *w)
{
    return w->bytes;
}
