/* bench/scale_predict.h - how long a training step would take on a machine that is not here.
 *
 * A prediction: nothing of it is measured on that machine. From a step with b threads here, whose parts l (a
 * layer's pass) took t_l seconds and moved B_l bytes, and from the memory bandwidth W:
 *
 *   M(n) = sum over l of max( t_l b/n, B_l/W(n) )
 *   T(n) = rest + (1-s) M(n) + s sum t_l
 *
 * The first entry of max is the compute bound: the part's work divided evenly among threads. The second is the
 * bandwidth bound: W(n) adds up over the nodes that have threads, each min(threads * thread_bandwidth,
 * node_bandwidth). B_l is the profile's, but never more than memory could have delivered in t_l: what
 * caches serve here they serve there. s, the serial part, is fitted by least squares of relative errors to all steps
 * measured here, each with the bandwidth measured there, so that memory that is full is not taken for serial work.
 * rest is what no part accounts for, and stays. */
#ifndef MODA_BENCH_SCALE_PREDICT_H
#define MODA_BENCH_SCALE_PREDICT_H

#include "base/status.h"
#include "numa/topology.h"
#include <stdbool.h>
#include <stddef.h>

typedef struct moda_predict_part {
    double seconds; /* with base threads */
    double bytes;   /* as counted */
} moda_predict_part;

typedef struct moda_predict_sample { /* a step measured here */
    size_t threads;
    double seconds; /* of all parts, rest left out */
    double bandwidth;
} moda_predict_sample;

typedef struct moda_predict_model {
    size_t base;
    const moda_predict_part *parts; /* [count] borrowed */
    size_t count;
    double rest;
    double base_bandwidth;                   /* with base threads */
    double thread_bandwidth, node_bandwidth; /* of the other machine */
    double serial;                           /* s, in [0,1] */
    double error;                            /* of the fit, as in bench/scale_fit.h */
} moda_predict_model;

/* Bytes of part i that come from memory. */
double moda_predict_bytes(const moda_predict_model *model, size_t i);
/* One part's max(..) * (1-s), and whether bandwidth decides (NULL: not asked). */
double moda_predict_part_seconds(const moda_predict_model *model, size_t i, size_t threads,
                                 double bandwidth, bool *memory);
/* T(n). */
double moda_predict_seconds(const moda_predict_model *model, size_t threads, double bandwidth);
/* Sets serial and error. Samples with base threads say nothing about s; there must be another. */
void moda_predict_fit_serial(moda_predict_model *model, const moda_predict_sample *samples,
                             size_t count);

/* W(n) on a described machine, threads standing as numa/team.h has them, one on a core; *nodes: that have
 * threads. Fails: MODA_ERR_ARG (more threads than cores), MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_predict_bandwidth(const moda_predict_model *model,
                                                 const moda_topology *machine, size_t threads,
                                                 double *bandwidth, size_t *nodes);

#endif
