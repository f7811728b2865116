/* bench/temporary_internal.h - folders for a while, which are gone also when SIGINT, SIGTERM or SIGHUP ends
 * the process; only a kill leaves them.
 *
 * While there is one, those signals are caught: the handler removes all folders, and the signal then has the
 * effect that it had before; on whatever thread that is, as signals that one keeps back go to another.
 * Whoever keeps signals back meanwhile (bench/child_internal.h) begins behind make() and raises what came
 * when that is over. */
#ifndef MODA_BENCH_TEMPORARY_INTERNAL_H
#define MODA_BENCH_TEMPORARY_INTERNAL_H

#include "base/status.h"

typedef struct moda_temporary moda_temporary;

/* TMPDIR/NAME-XXXXXX, or below /tmp; its path. Fails: MODA_ERR_IO, MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_temporary_make(const char *name, moda_temporary **folder);
const char *moda_temporary_path(const moda_temporary *folder);
/* With all that is in it. */
void moda_temporary_remove(moda_temporary *folder);

#endif
