/* base/lock.h - one writer per folder.
 *
 * The lock is the kernel's (flock on FOLDER/.lock): it ends with the process, however that ends.
 * The file names the owner for the message; one that a killed process left behind locks nothing. */
#ifndef MODA_BASE_LOCK_H
#define MODA_BASE_LOCK_H

#include "base/status.h"

typedef struct moda_lock moda_lock;

/* folder must be there. Does not wait. A file system that cannot lock costs a warning, no failure.
 * Fails: MODA_ERR_IO (another process has it: the message names it; the file cannot be made),
 * MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_lock_take(const char *folder, moda_lock **lock);
/* Removes the file, too. */
void moda_lock_release(moda_lock *lock);

#endif
