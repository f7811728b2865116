/* decompose/sweep_runs.h - trainings that differ in alpha, beta and gamma, each followed by its
 * decomposition. A driver of moda train and moda decompose: whatever these take, it passes on. */
#ifndef MODA_DECOMPOSE_SWEEP_RUNS_H
#define MODA_DECOMPOSE_SWEEP_RUNS_H

#include "base/status.h"
#include "decompose/activity_rule.h"
#include "decompose/reals.h"
#include "decompose/sweep_words.h"
#include <stdbool.h>
#include <stddef.h>

typedef struct moda_sweep_plan {
    const char *directory;         /* one folder per run, and sweep.json, below this */
    moda_words train;              /* options of moda train: --model, --data, --epochs, ... */
    moda_words decompose;          /* options of moda decompose: --data, --activity, ... */
    moda_activity_rule rule;       /* that --activity among them says */
    moda_reals alpha, beta, gamma; /* n = 0: the default alone */
    bool one_at_a_time;            /* vary one list, the others at their defaults; else all
                                    * combinations */
    double tau, min_active;        /* of the modules that are written */
} moda_sweep_plan;

typedef struct moda_sweep_run {
    double alpha, beta, gamma;
    char *directory; /* DIR/alpha-1_beta-1_gamma-0.3 */
    char *modules;   /* directory/modules */
} moda_sweep_run;

/* The runs of a plan, in order; the last list varies fastest. Fails: MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_sweep_runs_list(const moda_sweep_plan *plan, moda_sweep_run **runs,
                                               size_t *count);
void moda_sweep_runs_free(moda_sweep_run *runs, size_t count);

/* Makes the plan's folder and writes the options into its sweep.json, but those that only say how fast a
 * run is and when it stops. Fails: MODA_ERR_ARG when the folder holds models or checkpoints of other
 * options, or of the same FILE.net before it was changed: they would stand in one table as if they were
 * comparable. *results: whether it holds any. */
MODA_MUST_USE moda_status moda_sweep_runs_begin(const moda_sweep_plan *plan, bool *results);
/* Of a folder without results, when the first run failed: sweep.json goes again unless that run has a folder, so
 * that a call that moda train refused leaves nothing. The thread's message stays. */
void moda_sweep_runs_withdraw(const moda_sweep_plan *plan, const moda_sweep_run *first);
/* Whether its model is there. */
bool moda_sweep_run_is_trained(const moda_sweep_run *run);
/* Trains and decomposes one run, as far as that is not done. A run whose model is there is finished; one
 * that was cut short goes on from its last checkpoint, or begins again if it has none. Modules
 * of another model, by another rule or with another min_active are made anew, and what a sweep kept of them
 * is removed. Fails as
 * moda train and moda decompose do: MODA_STOPPED by a signal or --time-limit. */
MODA_MUST_USE moda_status moda_sweep_runs_do(const moda_sweep_plan *plan,
                                             const moda_sweep_run *run);

#endif
