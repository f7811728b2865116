/* base/unfinished_internal.h - the file that a writer fills before it takes another one's place. Its
 * writer holds a lock on it (flock) while it lives, so what a killed one has left behind can be told
 * from what is being written. */
#ifndef MODA_BASE_UNFINISHED_INTERNAL_H
#define MODA_BASE_UNFINISHED_INTERNAL_H

#include "base/status.h"

/* A new, locked file beside path: *name is fresh memory, *file its descriptor; NULL and -1 on failure.
 * Mode as the user's umask says. Fails: MODA_ERR_IO, MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_unfinished_open(const char *path, char **name, int *file);

#endif
