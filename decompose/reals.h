/* decompose/reals.h - a list of numbers on the command line: 0.1,0.5,0.9. */
#ifndef MODA_DECOMPOSE_REALS_H
#define MODA_DECOMPOSE_REALS_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>

typedef struct moda_reals {
    double *values; /* the caller frees them */
    size_t n;
} moda_reals;

/* In the given order. name is the option, for the message. Fails: MODA_ERR_ARG (an entry that is no
 * number in [least,most], or above least if open, or that stands there twice). */
MODA_MUST_USE moda_status moda_reals_parse(const char *name, const char *text, double least,
                                           bool open, double most, moda_reals *list);

#endif
