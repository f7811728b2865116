/* engine/quote_internal.h - names out of files inside one-line messages. */
#ifndef MODA_ENGINE_QUOTE_INTERNAL_H
#define MODA_ENGINE_QUOTE_INTERNAL_H

#include <stddef.h>

enum { MODA_QUOTE_BYTES = 72 };

/* Copies text into buffer [MODA_QUOTE_BYTES] and returns it; a long one is cut and ends in "...", so
 * that a message stays readable whatever a file says. */
const char *moda_quote(const char *text, char *buffer);

/* For use as an argument: the buffer lives as long as the block around it. */
#define MODA_QUOTE(text) moda_quote((text), (char[MODA_QUOTE_BYTES]){0})

/* "[64,3,3,3]" in buffer [MODA_QUOTE_BYTES], which is returned; more than 8 numbers are cut. */
const char *moda_quote_shape(size_t rank, const size_t *shape, char *buffer);
#define MODA_QUOTE_SHAPE(rank, shape) moda_quote_shape((rank), (shape), (char[MODA_QUOTE_BYTES]){0})

#endif
