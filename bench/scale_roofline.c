/* bench/scale_roofline.c - layers below the machine's roof: the lesser of its operations a second, and its bytes a
 * second times operations a byte. (S. Williams, A. Waterman, D. Patterson, Roofline, CACM 2009.) */
#include "bench/gnuplot_internal.h"
#include "bench/scale_internal.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NAMED = 6 }; /* that take longest: more names would cover each other */

static const char *const passes[] = {"forward", "backward data", "backward weights", "backward"};
enum { PASSES = sizeof passes / sizeof *passes };

/* Whether a part has a place in the picture: it computes, and moves something. */
static bool has_place(const moda_scale_part *p)
{
    return p->flops > 0 && p->bytes > 0 && p->seconds > 0;
}

static double rate(const moda_scale_part *p)
{
    return 1e-9 * p->flops / p->seconds;
}

/* "layer" in the data file; its quotes would end it. */
static void put_name(const char *name, FILE *to)
{
    putc('"', to);
    for (; *name; name++) putc(*name == '"' || *name == '\\' ? '\'' : *name, to);
    putc('"', to);
}

/* A pass's layers; size of a dot: share of the step as its area. Whether there are any. */
static bool put_pass(const moda_scale_point *p, const char *pass, FILE *to)
{
    bool any = false;
    for (size_t i = 0; i < p->part_count; i++) {
        const moda_scale_part *part = &p->parts[i];
        if (!has_place(part) || strcmp(part->pass, pass) != 0) continue;
        if (!any) fprintf(to, "# %s: operations a byte, GFLOP/s, size, layer\n", pass);
        fprintf(to, "%.6g %.6g %.3f ", part->flops / part->bytes, rate(part),
                0.5 + 5 * sqrt(part->seconds / p->own.median));
        put_name(part->layer, to);
        putc('\n', to);
        any = true;
    }
    if (any) fputs("\n\n", to);
    return any;
}

/* How many parts with a place take longer. */
static size_t longer_ones(const moda_scale_point *p, const moda_scale_part *than)
{
    size_t n = 0;
    for (size_t i = 0; i < p->part_count; i++)
        n += has_place(&p->parts[i]) &&
             (p->parts[i].seconds > than->seconds ||
              (p->parts[i].seconds == than->seconds && &p->parts[i] < than));
    return n;
}

static void put_names(const moda_scale_point *p, FILE *to)
{
    char name[96];
    fputs("# the longest\n", to);
    for (size_t i = 0; i < p->part_count; i++) {
        const moda_scale_part *part = &p->parts[i];
        if (!has_place(part) || longer_ones(p, part) >= NAMED) continue;
        fprintf(to, "%.6g %.6g ", part->flops / part->bytes, rate(part));
        snprintf(name, sizeof name, "%s %s", part->layer, part->pass);
        put_name(name, to);
        putc('\n', to);
    }
}

static void put_picture(const moda_scale_point *p, const char *precision, moda_plot *plot)
{
    FILE *to = plot->script.stream;
    const double peak = 1e-9 * p->peak_flops, bandwidth = 1e-9 * p->bandwidth;
    size_t index = 0;
    double least = peak / bandwidth, most = least, low = peak;
    for (size_t i = 0; i < p->part_count; i++) {
        if (!has_place(&p->parts[i])) continue;
        least = fmin(least, p->parts[i].flops / p->parts[i].bytes);
        most = fmax(most, p->parts[i].flops / p->parts[i].bytes);
        low = fmin(low, rate(&p->parts[i]));
    }
    fprintf(to,
            "set logscale xy\nset xrange [%.6g:%.6g]\nset yrange [%.6g:*]\nset key reverse Left "
            "bottom right\n"
            "roof(x) = x*%.6g < %.6g ? x*%.6g : %.6g\n"
            "plot roof(x) with lines lc rgb 'black' lw 2 title '%.1f GFLOP/s (%s), %.1f GB/s'",
            0.5 * least, 4 * most, 0.5 * low, bandwidth, peak, bandwidth, peak, peak, precision,
            bandwidth);
    for (size_t i = 0; i < PASSES; i++)
        if (put_pass(p, passes[i], plot->data.stream))
            fprintf(to,
                    ", \\\n    '%s.dat' index %zu using 1:2:3 with points lt %zu ps variable title "
                    "'%s'",
                    plot->name, index++, i + 1, passes[i]);
    put_names(p, plot->data.stream);
    if (index > 0)
        fprintf(
            to,
            ", \\\n    '%s.dat' index %zu using 1:2:3 with labels left offset char 1,0.3 font ',9' "
            "notitle",
            plot->name, index);
    putc('\n', to);
}

moda_status moda_scale_roofline(const moda_scale_curve *c, size_t index, const char *folder,
                                bool *missing)
{
    moda_status st = MODA_OK;
    const moda_scale_point *p = &c->points[c->count - 1];
    moda_plot plot = {0};
    char name[40] = "roofline", curve[160], title[256];
    if (index > 0) snprintf(name, sizeof name, "roofline-%zu", index + 1);
    snprintf(title, sizeof title,
             "%s, batch %zu, %zu thread%s; a dot's area is its share of the step",
             moda_scale_curve_name(c, curve, sizeof curve), p->batch, p->threads,
             p->threads == 1 ? "" : "s");
    MODA_TRY(moda_plot_begin(&plot, folder, name, title, "operations a byte", "GFLOP/s"));
    put_picture(p, c->precision, &plot);
    MODA_TRY(moda_plot_end(&plot, missing));
out:
    moda_plot_abort(&plot);
    return st;
}
