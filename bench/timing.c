#include "bench/timing.h"
#include "base/progress.h"
#include "bench/median.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_CALLS = 100000, LEAST_CALLS = 3, WARM_CALLS = 2 };
#define WARM_SHARE 0.2

moda_status moda_timings_add(moda_timings *t, double seconds)
{
    moda_status st = MODA_OK;
    if (t->n == t->capacity) {
        const size_t capacity = t->capacity ? 2 * t->capacity : 256;
        double *grown = realloc(t->seconds, capacity * sizeof *grown);
        MODA_CHECK(grown, MODA_ERR_NOMEM, "out of memory: %zu timings", capacity);
        t->seconds = grown, t->capacity = capacity;
    }
    t->seconds[t->n++] = seconds;
out:
    return st;
}

moda_status moda_timings_repeat(moda_timed what, double seconds, size_t least, moda_timings *t)
{
    moda_status st = MODA_OK;
    const double start = moda_seconds();
    double now = start;
    for (size_t n = 0; n < MOST_CALLS && (n < least || now - start < seconds); n++) {
        if (what.before) what.before(what.state);
        const double before = moda_seconds();
        MODA_TRY(what.call(what.state));
        now = moda_seconds();
        if (t) MODA_TRY(moda_timings_add(t, now - before));
    }
out:
    return st;
}

moda_status moda_timings_round(moda_timed what, double seconds, moda_timings *t)
{
    moda_status st = MODA_OK;
    MODA_TRY(moda_timings_repeat(what, seconds * WARM_SHARE, WARM_CALLS, NULL));
    MODA_TRY(moda_timings_repeat(what, seconds, LEAST_CALLS, t));
out:
    return st;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* In fresh memory. */
static moda_status sort(const moda_timings *t, double **sorted)
{
    moda_status st = MODA_OK;
    MODA_ALLOC(*sorted, t->n * sizeof **sorted);
    memcpy(*sorted, t->seconds, t->n * sizeof **sorted);
    qsort(*sorted, t->n, sizeof **sorted, by_size);
out:
    return st;
}

moda_status moda_timings_summarise(const moda_timings *t, moda_timing_summary *summary)
{
    moda_status st = MODA_OK;
    double *sorted = NULL;
    const size_t n = t->n;
    *summary = (moda_timing_summary){0, NAN, NAN, NAN, NAN, NAN};
    if (n == 0) goto out;
    MODA_TRY(sort(t, &sorted));
    summary->n = n;
    summary->median = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
    summary->best = sorted[0];
    if (n == 1) goto out; /* nothing says how far off it may be */
    const size_t rank = moda_median_rank(n, MODA_TIMING_CONFIDENCE, &summary->confidence);
    summary->low = sorted[rank - 1], summary->high = sorted[n - rank];
out:
    free(sorted);
    return st;
}

moda_status moda_timings_quantile(const moda_timings *t, double q, double *seconds)
{
    moda_status st = MODA_OK;
    double *sorted = NULL;
    *seconds = NAN;
    if (t->n == 0) goto out;
    MODA_TRY(sort(t, &sorted));
    *seconds = sorted[(size_t)(q * (double)(t->n - 1) + 0.5)];
out:
    free(sorted);
    return st;
}

double moda_timing_spread(const moda_timing_summary *s)
{
    return s->confidence >= MODA_TIMING_CONFIDENCE ? (s->high - s->low) / 2 / s->median : INFINITY;
}

const char *moda_timing_range(double low, double high, int digits, char text[MODA_TIMING_RANGE])
{
    if (isfinite(low) && isfinite(high))
        snprintf(text, MODA_TIMING_RANGE, "%.*f - %.*f", digits, low, digits, high);
    else
        snprintf(text, MODA_TIMING_RANGE, "-");
    return text;
}

void moda_timings_free(moda_timings *t)
{
    if (!t) return;
    free(t->seconds);
    *t = (moda_timings){0};
}

json_t *moda_timings_json(const moda_timings *t)
{
    json_t *seconds = json_array();
    for (size_t i = 0; i < t->n; i++)
        if (json_array_append_new(seconds, moda_json_number(t->seconds[i])) != 0) {
            json_decref(seconds);
            return NULL;
        }
    return seconds;
}

moda_status moda_timing_json(const moda_timing_summary *s, json_t *object)
{
    moda_status st = MODA_OK;
    const struct {
        const char *key;
        double value;
    } reals[] = {{"median_seconds", s->median},
                 {"low_seconds", s->low},
                 {"high_seconds", s->high},
                 {"best_seconds", s->best},
                 {"confidence", s->confidence}};
    MODA_CHECK(json_object_set_new(object, "calls", json_integer((json_int_t)s->n)) == 0,
               MODA_ERR_NOMEM, "out of memory");
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
        MODA_CHECK(json_object_set_new(object, reals[i].key, moda_json_number(reals[i].value)) == 0,
                   MODA_ERR_NOMEM, "out of memory");
out:
    return st;
}
