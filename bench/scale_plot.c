/* bench/scale_plot.c - speedup and efficiency; the roofline is in bench/scale_roofline.c. */
#include "bench/scale_plot.h"
#include "base/log.h"
#include "bench/gnuplot_internal.h"
#include "bench/scale_internal.h"
#include <math.h>
#include <stdio.h>

/* What a picture shows: speedup, or that in per cent of the number of threads. */
typedef struct view {
    const moda_scale_bench *bench;
    const moda_forecast *forecasts; /* [count] */
    size_t count;
    bool efficiency;
} view;

static double shown(const view *v, double speedup, size_t threads)
{
    return v->efficiency ? 100 * speedup / (double)threads : speedup;
}

/* A block per curve, then one per prediction: threads, value, low, high. */
static void put_data(const view *v, FILE *to)
{
    char name[160];
    for (size_t i = 0; i < v->bench->count; i++) {
        const moda_scale_curve *c = &v->bench->curves[i];
        fprintf(to, "# %s\n", moda_scale_curve_name(c, name, sizeof name));
        for (size_t k = 0; k < c->count; k++) {
            const moda_scale_point *p = &c->points[k];
            const bool known = isfinite(p->low); /* one round has no interval: no length */
            fprintf(to, "%zu %.6g %.6g %.6g\n", p->threads, shown(v, p->speedup, p->threads),
                    shown(v, known ? p->low : p->speedup, p->threads),
                    shown(v, known ? p->high : p->speedup, p->threads));
        }
        fputs("\n\n", to);
    }
    for (size_t i = 0; i < v->count; i++) {
        const moda_forecast *f = &v->forecasts[i];
        fprintf(to, "# predicted: %s\n", moda_scale_curve_name(f->curve, name, sizeof name));
        for (size_t k = 0; k < f->machine.threads->n; k++)
            fprintf(to, "%zu %.6g\n", f->points[k].threads,
                    shown(v, f->points[k].speedup, f->points[k].threads));
        fputs("\n\n", to);
    }
}

/* Marks for the numbers of threads, of which all curves have the same. */
static void put_axes(const view *v, FILE *to)
{
    const moda_scale_curve *c = v->bench->curves;
    const size_t least = c->points[0].threads;
    size_t most = c->points[c->count - 1].threads;
    fprintf(to, "set xtics (%zu", least);
    for (size_t k = 1; k < c->count; k++) fprintf(to, ", %zu", c->points[k].threads);
    for (size_t k = 0; v->count && k < v->forecasts->machine.threads->n; k++) {
        const size_t n = v->forecasts->points[k].threads;
        most = n > most ? n : most;
        fprintf(to, ", %zu", n);
    }
    fputs(")\n", to);
    const bool wide = most >= 8 * least; /* doublings as equal steps */
    if (wide)
        fprintf(to, "set logscale x 2\nset xrange [%g:%g]\n", 0.9 * (double)least,
                1.1 * (double)most);
    else
        fprintf(to, "set xrange [%g:%g]\n", (double)least - 0.2, (double)most + 0.2);
    if (wide && !v->efficiency) fputs("set logscale y 2\n", to);
    if (v->efficiency) fputs("set yrange [0:*]\n", to);
    fprintf(to, "set key reverse Left %s\n", v->efficiency ? "bottom left" : "top left");
}

/* The law that says more, as far as there are points for it; against the measured first point. */
static void put_law(const view *v, const moda_scale_curve *c, size_t index, FILE *to)
{
    const bool usl = c->usl.kind != MODA_FIT_NONE;
    const moda_scale_fit *f = usl ? &c->usl : &c->amdahl;
    const moda_scale_point *first = c->points;
    if (f->kind == MODA_FIT_NONE) return;
    const double one = (double)first->threads * f->rate * first->own.median / (double)first->batch;
    fprintf(to,
            ", \\\n    %.9g%s/(1 + %.9g*(x-1) + %.9g*x*(x-1)) with lines lt %zu lw 1 title '%s'",
            v->efficiency ? 100 * one : one, v->efficiency ? "" : "*x", f->contention, f->coherence,
            index + 1, usl ? "universal scalability law" : "Amdahl''s law");
}

static void put_plot(const view *v, moda_plot *p)
{
    char name[160];
    FILE *to = p->script.stream;
    fprintf(to, "plot %s with lines lc rgb '#999999' dt 2 title 'perfect'",
            v->efficiency ? "100" : "x");
    for (size_t i = 0; i < v->bench->count; i++) {
        const moda_scale_curve *c = &v->bench->curves[i];
        fprintf(to, ", \\\n    '%s.dat' index %zu using 1:2:3:4 with yerrorbars lt %zu title ",
                p->name, i, i + 1);
        moda_plot_text(p, moda_scale_curve_name(c, name, sizeof name));
        put_law(v, c, i, to);
    }
    for (size_t i = 0; i < v->count; i++) {
        const size_t curve = (size_t)(v->forecasts[i].curve - v->bench->curves);
        fprintf(to,
                ", \\\n    '%s.dat' index %zu using 1:2 with linespoints lt %zu dt 3 pt 6 title ",
                p->name, v->bench->count + i, curve + 1);
        moda_plot_text(p, "predicted, not measured");
    }
    putc('\n', to);
}

static moda_status draw(const view *v, const char *folder, bool *missing)
{
    moda_status st = MODA_OK;
    moda_plot p = {0};
    MODA_TRY(moda_plot_begin(&p, folder, v->efficiency ? "efficiency" : "speedup",
                             "training steps with more threads", "threads",
                             v->efficiency ? "efficiency, per cent" : "speedup"));
    put_data(v, p.data.stream);
    put_axes(v, p.script.stream);
    put_plot(v, &p);
    MODA_TRY(moda_plot_end(&p, missing));
out:
    moda_plot_abort(&p);
    return st;
}

moda_status moda_scale_plot(const moda_scale_bench *b, const moda_forecast *forecasts, size_t count,
                            const char *folder)
{
    moda_status st = MODA_OK;
    bool missing = false;
    view v = {b, forecasts, count, false};
    MODA_TRY(moda_make_directory(folder));
    MODA_TRY(draw(&v, folder, &missing));
    v.efficiency = true;
    MODA_TRY(draw(&v, folder, &missing));
    for (size_t i = 0; i < b->count; i++)
        MODA_TRY(moda_scale_roofline(&b->curves[i], i, folder, &missing));
    if (missing)
        moda_log(MODA_LOG_WARNING,
                 "gnuplot is missing, so nothing is drawn: install it (apt-get install "
                 "gnuplot-nox), then run gnuplot on the .gp files in %s",
                 folder);
out:
    return st;
}
