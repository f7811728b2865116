/* bench/results.h - the figures of a benchmark as tables, JSON and CSV: the frame that all have in
 * common.
 *
 * On the screen: the machine in one line, its limits, the benchmark's own tables, how the
 * machine drifted. In the JSON: what the benchmark says once, its rows, limits and session. In
 * the CSV: a row for each. */
#ifndef MODA_BENCH_RESULTS_H
#define MODA_BENCH_RESULTS_H

#include "base/json.h"
#include "base/status.h"
#include "bench/roofline.h"
#include "bench/session.h"
#include <stddef.h>
#include <stdio.h>

/* What a benchmark brings along; all functions are given `bench`. */
typedef struct moda_results {
    const void *bench; /* borrowed */
    const moda_session *session;
    const moda_limits *limits; /* that rows are held against; NULL: none, or each row has its own */
    void (*tables)(const void *bench);
    json_t *(*head)(const void *bench); /* an object: what is said once; NULL when out of memory */
    const char
        *key; /* of the rows in that object; NULL: a benchmark of one row, which is in the head */
    size_t count;
    json_t *(*row)(const void *bench, size_t i);            /* NULL when out of memory */
    void (*csv_heads)(const void *bench, FILE *to);         /* without newline */
    void (*csv_row)(const void *bench, size_t i, FILE *to); /* with it; one line or several */
} moda_results;

/* On stdout. */
void moda_results_print(const moda_results *results);
/* New reference. Fails: MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_results_json(const moda_results *results, json_t **json);
/* Fails: MODA_ERR_IO. */
MODA_MUST_USE moda_status moda_results_write_csv(const moda_results *results, const char *path);

#endif
