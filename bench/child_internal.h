/* bench/child_internal.h - a program run to its end, which does not outlive this one. */
#ifndef MODA_BENCH_CHILD_INTERNAL_H
#define MODA_BENCH_CHILD_INTERNAL_H

#include "base/status.h"

/* Runs program with argv, closed by NULL; its stdout goes nowhere, its stderr into the file said. *how as waitpid()
 * tells. If this process is killed the child gets SIGTERM. SIGINT, SIGTERM and SIGHUP that arrive meanwhile
 * are passed on to it as SIGTERM: *caught is the last of them, else 0, for the caller to raise() when it
 * has tidied up. A program that cannot be started ends with code 127 and says why. Fails: MODA_ERR_IO. Of one thread
 * at a time. */
MODA_MUST_USE moda_status moda_child_run(const char *program, char *const *argv, const char *said,
                                         int *how, int *caught);

#endif
