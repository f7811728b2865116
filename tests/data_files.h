/* tests/data_files.h - for the tests of datasets/: a scratch folder, files in it, and opening data
 * sets that must be read or must be refused. */
#ifndef MODA_TESTS_DATA_FILES_H
#define MODA_TESTS_DATA_FILES_H

#include "datasets/dataset.h"
#include <stddef.h>
#include <stdint.h>

/* .init and .fini of a suite: a fresh folder, removed with all that is in it. */
void scratch_begin(void);
void scratch_end(void);
/* "FOLDER/text", in a ring of 16 buffers. */
const char *scratch(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Missing parents of path are made. */
void write_bytes(const char *path, const void *bytes, size_t size);
void write_gzip(const char *path, const void *bytes, size_t size);
/* free() the result. */
uint8_t *read_bytes(const char *path, size_t *size);

/* "word:FOLDER/text", same ring. */
const char *spec_of(const char *word, const char *text);
/* Fails the test when the data set cannot be opened. */
moda_dataset *must_open(const char *spec, const moda_dataset_options *options);
/* Fails the test unless opening fails with status and one line that holds all words (NULL ends). */
void must_refuse(const char *spec, const moda_dataset_options *options, moda_status status, ...)
    __attribute__((sentinel));

#endif
