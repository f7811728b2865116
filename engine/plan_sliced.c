/* engine/plan_sliced.c - the plan for several nodes: ranges for sliced buffers, then the rest. */
#include "engine/plan.h"
#include <stdlib.h>

static size_t in_pages(size_t bytes, size_t page)
{
    return (bytes + page - 1) / page * page;
}

/* Large ones first; among those of one size, of which there are sorted[].bytes whole pages, by birth:
 * then whoever comes finds a range free or needs a new one, and no order needs fewer. */
static int by_size_and_birth(const void *x, const void *y)
{
    const moda_plan_buffer *a = *(moda_plan_buffer *const *)x, *b = *(moda_plan_buffer *const *)y;
    if (a->bytes != b->bytes) return a->bytes < b->bytes ? 1 : -1;
    if (a->first != b->first) return a->first < b->first ? -1 : 1;
    return a < b ? -1 : a > b;
}

/* A range, and when the last of its buffers dies. */
typedef struct range {
    size_t bytes, offset, last;
} range;

/* The buffers in order; bytes in pages. Returns the end of the ranges. */
static size_t share_ranges(moda_plan_buffer *const *sorted, size_t count, range *ranges)
{
    size_t made = 0, end = 0;
    for (size_t i = 0; i < count; i++) {
        moda_plan_buffer *b = sorted[i];
        size_t r = 0;
        while (r < made && (ranges[r].bytes != b->bytes || ranges[r].last >= b->first)) r++;
        if (r == made) {
            ranges[made++] = (range){b->bytes, end, 0};
            end += b->bytes;
        }
        ranges[r].last = b->last;
        b->offset = ranges[r].offset;
    }
    return end;
}

moda_status moda_plan_sliced(moda_plan_buffer *buffers, size_t count, size_t page, size_t *sliced,
                             size_t *total)
{
    moda_status st = MODA_OK;
    moda_plan_buffer *paged = NULL, *others = NULL, **sorted = NULL;
    range *ranges = NULL;
    size_t used = 0, end, rest;
    MODA_ALLOC(paged, count * sizeof *paged);
    MODA_ALLOC(others, count * sizeof *others);
    MODA_ALLOC(sorted, count * sizeof *sorted);
    MODA_ALLOC(ranges, count * sizeof *ranges);
    for (size_t i = 0; i < count; i++) {
        paged[i] = others[i] = buffers[i];
        paged[i].offset = 0;
        paged[i].bytes = in_pages(buffers[i].bytes, page);
        if (!buffers[i].sliced) continue;
        others[i].bytes = 0;
        if (paged[i].bytes && paged[i].first <= paged[i].last) sorted[used++] = &paged[i];
    }
    qsort(sorted, used, sizeof *sorted, by_size_and_birth);
    end = share_ranges(sorted, used, ranges);
    MODA_TRY(moda_plan(others, count, &rest));
    for (size_t i = 0; i < count; i++)
        buffers[i].offset = buffers[i].sliced ? paged[i].offset : end + others[i].offset;
    *sliced = end;
    *total = end + rest;
out:
    free(ranges);
    free(sorted);
    free(others);
    free(paged);
    return st;
}
