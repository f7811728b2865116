/* bench/numa.c - which policies there are, and their turns. */
#include "bench/numa.h"
#include "base/progress.h"
#include "bench/numa_internal.h"
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

/* How many nodes have threads is asked of a first turn, which does not count. */
static moda_status add_subjects(moda_numa_bench *b)
{
    moda_status st = MODA_OK;
    json_t *figures = NULL, *nodes;
    MODA_TRY(moda_numa_turn(b, "cores", "sliced", 1, &figures));
    nodes = json_object_get(json_object_get(figures, "team"), "nodes");
    b->nodes = json_array_size(nodes);
    const long long first = json_integer_value(json_object_get(json_array_get(nodes, 0), "node"));
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

static moda_status turn(moda_numa_bench *b, moda_numa_subject *s)
{
    moda_status st = MODA_OK;
    json_t *figures = NULL;
    MODA_TRY(moda_numa_turn(b, s->policy->bind, s->placement, b->steps, &figures));
    const json_t *seconds = json_object_get(figures, "seconds");
    for (size_t i = 0; i < json_array_size(seconds); i++)
        MODA_TRY(moda_timings_add(&s->timings, json_number_value(json_array_get(seconds, i))));
    const json_t *why = json_object_get(figures, "not_counted");
    if (json_is_string(why)) {
        b->counted = false;
        snprintf(b->why, sizeof b->why, "%s", json_string_value(why));
    }
    s->counts.near += json_number_value(json_object_get(figures, "near_fetches"));
    s->counts.far += json_number_value(json_object_get(figures, "far_fetches"));
    b->threads =
        (size_t)json_integer_value(json_object_get(json_object_get(figures, "team"), "threads"));
out:
    json_decref(figures);
    return st;
}

moda_status moda_numa_bench_run(moda_numa_bench *b)
{
    moda_status st = MODA_OK;
    moda_progress progress;
    size_t done = 0;
    moda_progress_begin(&progress, "numa", "turns", 0);
    MODA_TRY(add_subjects(b));
    b->counted = true;
    progress.total = b->rounds * b->count;
    for (size_t round = 0; round < b->rounds; round++)
        for (size_t i = 0; i < b->count; i++) {
            moda_numa_subject *s = &b->subjects[(i + round) % b->count];
            MODA_TRY(turn(b, s));
            moda_progress_update(&progress, ++done, s->policy->name);
        }
    for (size_t i = 0; i < b->count; i++)
        MODA_TRY(moda_timings_summarise(&b->subjects[i].timings, &b->subjects[i].time));
out:
    moda_progress_end(&progress);
    return st;
}

double moda_numa_far_share(const moda_numa_bench *b, const moda_numa_subject *s)
{
    const double all = s->counts.near + s->counts.far;
    return b->counted && all > 0 ? s->counts.far / all : NAN;
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
    *b = (moda_numa_bench){0};
}
