/* bench/experiment_table.h - the figures of a study: rows under columns, and the shapes in which
 * they are
 * shown. */
#ifndef MODA_BENCH_EXPERIMENT_TABLE_H
#define MODA_BENCH_EXPERIMENT_TABLE_H

#include "base/json.h"
#include "base/status.h"
#include <stddef.h>

typedef struct moda_study_column {
    const char *key;  /* in CSV and JSON */
    const char *head; /* on screen and in Markdown */
    int digits;       /* of a number, behind the point; MODA_STUDY_SHORT, MODA_STUDY_TEXT */
} moda_study_column;
enum { MODA_STUDY_SHORT = -1, /* as short as it can be: 0.5 */ MODA_STUDY_TEXT = -2 };

/* rows is an array of objects whose keys are those of columns: numbers, or texts under
 * MODA_STUDY_TEXT. What is missing or null is an empty cell: a figure not yet, or never, known. */
typedef struct moda_study_table {
    const moda_study_column *columns; /* borrowed */
    size_t count;
    json_t *rows;
} moda_study_table;

/* One more row, empty. Borrowed; NULL when out of memory, which the setters take. */
json_t *moda_study_row(moda_study_table *table);
/* NaN and NULL leave the cell empty. Without memory it stays so, too, and the table is not written
 * (moda_json_was_short). */
void moda_study_number(json_t *row, const char *key, double x);
void moda_study_text(json_t *row, const char *key, const char *text);

void moda_study_print(const moda_study_table *table);
/* With texts in quotes (base/csv.h), numbers to ten digits. Atomically. */
MODA_MUST_USE moda_status moda_study_write_csv(const moda_study_table *table, const char *path);
/* The table, between two texts (each may be NULL). Atomically. */
MODA_MUST_USE moda_status moda_study_write_markdown(const moda_study_table *table,
                                                    const char *above, const char *below,
                                                    const char *path);
/* [{"key", "head"}]. New reference; NULL when out of memory. */
json_t *moda_study_columns_json(const moda_study_table *table);

#endif
