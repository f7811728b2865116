/* bench/methods.h - what a training step costs by each method of training, beside a standard step.
 *
 * Methods take turns: a turn is a few steps of moda train, on the same images, after two that warm
 * up. Each
 * round gives every method's median, and so a ratio to the standard one's that a slower or faster
 * machine leaves as it was; told are the median ratio of all rounds, and how well it is known. */
#ifndef MODA_BENCH_METHODS_H
#define MODA_BENCH_METHODS_H

#include "base/json.h"
#include "base/status.h"
#include "bench/results.h"
#include "bench/session.h"
#include "datasets/dataset.h"
#include "engine/trainer.h"
#include "engine/tuner.h"
#include <stdbool.h>
#include <stddef.h>

enum { MODA_METHODS = 3, MODA_METHODS_SECONDS = 20 /* for each, usually */ };

typedef struct moda_method_row {
    const char *method;          /* of moda train --method */
    moda_timings steps, medians; /* medians: of each round's steps */
    moda_timings ratios;         /* of these to the standard row's: no seconds */
    moda_timing_summary time, ratio;
    moda_model *model;
    moda_tuning tuning;
    size_t before; /* steps before the round */
} moda_method_row;

typedef struct moda_methods_bench {
    const char *model;        /* borrowed */
    const moda_dataset *data; /* borrowed: training images */
    size_t batch, seed;
    moda_tune_effort tune;
    moda_session session; /* seconds and rounds; spread must be 0: rounds are compared */
    /* Standard, then mwt, unless the network has nowhere to put masks, then moda. */
    moda_method_row rows[MODA_METHODS];
    size_t count;
} moda_methods_bench;

/* Whether the network has a place for the masks of method mwt. */
bool moda_methods_can_mask(const moda_net *net);
/* With the threads and the placement that have been set. Fails: MODA_ERR_ARG (no such network, no
 * training images), and as the trainer. */
MODA_MUST_USE moda_status moda_methods_run(moda_methods_bench *bench);
void moda_methods_free(moda_methods_bench *bench); /* after a failure, too */

moda_results moda_methods_results(const moda_methods_bench *bench);

#endif
