/* bench/timing.h - many timings of one thing, and what they say together.
 *
 * A shared machine makes single timings jump, upwards only: the median is what is told. How well it is known is
 * told by an interval that holds the true median with a stated confidence, whatever the distribution of
 * timings (bench/median.h): tables call it spread. The best timing is what the machine can do
 * undisturbed. Timings that follow each other are more alike than the interval's theory has it: it is
 * a little too narrow where the machine changes between rounds, which bench/calibration.h watches. */
#ifndef MODA_BENCH_TIMING_H
#define MODA_BENCH_TIMING_H

#include "base/json.h"
#include "base/status.h"
#include <stddef.h>

#define MODA_TIMING_CONFIDENCE 0.95

typedef struct moda_timings {
    double *seconds; /* [n] in the order of measuring */
    size_t n, capacity;
} moda_timings;

typedef struct moda_timing_summary {
    size_t n;
    double median;    /* seconds, as low, high and best; all NaN for n = 0 */
    double low, high; /* the interval; NaN for n = 1, of which there is none */
    double best;
    double
        confidence; /* of the interval: less than MODA_TIMING_CONFIDENCE where n < 6; NaN as it */
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
/* One round: a fifth of `seconds` to warm up clocks, caches and pages (two calls at least), then
 * `seconds` of timings (three at least). */
MODA_MUST_USE moda_status moda_timings_round(moda_timed what, double seconds,
                                             moda_timings *timings);
/* Fails: MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_timings_summarise(const moda_timings *timings,
                                                 moda_timing_summary *summary);
/* The timing that a share q, 0 .. 1, of the others is shorter than; NaN of none. Fails: MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_timings_quantile(const moda_timings *timings, double q,
                                                double *seconds);
/* Half the interval's width as a share of the median: 0.01 is the median, give or take 1 %. INFINITY
 * where there are too few timings for the stated confidence. */
double moda_timing_spread(const moda_timing_summary *summary);
/* "1.25 - 1.50", the interval's ends as they are shown, in text; "-" where there is none. */
enum { MODA_TIMING_RANGE = 64 };
const char *moda_timing_range(double low, double high, int digits, char text[MODA_TIMING_RANGE]);
void moda_timings_free(moda_timings *timings); /* zeroed struct is fine */
/* [seconds] in the order of measuring. New reference; NULL when out of memory. */
json_t *moda_timings_json(const moda_timings *timings);

/* The figures of a summary, n as "calls", then "median_seconds", "low_seconds", "high_seconds",
 * "best_seconds", "confidence", go into an object. Fails: MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_timing_json(const moda_timing_summary *summary, json_t *object);

#endif
