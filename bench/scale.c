/* bench/scale.c - curves and points, their turns, and what follows from the times. */
#include "bench/scale.h"
#include "base/progress.h"
#include "bench/scale_internal.h"
#include <stdio.h>
#include <string.h>

static moda_status fill_point(const moda_scale_bench *b, const moda_scale_curve *c, size_t threads,
                              moda_scale_point *p)
{
    moda_status st = MODA_OK;
    p->threads = threads;
    p->batch = c->weak ? b->batch_per_thread * threads : b->batch;
    if (c->spread && !b->unbound)
        MODA_TRY(moda_scale_spread(b->topology, b->smt, threads, &p->bind));
    else
        MODA_CHECK((p->bind = strdup(b->unbound ? "none" : "cores")) != NULL, MODA_ERR_NOMEM,
                   "out of memory");
out:
    return st;
}

moda_status moda_scale_add(moda_scale_bench *b, const moda_scale_curve *curve,
                           const moda_sizes *counts)
{
    moda_status st = MODA_OK;
    moda_scale_curve *grown = realloc(b->curves, (b->count + 1) * sizeof *grown);
    MODA_CHECK(grown, MODA_ERR_NOMEM, "out of memory: %zu curves", b->count + 1);
    b->curves = grown;
    moda_scale_curve *c = &grown[b->count++];
    *c = (moda_scale_curve){.model = curve->model,
                            .method = curve->method,
                            .precision = curve->precision,
                            .weak = curve->weak,
                            .spread = curve->spread};
    MODA_ALLOC(c->points, counts->n * sizeof *c->points);
    for (c->count = 0; c->count < counts->n; c->count++)
        MODA_TRY(fill_point(b, c, counts->values[c->count], &c->points[c->count]));
out:
    return st;
}

/* ---- figures ---- */

static moda_status summarise(moda_scale_point *p)
{
    moda_status st = MODA_OK;
    moda_timing_summary s;
    MODA_TRY(moda_timings_summarise(&p->timings, &p->time));
    MODA_TRY(moda_timings_summarise(&p->undisturbed, &p->own));
    MODA_TRY(moda_timings_summarise(&p->rests, &s));
    p->rest = s.median;
    for (size_t i = 0; i < p->part_count; i++) {
        MODA_TRY(moda_timings_summarise(&p->parts[i].turns, &s));
        p->parts[i].seconds = s.median;
    }
out:
    return st;
}

/* How many times as fast as one thread, if m threads are m times as fast. */
static double speedup(const moda_scale_point *first, const moda_scale_point *p, double first_time,
                      double time)
{
    return (double)first->threads * ((double)p->batch / time) / ((double)first->batch / first_time);
}

static moda_status settle(moda_scale_curve *c)
{
    moda_status st = MODA_OK;
    const moda_scale_point *first = c->points;
    moda_scale_sample *samples = NULL;
    MODA_ALLOC(samples, c->count * sizeof *samples);
    for (size_t i = 0; i < c->count; i++) MODA_TRY(summarise(&c->points[i]));
    for (size_t i = 0; i < c->count; i++) {
        moda_scale_point *p = &c->points[i];
        p->speedup = speedup(first, p, first->own.median, p->own.median);
        p->low = i ? speedup(first, p, first->own.low, p->own.high) : p->speedup;
        p->high = i ? speedup(first, p, first->own.high, p->own.low) : p->speedup;
        p->efficiency = p->speedup / (double)p->threads;
        samples[i] = (moda_scale_sample){p->threads, (double)p->batch / p->own.median};
    }
    c->amdahl = moda_scale_fit_amdahl(samples, c->weak ? 0 : c->count);
    c->usl = moda_scale_fit_usl(samples, c->count);
out:
    free(samples);
    return st;
}

char *moda_scale_curve_name(const moda_scale_curve *c, char *buffer, size_t size)
{
    snprintf(buffer, size, "%s, %s, %s, %s%s", c->model, c->method, c->precision,
             c->weak ? "weak" : "strong", c->spread ? ", spread" : "");
    return buffer;
}

/* ---- turns ---- */

typedef struct place {
    moda_scale_curve *curve;
    moda_scale_point *point;
} place;

/* The points of all curves, one after the other. */
static place place_of(const moda_scale_bench *b, size_t i)
{
    size_t c = 0;
    while (i >= b->curves[c].count) i -= b->curves[c++].count;
    return (place){&b->curves[c], &b->curves[c].points[i]};
}

/* Choices of one network are the same for all its curves and points: else a speedup would be
 * partly that of other algorithms. They are those of the most threads, which are what most
 * people run with. */
static moda_status tune(moda_scale_bench *b)
{
    moda_status st = MODA_OK;
    for (size_t i = 0; i < b->count; i++) {
        moda_scale_curve *c = &b->curves[i];
        if (strcmp(c->precision, "auto") != 0) continue;
        for (size_t k = 0; k < i && !c->tuning; k++) {
            const moda_scale_curve *same = &b->curves[k];
            if (!same->tuning || strcmp(same->model, c->model) != 0) continue;
            c->tuning = json_incref(same->tuning), c->tuned_with = same->tuned_with;
        }
        if (!c->tuning) MODA_TRY(moda_scale_tune(b, c));
    }
out:
    return st;
}

moda_status moda_scale_run(moda_scale_bench *b)
{
    moda_status st = MODA_OK;
    moda_progress progress;
    size_t points = 0, done = 0;
    for (size_t i = 0; i < b->count; i++) points += b->curves[i].count;
    moda_progress_begin(&progress, "scale", "turns", b->rounds * points);
    MODA_TRY(tune(b));
    for (size_t round = 0; round < b->rounds; round++) {
        MODA_TRY(moda_calibration_take(&b->session.calibration));
        for (size_t i = 0; i < points; i++) {
            const place at = place_of(b, (i + round) % points);
            char name[160], note[200];
            MODA_TRY(moda_scale_turn(b, at.curve, at.point));
            snprintf(note, sizeof note, "%s, %zu thread%s",
                     moda_scale_curve_name(at.curve, name, sizeof name), at.point->threads,
                     at.point->threads == 1 ? "" : "s");
            moda_progress_update(&progress, ++done, note);
        }
    }
    MODA_TRY(moda_calibration_take(&b->session.calibration));
    for (size_t i = 0; i < b->count; i++) MODA_TRY(settle(&b->curves[i]));
out:
    moda_progress_end(&progress);
    return st;
}

static void free_point(moda_scale_point *p)
{
    for (size_t i = 0; i < p->part_count; i++) moda_timings_free(&p->parts[i].turns);
    moda_timings_free(&p->timings);
    moda_timings_free(&p->undisturbed);
    moda_timings_free(&p->rests);
    free(p->parts);
    free(p->bind);
}

void moda_scale_free(moda_scale_bench *b)
{
    if (!b) return;
    for (size_t i = 0; i < b->count; i++) {
        for (size_t k = 0; k < b->curves[i].count; k++) free_point(&b->curves[i].points[k]);
        free(b->curves[i].points);
        json_decref(b->curves[i].tuning);
    }
    free(b->curves);
    moda_session_free(&b->session);
    *b = (moda_scale_bench){0};
}
