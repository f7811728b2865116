/* engine/plan.c - greedy offset assignment by decreasing size. */
#include "engine/plan.h"
#include <stdlib.h>

static size_t rounded(size_t bytes)
{
    return (bytes + MODA_PLAN_ALIGNMENT - 1) / MODA_PLAN_ALIGNMENT * MODA_PLAN_ALIGNMENT;
}

static bool unused(const moda_plan_buffer *b)
{
    return b->first > b->last || !b->bytes;
}

static bool alive_together(const moda_plan_buffer *a, const moda_plan_buffer *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* Ties go to the earlier buffer, so that the plan is the same on every machine. */
static int by_size(const void *x, const void *y)
{
    const moda_plan_buffer *a = *(moda_plan_buffer *const *)x, *b = *(moda_plan_buffer *const *)y;
    if (a->bytes != b->bytes) return a->bytes < b->bytes ? 1 : -1;
    return a < b ? -1 : a > b;
}

static int by_offset(const void *x, const void *y)
{
    const moda_plan_buffer *a = *(moda_plan_buffer *const *)x, *b = *(moda_plan_buffer *const *)y;
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

/* The lowest gap that holds b between the placed buffers it meets; near is scratch for those. */
static size_t lowest_gap(const moda_plan_buffer *b, moda_plan_buffer *const *placed, size_t count,
                         moda_plan_buffer **near)
{
    size_t met = 0, offset = 0;
    for (size_t i = 0; i < count; i++)
        if (alive_together(b, placed[i])) near[met++] = placed[i];
    qsort(near, met, sizeof *near, by_offset);
    for (size_t i = 0; i < met; i++) {
        const size_t end = near[i]->offset + rounded(near[i]->bytes);
        if (near[i]->offset >= offset + b->bytes) break;
        if (end > offset) offset = end;
    }
    return offset;
}

moda_status moda_plan(moda_plan_buffer *buffers, size_t count, size_t *total)
{
    moda_status st = MODA_OK;
    moda_plan_buffer **placed = NULL, **near = NULL;
    size_t used = 0, end = 0;
    MODA_ALLOC(placed, count * sizeof *placed);
    MODA_ALLOC(near, count * sizeof *near);
    for (size_t i = 0; i < count; i++) {
        buffers[i].offset = 0;
        if (!unused(&buffers[i])) placed[used++] = &buffers[i];
    }
    qsort(placed, used, sizeof *placed, by_size);
    for (size_t i = 0; i < used; i++) {
        moda_plan_buffer *b = placed[i];
        b->offset = lowest_gap(b, placed, i, near);
        if (b->offset + rounded(b->bytes) > end) end = b->offset + rounded(b->bytes);
    }
    *total = end;
out:
    free(near);
    free(placed);
    return st;
}

size_t moda_plan_lower_bound(const moda_plan_buffer *buffers, size_t count)
{
    size_t most = 0;
    for (size_t i = 0; i < count; i++) { /* the peak is reached where some buffer begins */
        size_t alive = 0;
        for (size_t j = 0; j < count; j++)
            if (!unused(&buffers[j]) && buffers[j].first <= buffers[i].first &&
                buffers[i].first <= buffers[j].last)
                alive += rounded(buffers[j].bytes);
        if (!unused(&buffers[i]) && alive > most) most = alive;
    }
    return most;
}
