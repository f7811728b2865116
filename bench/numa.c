/* bench/numa.c - which policies there are, and their turns. */
#include "bench/numa.h"
#include "bench/turn_internal.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* "off" first, which the others are held against. */
static const moda_numa_policy policies[] = {
    {"off", "none", "first-touch", "threads unbound, pages where they are first touched"},
    {"sliced", "cores", "sliced", "threads bound, each node has what its threads work on"},
    {"interleaved", "cores", "interleaved", "threads bound, pages in turn on all nodes"},
    {"first-touch", "cores", "first-touch", "threads bound, pages where they are first touched"},
    {"one node", "cores", "node:%lld", "threads bound, all pages on one node"},
};

static moda_status call(const moda_numa_bench *b, const char *bind, const char *placement,
                        size_t steps, json_t **figures)
{
    const moda_turn_call turn = {.program = b->program,
                                 .model = b->model,
                                 .method = b->method,
                                 .tune = "off",
                                 .bind = bind,
                                 .placement = placement,
                                 .batch = b->batch,
                                 .steps = steps,
                                 .threads = b->threads,
                                 .seed = b->seed,
                                 .smt = b->smt};
    return moda_turn(&turn, figures);
}

/* How many nodes have threads is asked of a first turn, which does not count. */
static moda_status add_subjects(moda_numa_bench *b)
{
    moda_status st = MODA_OK;
    json_t *figures = NULL;
    long long first;
    MODA_TRY(call(b, "cores", "sliced", MODA_TURN_LEAST, &figures));
    moda_turn_team(figures, &b->threads, &b->nodes, &first);
    b->count = b->nodes > 1 ? sizeof policies / sizeof *policies : 2;
    MODA_ALLOC(b->subjects, b->count * sizeof *b->subjects);
    for (size_t i = 0; i < b->count; i++) {
        moda_numa_subject *s = &b->subjects[i];
        s->policy = &policies[i];
        snprintf(s->placement, sizeof s->placement, s->policy->placement, first);
    }
out:
    json_decref(figures);
    return st;
}

static moda_status measure(void *user, size_t i, double seconds)
{
    moda_status st = MODA_OK;
    moda_numa_bench *b = user;
    moda_numa_subject *s = &b->subjects[i];
    json_t *figures = NULL;
    const size_t steps = moda_turn_steps(&s->timings, seconds);
    MODA_TRY(call(b, s->policy->bind, s->placement, steps, &figures));
    MODA_TRY(moda_turn_take_seconds(figures, &s->timings));
    moda_turn_take_work(figures, &s->work, &b->limits);
    const json_t *why = json_object_get(figures, "not_counted");
    if (json_is_string(why)) snprintf(b->why, sizeof b->why, "%s", json_string_value(why));
    s->counts.near += moda_turn_number(figures, "near_fetches");
    s->counts.far += moda_turn_number(figures, "far_fetches");
out:
    json_decref(figures);
    return st;
}

static moda_session_row row(void *user, size_t i)
{
    moda_numa_subject *s = &((moda_numa_bench *)user)->subjects[i];
    return (moda_session_row){s->policy->name, &s->timings, &s->time};
}

moda_status moda_numa_bench_run(moda_numa_bench *b)
{
    moda_status st = MODA_OK;
    MODA_TRY(add_subjects(b));
    const moda_session_work work = {"numa", b->count, b, row, measure, NULL};
    MODA_TRY(moda_session_run(&b->session, &work));
out:
    return st;
}

double moda_numa_far_share(const moda_numa_bench *b, const moda_numa_subject *s)
{
    const double all = s->counts.near + s->counts.far;
    return !*b->why && all > 0 ? s->counts.far / all : NAN;
}

double moda_numa_against_off(const moda_numa_bench *b, const moda_numa_subject *s)
{
    return s->time.median / b->subjects[0].time.median;
}

void moda_numa_bench_free(moda_numa_bench *b)
{
    if (!b) return;
    for (size_t i = 0; b->subjects && i < b->count; i++) moda_timings_free(&b->subjects[i].timings);
    free(b->subjects);
    moda_session_free(&b->session);
    *b = (moda_numa_bench){0};
}
