/* base/lock.h - one writer per folder, and per file that grows for hours.
 *
 * The lock is the kernel's (flock on FOLDER/.lock or FILE.lock): it ends with the process, however
 * that ends. The file names the owner for the message; one that a killed process left behind locks
 * nothing. */
#ifndef MODA_BASE_LOCK_H
#define MODA_BASE_LOCK_H

#include "base/status.h"

typedef struct moda_lock moda_lock;

/* Makes the folder, if it is not there. Does not wait. A file system that cannot lock costs a
 * warning, no failure. Fails, and leaves nothing: MODA_ERR_IO (another process has it: the message names it; the folder
 * or the file cannot be made), MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_lock_folder(const char *folder, moda_lock **lock);
/* The same for a file, which need not be there yet, but its folder must. */
MODA_MUST_USE moda_status moda_lock_file(const char *path, moda_lock **lock);
/* For a moment's write to what processes share: waits until no other one has locked the open file, and locks
 * it until it is closed. what: for the warning that is all that a file system costs which cannot lock. */
void moda_lock_wait(int file, const char *what);
/* Removes the lock's file, too, and what folders were made for it, if nothing is in them. */
void moda_lock_release(moda_lock *lock);

#endif
