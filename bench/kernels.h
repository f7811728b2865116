/* bench/kernels.h - the speed of single kernels, each held against what bounds it.
 *
 * A suite is a handful of kernels that do one job, and the sizes that they are measured at. Cases are
 * measured as bench/session.h has it, and held against bench/roofline.h's bound. docs/benchmarks.md. */
#ifndef MODA_BENCH_KERNELS_H
#define MODA_BENCH_KERNELS_H

#include "base/json.h"
#include "base/status.h"
#include "bench/results.h"
#include "bench/roofline.h"
#include "bench/session.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MODA_KERNEL_SIZES = 4 }; /* of a case, at most */

/* What one call does: moda_workload's flops and bytes, and */
typedef struct moda_kernel_work {
    double flops, bytes;
    double operands; /* bytes of what goes in and comes out */
    double scratch;  /* bytes that the kernel needs beside them */
} moda_kernel_work;

typedef struct moda_kernel {
    const char *name;
    moda_kernel_work (*work)(const size_t *sizes);
    /* Operands with values drawn from the seed; destroy() takes NULL. */
    moda_status (*create)(const size_t *sizes, uint64_t seed, void **operands);
    moda_status (*call)(void *operands);
    void (*destroy)(void *operands);
} moda_kernel;

/* A size: a column of the tables, a list option on the command line. */
typedef struct moda_kernel_size {
    const char *name;   /* "batch" */
    const char *option; /* "batch-size" */
    const char *help;
    const char *usual; /* "32,64": without the option */
    size_t most;
} moda_kernel_size;

typedef struct moda_kernel_suite {
    const char *name; /* "similarity" */
    moda_kernel_size sizes[MODA_KERNEL_SIZES];
    size_t size_count;
    const moda_kernel *kernels; /* [kernel_count] */
    size_t kernel_count;
} moda_kernel_suite;

extern const moda_kernel_suite moda_similarity_suite, moda_frequency_suite, moda_optimizer_suite;

typedef struct moda_kernel_case {
    const moda_kernel *kernel;
    size_t sizes[MODA_KERNEL_SIZES];
    moda_kernel_work work;
    moda_timings timings;
    moda_timing_summary time; /* after the run */
} moda_kernel_case;

typedef struct moda_kernel_bench {
    const moda_kernel_suite *suite;
    bool cold; /* each call finds its operands in memory, not in cache */
    moda_session session;
    uint64_t seed; /* of the operands' values */
    moda_kernel_case *cases;
    size_t count, capacity;
    moda_limits limits; /* after the run */
    void *wash;         /* cold: the block that pushes operands out of the caches; during the run */
} moda_kernel_bench;

/* A case per kernel of the suite, at sizes [size_count]. Fails: MODA_ERR_ARG (a size is 0 or above
 * its limit, or the case does not fit into this machine's memory), MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_kernel_bench_add(moda_kernel_bench *bench, const size_t *sizes);
/* Measures limits and cases. Shows progress. */
MODA_MUST_USE moda_status moda_kernel_bench_run(moda_kernel_bench *bench);
void moda_kernel_bench_free(moda_kernel_bench *bench); /* zeroed struct is fine */

/* After the run, as tables, JSON and CSV; borrows the bench. */
moda_results moda_kernel_bench_results(const moda_kernel_bench *bench);

#endif
