/* bench/probe.h - the machine at this moment, in a third of a millisecond: how fast its clock runs, and how far its
 * cores are from each other.
 *
 * The clock is told by the chain of integer operations of bench/calibration.h, on all threads at once: no compiler can
 * shorten it, no instruction set is asked for, and neighbours do not slow it down unless they take the core away.
 *
 * The distance is the time until a word that one thread has written is seen by the next one, on average over a ring of
 * all threads and over many cache lines, as their places in a shared cache differ. What threads wait for each
 * other, at barriers and for results, grows with it. It belongs to the machine, except where a hypervisor moves
 * its virtual cores between caches: then it changes by factors, from one second to the next. */
#ifndef MODA_BENCH_PROBE_H
#define MODA_BENCH_PROBE_H

#include "base/status.h"
#include "bench/timing.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct moda_probe {
    moda_timings clock;    /* seconds of the chain, by the slowest thread */
    moda_timings handover; /* seconds from one thread to the next; 0 with one thread */
    uint64_t sum;          /* what the chain computed, so that it is not optimised away */
} moda_probe;

/* One more figure in both, with the threads that OpenMP has. Fails: MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_probe_take(moda_probe *probe);
void moda_probe_free(moda_probe *probe); /* zeroed struct is fine */

/* Whether two handovers are of one state of the machine: neither is more than half longer. The same state has
 * scattered by a tenth, where cores of one cache and cores of two were four times apart. */
#define MODA_PROBE_STATE 1.5
bool moda_probe_same_state(double handover, double other);

#endif
