/* bench/turn_figures.c - what is taken from the figures of a turn. */
#include "bench/turn_internal.h"
#include <math.h>

enum { FIRST_STEPS = 5, LEAST_STEPS = 3, MOST_STEPS = 100000 };

size_t moda_turn_steps(const moda_timings *t, double seconds)
{
    double sum = 0;
    for (size_t i = 0; i < t->n; i++) sum += t->seconds[i];
    if (!(sum > 0)) return FIRST_STEPS;
    return (size_t)fmin(fmax(seconds * (double)t->n / sum, LEAST_STEPS), MOST_STEPS);
}

moda_status moda_turn_take_seconds(const json_t *figures, moda_timings *timings)
{
    moda_status st = MODA_OK;
    const json_t *seconds = json_object_get(figures, "seconds"), *value;
    size_t i;
    MODA_CHECK(json_array_size(seconds) > 0, MODA_ERR_INTERNAL,
               "moda bench turn: figures without seconds");
    json_array_foreach(seconds, i, value)
        MODA_TRY(moda_timings_add(timings, json_number_value(value)));
out:
    return st;
}

double moda_turn_number(const json_t *figures, const char *key)
{
    const json_t *value = json_object_get(figures, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

void moda_turn_take_work(const json_t *figures, moda_workload *work, moda_limits *limits)
{
    const moda_limits now = {moda_turn_number(figures, "peak_flops"),
                             moda_turn_number(figures, "peak_flops_bf16"),
                             moda_turn_number(figures, "peak_bandwidth")};
    *limits = moda_limits_best(*limits, now);
    *work = (moda_workload){moda_turn_number(figures, "flops"), moda_turn_number(figures, "bytes"),
                            json_is_true(json_object_get(figures, "work_in_bf16"))};
}

void moda_turn_team(const json_t *figures, size_t *threads, size_t *nodes, long long *first)
{
    const json_t *team = json_object_get(figures, "team"), *list = json_object_get(team, "nodes");
    if (threads) *threads = (size_t)json_integer_value(json_object_get(team, "threads"));
    if (nodes) *nodes = json_array_size(list);
    if (first) *first = json_integer_value(json_object_get(json_array_get(list, 0), "node"));
}
