/* bench/turn_internal.h - training steps in a process of their own: threads stay where they were
 * once bound, and pages where they were once touched. */
#ifndef MODA_BENCH_TURN_INTERNAL_H
#define MODA_BENCH_TURN_INTERNAL_H

#include "base/json.h"
#include "base/status.h"
#include "bench/roofline.h"
#include "bench/timing.h"
#include <stdbool.h>
#include <stddef.h>

/* The options of `moda bench turn`; texts are borrowed, NULL: not given. */
typedef struct moda_turn_call {
    const char *program; /* a moda, "/proc/self/exe" for moda itself */
    const char *model, *data, *method, *precision, *tune, *bind, *placement;
    size_t batch, steps, threads, seed; /* threads 0: not given */
    bool smt, profiled;
    /* "tuning" of an earlier turn's figures, for the same choices: tune does not count then; NULL, or
     * empty, as of a network without convolutions: none. */
    const json_t *tuning;
} moda_turn_call;

/* Runs it to its end. *figures is what it wrote, a new reference. Its stdout goes nowhere; what
 * it says on stderr is said again as a warning, or is the failure. It ends with this process,
 * however that ends; SIGINT, SIGTERM and SIGHUP are passed on, and then have their usual effect
 * here. Fails: MODA_ERR_ARG (it ended with exit code 2), MODA_ERR_INTERNAL (another one, a
 * signal), MODA_ERR_IO (no process, no temporary file, no figures). */
MODA_MUST_USE moda_status moda_turn(const moda_turn_call *call, json_t **figures);

/* The same of any command: `moda WORDS --quiet --json ...`, words closed by NULL. */
MODA_MUST_USE moda_status moda_turn_program(const char *program, const char *const *words,
                                            json_t **figures);

enum { MODA_TURN_LEAST = 2 }; /* steps of a turn */
/* Steps for a turn that is to take about so long, after those that were timed already; first a
 * few. */
size_t moda_turn_steps(const moda_timings *timings, double seconds);
/* The figures' steps are added to timings. Fails: MODA_ERR_INTERNAL (there are none),
 * MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_turn_take_seconds(const json_t *figures, moda_timings *timings);
/* A number of the figures, NAN if it is not there. */
double moda_turn_number(const json_t *figures, const char *key);
/* What a step does, and the machine's limits, of which what was better before stays. */
void moda_turn_take_work(const json_t *figures, moda_workload *work, moda_limits *limits);
/* With how many threads, on how many nodes, of which the first is number *first; NULLs are fine. */
void moda_turn_team(const json_t *figures, size_t *threads, size_t *nodes, long long *first);

#endif
