/* base/cache_dir.h - where moda keeps what can be made again: measured choices, decoded pictures. */
#ifndef MODA_BASE_CACHE_DIR_H
#define MODA_BASE_CACHE_DIR_H

#include "base/status.h"

/* *path := $XDG_CACHE_HOME/moda, else $HOME/.cache/moda, in fresh memory (free() it), as the XDG base
 * directory specification has it: what is missing of that path is made with mode 0700, and a
 * variable that is empty or not an absolute path counts as not set. With neither of them *path is
 * NULL: there is no place, so nothing is to be kept. A home that does not exist is not made.
 * Fails: MODA_ERR_IO (a folder cannot be made), MODA_ERR_NOMEM; *path is then NULL. */
MODA_MUST_USE moda_status moda_cache_dir(char **path);

#endif
