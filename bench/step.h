/* bench/step.h - how long training steps take in this process, and from where the processor fetched
 * what they needed.
 *
 * Whole steps of training as moda train does them, from the batch to the new weights; on made-up
 * images, if none are named: time does not depend on them. Algorithms are chosen as by moda train,
 * or are those of another run (engine/tuning.h). This is a turn of moda bench step
 * (bench/step_rows.h), bench methods, bench numa and moda scale. */
#ifndef MODA_BENCH_STEP_H
#define MODA_BENCH_STEP_H

#include "base/json.h"
#include "base/status.h"
#include "bench/remote.h"
#include "bench/roofline.h"
#include "bench/timing.h"
#include "engine/method.h"
#include "engine/profile.h"
#include "engine/tuner.h"
#include <stdbool.h>
#include <stddef.h>

typedef struct moda_step_bench {
    const char *model; /* borrowed; inputs and classes that it leaves open are those of data */
    const char *data;  /* SPEC, borrowed; NULL: made up, 3x32x32 and 10 classes where left open */
    size_t batch;
    size_t steps; /* timed ones, behind two that warm up */
    moda_method method;
    moda_precision precision;
    moda_tune_effort tune; /* OFF: tuning stays as it is */
    bool profiled;         /* with every part of the steps in the JSON */
    size_t seed;           /* of weights, order and crops */
    moda_tuning tuning;    /* the choices; after the run, those that were found */
    moda_timings timings;  /* [steps] */
    moda_timing_summary time;
    moda_workload work; /* of a step: the sum of its parts' */
    moda_limits limits; /* of the machine, with these threads */
    size_t memory;      /* bytes of weights, gradients, momentum and maps, as planned */
    size_t resident;    /* bytes of the process at the most, after the steps */
    bool counted;       /* fetches of the timed steps: counts */
    moda_remote_counts counts;
    char why[128];         /* they were not counted */
    moda_profile *profile; /* after the run */
    moda_remote remote;    /* MODA_REMOTE_CLOSED to begin with */
} moda_step_bench;

/* Before the process has threads: counters count those that start later. */
void moda_step_bench_count(moda_step_bench *bench);
/* With the threads and the placement that have been set. Fails: MODA_ERR_ARG (no such network, inputs
 * that are not square, fewer images than a batch), as the trainer, and as moda_tune(). */
MODA_MUST_USE moda_status moda_step_bench_run(moda_step_bench *bench);
void moda_step_bench_free(moda_step_bench *bench);

/* New reference. */
MODA_MUST_USE moda_status moda_step_bench_json(const moda_step_bench *bench, json_t **json);

#endif
