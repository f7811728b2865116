/* tests/rounds/soak.h - whether memory stays flat. */
#ifndef MODA_TESTS_SOAK_H
#define MODA_TESTS_SOAK_H

#include <stddef.h>

/* Rounds for some minutes (four at least). After each one: resident memory, bytes of the heap in use, open
 * files, in ./soak.csv. The rule: between the second and the last quarter of the rounds, the median
 * of resident memory grows by at most 1 % + 1 MB, that of the heap in use by at most 64 kB, and the number
 * of open files by none. Gives the exit status; says figures and verdict on stderr. */
int soak(void (*round)(size_t threads), size_t threads, double minutes);

#endif
