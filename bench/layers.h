/* bench/layers.h - the passes of convolutions and linear layers, by every way that there is.
 *
 * A layer is given by its shape (bench/shapes.h), or is one of a network's. Each of its passes is computed by all
 * candidates that the tuner knows (engine/tuner.h), with its inputs in place and the copies that it causes: a row is a pass,
 * a type and a way. Layers of one network that are alike are measured once. Rows are measured as bench/session.h has it
 * and held against bench/roofline.h's bound. docs/benchmarks.md. */
#ifndef MODA_BENCH_LAYERS_H
#define MODA_BENCH_LAYERS_H

#include "base/json.h"
#include "base/status.h"
#include "bench/results.h"
#include "bench/roofline.h"
#include "bench/session.h"
#include "bench/shapes.h"
#include "engine/tuner.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct moda_layer_row {
    size_t group;
    size_t candidate; /* of the group's trial */
    char algorithm[24], implementation[MODA_IMPLEMENTATION_NAME];
    size_t copies, operands, scratch; /* as moda_trial_way */
    moda_workload work;
    moda_timings timings;
    moda_timing_summary time; /* after the run */
} moda_layer_row;

/* One pass of one layer, in one type: what one trial is of. */
typedef struct moda_layer_group {
    const moda_net *net; /* one of the bench's */
    size_t layer, batch;
    size_t layers; /* of the network that are like this one */
    moda_conv_pass pass;
    moda_precision precision;
    moda_problem problem;
} moda_layer_group;

typedef struct moda_layer_bench {
    moda_layer_kind kind; /* CONV or LINEAR */
    bool passes[MODA_CONV_PASSES];
    bool f32, bf16; /* types; at least one */
    bool bias;      /* of layers given by shape */
    size_t batch;   /* 0: as the shapes say, or MODA_LAYER_BATCH */
    uint64_t seed;  /* of the operands' values */
    moda_session session;
    moda_limits limits; /* after the run */
    moda_layer_row *rows;
    moda_layer_group *groups;
    size_t count, capacity, group_count, group_capacity;
    moda_net **nets; /* [net_count] */
    size_t net_count;
    /* The trial that is open, and of which group. */
    moda_tuner *tuner;
    moda_trial *trial;
    size_t open;
} moda_layer_bench;

enum { MODA_LAYER_BATCH = 128 };

/* Rows for a layer. Fails: MODA_ERR_ARG (too large, or bf16 on a CPU without it), MODA_ERR_NOMEM,
 * MODA_ERR_INTERNAL. */
MODA_MUST_USE moda_status moda_layer_bench_add(moda_layer_bench *bench,
                                               const moda_problem *problem);
/* Rows for all layers of the kind of a network, 3x32x32 inputs and 10 classes where it leaves them open; those passes
 * that training runs, in the types that it would have there. Fails as moda_net_open(), and MODA_ERR_ARG (it has no
 * such layer). */
MODA_MUST_USE moda_status moda_layer_bench_add_model(moda_layer_bench *bench, const char *name);
/* Measures limits and rows. Shows progress. */
MODA_MUST_USE moda_status moda_layer_bench_run(moda_layer_bench *bench);
void moda_layer_bench_free(moda_layer_bench *bench); /* zeroed struct is fine */

/* After the run, as tables, JSON and CSV; borrows the bench. */
moda_results moda_layer_bench_results(const moda_layer_bench *bench);

#endif
