/* bench/nightly_line.c - a night as JSON: for the history, for --json; and acceptances.
 * docs/nightly.md. */
#include "base/log.h"
#include "bench/nightly_internal.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Ratios to six digits: more would be noise, and the history is read by people, too. */
static json_t *ratio(double x)
{
    char text[32];
    if (!isfinite(x)) return json_null();
    snprintf(text, sizeof text, "%.6g", x);
    return json_real(strtod(text, NULL));
}

static json_t *ratios(const double *x, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(list, ratio(x[i]));
    return list;
}

static json_t *value_of(const moda_nightly_result *r)
{
    if (!isfinite(r->value)) return json_null();
    if (strcmp(r->figure.unit, "bytes") == 0) return json_integer((json_int_t)r->value);
    return r->figure.timed ? ratio(r->value) : json_real(r->value);
}

static json_t *figure_line(const moda_nightly_result *r)
{
    const moda_nightly_figure *f = &r->figure;
    json_t *line = json_pack("{s:o s:s s:s s:s}", "value", value_of(r), "unit", f->unit, "better",
                             f->higher ? "higher" : "lower", "kind", f->timed ? "timed" : "exact");
    if (f->timed) {
        json_object_set_new(line, "turns", ratios(r->turns.seconds, r->turns.n));
        json_object_set_new(line, "handover_ns", ratio(1e9 * r->handover));
        if (r->confirmation_count)
            json_object_set_new(line, "confirmations",
                                ratios(r->confirmations, r->confirmation_count));
    }
    return line;
}

static const char *run_of(const moda_nightly *n, const json_t *run)
{
    return run ? moda_nightly_text(run, "run") : n->run;
}

const char *moda_nightly_commit(const moda_nightly *n, const json_t *run)
{
    const char *commit =
        run ? moda_nightly_text(json_object_get(run, "machine"), "commit") : n->machine.commit;
    return *commit ? commit : "no commit";
}

static json_t *verdict_line(const moda_nightly *n, const moda_nightly_result *r)
{
    return json_pack("{s:s s:s s:o s:o s:o s:o s:b s:s s:o s:o}", "verdict",
                     moda_nightly_verdict_names[r->verdict], "from", run_of(n, r->first_bad),
                     "change", ratio(r->change), "low", ratio(r->low), "high", ratio(r->high), "p",
                     ratio(r->p), "gradual", r->gradual, "last_good", run_of(n, r->last_good),
                     "last_good_commit", moda_json_text(moda_nightly_commit(n, r->last_good)),
                     "first_bad_commit", moda_json_text(moda_nightly_commit(n, r->first_bad)));
}

static bool was_called(const moda_nightly_result *r)
{
    return r->verdict == MODA_NIGHTLY_REGRESSION || r->verdict == MODA_NIGHTLY_IMPROVEMENT;
}

moda_status moda_nightly_line(const moda_nightly *n, json_t **line)
{
    moda_status st = MODA_OK;
    json_t *machine = NULL, *figures = json_object(), *verdicts = json_object();
    moda_timing_summary calibration;
    MODA_TRY(moda_machine_json(&n->machine, &machine));
    MODA_TRY(moda_timings_summarise(&n->calibration, &calibration));
    for (size_t i = 0; i < n->count; i++) {
        const moda_nightly_result *r = &n->results[i];
        if (!isfinite(r->value)) continue;
        json_object_set_new(figures, r->figure.name, figure_line(r));
        if (was_called(r)) json_object_set_new(verdicts, r->figure.name, verdict_line(n, r));
    }
    /* moda_nightly comes first: a torn line is known by it. */
    *line = json_pack(
        "{s:i s:s s:s s:s s:o s:s s:I s:I s:o s:{s:o s:o} s:O s:O s:O}", "moda_nightly",
        MODA_NIGHTLY_SCHEMA, "type", "run", "run", n->run, "date", n->date, "class",
        moda_json_text(n->machine_class), "form", n->in_long ? "long" : "short", "rounds",
        (json_int_t)n->rounds, "seed", (json_int_t)n->seed, "seconds", ratio(n->seconds),
        "calibration", "median_seconds", ratio(calibration.median), "best_seconds",
        ratio(calibration.best), "machine", machine, "figures", figures, "verdicts", verdicts);
    MODA_CHECK(*line, MODA_ERR_NOMEM, "out of memory");
out:
    json_decref(machine);
    json_decref(figures);
    json_decref(verdicts);
    return st;
}

/* ---- --json ---- */

static json_t *judgement(const moda_nightly *n, const moda_nightly_result *r)
{
    json_t *j = verdict_line(n, r);
    json_object_set_new(j, "why", r->why ? json_string(r->why) : json_null());
    json_object_set_new(j, "base_runs", json_integer((json_int_t)r->nights));
    json_object_set_new(j, "apart_runs", json_integer((json_int_t)r->apart));
    json_object_set_new(j, "needed_runs", json_integer((json_int_t)r->needed));
    json_object_set_new(j, "base", ratio(r->figure.timed ? exp(r->base.mean) : r->base.mean));
    json_object_set_new(j, "scatter", ratio(r->figure.timed ? r->base.scatter : NAN));
    json_object_set_new(j, "detectable", ratio(r->detectable));
    json_object_set_new(j, "measured_again", json_boolean(r->suspicious));
    if (!was_called(r)) {
        static const char *const about[] = {"from", "last_good", "last_good_commit",
                                            "first_bad_commit"};
        for (size_t i = 0; i < sizeof about / sizeof *about; i++)
            json_object_set_new(j, about[i], json_null());
    }
    return j;
}

moda_status moda_nightly_json(const moda_nightly *n, json_t **json)
{
    moda_status st = MODA_OK;
    json_t *judgements = json_object();
    MODA_TRY(moda_nightly_line(n, json));
    for (size_t i = 0; i < n->count; i++)
        json_object_set_new(judgements, n->results[i].figure.name, judgement(n, &n->results[i]));
    const int failed =
        json_object_set(*json, "judgements", judgements) +
        json_object_set_new(*json, "history", moda_json_text(n->history)) +
        json_object_set_new(
            *json, "regressions",
            json_integer((json_int_t)moda_nightly_count(n, MODA_NIGHTLY_REGRESSION))) +
        json_object_set_new(*json, "level", json_real(MODA_NIGHTLY_LEVEL)) +
        json_object_set_new(*json, "other_lines", json_integer((json_int_t)n->before.others)) +
        json_object_set_new(*json, "broken_lines", json_integer((json_int_t)n->before.broken));
    MODA_CHECK(!failed, MODA_ERR_NOMEM, "out of memory");
out:
    json_decref(judgements);
    return st;
}

/* ---- acceptances ---- */

/* Whether the figure's last run stands as a regression that nobody has accepted. */
static bool stands(const moda_nightly_result *r)
{
    return r->series.n > 0 && r->series.points[r->series.n - 1].called;
}

static bool is_named(const char *names, const char *name)
{
    const size_t length = strlen(name);
    if (strcmp(names, "all") == 0) return true;
    for (const char *at = names; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, name, length) == 0 && (at[length] == 0 || at[length] == ',')) return true;
    return false;
}

/* Every word has to be a figure that stands as a regression. */
static moda_status check_names(const moda_nightly *n, const char *names)
{
    moda_status st = MODA_OK;
    for (const char *at = names; at && strcmp(names, "all") != 0;) {
        const size_t length = strcspn(at, ",");
        bool any = false;
        for (size_t i = 0; i < n->count; i++) {
            const char *name = n->results[i].figure.name;
            any = any || (strlen(name) == length && strncmp(name, at, length) == 0 &&
                          stands(&n->results[i]));
        }
        MODA_CHECK(any, MODA_ERR_ARG,
                   "--accept '%.*s': the last night did not call this a regression", (int)length,
                   at);
        at = at[length] ? at + length + 1 : NULL;
    }
out:
    return st;
}

moda_status moda_nightly_accept(moda_nightly *n, const char *names, size_t *accepted)
{
    moda_status st = MODA_OK;
    json_t *line = NULL, *figures = json_array();
    char date[32];
    const time_t now = time(NULL);
    struct tm utc;
    MODA_TRY(check_names(n, names));
    for (size_t i = 0; i < n->count; i++)
        if (stands(&n->results[i]) && is_named(names, n->results[i].figure.name))
            json_array_append_new(figures, json_string(n->results[i].figure.name));
    *accepted = json_array_size(figures);
    if (!*accepted) goto out;
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    line = json_pack("{s:i s:s s:s s:o s:O}", "moda_nightly", MODA_NIGHTLY_SCHEMA, "type", "accept",
                     "date", date, "class", moda_json_text(n->machine_class), "figures", figures);
    MODA_CHECK(line, MODA_ERR_NOMEM, "out of memory");
    MODA_TRY(moda_nightly_history_append(n->history, line));
out:
    json_decref(line);
    json_decref(figures);
    return st;
}
