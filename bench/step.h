/* bench/step.h - how long a training step takes, and from where the processor fetched what it needed.
 *
 * A whole step of training as moda train does it, from the batch to the new weights, on made-up images:
 * time does not depend on them. Algorithms by rule, so that two runs do the same. */
#ifndef MODA_BENCH_STEP_H
#define MODA_BENCH_STEP_H

#include "base/json.h"
#include "base/status.h"
#include "bench/remote.h"
#include "bench/timing.h"
#include "engine/profile.h"
#include <stdbool.h>
#include <stddef.h>

typedef struct moda_step_bench {
    const char *model; /* borrowed; 3x32x32 inputs and 10 classes where it leaves them open */
    size_t batch;
    size_t steps; /* timed ones, behind two that warm up */
    bool modular, bf16;
    bool profiled;        /* with every part of the steps, and the machine's limits, in the JSON */
    size_t seed;          /* of weights, order and crops */
    moda_timings timings; /* [steps] */
    moda_timing_summary time;
    bool counted; /* fetches of the timed steps: counts */
    moda_remote_counts counts;
    char why[128];         /* they were not counted */
    moda_profile *profile; /* after the run, if profiled */
    double peak_bf16;      /* operations a second, if profiled and bf16 */
    moda_remote remote;    /* MODA_REMOTE_CLOSED to begin with */
} moda_step_bench;

/* Before the process has threads: counters count those that start later. */
void moda_step_bench_count(moda_step_bench *bench);
/* With the threads and the placement that have been set. Fails: MODA_ERR_ARG (no such network; inputs that
 * are not square), and as the trainer. */
MODA_MUST_USE moda_status moda_step_bench_run(moda_step_bench *bench);
void moda_step_bench_free(moda_step_bench *bench);

/* A table on stdout. */
void moda_step_bench_print(const moda_step_bench *bench);
/* New reference. */
MODA_MUST_USE moda_status moda_step_bench_json(const moda_step_bench *bench, json_t **json);

#endif
