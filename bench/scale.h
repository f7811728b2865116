/* bench/scale.h - how much faster training gets with more threads.
 *
 * A curve is one network, method, precision and way of adding threads; its points are numbers of
 * threads. Each turn of a point is a process of its own, `moda bench turn --profile`: threads are
 * bound when a process starts (numa/team.h). Points of all curves take turns in rounds, and each
 * round begins with another one, so that a machine that gets slower or faster in between hits all
 * of them alike. docs/scaling.md.
 *
 * Strong scaling: the batch stays, a step should take 1/n of the time. Weak scaling: the batch
 * grows with threads, a step should take the same time. */
#ifndef MODA_BENCH_SCALE_H
#define MODA_BENCH_SCALE_H

#include "base/json.h"
#include "base/options.h"
#include "base/status.h"
#include "bench/scale_fit.h"
#include "bench/session.h"
#include "bench/timing.h"
#include "numa/topology.h"
#include <stdbool.h>
#include <stddef.h>

/* A layer's pass: all that a step does for it, copies into other layouts as well. */
typedef struct moda_scale_part {
    char layer[64], pass[24],
        kind[16];        /* as in the profile; kind: of its first part that counts operations */
    double flops, bytes; /* of a step */
    moda_timings turns;  /* of each turn the sum of the parts' medians */
    double seconds;      /* the median of turns */
} moda_scale_part;

typedef struct moda_scale_point {
    size_t threads, batch, nodes; /* nodes: that have threads */
    char *bind;                   /* value of --bind; owned */
    moda_timings timings;         /* of steps, all turns */
    moda_timing_summary time;     /* with all that other programs did meanwhile */
    moda_timings undisturbed;     /* of each turn the sum of the medians of a step's parts, and what
                                   * lies between them: an interruption hits another part in each step */
    moda_timing_summary own;      /* of these */
    moda_scale_part *parts;       /* [part_count] in the order of the network */
    size_t part_count;
    moda_timings rests; /* of each turn, what lies between parts */
    double rest;
    double peak_flops, bandwidth; /* limits of the machine with these threads, in the curve's
                                   * precision (auto: bf16, if the CPU has it): best of all turns */
    /* Of own: against the curve's first point, which has m threads: m times as much work a second, and that by thread.
     * low, high: of speedup, from the worst and the best ends of both points' intervals; NaN of one
     * round, which has none. */
    double speedup, low, high, efficiency;
} moda_scale_point;

typedef struct moda_scale_curve {
    const char *model, *method, *precision; /* as of moda bench turn; borrowed */
    bool weak, spread; /* spread: the same number of threads on every node; else one node is filled
                        * after the other */
    json_t *tuning;    /* precision auto: the choices of all points, measured with */
    size_t tuned_with; /* so many threads, the most of any point, and the batch of strong scaling */
    moda_scale_point *points; /* [count] ascending by threads */
    size_t count;
    moda_scale_fit amdahl, usl; /* after the run; amdahl of strong scaling only */
} moda_scale_curve;

typedef struct moda_scale_bench {
    const char *program;            /* a moda, "/proc/self/exe" for moda itself; borrowed */
    const moda_topology *topology;  /* of this machine; borrowed */
    size_t batch, batch_per_thread; /* of strong and of weak scaling */
    size_t steps, rounds;           /* steps: per turn, at least 2 */
    size_t seed;
    bool smt, unbound; /* threads on hardware threads, not cores; --bind none */
    moda_scale_curve *curves;
    size_t count;
    moda_session session; /* rounds 0: its calibration alone */
} moda_scale_bench;

/* Numbers of threads worth measuring: powers of two, all cores of one node, of two nodes, ..., with smt all hardware
 * threads, no more than a CPU quota pays for. Ascending; the caller frees values. Fails: MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_scale_counts(const moda_topology *t, bool smt, moda_sizes *counts);
/* Sorts a list that was given. Fails: MODA_ERR_ARG (0, one twice, more than may be used). */
MODA_MUST_USE moda_status moda_scale_check_counts(const moda_topology *t, bool smt,
                                                  moda_sizes *counts);

/* One more curve, of which model, method, precision, weak and spread are taken. Fails:
 * MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_scale_add(moda_scale_bench *bench, const moda_scale_curve *curve,
                                         const moda_sizes *counts);
/* Measures, and fits the laws. Shows progress. Fails: as moda bench turn does, MODA_ERR_IO (no
 * process, no temporary file). */
MODA_MUST_USE moda_status moda_scale_run(moda_scale_bench *bench);
void moda_scale_free(moda_scale_bench *bench); /* zeroed struct is fine */

/* ---- figures ---- */

/* A part's way along a curve. */
typedef struct moda_scale_layer {
    const moda_scale_part *first, *last; /* at the curve's first and last point */
    double speedup, efficiency;          /* of the last point, as a point's */
    double lost; /* seconds of a step that perfect scaling would not need there */
    /* The largest number of threads up to which each step along the curve brought at least half of what
     * it could: 1.5 times the rate for twice the threads. */
    size_t scales_to;
} moda_scale_layer;

/* Layers that both ends of the curve have, those that lose most first. The caller frees *layers. */
MODA_MUST_USE moda_status moda_scale_layers(const moda_scale_curve *curve,
                                            moda_scale_layer **layers, size_t *count);
/* The point's part of that layer and pass; NULL: none. */
const moda_scale_part *moda_scale_find_part(const moda_scale_point *point, const char *layer,
                                            const char *pass);
/* "vgg16, moda, f32, strong", in a buffer, which is returned. */
char *moda_scale_curve_name(const moda_scale_curve *curve, char *buffer, size_t size);

/* Tables on stdout. */
void moda_scale_print(const moda_scale_bench *bench);
/* New reference. */
MODA_MUST_USE moda_status moda_scale_json(const moda_scale_bench *bench, json_t **json);
/* A row per point, and one per point and layer. */
MODA_MUST_USE moda_status moda_scale_write_csv(const moda_scale_bench *bench, const char *path);

#endif
