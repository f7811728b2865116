/* bench/methods.h - what a training step costs by each method of training, beside a standard step.
 *
 * Methods are rows of moda bench step (bench/step_rows.h), on the same images. Each round gives
 * every row the median of a turn, and so a ratio to the standard one's that a slower or faster
 * machine leaves as it was; told are the median ratio of all rounds, and how well it is known. */
#ifndef MODA_BENCH_METHODS_H
#define MODA_BENCH_METHODS_H

#include "base/status.h"
#include "bench/results.h"
#include "bench/step_rows.h"
#include "engine/net.h"
#include <stdbool.h>
#include <stddef.h>

enum { MODA_METHODS = 3, MODA_METHODS_SECONDS = 20 /* for each, usually */ };

typedef struct moda_method_ratio {
    moda_timings rounds; /* of each, the row's median to that of the standard row: no seconds */
    moda_timing_summary all;
} moda_method_ratio;

typedef struct moda_methods_bench {
    const char *model, *precision; /* as of moda bench turn; borrowed */
    size_t batch, threads; /* the run makes batch fit the number of images; threads 0: all */
    /* All but rows is given; the session's spread must be 0: rounds are compared. Rows: standard,
     * then mwt, unless the network has nowhere to put masks, then moda. */
    moda_step_rows steps;
    moda_method_ratio ratios[MODA_METHODS]; /* of each row, after the run */
} moda_methods_bench;

/* Whether the network has a place for the masks of method mwt, or has them. */
bool moda_methods_can_mask(const moda_net *net);
/* Fails: MODA_ERR_ARG (no such network, no training images), and as moda_step_rows_run(). */
MODA_MUST_USE moda_status moda_methods_run(moda_methods_bench *bench);
void moda_methods_free(moda_methods_bench *bench); /* after a failure, too */

moda_results moda_methods_results(const moda_methods_bench *bench);

#endif
