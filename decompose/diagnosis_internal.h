/* decompose/diagnosis_internal.h - putting findings together. */
#ifndef MODA_DECOMPOSE_DIAGNOSIS_INTERNAL_H
#define MODA_DECOMPOSE_DIAGNOSIS_INTERNAL_H

#include "decompose/diagnosis.h"
#include <stdio.h>

enum { MODA_DIAGNOSIS_NAMED = 3 }; /* classes, pairs or layers that a line names */

/* A line that is being written; its text is the finding's once it is added. */
typedef struct moda_diagnosis_line {
    FILE *stream;
    char *text;
    size_t size;
} moda_diagnosis_line;

MODA_MUST_USE moda_status moda_diagnosis_line_open(moda_diagnosis_line *line);
/* The figure was looked at; true if it is a finding. */
bool moda_diagnosis_judge(moda_diagnosis *diagnosis, moda_signature signature, double figure);
/* Closes the line and adds it. */
MODA_MUST_USE moda_status moda_diagnosis_add(moda_diagnosis *diagnosis, moda_signature signature,
                                             moda_diagnosis_line *line);
void moda_diagnosis_line_drop(moda_diagnosis_line *line); /* zeroed or added: nothing */

/* "3 Dress", without control characters. */
void moda_diagnosis_class(FILE *f, const moda_model *model, size_t output);
const char *moda_diagnosis_layer(const moda_model *model, size_t l);

/* The first places of n values, largest first: best [MODA_DIAGNOSIS_NAMED] indices, of equal ones
 * the lower first; how many there are. Only values above `least`. */
size_t moda_diagnosis_largest(size_t n, const double *values, double least,
                              size_t best[MODA_DIAGNOSIS_NAMED]);

#endif
