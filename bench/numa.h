/* bench/numa.h - does it pay to bind threads and to place memory?
 *
 * A training step (bench/step.h) is timed under several policies, as bench/session.h has it.
 * Each turn of a policy is a process of its own, `moda bench turn` with the policy's --bind and
 * --placement: threads stay where they were once bound, and pages where they were once touched.
 * docs/numa.md. */
#ifndef MODA_BENCH_NUMA_H
#define MODA_BENCH_NUMA_H

#include "base/json.h"
#include "base/status.h"
#include "bench/remote.h"
#include "bench/results.h"
#include "bench/roofline.h"
#include "bench/session.h"
#include "bench/timing.h"
#include <stdbool.h>
#include <stddef.h>

/* The words of --bind and --placement. */
typedef struct moda_numa_policy {
    const char *name, *bind, *placement;
    const char *what; /* in a few words */
} moda_numa_policy;

typedef struct moda_numa_subject {
    const moda_numa_policy *policy;
    char placement[24];        /* the policy's, with the node's number */
    moda_timings timings;      /* of steps, all rounds */
    moda_timing_summary time;  /* after the run */
    moda_remote_counts counts; /* of those steps */
    moda_workload work;        /* of a step */
} moda_numa_subject;

typedef struct moda_numa_bench {
    const char *program, *model,
        *method; /* borrowed; program: a moda, "/proc/self/exe" for moda itself */
    size_t batch;
    size_t threads; /* 0: as many as may be used; after the run: that were */
    bool smt;
    size_t seed;
    moda_session session;
    moda_limits
        limits;   /* of the machine with these threads, the best of all turns; after the run */
    size_t nodes; /* on which bound threads run; after the run */
    moda_numa_subject *subjects;
    size_t count;
    char why[128]; /* some turn did not count its fetches; "": all did */
} moda_numa_bench;

/* Measures: with threads on one node "off" and "sliced", else all policies. Fails: as moda bench
 * turn does, MODA_ERR_IO (no process, no temporary file). Shows progress. */
MODA_MUST_USE moda_status moda_numa_bench_run(moda_numa_bench *bench);
void moda_numa_bench_free(moda_numa_bench *bench); /* zeroed struct is fine */

/* Share of fetches from memory that went to another node, in [0,1]; NaN where nothing was counted. */
double moda_numa_far_share(const moda_numa_bench *bench, const moda_numa_subject *subject);
/* The subject's median against that of "off": 0.9 is a tenth less time. */
double moda_numa_against_off(const moda_numa_bench *bench, const moda_numa_subject *subject);

/* After the run, as tables, JSON and CSV; borrows the bench. */
moda_results moda_numa_bench_results(const moda_numa_bench *bench);

#endif
