/* bench/nightly.c - the course of a night: first measurements, confirmations, judgement, the
 * history's new line. */
#include "bench/nightly.h"
#include "base/log.h"
#include "base/progress.h"
#include "bench/nightly_internal.h"
#include "bench/turn_internal.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PROBES = 200 };
#define DISTURBED 1.5 /* times the best: no clock changes so much */

double moda_nightly_number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

const char *moda_nightly_text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "";
}

/* ---- opening ---- */

/* What makes figures comparable: not the commit, the compiler or the libraries, whose changes are
 * to be seen. */
static void describe_class(moda_nightly *n, const char *team)
{
    const moda_machine *m = &n->machine;
    snprintf(n->machine_class, sizeof n->machine_class,
             "%s, %zu cores, %zu units, %zu nodes, %zu threads%s%s, %s%s, %s%s%.0zu", m->cpu,
             m->cores, m->units, m->nodes, m->threads, *team ? " " : "", team, m->kernels,
             m->bf16 ? " bf16" : "", m->configuration, n->seed ? ", seed " : "", n->seed);
}

static moda_status add_results(moda_nightly *n, const moda_nightly_subject *s)
{
    moda_status st = MODA_OK;
    moda_nightly_figure figures[MODA_NIGHTLY_FIGURES];
    const size_t count = moda_nightly_figures_of(s, figures);
    const char *why = moda_nightly_subject_lacks(s);
    for (size_t i = 0; i < count; i++) {
        moda_nightly_result *r = &n->results[n->count++];
        *r = (moda_nightly_result){.figure = figures[i], .why = why, .value = NAN};
        MODA_TRY(
            moda_nightly_series_read(n->before.lines, r->figure.name, r->figure.timed, &r->series));
    }
out:
    return st;
}

moda_status moda_nightly_open(moda_nightly *n, const char *team)
{
    moda_status st = MODA_OK;
    const size_t subjects = moda_nightly_subject_count();
    bool *chosen = NULL;
    moda_machine_describe(&n->machine);
    describe_class(n, team);
    MODA_ALLOC(chosen, subjects * sizeof *chosen);
    MODA_TRY(moda_nightly_choose(n->in_long, n->only, chosen));
    MODA_TRY(moda_nightly_history_writable(n->history));
    MODA_TRY(moda_nightly_history_read(n->history, n->machine_class, &n->before));
    moda_nightly_history_report(&n->before, n->history);
    MODA_ALLOC(n->results, subjects * MODA_NIGHTLY_FIGURES * sizeof *n->results);
    for (size_t i = 0; i < subjects; i++)
        if (chosen[i]) MODA_TRY(add_results(n, &moda_nightly_subjects[i]));
out:
    free(chosen);
    return st;
}

void moda_nightly_free(moda_nightly *n)
{
    if (!n) return;
    for (size_t i = 0; i < n->count; i++) moda_nightly_result_free(&n->results[i]);
    free(n->results);
    moda_timings_free(&n->calibration);
    moda_nightly_history_free(&n->before);
    *n = (moda_nightly){0};
}

size_t moda_nightly_count(const moda_nightly *n, moda_nightly_verdict verdict)
{
    size_t count = 0;
    for (size_t i = 0; i < n->count; i++) count += n->results[i].verdict == verdict;
    return count;
}

/* ---- turns ---- */

moda_status moda_nightly_turn(const moda_nightly *n, const moda_nightly_subject *s,
                              json_t **figures)
{
    moda_status st = MODA_OK;
    char seed[24], patience[32];
    const char *words[MODA_NIGHTLY_WORDS + 10] = {"nightly", "--turn",     s->name, "--seed",
                                                  seed,      "--patience", patience};
    size_t count = 7;
    if (s->job == MODA_NIGHTLY_LEARN) return moda_nightly_learn(n, s, figures);
    snprintf(seed, sizeof seed, "%zu", n->seed);
    snprintf(patience, sizeof patience, "%g", n->patience);
    for (const char *const *w = n->words; *w; w++) words[count++] = *w;
    MODA_TRY(moda_turn_program(n->program, words, figures));
out:
    return moda_fail_context(st, "%s", s->name);
}

/* The night's first clock, by which later ones are known for undisturbed. */
static moda_status calibrate(moda_nightly *n)
{
    moda_status st = MODA_OK;
    moda_probe probe = {0};
    double clock;
    for (int i = 0; i < PROBES; i++) MODA_TRY(moda_probe_take(&probe));
    MODA_TRY(moda_timings_quantile(&probe.clock, 0, &clock));
    MODA_TRY(moda_timings_add(&n->calibration, clock));
out:
    moda_probe_free(&probe);
    return st;
}

/* A calibration that somebody disturbed would make a ratio look small. */
static moda_status keep_calibration(moda_nightly *n, double seconds, bool *good)
{
    moda_status st = MODA_OK;
    moda_timing_summary s;
    MODA_TRY(moda_timings_summarise(&n->calibration, &s));
    *good = seconds <= DISTURBED * s.best;
    if (*good) MODA_TRY(moda_timings_add(&n->calibration, seconds));
out:
    return st;
}

/* Times of one figure, and the state of the machine at each. */
typedef struct turns {
    moda_timings ratios, handovers;
} turns;

static void free_turns(turns *t)
{
    moda_timings_free(&t->ratios);
    moda_timings_free(&t->handovers);
}

/* A turn of the subject whose figures begin at results[first]; times go to `times`, the rest is the
 * same each time but for a peak, of which the lowest counts. */
static moda_status take_turn(moda_nightly *n, size_t first, turns *times)
{
    moda_status st = MODA_OK;
    json_t *figures = NULL;
    const moda_nightly_subject *s = n->results[first].figure.subject;
    bool good = false;
    MODA_TRY(moda_nightly_turn(n, s, &figures));
    const double calibration = moda_nightly_number(figures, "clock_seconds");
    const double handover = moda_nightly_number(figures, "handover_seconds");
    if (isfinite(calibration)) MODA_TRY(keep_calibration(n, calibration, &good));
    for (size_t i = first; i < n->count && n->results[i].figure.subject == s; i++) {
        moda_nightly_result *r = &n->results[i];
        const double x = moda_nightly_number(figures, r->figure.timed ? "ratio" : r->figure.key);
        if (!r->figure.timed)
            r->value = fmin(x, r->value); /* not NaN, if either is a number */
        else if (good && isfinite(x)) {
            MODA_TRY(moda_timings_add(&times->ratios, x));
            MODA_TRY(moda_timings_add(&times->handovers, handover));
        }
    }
out:
    json_decref(figures);
    return st;
}

/* Begins a subject that this machine can do. */
static bool begins(const moda_nightly *n, size_t i)
{
    return !n->results[i].why &&
           (i == 0 || n->results[i].figure.subject != n->results[i - 1].figure.subject);
}

static moda_status median_of(const moda_timings *times, double *value)
{
    moda_timing_summary summary;
    const moda_status st = moda_timings_summarise(times, &summary);
    if (st == MODA_OK) *value = summary.median;
    return st;
}

static size_t timed_figures(const moda_nightly *n)
{
    size_t timed = 0;
    for (size_t i = 0; i < n->count; i++) timed += n->results[i].figure.timed;
    return timed;
}

/* ---- the first measurement ---- */

/* The state that most turns had, and their ratios in it. */
static moda_status choose_state(const turns *t, double *handover, moda_timings *ratios)
{
    moda_status st = MODA_OK;
    ratios->n = 0;
    MODA_TRY(moda_timings_quantile(&t->handovers, 0.5, handover));
    for (size_t i = 0; i < t->ratios.n; i++)
        if (moda_probe_same_state(t->handovers.seconds[i], *handover))
            MODA_TRY(moda_timings_add(ratios, t->ratios.seconds[i]));
out:
    return st;
}

/* Once more round: a time that has not its number of turns in one state gets as many again. */
static moda_status measure_round(moda_nightly *n, size_t round, turns *all, moda_progress *progress)
{
    moda_status st = MODA_OK;
    for (size_t i = 0; i < n->count; i++) {
        moda_nightly_result *r = &n->results[i];
        const bool more = r->figure.timed ? r->turns.n < n->rounds : round == 0;
        if (round < n->rounds)
            moda_progress_update(progress, progress->done + 1, r->figure.subject->name);
        if (!begins(n, i) || !more) continue;
        MODA_TRY(take_turn(n, i, &all[i]));
        if (r->figure.timed) MODA_TRY(choose_state(&all[i], &r->handover, &r->turns));
    }
out:
    return st;
}

/* All subjects in each round. */
static moda_status measure_all(moda_nightly *n)
{
    moda_status st = MODA_OK;
    turns *all = NULL;
    moda_progress progress;
    moda_progress_begin(&progress, "nightly", "turns", n->rounds * n->count);
    MODA_ALLOC(all, n->count * sizeof *all);
    for (size_t round = 0; round < 2 * n->rounds; round++)
        MODA_TRY(measure_round(n, round, all, &progress));
    for (size_t i = 0; i < n->count; i++) {
        moda_nightly_result *r = &n->results[i];
        if (!r->figure.timed || r->why) continue;
        if (2 * r->turns.n > n->rounds)
            MODA_TRY(median_of(&r->turns, &r->value));
        else
            r->why = "the machine was too busy";
    }
    moda_progress_update(&progress, progress.total, NULL);
out:
    moda_progress_end(&progress);
    for (size_t i = 0; all && i < n->count; i++) free_turns(&all[i]);
    free(all);
    return st;
}

/* ---- confirmations ---- */

/* The measurement was of another state: with a base there, it becomes the first one, as if the night began with it. */
static moda_status begin_anew(moda_nightly *n, moda_nightly_result *r, double handover,
                              moda_timings *ratios)
{
    moda_status st = MODA_OK;
    moda_nightly_result other = *r;
    other.handover = handover, other.turns = *ratios, other.confirmation_count = 0;
    MODA_TRY(median_of(ratios, &other.value));
    MODA_TRY(moda_nightly_screen(&other, timed_figures(n)));
    if (other.nights >= other.needed) {
        *ratios = r->turns;
        *r = other;
        goto out;
    }
    MODA_TRY(moda_nightly_series_settle(&r->series, r->handover));
out:
    return st;
}

/* One more measurement, as the first one was. A disturbed one is none. */
static moda_status confirm(moda_nightly *n, size_t i)
{
    moda_status st = MODA_OK;
    moda_nightly_result *r = &n->results[i];
    turns all = {0};
    moda_timings ratios = {0};
    double handover = NAN;
    for (size_t turn = 0; turn < 2 * n->rounds && ratios.n < n->rounds; turn++) {
        MODA_TRY(take_turn(n, i, &all));
        MODA_TRY(choose_state(&all, &handover, &ratios));
    }
    if (2 * ratios.n <= n->rounds) goto out;
    if (moda_probe_same_state(handover, r->handover))
        MODA_TRY(median_of(&ratios, &r->confirmations[r->confirmation_count++]));
    else
        MODA_TRY(begin_anew(n, r, handover, &ratios));
out:
    free_turns(&all);
    moda_timings_free(&ratios);
    return st;
}

static void rest(double seconds)
{
    struct timespec left = {(time_t)seconds, (long)(1e9 * fmod(seconds, 1))};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) continue;
}

static moda_status screen_all(moda_nightly *n)
{
    moda_status st = MODA_OK;
    size_t suspicious = 0;
    for (size_t i = 0; i < n->count; i++) {
        MODA_TRY(moda_nightly_screen(&n->results[i], timed_figures(n)));
        suspicious += n->results[i].suspicious;
    }
    if (suspicious)
        moda_log(MODA_LOG_INFO, "%zu figure%s off the base: measured again, %d times", suspicious,
                 suspicious == 1 ? " is" : "s are", MODA_NIGHTLY_CONFIRMATIONS);
out:
    return st;
}

static bool wants_confirmation(const moda_nightly_result *r)
{
    return r->suspicious && r->confirmation_count < MODA_NIGHTLY_CONFIRMATIONS;
}

/* What was disturbed, or in another state, is tried as often again. */
static moda_status confirm_all(moda_nightly *n)
{
    moda_status st = MODA_OK;
    moda_progress progress;
    moda_progress_begin(&progress, "again", "rounds", (size_t)2 * MODA_NIGHTLY_CONFIRMATIONS);
    MODA_TRY(screen_all(n));
    for (size_t k = 0; k < progress.total; k++) {
        bool any = false;
        for (size_t i = 0; i < n->count; i++) {
            if (!wants_confirmation(&n->results[i])) continue;
            if (!any) rest(n->pause);
            any = true;
            moda_progress_update(&progress, k, n->results[i].figure.name);
            MODA_TRY(confirm(n, i));
        }
        if (!any) break;
    }
out:
    moda_progress_end(&progress);
    return st;
}

/* ---- a night ---- */

static void name_run(moda_nightly *n)
{
    const time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(n->date, sizeof n->date, "%Y-%m-%dT%H:%M:%SZ", &utc);
    snprintf(n->run, sizeof n->run, "%s-%d", n->date, (int)getpid());
}

moda_status moda_nightly_run(moda_nightly *n)
{
    moda_status st = MODA_OK;
    json_t *line = NULL;
    const double start = moda_seconds();
    name_run(n);
    MODA_TRY(calibrate(n));
    MODA_TRY(measure_all(n));
    MODA_TRY(confirm_all(n));
    MODA_TRY(moda_nightly_judge(n->results, n->count));
    n->seconds = moda_seconds() - start;
    MODA_TRY(moda_nightly_line(n, &line));
    MODA_TRY(moda_nightly_history_append(n->history, line));
out:
    json_decref(line);
    return st;
}
