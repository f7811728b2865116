/* bench/data.h - the input pipeline: how fast images come into memory, and out of it into batches.
 *
 * For each data set (datasets/dataset.h):
 *     read                     opening it; of a folder: decoding all its pictures
 *     read, image cache        of a folder: again, with what was decoded kept in a file
 *     normalise                a batch, as evaluation takes it
 *     crop, flip, normalise    a batch, as training takes it (no flip where mirror images mean other things)
 *     step NET                 a training step without its batch, for comparison
 * Rows are measured as bench/session.h has it; of one that reads, a call a round at least. docs/benchmarks.md. */
#ifndef MODA_BENCH_DATA_H
#define MODA_BENCH_DATA_H

#include "base/json.h"
#include "base/status.h"
#include "bench/results.h"
#include "bench/roofline.h"
#include "bench/session.h"
#include "datasets/batch.h"
#include "datasets/dataset.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum moda_data_job {
    MODA_DATA_READ,
    MODA_DATA_READ_CACHED,
    MODA_DATA_NORMALISE,
    MODA_DATA_AUGMENT,
    MODA_DATA_STEP
} moda_data_job;

typedef struct moda_data_row {
    moda_data_job job;
    char what[64];
    size_t set, images; /* of which data set; how many a call is about */
    moda_workload work;
    moda_timings timings;
    moda_timing_summary time; /* after the run */
} moda_data_row;

typedef struct moda_data_set {
    const char *spec; /* borrowed */
    moda_dataset *data;
    bool folder;
} moda_data_set;

typedef struct moda_data_bench {
    size_t batch, side; /* side: folders' pictures are brought to it; 0: 32 */
    moda_crop crop;
    const char *model; /* borrowed; NULL: no step is measured */
    uint64_t seed;
    moda_session session;
    moda_limits limits; /* after the run */
    moda_data_set *sets;
    moda_data_row *rows;
    size_t set_count, count;
    struct moda_temporary *cache; /* folder for decoded pictures; NULL: there is none yet */
} moda_data_bench;

/* Opens specs [count], which stay the caller's, and makes the rows. Fails: as moda_dataset_open(), and
 * MODA_ERR_IO (no temporary folder). */
MODA_MUST_USE moda_status moda_data_bench_open(moda_data_bench *bench, char *const *specs,
                                               size_t count);
/* Measures limits and rows. Shows progress. Fails also as moda_net_open() and executors do. */
MODA_MUST_USE moda_status moda_data_bench_run(moda_data_bench *bench);
void moda_data_bench_free(moda_data_bench *bench); /* zeroed struct is fine */

/* Of a row that makes batches: its median per image as a share of the step's for the same data; NaN where no step was
 * measured. */
double moda_data_share_of_step(const moda_data_bench *bench, const moda_data_row *row);

/* After the run, as tables, JSON and CSV; borrows the bench. */
moda_results moda_data_bench_results(const moda_data_bench *bench);

#endif
