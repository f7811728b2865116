/* bench/roofline.h - what bounds a call on this machine, and how near it came.
 *
 * A call's bound is the time that it needs at the least: its bytes at the machine's bandwidth, or its
 * floating-point operations at the machine's peak for their type (engine/peak.h), whichever takes longer. */
#ifndef MODA_BENCH_ROOFLINE_H
#define MODA_BENCH_ROOFLINE_H

#include "base/json.h"
#include "base/status.h"
#include "base/table.h"
#include "bench/timing.h"
#include "engine/profile.h"
#include <stdbool.h>
#include <stdio.h>

typedef struct moda_limits {
    double flops, flops_bf16; /* per second; bf16: 0 where the CPU has none */
    double bandwidth;         /* bytes per second */
} moda_limits;

/* Of each the better one; NANs are passed over. */
moda_limits moda_limits_best(moda_limits a, moda_limits b);
/* Measures all with the threads that are set, a twentieth of a second each; what was better before stays. */
MODA_MUST_USE moda_status moda_limits_measure(moda_limits *limits);

/* What one call does. Doubles: no product of sizes overflows. Without bytes: nobody has counted; its
 * figures are then blank, null, or empty. */
typedef struct moda_workload {
    double flops; /* additions and multiplications */
    double bytes; /* that must move when nothing is in cache: each operand once */
    bool bf16;    /* those operations are on bf16 */
} moda_workload;

typedef struct moda_figures {
    double flops, bytes; /* per second, at the median */
    double bound;        /* seconds */
    double share; /* bound / median; above 1: bytes came from cache, or operations were saved */
    bool compute; /* operations, not bytes, are the bound */
} moda_figures;

/* The sum of all parts of an engine's program. */
moda_workload moda_workload_of_parts(const moda_profile *profile, bool bf16);

moda_figures moda_figures_of(const moda_limits *limits, moda_workload work, double median);

/* "peak 240.1 GFLOP/s (bf16 480.0), bandwidth 25.10 GB/s" on stdout, without newline. */
void moda_limits_print(const moda_limits *limits);
/* "peak_flops", "peak_flops_bf16", "peak_bandwidth" go into an object. Fails: MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_limits_json(const moda_limits *limits, json_t *object);

/* The columns that rows have in common: ms, spread, GFLOP/s, GB/s, share, of. */
void moda_figures_columns(moda_table *table);
void moda_figures_cells(moda_table *table, const moda_timing_summary *time, moda_workload work,
                        moda_figures figures);
/* moda_timing_json(), and "flops", "bytes", "flops_per_second", "bytes_per_second", "bound",
 * "share_of_bound". Fails: MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_figures_json(const moda_timing_summary *time, moda_workload work,
                                            moda_figures figures, json_t *object);
/* The same as columns of a CSV file, without newline; a comma before each. */
void moda_figures_csv_heads(FILE *f);
/* With another name for the column of operations, for a table that has one called flops. */
void moda_figures_csv_heads_as(FILE *f, const char *flops);
void moda_figures_csv(FILE *f, const moda_timing_summary *time, moda_workload work,
                      moda_figures figures);

#endif
