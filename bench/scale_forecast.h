/* bench/scale_forecast.h - a curve of strong scaling carried on to a machine that is not here, by
 * bench/scale_predict.h: what is measured here, and what is assumed about that machine. */
#ifndef MODA_BENCH_SCALE_FORECAST_H
#define MODA_BENCH_SCALE_FORECAST_H

#include "bench/scale.h"
#include "bench/scale_predict.h"

typedef struct moda_forecast_machine {
    const char *text;              /* as given: "node:2 core:32 pu:1"; borrowed, as what follows */
    const moda_topology *topology; /* made from it */
    const moda_sizes *threads;     /* to predict */
    double node_bandwidth;         /* bytes a second of a node's memory; 0: what one has here */
} moda_forecast_machine;

typedef struct moda_forecast_point {
    size_t threads, nodes;
    double bandwidth;       /* of those nodes, bytes a second */
    double seconds;         /* of a step */
    double speedup;         /* against the curve's first point, as there */
    double memory, compute; /* seconds of parts that bandwidth, and that threads decide */
} moda_forecast_point;

typedef struct moda_forecast {
    const moda_scale_curve *curve; /* borrowed */
    moda_forecast_machine machine;
    moda_predict_model model;
    moda_predict_part *parts;
    moda_forecast_point *points; /* [machine.threads->n] */
} moda_forecast;

/* Of a curve that was measured: strong scaling with two points at least. Fails: MODA_ERR_ARG (fewer; more threads
 * than the machine has cores), MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_forecast_make(const moda_scale_curve *curve,
                                             const moda_forecast_machine *machine,
                                             moda_forecast *forecast);
void moda_forecast_free(moda_forecast *forecast); /* zeroed struct is fine */

/* Tables on stdout, and the assumptions. */
void moda_forecast_print(const moda_forecast *forecast);
/* New reference. */
MODA_MUST_USE moda_status moda_forecast_json(const moda_forecast *forecast, json_t **json);

#endif
