/* datasets/mat_internal.h - variables of MATLAB files of version 5 (save -v6, -v7), through matio.
 *
 * matio believes a file until it is too late: of a truncated one it gives zeros, and it prints what
 * it thinks of it. So the file's elements are walked and their checksums compared before matio sees
 * it, and matio's complaints become this room's. Private to this room; one thread at a time. */
#ifndef MODA_DATASETS_MAT_INTERNAL_H
#define MODA_DATASETS_MAT_INTERNAL_H

#include "base/status.h"
#include <matio.h>
#include <stddef.h>

typedef struct moda_mat moda_mat;

/* Fails: MODA_ERR_IO, MODA_ERR_FORMAT (another version or no MATLAB file, truncated, a wrong
 * checksum, other than arrays: path, byte, remedy), MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_mat_open(const char *path, moda_mat **mat);
void moda_mat_close(moda_mat *mat);

/* A variable without its data, to be looked at before memory is spent; Mat_VarFree() it. Fails:
 * MODA_ERR_FORMAT (no such variable; wanted says what the file should hold). */
MODA_MUST_USE moda_status moda_mat_find(moda_mat *mat, const char *name, const char *wanted,
                                        matvar_t **variable);
/* Its data: variable->data, variable->nbytes. Fails: MODA_ERR_FORMAT (matio's
 * complaint), MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_mat_load(moda_mat *mat, matvar_t *variable);

#endif
