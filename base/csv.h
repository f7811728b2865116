/* base/csv.h - text from outside in a CSV file (RFC 4180). */
#ifndef MODA_BASE_CSV_H
#define MODA_BASE_CSV_H

#include <stdio.h>

/* In quotes, quotes inside doubled. Errors are sticky in f. */
void moda_csv_text(FILE *f, const char *text);

#endif
