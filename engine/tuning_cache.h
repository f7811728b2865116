/* engine/tuning_cache.h - measured choices from one run to the next: a JSON file per user, for all
 * machines that share the home. docs/tuning.md has its form.
 *
 * A cache is a convenience: a file that is broken, or of a version that this moda does not know, costs one
 * warning, is taken as empty and replaced by the next one written. */
#ifndef MODA_ENGINE_TUNING_CACHE_H
#define MODA_ENGINE_TUNING_CACHE_H

#include "base/status.h"
#include "engine/tuning.h"
#include <stdbool.h>
#include <stddef.h>

/* What times depend on besides the shape. */
typedef struct moda_tuning_machine {
    char cpu[128];
    const char *kernels; /* instruction set of moda's own loops, static text */
    char library[64];    /* oneDNN: version and instruction set */
    size_t threads;
} moda_tuning_machine;

/* This machine. */
moda_tuning_machine moda_tuning_machine_here(size_t threads);

/* tuning.json in the user's cache folder (base/cache_dir.h), free() it; NULL if there is no such folder: then
 * nothing is kept. Fails: as moda_cache_dir(). */
MODA_MUST_USE moda_status moda_tuning_cache_path(char **path);

/* Sets the file's choices for this machine in tuning. No file, none. Fails: MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_tuning_cache_read(const char *path,
                                                 const moda_tuning_machine *machine,
                                                 moda_tuning *tuning);
/* Adds tuning's choices to the file, which is locked meanwhile (path.lock), so that runs that end at the
 * same time lose nothing. Where the file has a choice already it stays, and replaces tuning's, so that all
 * later runs do the same; overwrite: the other way round. Makes the folder. Fails: MODA_ERR_IO (then
 * tuning is as it was), MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_tuning_cache_add(const char *path,
                                                const moda_tuning_machine *machine,
                                                moda_tuning *tuning, bool overwrite);

#endif
