/* base/options_internal.h - what the files behind base/options.h share. */
#ifndef MODA_BASE_OPTIONS_INTERNAL_H
#define MODA_BASE_OPTIONS_INTERNAL_H

#include "base/options.h"

/* Entries of a table and of those it refers to; all (may be NULL) gets them in order. */
size_t moda_options_flatten(const moda_option *table, const moda_option **all);

/* Checks text and writes it to the option's target. */
moda_status moda_option_set(const moda_option *option, const char *text);

/* Whether every OUTPUT that is given can be written, is no other's file, and none that an operand or
 * a TEXT names; values[i] is option i's text, NULL if it is not there. */
moda_status moda_options_check_outputs(const moda_option **all, size_t n, const char **values,
                                       char *const *operands, size_t operand_count);

/* The help text on stdout. */
void moda_options_help(const moda_command *command, const moda_option **all, size_t n);

/* "a whole number from 1 to 64": what an option's value may be, in a buffer of that size. */
void moda_option_range(const moda_option *option, char *text, size_t size);

#endif
