/* base/lines.h - a text file that grows line by line, for hours.
 *
 * A line is in the file when moda_lines_add() returns. What the disk does not take is kept in
 * memory and written with the next line: a disk that is full for a while costs no line. */
#ifndef MODA_BASE_LINES_H
#define MODA_BASE_LINES_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>

typedef struct moda_lines moda_lines;

/* The file is made with its first line. An earlier one is cut to its first keep bytes; 0: removed.
 * Fails: MODA_ERR_IO (among others: it is shorter than keep), MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_lines_open(const char *path, size_t keep, moda_lines **lines);
/* Writes what is kept, if the disk takes it. */
void moda_lines_close(moda_lines *lines);
/* Adds line and a newline. Fails: MODA_ERR_IO (the line is kept), MODA_ERR_NOMEM (it is not). */
MODA_MUST_USE moda_status moda_lines_add(moda_lines *lines, const char *line);
/* All lines into the file; sync: and onto the disk. Fails: MODA_ERR_IO. */
MODA_MUST_USE moda_status moda_lines_flush(moda_lines *lines, bool sync);
/* Bytes that are in the file. */
size_t moda_lines_bytes(const moda_lines *lines);

#endif
