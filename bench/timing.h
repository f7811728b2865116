/* bench/timing.h - many timings of one thing, and what they say together.
 * A shared machine makes single timings jump, upwards only: the median is what is told, the quartiles
 * show how much to believe it, the best one is what the machine can do undisturbed. */
#ifndef MODA_BENCH_TIMING_H
#define MODA_BENCH_TIMING_H

#include "base/status.h"
#include <stddef.h>

typedef struct moda_timings {
    double *seconds; /* [n] in the order of measuring */
    size_t n, capacity;
} moda_timings;

typedef struct moda_timing_summary {
    size_t n;
    double median, low, high, best; /* seconds; low, high: quartiles. NaN for n = 0 */
} moda_timing_summary;

MODA_MUST_USE moda_status moda_timings_add(moda_timings *timings, double seconds);

/* Something to be timed. */
typedef struct moda_timed {
    moda_status (*call)(void *state);
    void (*before)(void *state); /* each call, not timed; may be NULL */
    void *state;
} moda_timed;

/* Calls until `seconds` are over, at least `least` times and at most 100,000 times; each call is one
 * timing. timings NULL: only to warm up. Fails as the call, or MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_timings_repeat(moda_timed what, double seconds, size_t least,
                                              moda_timings *timings);
/* Quantiles are interpolated between neighbours. Fails: MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_timings_summarise(const moda_timings *timings,
                                                 moda_timing_summary *summary);
void moda_timings_free(moda_timings *timings); /* zeroed struct is fine */

#endif
