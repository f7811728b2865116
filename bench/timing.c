#include "bench/timing.h"
#include "base/progress.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

moda_status moda_timings_add(moda_timings *t, double seconds)
{
    moda_status st = MODA_OK;
    if (t->n == t->capacity) {
        const size_t capacity = t->capacity ? 2 * t->capacity : 256;
        double *grown = realloc(t->seconds, capacity * sizeof *grown);
        MODA_CHECK(grown, MODA_ERR_NOMEM, "out of memory: %zu timings", capacity);
        t->seconds = grown, t->capacity = capacity;
    }
    t->seconds[t->n++] = seconds;
out:
    return st;
}

moda_status moda_timings_repeat(moda_timed what, double seconds, size_t least, moda_timings *t)
{
    enum { MOST = 100000 };
    moda_status st = MODA_OK;
    const double start = moda_seconds();
    double now = start;
    for (size_t n = 0; n < MOST && (n < least || now - start < seconds); n++) {
        if (what.before) what.before(what.state);
        const double before = moda_seconds();
        MODA_TRY(what.call(what.state));
        now = moda_seconds();
        if (t) MODA_TRY(moda_timings_add(t, now - before));
    }
out:
    return st;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(const double *sorted, size_t n, double share)
{
    const double place = share * (double)(n - 1);
    const size_t below = (size_t)place;
    const size_t above = below + 1 < n ? below + 1 : below;
    return sorted[below] + (place - (double)below) * (sorted[above] - sorted[below]);
}

moda_status moda_timings_summarise(const moda_timings *t, moda_timing_summary *summary)
{
    moda_status st = MODA_OK;
    double *sorted = NULL;
    *summary = (moda_timing_summary){0, NAN, NAN, NAN, NAN};
    if (t->n == 0) goto out;
    MODA_ALLOC(sorted, t->n * sizeof *sorted);
    memcpy(sorted, t->seconds, t->n * sizeof *sorted);
    qsort(sorted, t->n, sizeof *sorted, by_size);
    *summary =
        (moda_timing_summary){t->n, quantile(sorted, t->n, 0.5), quantile(sorted, t->n, 0.25),
                              quantile(sorted, t->n, 0.75), sorted[0]};
out:
    free(sorted);
    return st;
}

void moda_timings_free(moda_timings *t)
{
    if (!t) return;
    free(t->seconds);
    *t = (moda_timings){0};
}
