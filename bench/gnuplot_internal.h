/* bench/gnuplot_internal.h - a picture drawn by gnuplot, Debian's program: no library has to be there.
 *
 *     MODA_TRY(moda_plot_begin(&p, folder, "speedup", title, "threads", "speedup"));
 *     fprintf(p.data.stream, ...); fprintf(p.script.stream, "plot 'speedup.dat' ...\n");
 *     MODA_TRY(moda_plot_end(&p, &missing));
 * out: moda_plot_abort(&p); */
#ifndef MODA_BENCH_GNUPLOT_INTERNAL_H
#define MODA_BENCH_GNUPLOT_INTERNAL_H

#include "base/file.h"
#include <stdbool.h>

typedef struct moda_plot {
    const char *folder, *name;
    moda_writer script, data; /* folder/name.gp and folder/name.dat */
} moda_plot;

/* Opens both files; the script is ready for settings of its own and one plot command. */
MODA_MUST_USE moda_status moda_plot_begin(moda_plot *plot, const char *folder, const char *name,
                                          const char *title, const char *x, const char *y);
/* Text from outside into the script, as gnuplot's string. */
void moda_plot_text(moda_plot *plot, const char *text);
/* Writes the files and draws name.svg and name.png, whole or not at all. *missing: there is no gnuplot. Fails:
 * MODA_ERR_IO, MODA_ERR_INTERNAL (gnuplot failed: what it said). */
MODA_MUST_USE moda_status moda_plot_end(moda_plot *plot, bool *missing);
void moda_plot_abort(moda_plot *plot); /* zeroed struct is fine; nothing after the end */

#endif
