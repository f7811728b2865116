/* bench/scale_internal.h - the pieces of moda scale that its files share. */
#ifndef MODA_BENCH_SCALE_INTERNAL_H
#define MODA_BENCH_SCALE_INTERNAL_H

#include "bench/scale.h"

/* --bind for so many threads with the same number on every node, "0-3,8-11"; fresh memory. */
MODA_MUST_USE moda_status moda_scale_spread(const moda_topology *t, bool smt, size_t threads,
                                            char **list);
/* Threads that may run: cores, or with smt their units. */
size_t moda_scale_room(const moda_topology *t, bool smt);

/* One measurement, which goes into the point. */
MODA_MUST_USE moda_status moda_scale_turn(const moda_scale_bench *bench,
                                          const moda_scale_curve *curve, moda_scale_point *point);

/* Measures the choices of precision auto, with the curve's last point's threads and the batch of
 * strong scaling. */
MODA_MUST_USE moda_status moda_scale_tune(const moda_scale_bench *bench, moda_scale_curve *curve);

/* The picture of a curve's last point, roofline or roofline-INDEX+1. As moda_plot_end(). */
MODA_MUST_USE moda_status moda_scale_roofline(const moda_scale_curve *curve, size_t index,
                                              const char *folder, bool *missing);

#endif
