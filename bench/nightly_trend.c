/* bench/nightly_trend.c - the drawing on a figure's card: nights from left to right, each as wide
 * as any other. */
#include "bench/nightly_internal.h"
#include "bench/nightly_page_internal.h"
#include <math.h>
#include <string.h>

#define WIDTH  330.0
#define HEIGHT 112.0
#define LEFT   46.0
#define RIGHT  8.0
#define TOP    8.0
#define BOTTOM 20.0
/* A trend that hardly moves is not blown up to the height of the card. */
#define LEAST_SPAN 0.06

typedef struct trend {
    FILE *f;
    const moda_nightly *night;
    const moda_nightly_result *r;
    size_t n;         /* nights, tonight too if it was measured */
    double zero;      /* what heights are relative to */
    double low, high; /* of the axis, as shares of zero; a timed figure's logarithms likewise */
} trend;

static double height_of(const trend *t, double value)
{
    if (t->r->figure.timed) return expm1(value - t->zero);
    return t->zero != 0 ? (value - t->zero) / fabs(t->zero) : value;
}

static double at(const trend *t, size_t i)
{
    const moda_nightly_result *r = t->r;
    if (i < r->series.n) return height_of(t, r->series.points[i].value);
    return height_of(t, r->figure.timed ? log(moda_nightly_shown(r)) : r->value);
}

static double x_of(const trend *t, double i)
{
    const double width = WIDTH - LEFT - RIGHT;
    return t->n < 2 ? LEFT + width / 2 : LEFT + 4 + (width - 8) * i / (double)(t->n - 1);
}

static double y_of(const trend *t, double height)
{
    return TOP + (HEIGHT - TOP - BOTTOM) * (t->high - height) / (t->high - t->low);
}

static bool stands_apart(const trend *t, size_t i)
{
    return i < t->r->series.n && t->r->series.points[i].apart;
}

/* Nights of another state would flatten all others: they are drawn at the edge. */
static void set_axis(trend *t)
{
    t->low = 0, t->high = 0;
    for (size_t i = 0; i < t->n; i++)
        if (!stands_apart(t, i)) t->low = fmin(t->low, at(t, i)), t->high = fmax(t->high, at(t, i));
    const double middle = (t->low + t->high) / 2;
    const double half = fmax((t->high - t->low) / 2 * 1.15, LEAST_SPAN / 2);
    t->low = middle - half, t->high = middle + half;
}

/* 1, 2 or 5 times a power of ten, two to five of them to the axis. */
static double axis_step(double span)
{
    const double power = pow(10, floor(log10(span / 2))), times = span / 2 / power;
    return power * (times >= 5 ? 5 : times >= 2 ? 2 : 1);
}

static void draw_axis(const trend *t)
{
    const double step = axis_step(t->high - t->low);
    const int digits = step < 0.01 ? (int)ceil(-log10(100 * step)) : 0;
    const long first = lround(ceil(t->low / step)), last = lround(floor(t->high / step));
    for (long i = first; i <= last; i++) {
        const double height = (double)i * step, y = y_of(t, height);
        fprintf(t->f, "<line class=\"axis\" x1=\"%g\" x2=\"%g\" y1=\"%.1f\" y2=\"%.1f\"/>", LEFT,
                WIDTH - RIGHT, y, y);
        fprintf(t->f, "<text x=\"%g\" y=\"%.1f\" text-anchor=\"end\">%+.*f%%</text>\n", LEFT - 5,
                y + 3.5, digits, 100 * height);
    }
}

/* Cut off at the axis. */
static double inside(const trend *t, double height)
{
    return y_of(t, fmin(fmax(height, t->low), t->high));
}

static void draw_base(const trend *t)
{
    const moda_level *b = &t->r->base;
    if (!b->n) return;
    if (t->r->figure.timed && b->df >= MODA_NIGHTLY_LEAST_DF) {
        const double margin = moda_level_margin(b, 1, MODA_NIGHTLY_CONFIDENCE);
        const double top = inside(t, expm1(margin)), bottom = inside(t, expm1(-margin));
        fprintf(t->f, "<rect class=\"band\" x=\"%g\" y=\"%.1f\" width=\"%g\" height=\"%.1f\"/>",
                LEFT, top, WIDTH - LEFT - RIGHT, bottom - top);
    }
    fprintf(t->f, "<line class=\"base\" x1=\"%g\" x2=\"%g\" y1=\"%.1f\" y2=\"%.1f\"/>\n", LEFT,
            WIDTH - RIGHT, inside(t, 0), inside(t, 0));
}

/* Where an era begins. */
static void draw_eras(const trend *t)
{
    const moda_nightly_series *s = &t->r->series;
    for (size_t i = 1; i < s->n; i++)
        if (s->points[i].era > s->points[i - 1].era)
            fprintf(t->f, "<line class=\"era\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%g\" y2=\"%g\"/>\n",
                    x_of(t, (double)i - 0.5), x_of(t, (double)i - 0.5), TOP, HEIGHT - BOTTOM);
}

static const char *dot_class(const trend *t, size_t i)
{
    const moda_nightly_result *r = t->r;
    if (i < r->series.n) {
        const moda_nightly_point *p = &r->series.points[i];
        return p->called ? " bad" : p->apart ? " apart" : p->outlier ? " out" : "";
    }
    return r->verdict == MODA_NIGHTLY_REGRESSION    ? " bad now"
           : r->verdict == MODA_NIGHTLY_IMPROVEMENT ? " good now"
                                                    : " now";
}

static void draw_dots(const trend *t)
{
    fputs("<polyline class=\"trend\" points=\"", t->f);
    for (size_t i = 0; i < t->n; i++)
        if (!stands_apart(t, i)) fprintf(t->f, "%.1f,%.1f ", x_of(t, (double)i), y_of(t, at(t, i)));
    fputs("\"/>\n", t->f);
    for (size_t i = 0; i < t->n; i++) {
        const json_t *run = i < t->r->series.n ? t->r->series.points[i].run : NULL;
        fprintf(t->f, "<circle class=\"dot%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%g\"><title>",
                dot_class(t, i), x_of(t, (double)i), inside(t, at(t, i)), run ? 2.6 : 4.2);
        moda_page_text(t->f, run ? moda_nightly_text(run, "date") : t->night->date);
        fputs(", ", t->f);
        moda_page_text(t->f, moda_nightly_commit(t->night, run));
        fprintf(t->f, ": %+.2f %%</title></circle>\n", 100 * at(t, i));
    }
}

static void draw_ends(const trend *t)
{
    const json_t *first = t->r->series.n ? t->r->series.points[0].run : NULL;
    char day[sizeof "2026-01-31"];
    fprintf(t->f, "<text x=\"%g\" y=\"%g\">", LEFT, HEIGHT - 5);
    snprintf(day, sizeof day, "%.10s", first ? moda_nightly_text(first, "date") : t->night->date);
    moda_page_text(t->f, day);
    fprintf(t->f, "</text><text x=\"%g\" y=\"%g\" text-anchor=\"end\">%zu night%s</text>\n",
            WIDTH - RIGHT, HEIGHT - 5, t->n, t->n == 1 ? "" : "s");
}

void moda_page_trend(FILE *f, const moda_nightly *night, const moda_nightly_result *r)
{
    trend t = {.f = f, .night = night, .r = r};
    t.n = r->series.n + isfinite(r->value);
    if (!t.n) return;
    t.zero = r->base.n ? r->base.mean : 0;
    if (!r->base.n) { /* the first night, or all outliers */
        t.zero = r->series.n       ? r->series.points[0].value
                 : r->figure.timed ? log(r->value)
                                   : r->value;
    }
    set_axis(&t);
    fprintf(f, "<svg viewBox=\"0 0 %g %g\" role=\"img\">", WIDTH, HEIGHT);
    draw_axis(&t);
    draw_base(&t);
    draw_eras(&t);
    draw_dots(&t);
    draw_ends(&t);
    fputs("</svg>\n", f);
}
