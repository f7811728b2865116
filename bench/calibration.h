/* bench/calibration.h - how fast the machine is at this moment, by a kernel that never changes.
 *
 * Every thread does the same work at the same time: a chain of dependent 64-bit integer operations, which
 * runs at the speed of the clock, then a walk over 8 MiB of its own, beyond any second-level cache, one word
 * per line, which runs at the speed of what the cores share. No compiler can make vectors of either, and no
 * instruction set is asked for: two builds of moda run the same kernel, and a figure divided by its time can be
 * compared between them.
 *
 * It is run between the rounds of a measurement. The machine drifts when these times differ: clocks that
 * change, neighbours that come and go. */
#ifndef MODA_BENCH_CALIBRATION_H
#define MODA_BENCH_CALIBRATION_H

#include "base/json.h"
#include "base/status.h"
#include "bench/timing.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Beyond this drift the figures of a run do not compare. */
#define MODA_CALIBRATION_DRIFT 0.05

typedef struct moda_calibration {
    moda_timings rounds; /* each the median of a few runs, about 1 ms long */
    void *memory;        /* of all threads */
    size_t bytes;
    uint64_t sum; /* what the kernel computed, so that it is not optimised away */
} moda_calibration;

/* Runs the kernel a few times (some 10 ms in all) with the threads that OpenMP has: one more figure in
 * rounds. Fails: MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_calibration_take(moda_calibration *calibration);
/* Between the slowest and the fastest round, as a share of the median one; NaN before the second. */
double moda_calibration_drift(const moda_calibration *calibration);
/* {"seconds": [rounds], "median_seconds", "drift", "comparable"}. Fails: MODA_ERR_NOMEM. New reference. */
MODA_MUST_USE moda_status moda_calibration_json(const moda_calibration *calibration, json_t **json);
void moda_calibration_free(moda_calibration *calibration); /* zeroed struct is fine */

/* One thread's work: a number that depends on all of it. words [MODA_CALIBRATION_WORDS]. */
enum { MODA_CALIBRATION_STEPS = 400000, MODA_CALIBRATION_WORDS = 1 << 20 };
uint64_t moda_calibration_mix(uint64_t start, const uint64_t *words);
/* The chain alone, of so many steps. */
uint64_t moda_calibration_chain(uint64_t start, size_t steps);

#endif
