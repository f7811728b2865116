/* bench/child_internal.h - a program run to its end, which does not outlive this one. */
#ifndef MODA_BENCH_CHILD_INTERNAL_H
#define MODA_BENCH_CHILD_INTERNAL_H

#include "base/status.h"

/* From begin to end SIGINT, SIGTERM and SIGHUP are kept back: a child gets them as SIGTERM, and
 * end() tells the last of them, else 0, for the caller to raise() when it has tidied up. Of one
 * thread at a time. */
void moda_child_begin(void);
int moda_child_end(void);

/* Runs program with argv, closed by NULL; its stdout goes nowhere, its stderr into the file
 * said. *how as waitpid() tells. If this process is killed the child gets SIGTERM. A program
 * that cannot be started ends with code MODA_CHILD_NOT_STARTED and says why. Fails: MODA_ERR_IO,
 * MODA_ERR_INTERNAL (there was a signal before, so it was not started). */
enum { MODA_CHILD_NOT_STARTED = 127 };
MODA_MUST_USE moda_status moda_child_run(const char *program, char *const *argv, const char *said,
                                         int *how);

#endif
