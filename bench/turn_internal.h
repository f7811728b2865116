/* bench/turn_internal.h - a measurement in a process of its own: threads stay where they were once bound,
 * and pages where they were once touched. */
#ifndef MODA_BENCH_TURN_INTERNAL_H
#define MODA_BENCH_TURN_INTERNAL_H

#include "base/json.h"
#include "base/status.h"

/* Runs `moda WORDS --quiet --json ...`, words closed by NULL. *figures is what it wrote, a new reference. Its
 * stdout goes nowhere; what it says on stderr is said again as a warning, or is the failure. Fails: MODA_ERR_ARG
 * (it ended with exit code 2), MODA_ERR_INTERNAL (another one, a signal), MODA_ERR_IO (no process, no
 * temporary file, no figures). */
MODA_MUST_USE moda_status moda_turn(const char *program, const char *const *words,
                                    json_t **figures);

#endif
