/* bench/step_rows_internal.h - the figures of rows, for a benchmark that tells more of them. */
#ifndef MODA_BENCH_STEP_ROWS_INTERNAL_H
#define MODA_BENCH_STEP_ROWS_INTERNAL_H

#include "bench/step_rows.h"
#include <stdio.h>

/* As the functions of moda_results; bench is a moda_step_rows. */
void moda_step_rows_tables(const void *bench);
json_t *moda_step_row_json(const void *bench, size_t i);
void moda_step_row_csv_heads(const void *bench, FILE *to);
/* Without the newline. */
void moda_step_row_csv(const moda_step_row *row, FILE *to);

#endif
