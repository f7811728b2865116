/* bench/scale_plot.h - curves as pictures: a script and a data file each, drawn by gnuplot.
 *
 * Into a folder go, as SVG and PNG, with NAME.gp and NAME.dat that made them (`gnuplot NAME.gp` there draws
 * them again):
 *   speedup      points with their intervals, the fitted law, what is predicted; all curves
 *   efficiency   the same by thread
 *   roofline, roofline-2, ...   a curve's last point each: operations a second of each layer and pass over
 *                its operations a byte, below what the machine can do */
#ifndef MODA_BENCH_SCALE_PLOT_H
#define MODA_BENCH_SCALE_PLOT_H

#include "bench/scale.h"
#include "bench/scale_forecast.h"

/* forecasts [count] may be NULL. Where there is no gnuplot, scripts and data are written all the same, and a
 * warning says what is missing. Fails: MODA_ERR_IO (the folder), MODA_ERR_INTERNAL (gnuplot failed: its first
 * line). */
MODA_MUST_USE moda_status moda_scale_plot(const moda_scale_bench *bench,
                                          const moda_forecast *forecasts, size_t count,
                                          const char *folder);

#endif
