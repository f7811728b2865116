/* bench/scale_report.c - the figures of moda scale as tables. */
#include "base/table.h"
#include "bench/scale.h"
#include <math.h>
#include <stdio.h>

enum { SHOWN_LAYERS = 12 };
#define MUCH_DISTURBED 1.1 /* steps against their parts: beyond, a line says so */

static const char *plural(size_t n)
{
    return n == 1 ? "" : "s";
}

static void print_points(const moda_scale_curve *c)
{
    moda_table *t = moda_table_create(
        ">threads|>nodes|>batch|>steps|>ms/step|>interval|>undisturbed|>images/s|>speedup|"
        ">interval|>efficiency|>peak GFLOP/s|>triad GB/s");
    char times[MODA_TIMING_RANGE], speedups[MODA_TIMING_RANGE];
    double worst = 0;
    for (size_t i = 0; i < c->count; i++) {
        const moda_scale_point *p = &c->points[i];
        moda_table_row(t, "%zu|%zu|%zu|%zu|%.3f|%s|%.3f|%.0f|%.3f|%s|%.1f %%|%.1f|%.1f", p->threads,
                       p->nodes, p->batch, p->time.n, 1e3 * p->time.median,
                       moda_timing_range(1e3 * p->time.low, 1e3 * p->time.high, 3, times),
                       1e3 * p->own.median, (double)p->batch / p->own.median, p->speedup,
                       moda_timing_range(p->low, p->high, 3, speedups), 100 * p->efficiency,
                       1e-9 * p->peak_flops, 1e-9 * p->bandwidth);
        worst = fmax(worst, p->time.median / p->own.median);
    }
    moda_table_print(t);
    moda_table_destroy(t);
    if (worst > MUCH_DISTURBED)
        printf("disturbed: steps took up to %.1f times as long as their parts undisturbed: other "
               "programs ran on these cores\n",
               worst);
    if (c->points[0].threads > 1)
        printf("speedup: taking %zu threads as %zu times one, which was not measured\n",
               c->points[0].threads, c->points[0].threads);
}

/* How well the law holds, or that it cannot be said. */
static void print_quality(const moda_scale_fit *f)
{
    if (f->kind == MODA_FIT_EXACT && f->error > 1e-6)
        puts(" (at its bound: the law cannot describe these points)");
    else if (f->kind == MODA_FIT_EXACT)
        printf(" (solved from %zu points, too few to say how well the law holds: %zu or more)\n",
               f->samples, f->unknowns + 1);
    else
        printf(" (%zu points, error %.1f %%)\n", f->samples, 100 * f->error);
}

static void print_fits(const moda_scale_curve *c)
{
    const moda_scale_fit *a = &c->amdahl, *u = &c->usl;
    const double best = moda_scale_fit_best_threads(u);
    if (c->weak) {
        puts("Amdahl's law is about a batch that stays: not fitted");
    } else if (a->kind == MODA_FIT_NONE) {
        printf("Amdahl's law: %zu point%s, too few: 2 to solve it, 3 to fit it\n", a->samples,
               plural(a->samples));
    } else {
        printf("Amdahl's law: serial fraction %.4f", a->contention);
        print_quality(a);
    }
    if (u->kind == MODA_FIT_NONE) {
        printf("universal scalability law: %zu point%s, too few: 3 to solve it, 4 to fit it\n",
               u->samples, plural(u->samples));
        return;
    }
    printf("universal scalability law: contention %.4f, coherence %.6f", u->contention,
           u->coherence);
    if (isfinite(best)) printf(", fastest with %.0f threads", best);
    print_quality(u);
}

static void print_layers(const moda_scale_curve *c)
{
    moda_scale_layer *layers = NULL;
    size_t count = 0;
    const moda_scale_point *first = c->points, *last = &c->points[c->count - 1];
    if (c->count < 2 || moda_scale_layers(c, &layers, &count) != MODA_OK) return;
    moda_table *t = moda_table_create("layer|pass|kind");
    moda_table_column(t, true, "ms, %zu thread%s", first->threads, plural(first->threads));
    moda_table_column(t, true, "%zu threads", last->threads);
    moda_table_column(t, true, "speedup");
    moda_table_column(t, true, "efficiency");
    moda_table_column(t, true, "lost ms");
    moda_table_column(t, true, "scales to");
    for (size_t i = 0; i < count && i < SHOWN_LAYERS; i++) {
        const moda_scale_layer *l = &layers[i];
        moda_table_row(t, "%s|%s|%s|%.3f|%.3f|%.2f|%.1f %%|%.3f|%zu", l->first->layer,
                       l->first->pass, l->first->kind, 1e3 * l->first->seconds,
                       1e3 * l->last->seconds, l->speedup, 100 * l->efficiency, 1e3 * l->lost,
                       l->scales_to);
    }
    printf("layers that lose most with %zu threads (%zu of %zu)\n", last->threads,
           count < SHOWN_LAYERS ? count : SHOWN_LAYERS, count);
    moda_table_print(t);
    moda_table_destroy(t);
    free(layers);
}

/* Of the intervals that there are, which few steps make less sure. */
static double confidence(const moda_scale_bench *b)
{
    double least = 1;
    for (size_t i = 0; i < b->count; i++)
        for (size_t k = 0; k < b->curves[i].count; k++)
            least = fmin(least, fmin(b->curves[i].points[k].time.confidence,
                                     b->curves[i].points[k].own.confidence));
    return least;
}

void moda_scale_print(const moda_scale_bench *b)
{
    char name[160];
    moda_session_print_machine();
    for (size_t i = 0; i < b->count; i++) {
        const moda_scale_curve *c = &b->curves[i];
        printf("%s%s scaling%s\n", i ? "\n" : "", moda_scale_curve_name(c, name, sizeof name),
               c->spread ? ", the same number of threads on every node"
               : c->weak ? ", the batch grows with threads"
                         : "");
        if (c->tuning)
            printf(
                "algorithms and types were measured with %zu thread%s and a batch of %zu, and are "
                "the same for all points\n",
                c->tuned_with, plural(c->tuned_with), b->batch);
        print_points(c);
        print_fits(c);
        print_layers(c);
    }
    printf("interval: holds the median with %.0f %% or more; of speedup, from the ends of both\n",
           floor(100 * confidence(b)));
    moda_session_print_drift(&b->session);
}
