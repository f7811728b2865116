/* bench/infer.h - how fast networks answer: whole models, modules of single classes, composed ones.
 *
 * A pass is one forward run of a batch whose input is in place, to the logits; the input is made up,
 * since time does not depend on it. Networks are measured as bench/session.h has it: a row is a network at a
 * batch size. docs/inference.md. */
#ifndef MODA_BENCH_INFER_H
#define MODA_BENCH_INFER_H

#include "base/json.h"
#include "base/options.h"
#include "base/status.h"
#include "bench/results.h"
#include "bench/roofline.h"
#include "bench/session.h"
#include "engine/model.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One network to be measured. */
typedef struct moda_infer_subject {
    char *source, *name; /* the operand; "vgg16", "class 3", "classes 0,3,5" */
    size_t *classes;     /* [class_count] numbers, of modules and composed networks */
    size_t class_count;  /* 0: a whole model */
    size_t round;        /* channels rounded up to a multiple of this */
    bool counts; /* runs as decomposition's pass over the data does: counting active neurons */
    size_t parameters; /* trainable, before folding */
    uint64_t flops;    /* multiply-adds of an image */
    size_t reference;  /* subject that it is compared with: its model, or the first model given */
    moda_model *model; /* as it runs */
    moda_timings *timings;          /* [batch_count] */
    moda_timing_summary *summaries; /* [batch_count], after moda_infer_run() */
    moda_workload *works;           /* the same: of a pass, all parts of its program */
} moda_infer_subject;

typedef struct moda_infer {
    moda_sizes batches; /* borrowed */
    bool count_too;     /* each model that is added a second time, counting; without fold */
    bool fold;          /* batch norms go into the layers before them (engine/fold.h) */
    moda_session session;
    moda_limits limits; /* after the run */
    uint64_t seed;      /* of inputs, and of weights for networks that have none */
    moda_infer_subject *subjects;
    size_t count, capacity;
    bool has_first; /* a model of its own has been added: */
    size_t first;   /* what other such models are compared with */
} moda_infer;

/* A model file, NAME:WEIGHTS, or a network alone, which then gets random weights, 3x32x32 inputs and 10
 * classes. Fails as moda_model_open(); where a network is meant (moda_net_is_meant()), as
 * moda_net_open(). */
MODA_MUST_USE moda_status moda_infer_add_model(moda_infer *infer, const char *spec);
/* A folder of moda decompose: the model, each class's module, and networks composed for sets
 * [set_count] of class numbers; with round > 1 each of these a second time, rounded. Fails:
 * MODA_ERR_ARG (a set holds a class that the model lacks, or twice), and as
 * moda_decomposition_open(). */
MODA_MUST_USE moda_status moda_infer_add_decomposition(moda_infer *infer, const char *directory,
                                                       const moda_sizes *sets, size_t set_count,
                                                       size_t round);
/* Measures limits, and all subjects at all batch sizes. Shows progress. */
MODA_MUST_USE moda_status moda_infer_run(moda_infer *infer);
void moda_infer_free(moda_infer *infer); /* zeroed struct is fine */

/* Parameters and multiply-adds as shares of the reference's; its median over the subject's. */
double moda_infer_size(const moda_infer *infer, const moda_infer_subject *subject);
double moda_infer_share_of_flops(const moda_infer *infer, const moda_infer_subject *subject);
double moda_infer_speedup(const moda_infer *infer, const moda_infer_subject *subject, size_t b);

/* After the run, as tables, JSON and CSV; borrows the bench. */
moda_results moda_infer_results(const moda_infer *infer);

#endif
