/* datasets/mat_elements_internal.h - a MATLAB file's elements, walked before matio sees them: matio
 * believes what a file claims, and allocates it. Private to this room. */
#ifndef MODA_DATASETS_MAT_ELEMENTS_INTERNAL_H
#define MODA_DATASETS_MAT_ELEMENTS_INTERNAL_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

/* The file's bytes: every variable must be an array of numbers of up to 8 dimensions, with a name of
 * up to 63 characters (what MATLAB allows), and not claim more elements than it has bytes. Fails:
 * MODA_ERR_FORMAT (another version or no MATLAB file, truncated, a wrong checksum, cells or
 * structures: path, byte, remedy), MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_mat_check_elements(const char *path, const uint8_t *data,
                                                  size_t size);

#endif
