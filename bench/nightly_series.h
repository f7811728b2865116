/* bench/nightly_series.h - one figure through the history: its runs, and what is known of its
 * level.
 *
 * The runs of a figure fall into eras. A new one begins with an improvement that was called, and
 * with a regression that somebody accepted: at the first run of the new level. Runs that were
 * called regressions and not accepted belong to no level. The base is the first MODA_NIGHTLY_ANCHOR
 * runs of the last era: it does not follow a slow drift. How much single runs scatter is taken from
 * all eras together.
 *
 * Times that were taken while the machine's cores were at another distance (bench/probe.h) are of
 * another machine, as it were: they stand apart. */
#ifndef MODA_BENCH_NIGHTLY_SERIES_H
#define MODA_BENCH_NIGHTLY_SERIES_H

#include "base/json.h"
#include "base/status.h"
#include "bench/nightly_statistics.h"
#include <stdbool.h>
#include <stddef.h>

/* Runs: of an era at the most; and degrees of freedom of the scatter at the least. */
enum { MODA_NIGHTLY_ANCHOR = 20, MODA_NIGHTLY_LEAST_DF = 5 };

typedef struct moda_nightly_point {
    const json_t *run; /* borrowed: the history's line */
    double value;      /* timed: the ratio's logarithm, else as measured */
    size_t era;        /* from 0 */
    bool called;       /* a regression, not accepted */
    double handover;   /* seconds from core to core; timed only, else 0 */
    bool apart;        /* of another state of the machine */
    bool outlier;      /* of its era */
} moda_nightly_point;

typedef struct moda_nightly_series {
    moda_nightly_point *points; /* [n] in the order of the history */
    size_t n, eras;
} moda_nightly_series;

/* lines: as moda_nightly_history has them, borrowed until free. Runs without the figure are left
 * out. The last run's state is taken for the present one. Fails: MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_nightly_series_read(const json_t *lines, const char *figure,
                                                   bool timed, moda_nightly_series *series);
void moda_nightly_series_free(moda_nightly_series *series); /* zeroed struct is fine */

/* The present state: marks what stands apart from it, and outliers among the rest. Fails:
 * MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_nightly_series_settle(moda_nightly_series *series, double handover);
/* Whether a point is one of the era's level: neither called nor apart. Outliers are. */
bool moda_nightly_counts(const moda_nightly_point *point, size_t era);

/* The base, df 0 where there is nothing to tell a scatter from, n 0 without any. */
moda_level moda_nightly_base(const moda_nightly_series *series);
/* The base's values [MODA_NIGHTLY_ANCHOR], outliers too, in order; returns how many. */
size_t moda_nightly_base_values(const moda_nightly_series *series, double *values);
/* Indices of the last era's points that count, in order; returns how many. index [n]. */
size_t moda_nightly_era(const moda_nightly_series *series, size_t *index);

#endif
