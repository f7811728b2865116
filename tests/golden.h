/* tests/golden.h - reads tests/golden/NAME (safetensors) for tests. Shares no code with
 * engine/safetensors.h, so both can be checked against each other. Any failure - no such file, no
 * such tensor, another type - prints one line and aborts the test. */
#ifndef MODA_TESTS_GOLDEN_H
#define MODA_TESTS_GOLDEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GOLDEN_MAX_RANK = 8 };

typedef struct golden_file golden_file;

/* name is relative to tests/golden. */
golden_file *golden_open(const char *name);
void golden_close(golden_file *g);

bool golden_has(const golden_file *g, const char *tensor);
/* Number of elements; shape and rank may be NULL. */
size_t golden_shape(const golden_file *g, const char *tensor, size_t shape[GOLDEN_MAX_RANK],
                    size_t *rank);
/* Row-major, 64-byte aligned, valid until golden_close(); count may be NULL. */
const float *golden_f32(const golden_file *g, const char *tensor, size_t *count);
const int64_t *golden_i64(const golden_file *g, const char *tensor, size_t *count);
const uint8_t *golden_u8(const golden_file *g, const char *tensor, size_t *count); /* BOOL too */
/* A string of __metadata__. */
const char *golden_metadata(const golden_file *g, const char *key);

/* printf into a ring of eight buffers, for names: golden_f32(g, golden_name("%d.act", i), NULL). */
const char *golden_name(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
