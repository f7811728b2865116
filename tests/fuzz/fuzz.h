/* tests/fuzz/fuzz.h - what the fuzz targets share. Each target is one file with libFuzzer's entry, which
 * gives made-up bytes to one reader of moda (`make fuzz`, docs/reliability.md).
 *
 * Readers take paths, so bytes become files in a folder of the process's own in memory. */
#ifndef MODA_TESTS_FUZZ_H
#define MODA_TESTS_FUZZ_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);

/* The folder, made when first asked for and removed at exit. Also silences moda's log, whose messages
 * about broken files are what is expected here. */
const char *fuzz_folder(void);
/* Writes bytes to FOLDER/name and returns that path, in a ring of 8 buffers. */
const char *fuzz_file(const char *name, const uint8_t *data, size_t size);

/* What any reader owes, whatever the bytes were: MODA_OK, or a failure that is not moda's own defect with
 * a message of one line. Anything else aborts. */
void fuzz_judge(moda_status status);
/* Stops: the target itself could not be set up. */
void fuzz_must(moda_status status);
/* The target's own condition. */
void fuzz_hold(int condition, const char *what);

/* Between these stdout is memory, and at the end it is looked through: what a file says must not command a
 * terminal. */
void fuzz_screen_begin(void);
void fuzz_screen_end(void);

/* The first part of the bytes, up to the separator byte 0xff 0x00 or the end; *rest is what follows. */
size_t fuzz_part(const uint8_t *data, size_t size, const uint8_t **rest, size_t *rest_size);

/* A mutation of a safetensors file that keeps, half of the time, the header's length true, so that not
 * all of them end at the first check. */
size_t fuzz_mutate_tensors(uint8_t *data, size_t size, size_t most, unsigned seed);

#endif
