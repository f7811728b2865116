#include "bench/nightly_series.h"
#include "bench/probe.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Two runs that agree to the last digit do not make a scatter of nothing. */
#define LEAST_SCATTER 0.002

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "";
}

/* A run's verdict on the figure, if it is `word`. */
static const json_t *verdict_of(const json_t *run, const char *figure, const char *word)
{
    const json_t *verdict = json_object_get(json_object_get(run, "verdicts"), figure);
    return strcmp(text(verdict, "verdict"), word) == 0 ? verdict : NULL;
}

/* A new era: all points from the run of that name, or else from the last one, belong to it. */
static void begin_era(moda_nightly_series *s, const char *from)
{
    size_t first = s->n ? s->n - 1 : 0;
    while (first > 0 && strcmp(text(s->points[first].run, "run"), from) != 0) first--;
    if (s->n && strcmp(text(s->points[first].run, "run"), from) != 0) first = s->n - 1;
    s->eras++;
    for (size_t i = first; i < s->n; i++)
        s->points[i].era = s->eras - 1, s->points[i].called = false;
}

/* A night that called a change stands at the level that its confirmations found, not at the one
 * that it was suspected for. Logarithms. */
static double confirmed(const json_t *f, double first)
{
    const json_t *list = json_object_get(f, "confirmations"), *x;
    double sum = 0;
    size_t i, n = 0;
    json_array_foreach(list, i, x)
    {
        if (json_is_number(x) && json_number_value(x) > 0) sum += log(json_number_value(x)), n++;
    }
    return n ? sum / (double)n : first;
}

static void take_run(moda_nightly_series *s, const json_t *run, const char *figure, bool timed)
{
    const json_t *f = json_object_get(json_object_get(run, "figures"), figure);
    const json_t *value = json_object_get(f, "value");
    const double x = json_is_number(value) ? json_number_value(value) : NAN;
    const json_t *handover = json_object_get(f, "handover_ns");
    const json_t *better = verdict_of(run, figure, "improvement");
    if (!isfinite(x) || (timed && !(x > 0))) return;
    s->points[s->n++] = (moda_nightly_point){
        .run = run,
        .value = timed ? log(x) : x,
        .era = s->eras - 1,
        .called = verdict_of(run, figure, "regression") != NULL,
        .handover = timed && json_is_number(handover) ? 1e-9 * json_number_value(handover) : 0,
    };
    moda_nightly_point *p = &s->points[s->n - 1];
    if (timed && (p->called || better)) p->value = confirmed(f, p->value);
    if (better) begin_era(s, text(better, "from"));
}

/* Accepted is what was called last: from where it began. */
static void take_acceptance(moda_nightly_series *s, const json_t *line, const char *figure)
{
    size_t i;
    const json_t *name;
    json_array_foreach(json_object_get(line, "figures"), i, name)
    {
        if (!json_is_string(name) || strcmp(json_string_value(name), figure) != 0) continue;
        for (size_t k = s->n; k > 0; k--) {
            const json_t *worse = verdict_of(s->points[k - 1].run, figure, "regression");
            if (!worse || !s->points[k - 1].called) continue;
            begin_era(s, text(worse, "from"));
            return;
        }
    }
}

bool moda_nightly_counts(const moda_nightly_point *p, size_t era)
{
    return p->era == era && !p->called && !p->apart;
}

moda_status moda_nightly_series_settle(moda_nightly_series *s, double handover)
{
    moda_status st = MODA_OK;
    double *x = NULL;
    bool *outlier = NULL;
    MODA_ALLOC(x, 2 * s->n * sizeof *x);
    MODA_ALLOC(outlier, s->n * sizeof *outlier);
    for (size_t i = 0; i < s->n; i++) {
        s->points[i].apart = !moda_probe_same_state(s->points[i].handover, handover);
        s->points[i].outlier = false;
    }
    for (size_t e = 0; e < s->eras; e++) {
        size_t n = 0;
        for (size_t i = 0; i < s->n; i++)
            if (moda_nightly_counts(&s->points[i], e)) x[n++] = s->points[i].value;
        moda_mark_outliers(x, n, outlier, x + s->n);
        n = 0;
        for (size_t i = 0; i < s->n; i++)
            if (moda_nightly_counts(&s->points[i], e)) s->points[i].outlier = outlier[n++];
    }
out:
    free(x);
    free(outlier);
    return st;
}

moda_status moda_nightly_series_read(const json_t *lines, const char *figure, bool timed,
                                     moda_nightly_series *s)
{
    moda_status st = MODA_OK;
    size_t i;
    const json_t *line;
    *s = (moda_nightly_series){.eras = 1};
    MODA_ALLOC(s->points, json_array_size(lines) * sizeof *s->points);
    json_array_foreach(lines, i, line)
    {
        if (strcmp(text(line, "type"), "run") == 0)
            take_run(s, line, figure, timed);
        else
            take_acceptance(s, line, figure);
    }
    if (s->n) MODA_TRY(moda_nightly_series_settle(s, s->points[s->n - 1].handover));
out:
    if (st != MODA_OK) moda_nightly_series_free(s);
    return st;
}

void moda_nightly_series_free(moda_nightly_series *s)
{
    if (!s) return;
    free(s->points);
    *s = (moda_nightly_series){0};
}

size_t moda_nightly_era(const moda_nightly_series *s, size_t *index)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) {
        const moda_nightly_point *p = &s->points[i];
        if (moda_nightly_counts(p, s->eras - 1) && !p->outlier) index[n++] = i;
    }
    return n;
}

size_t moda_nightly_base_values(const moda_nightly_series *s, double *values)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n && n < MODA_NIGHTLY_ANCHOR; i++)
        if (moda_nightly_counts(&s->points[i], s->eras - 1)) values[n++] = s->points[i].value;
    return n;
}

/* Of the points of one era that count, the first `most`: sum of squares around their mean. */
static double squares(const moda_nightly_series *s, size_t era, size_t most, double *mean,
                      size_t *count)
{
    double sum = 0, squared = 0;
    size_t n = 0, k = 0;
    for (size_t i = 0; i < s->n && n < most; i++)
        if (moda_nightly_counts(&s->points[i], era) && !s->points[i].outlier)
            sum += s->points[i].value, n++;
    *mean = n ? sum / (double)n : NAN, *count = n;
    for (size_t i = 0; i < s->n && k < n; i++) {
        if (!moda_nightly_counts(&s->points[i], era) || s->points[i].outlier) continue;
        squared += (s->points[i].value - *mean) * (s->points[i].value - *mean), k++;
    }
    return squared;
}

moda_level moda_nightly_base(const moda_nightly_series *s)
{
    moda_level level = {.mean = NAN};
    double sum = 0, mean;
    size_t n;
    for (size_t e = 0; e < s->eras; e++) {
        sum += squares(s, e, MODA_NIGHTLY_ANCHOR, &mean, &n);
        if (n > 1) level.df += n - 1;
        if (e + 1 == s->eras) level.mean = mean, level.n = n;
    }
    level.scatter = level.df ? fmax(sqrt(sum / (double)level.df), LEAST_SCATTER) : NAN;
    return level;
}
