/* bench/step_rows.h - how long a training step takes: networks, methods, precisions, batches and
 * threads.
 *
 * A row is one combination. Rows are measured as bench/session.h has it; each turn of a row is a
 * process of its own, `moda bench turn` (bench/step.h): threads are bound when a process starts,
 * and a row's memory is its own. A row's first turn chooses algorithms as moda train does, and
 * later turns keep them. Each row is held against the limits of the machine with its threads.
 * docs/benchmarks.md. */
#ifndef MODA_BENCH_STEP_ROWS_H
#define MODA_BENCH_STEP_ROWS_H

#include "base/json.h"
#include "base/status.h"
#include "bench/results.h"
#include "bench/roofline.h"
#include "bench/session.h"
#include <stdbool.h>
#include <stddef.h>

typedef struct moda_step_row {
    const char *model, *method, *precision; /* as of moda bench turn; borrowed */
    size_t batch, threads; /* threads 0: all that may be used; after the run: that were */
    char name[128];
    moda_workload work;            /* of a step; after the run, as all that follows */
    moda_limits limits;            /* of the machine with these threads */
    size_t memory;                 /* bytes of weights, gradients, momentum and maps */
    size_t resident;               /* bytes of the whole process at the most, in the last turn */
    moda_timings timings, medians; /* of steps; of each turn's steps */
    moda_timing_summary time;
    json_t *tuning; /* the choices */
} moda_step_row;

typedef struct moda_step_rows {
    const char *program;          /* a moda, "/proc/self/exe" for moda itself; borrowed */
    const char *data, *tune;      /* as of moda bench turn; borrowed, NULL: as usual */
    const char *bind, *placement; /* the same */
    bool smt;
    size_t seed;
    moda_session session;
    moda_step_row *rows;
    size_t count;
} moda_step_rows;

/* One more, of which model, method, precision, batch and threads are taken. Fails:
 * MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_step_rows_add(moda_step_rows *bench, const moda_step_row *row);
/* Measures. Shows progress. Fails: as moda bench turn does, MODA_ERR_IO (no process, no
 * temporary file). */
MODA_MUST_USE moda_status moda_step_rows_run(moda_step_rows *bench);
void moda_step_rows_free(moda_step_rows *bench); /* zeroed struct is fine */

/* After the run, as tables, JSON and CSV; borrows the bench. */
moda_results moda_step_rows_results(const moda_step_rows *bench);

#endif
