#include "decompose/subtasks.h"
#include "base/rng.h"
#include "decompose/subtasks_internal.h"
#include <stdlib.h>
#include <string.h>

/* Streams of MODA_RNG_SAMPLE below this number belong to the samples of classes. */
static const uint32_t first_stream = UINT32_C(1) << 31;

moda_status moda_subtasks_add(moda_subtasks *s, const uint32_t *outputs, size_t n)
{
    moda_status st = MODA_OK;
    const size_t used = s->count ? s->first[s->count] : 0;
    /* Both arrays double: their capacity is the power of two from which the count says it is due. */
    if ((s->count & (s->count + 1)) == 0) {
        size_t *more = realloc(s->first, (2 * s->count + 3) * sizeof *more);
        MODA_CHECK(more, MODA_ERR_NOMEM, "out of memory: %zu sub-tasks", s->count);
        s->first = more;
        if (s->count == 0) s->first[0] = 0;
    }
    size_t room = 16;
    while (room < used) room *= 2;
    if (!s->output || used + n > room) {
        while (room < used + n) room *= 2;
        uint32_t *more = realloc(s->output, room * sizeof *more);
        MODA_CHECK(more, MODA_ERR_NOMEM, "out of memory: %zu sub-tasks", s->count);
        s->output = more;
    }
    memcpy(s->output + used, outputs, n * sizeof *outputs);
    s->first[++s->count] = used + n;
out:
    return st;
}

static int compare(const uint32_t *a, size_t a_n, const uint32_t *b, size_t b_n)
{
    if (a_n != b_n) return a_n < b_n ? -1 : 1;
    for (size_t i = 0; i < a_n; i++)
        if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
    return 0;
}

int moda_subtasks_compare(const moda_subtasks *s, size_t a, size_t b)
{
    return compare(moda_subtask_outputs(s, a), moda_subtask_size(s, a), moda_subtask_outputs(s, b),
                   moda_subtask_size(s, b));
}

void moda_subtasks_destroy(moda_subtasks *s)
{
    if (!s) return;
    free(s->first);
    free(s->output);
    free(s);
}

/* Subsets of k out of n, or limit if there are more. */
static size_t count_subsets(size_t n, size_t k, size_t limit)
{
    unsigned long long count = 1;
    if (k > n - k) k = n - k;
    for (size_t i = 1; i <= k; i++) { /* C(n-k+i, i), always whole; grows with i */
        count = count * (n - k + i) / i;
        if (count > limit) return limit;
    }
    return (size_t)count;
}

/* All subsets of k: places in the list, counted like an odometer. */
static moda_status add_all(const moda_subtask_choice *c, size_t k, size_t *place, uint32_t *outputs,
                           moda_subtasks *s)
{
    moda_status st = MODA_OK;
    for (size_t i = 0; i < k; i++) place[i] = i;
    for (;;) {
        for (size_t i = 0; i < k; i++) outputs[i] = (uint32_t)c->outputs[place[i]];
        MODA_TRY(moda_subtasks_add(s, outputs, k));
        size_t i = k;
        while (i > 0 && place[i - 1] == c->n - k + i - 1) i--;
        if (i == 0) break;
        place[i - 1]++;
        for (; i < k; i++) place[i] = place[i - 1] + 1;
    }
out:
    return st;
}

static int ascending(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Where outputs [k] belong among sub-tasks [from,count) of the same size; *there: it has them. */
static size_t find(const moda_subtasks *s, size_t from, const uint32_t *outputs, size_t k,
                   bool *there)
{
    size_t low = from, high = s->count;
    *there = false;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = compare(moda_subtask_outputs(s, middle), k, outputs, k);
        if (order == 0) *there = true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* c->sample different subsets of k, of which there are more: drawn one by one, a repeat again. */
static moda_status add_drawn(const moda_subtask_choice *c, size_t k, size_t *place,
                             uint32_t *outputs, moda_subtasks *s)
{
    moda_status st = MODA_OK;
    const moda_rng rng = moda_rng_make(c->seed, MODA_RNG_SAMPLE, first_stream | (uint32_t)k);
    const size_t from = s->count;
    for (uint64_t index = 0; s->count < from + c->sample;) {
        bool there;
        for (size_t i = 0; i < c->n; i++) place[i] = i;
        for (size_t i = 0; i < k; i++) {
            const size_t j = i + (size_t)moda_rng_below(rng, index++, c->n - i), swap = place[i];
            place[i] = place[j], place[j] = swap;
            outputs[i] = (uint32_t)c->outputs[place[i]];
        }
        qsort(outputs, k, sizeof *outputs, ascending);
        const size_t at = find(s, from, outputs, k, &there);
        if (there) continue;
        MODA_TRY(moda_subtasks_add(s, outputs, k)); /* makes room; then it goes to its place */
        uint32_t *into = s->output + s->first[at];
        memmove(into + k, into, (s->count - 1 - at) * k * sizeof *into);
        memcpy(into, outputs, k * sizeof *into);
    }
out:
    return st;
}

static bool wants_size(const moda_subtask_choice *c, size_t k)
{
    for (size_t i = 0; i < c->sizes.n; i++)
        if (c->sizes.values[i] == k) return true;
    return c->sizes.n == 0;
}

static moda_status check(const moda_subtask_choice *c)
{
    moda_status st = MODA_OK;
    size_t total = 0;
    MODA_CHECK(c->n >= 2, MODA_ERR_ARG,
               "%zu class: a sub-task has at least two, so there is none to look at", c->n);
    for (size_t i = 0; i < c->sizes.n; i++)
        MODA_CHECK(c->sizes.values[i] >= 2 && c->sizes.values[i] <= c->n, MODA_ERR_ARG,
                   "--sizes: %zu: sub-tasks of %zu classes have 2 to %zu", c->sizes.values[i], c->n,
                   c->n);
    const size_t most =
        c->sample && c->sample < MODA_SUBTASKS_MOST ? c->sample : MODA_SUBTASKS_MOST;
    for (size_t k = 2; k <= c->n && total < MODA_SUBTASKS_MOST; k++)
        if (wants_size(c, k)) total += count_subsets(c->n, k, most);
    MODA_CHECK(total < MODA_SUBTASKS_MOST, MODA_ERR_ARG,
               "%zu classes have too many subsets to run them all: take a sample of each size, "
               "--sample 10, and some sizes, --sizes 2,5,10",
               c->n);
out:
    return st;
}

moda_status moda_subtasks_choose(const moda_subtask_choice *c, moda_subtasks **subtasks)
{
    moda_status st = MODA_OK;
    moda_subtasks *s = NULL;
    size_t *place = NULL;
    uint32_t *outputs = NULL;
    MODA_TRY(check(c));
    MODA_ALLOC(s, sizeof *s);
    MODA_ALLOC(place, c->n * sizeof *place);
    MODA_ALLOC(outputs, c->n * sizeof *outputs);
    for (size_t k = 2; k <= c->n; k++) {
        if (!wants_size(c, k)) continue;
        if (c->sample && c->sample < count_subsets(c->n, k, SIZE_MAX / 2))
            MODA_TRY(add_drawn(c, k, place, outputs, s));
        else
            MODA_TRY(add_all(c, k, place, outputs, s));
    }
    *subtasks = s, s = NULL;
out:
    moda_subtasks_destroy(s);
    free(place);
    free(outputs);
    return st;
}
