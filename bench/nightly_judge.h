/* bench/nightly_judge.h - whether tonight's figures are as those before. docs/nightly.md, "The
 * test".
 *
 * Timed figures, three steps:
 *   1. A figure that is off its base by a one-sided p below MODA_NIGHTLY_SUSPICION and by half of
 *      MODA_NIGHTLY_EFFECT is measured again, MODA_NIGHTLY_CONFIRMATIONS times, in new processes.
 *   2. It has changed if all of these are off by MODA_NIGHTLY_EFFECT, and two tests agree: Mann and
 *      Whitney's of all measurements of tonight against the nights of the base, which holds for any
 *      distribution of noise, and Student's prediction test of the confirmations' mean, which asks
 *      for the size.
 *   3. Pettitt's test looks for what single nights do not show, over all runs of the era.
 * All p of a night pass Holm's correction: with no change at all, a night gives an alarm with a
 * probability of MODA_NIGHTLY_LEVEL at most. Other figures repeat exactly, or within their
 * tolerance: what is worse than the era's first run by more has changed. */
#ifndef MODA_BENCH_NIGHTLY_JUDGE_H
#define MODA_BENCH_NIGHTLY_JUDGE_H

#include "bench/nightly_figure.h"
#include "bench/nightly_series.h"

#define MODA_NIGHTLY_LEVEL      0.005
#define MODA_NIGHTLY_SUSPICION  0.05
#define MODA_NIGHTLY_EFFECT     0.03 /* of a time */
#define MODA_NIGHTLY_CONFIDENCE 0.95 /* of intervals */
#define MODA_NIGHTLY_POWER      0.8  /* chance of finding `detectable` on a single night */
enum { MODA_NIGHTLY_CONFIRMATIONS = 5 };

typedef enum moda_nightly_verdict {
    MODA_NIGHTLY_MISSING, /* not measured tonight */
    MODA_NIGHTLY_NO_BASE, /* not enough history */
    MODA_NIGHTLY_SAME,
    MODA_NIGHTLY_REGRESSION,
    MODA_NIGHTLY_IMPROVEMENT
} moda_nightly_verdict;
extern const char *const moda_nightly_verdict_names[]; /* "missing", "no base", "same", ... */

typedef struct moda_nightly_result {
    moda_nightly_figure figure;
    const char *why;    /* missing: the reason, else NULL */
    double value;       /* as in the history; NaN if missing */
    moda_timings turns; /* timed: ratios of the first measurement, those in its state */
    double handover;    /* timed: seconds from core to core, the state; else 0 */
    double confirmations[MODA_NIGHTLY_CONFIRMATIONS];
    size_t confirmation_count;

    moda_nightly_series series; /* without tonight */
    moda_level base;
    size_t nights, needed;          /* runs of the base, outliers too; how many there have to be */
    size_t apart;                   /* runs of the era in another state */
    bool suspicious, gradual;       /* gradual: found by step 3 alone */
    double p_worse[2], p_better[2]; /* steps 2 and 3, as they come */
    moda_nightly_verdict verdict;
    /* Tonight over base - 1, of accuracies tonight - base; and its interval. NaN: unknown. */
    double change, low, high;
    double p;          /* of what was called, after Holm; NaN else */
    double detectable; /* a slowdown that is found with a chance of MODA_NIGHTLY_POWER, or NaN */
    const json_t *last_good, *first_bad; /* runs of the series; NULL first_bad: tonight */
} moda_nightly_result;

/* After series, value and handover are known: base, suspicious. Fails: MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_nightly_screen(moda_nightly_result *result, size_t figures);
/* After confirmations: all verdicts. Fails: MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_nightly_judge(moda_nightly_result *results, size_t count);
void moda_nightly_result_free(moda_nightly_result *result); /* zeroed struct is fine */

#endif
