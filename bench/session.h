/* bench/session.h - how a benchmark measures: the same for all of them.
 *
 * A benchmark has rows, each something to be timed. Rows take turns in rounds, so that a machine that gets
 * slower or faster in between hits all of them alike. A row is done when its median is known well enough
 * (moda_timing_spread()), at the earliest after its second round, for timings that follow each
 * other resemble each other; else when its time is over. The machine is calibrated before each round and after the
 * last one: drift says whether the rows of a run compare. docs/benchmarks.md. */
#ifndef MODA_BENCH_SESSION_H
#define MODA_BENCH_SESSION_H

#include "base/json.h"
#include "base/options.h"
#include "base/status.h"
#include "bench/calibration.h"
#include "bench/timing.h"
#include <stdbool.h>
#include <stddef.h>

typedef struct moda_session {
    double seconds; /* for a row at the most, all rounds together */
    size_t rounds;  /* 0: the benchmark times in its own way, and only calibrates */
    double spread;  /* in per cent: enough when a median is known so well; 0: the whole time */
    bool elsewhere; /* other processes measure: the threads of this one say nothing about them */
    moda_calibration calibration; /* after the run */
    char help[3][96];             /* of the options, with their defaults */
} moda_session;

/* Options --seconds, --rounds, --spread of a command, for MODA_OPTION_TABLE. Their targets are in
 * *session, whose values are the defaults. */
enum { MODA_SESSION_OPTION_COUNT = 4 }; /* with the closing entry */
void moda_session_options(moda_session *session, moda_option table[MODA_SESSION_OPTION_COUNT]);

typedef struct moda_session_row {
    const char *name; /* for the progress bar */
    moda_timings *timings;
    moda_timing_summary *time; /* written */
} moda_session_row;

/* What a benchmark brings along. */
typedef struct moda_session_work {
    const char *label; /* of the progress bar */
    size_t count;
    void *user;
    moda_session_row (*row)(void *user, size_t i);
    /* Measures row i for about that long: adds to its timings. */
    moda_status (*measure)(void *user, size_t i, double seconds);
    moda_status (*before_round)(void *user); /* may be NULL */
} moda_session_work;

/* Measures and summarises all rows. Shows progress. Fails: as measure and before_round, MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_session_run(moda_session *session, const moda_session_work *work);

/* Above the tables, on stdout: the machine, in one line. Below them: how fast the calibration kernel was, and how
 * it drifted; a warning, which stays with the figures, if so much that they do not compare. */
void moda_session_print_machine(void);
void moda_session_print_drift(const moda_session *session);
/* "machine", "thread_map" (null if measured elsewhere), "measuring" and "calibration" go into a
 * benchmark's object. Fails: MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_session_json(const moda_session *session, json_t *object);
void moda_session_free(moda_session *session); /* zeroed struct is fine; keeps the options */

#endif
