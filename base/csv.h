/* base/csv.h - text from outside in a CSV file (RFC 4180), and numbers that may be missing. */
#ifndef MODA_BASE_CSV_H
#define MODA_BASE_CSV_H

#include <stdio.h>

/* In quotes, quotes inside doubled. Errors are sticky in f. */
void moda_csv_text(FILE *f, const char *text);
/* With six digits; nothing for what is no number. */
void moda_csv_number(FILE *f, double x);

#endif
