/* engine/plan.h - where in one block of memory the buffers of a step lie.
 * Two buffers may share bytes when their lifetimes do not meet. */
#ifndef MODA_ENGINE_PLAN_H
#define MODA_ENGINE_PLAN_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>

enum { MODA_PLAN_ALIGNMENT = 64 }; /* a cache line, and an AVX-512 register */

/* One buffer: its size and the first and last step that touch it (first > last: no step does). */
typedef struct moda_plan_buffer {
    size_t bytes;
    size_t first, last;
    size_t offset; /* the plan's answer, a multiple of MODA_PLAN_ALIGNMENT */
    bool sliced;   /* its bytes lie on several nodes, by their place in it; moda_plan_sliced() */
} moda_plan_buffer;

/* Sets every offset; *total is the block's size. Largest first, each at the lowest offset that is
 * free over its whole lifetime: within a few percent of the peak of the live bytes for networks,
 * whose few large buffers dominate. O(count^2 log count). Fails: MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_plan(moda_plan_buffer *buffers, size_t count, size_t *total);

/* A plan for several NUMA nodes, where a page has one home. *sliced bytes of whole pages at the
 * front hold the sliced buffers, which share only with sliced ones of as many pages, and then the very
 * same range, so that their slices agree; the others lie behind and share among themselves as in
 * moda_plan(). Each range holds as many buffers as can take turns in it: under these rules no plan is
 * smaller for sliced buffers. Fails: MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_plan_sliced(moda_plan_buffer *buffers, size_t count, size_t page,
                                           size_t *sliced, size_t *total);

/* The largest sum of bytes alive at one step: no plan can be smaller. */
size_t moda_plan_lower_bound(const moda_plan_buffer *buffers, size_t count);

#endif
