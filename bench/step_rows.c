#include "bench/step_rows.h"
#include "bench/turn_internal.h"
#include <stdio.h>
#include <stdlib.h>

moda_status moda_step_rows_add(moda_step_rows *b, const moda_step_row *row)
{
    moda_status st = MODA_OK;
    moda_step_row *grown = realloc(b->rows, (b->count + 1) * sizeof *grown);
    MODA_CHECK(grown, MODA_ERR_NOMEM, "out of memory: %zu rows", b->count + 1);
    b->rows = grown;
    moda_step_row *r = &grown[b->count++];
    *r = (moda_step_row){.model = row->model,
                         .method = row->method,
                         .precision = row->precision,
                         .batch = row->batch,
                         .threads = row->threads};
    snprintf(r->name, sizeof r->name, "%s, %s, %s, batch %zu, threads %zu", r->model, r->method,
             r->precision, r->batch, r->threads);
out:
    return st;
}

/* ---- turns ---- */

/* The turn's steps, and the median of these. */
static moda_status take_seconds(moda_step_row *r, const json_t *figures)
{
    moda_status st = MODA_OK;
    moda_timing_summary turn;
    const size_t before = r->timings.n;
    MODA_TRY(moda_turn_take_seconds(figures, &r->timings));
    const moda_timings steps = {r->timings.seconds + before, r->timings.n - before, 0};
    MODA_TRY(moda_timings_summarise(&steps, &turn));
    MODA_TRY(moda_timings_add(&r->medians, turn.median));
out:
    return st;
}

static moda_status take(moda_step_row *r, const json_t *figures)
{
    moda_status st = MODA_OK;
    MODA_TRY(take_seconds(r, figures));
    moda_turn_take_work(figures, &r->work, &r->limits);
    r->memory = (size_t)moda_turn_number(figures, "memory_bytes");
    r->resident =
        (size_t)moda_turn_number(figures, "resident_bytes"); /* tuning was another turn's */
    moda_turn_team(figures, &r->threads, NULL, NULL);
    if (!r->tuning) r->tuning = json_incref(json_object_get(figures, "tuning"));
out:
    return st;
}

static moda_status measure(void *user, size_t i, double seconds)
{
    moda_status st = MODA_OK;
    const moda_step_rows *b = user;
    moda_step_row *r = &b->rows[i];
    json_t *figures = NULL;
    const moda_turn_call call = {.program = b->program,
                                 .model = r->model,
                                 .data = b->data,
                                 .method = r->method,
                                 .precision = r->precision,
                                 .tune = b->tune,
                                 .bind = b->bind,
                                 .placement = b->placement,
                                 .batch = r->batch,
                                 .steps = moda_turn_steps(&r->timings, seconds),
                                 .threads = r->threads,
                                 .seed = b->seed,
                                 .smt = b->smt,
                                 .tuning = r->tuning};
    MODA_TRY(moda_turn(&call, &figures));
    MODA_TRY(take(r, figures));
out:
    json_decref(figures);
    return st;
}

static moda_session_row row(void *user, size_t i)
{
    moda_step_row *r = &((moda_step_rows *)user)->rows[i];
    return (moda_session_row){r->name, &r->timings, &r->time};
}

/* Rows with the same threads have the best that any of them found. */
static void share_limits(moda_step_rows *b)
{
    for (size_t i = 0; i < b->count; i++)
        for (size_t k = 0; k < b->count; k++)
            if (b->rows[k].threads == b->rows[i].threads)
                b->rows[i].limits = moda_limits_best(b->rows[i].limits, b->rows[k].limits);
}

moda_status moda_step_rows_run(moda_step_rows *b)
{
    moda_status st = MODA_OK;
    const moda_session_work work = {"steps", b->count, b, row, measure, NULL};
    MODA_TRY(moda_session_run(&b->session, &work));
    share_limits(b);
out:
    return st;
}

void moda_step_rows_free(moda_step_rows *b)
{
    if (!b) return;
    for (size_t i = 0; i < b->count; i++) {
        moda_timings_free(&b->rows[i].timings);
        moda_timings_free(&b->rows[i].medians);
        json_decref(b->rows[i].tuning);
    }
    free(b->rows);
    moda_session_free(&b->session);
    *b = (moda_step_rows){0};
}
