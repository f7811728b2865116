#include "bench/session.h"
#include "base/progress.h"
#include "bench/machine.h"
#include "numa/team.h"
#include <stdio.h>
#include <stdlib.h>

enum { LEAST_ROUNDS = 2 }; /* before a row may be done */

void moda_session_options(moda_session *s, moda_option table[MODA_SESSION_OPTION_COUNT])
{
    snprintf(s->help[0], sizeof s->help[0], "to measure each row, at the most (default %g)",
             s->seconds);
    snprintf(s->help[1], sizeof s->help[1], "parts of that time, rows take turns (default %zu)",
             s->rounds);
    snprintf(s->help[2], sizeof s->help[2],
             "a row is done when its median is known that well, 0: never (default %g)", s->spread);
    const moda_option options[MODA_SESSION_OPTION_COUNT] = {
        {MODA_OPTION_REAL, "seconds", "X", s->help[0], &s->seconds, 0.001, 3600, NULL},
        {MODA_OPTION_SIZE, "rounds", "N", s->help[1], &s->rounds, 1, 1000, NULL},
        {MODA_OPTION_REAL, "spread", "PERCENT", s->help[2], &s->spread, 0, 100, NULL},
        {MODA_OPTION_END, NULL, NULL, NULL, NULL, 0, 0, NULL},
    };
    for (size_t i = 0; i < MODA_SESSION_OPTION_COUNT; i++) table[i] = options[i];
}

/* How many rows still have to be measured; ends those that are known well enough. */
static moda_status judge(const moda_session *s, const moda_session_work *w, size_t round,
                         bool *done, size_t *left)
{
    moda_status st = MODA_OK;
    *left = 0;
    for (size_t i = 0; i < w->count; i++) {
        const moda_session_row row = w->row(w->user, i);
        if (done[i]) continue;
        MODA_TRY(moda_timings_summarise(row.timings, row.time));
        done[i] = s->spread > 0 && round + 1 >= LEAST_ROUNDS &&
                  100 * moda_timing_spread(row.time) <= s->spread;
        *left += !done[i];
    }
out:
    return st;
}

moda_status moda_session_run(moda_session *s, const moda_session_work *w)
{
    moda_status st = MODA_OK;
    size_t left = w->count, runs = 0;
    bool *done = NULL;
    moda_progress progress;
    moda_progress_begin(&progress, w->label, "runs", s->rounds * w->count);
    MODA_ALLOC(done, w->count * sizeof *done);
    for (size_t round = 0; left && round < s->rounds; round++) {
        MODA_TRY(moda_calibration_take(&s->calibration));
        if (w->before_round) MODA_TRY(w->before_round(w->user));
        for (size_t k = 0; k < w->count; k++) {
            const size_t i = (k + round) % w->count; /* each round begins with another row */
            if (!done[i]) MODA_TRY(w->measure(w->user, i, s->seconds / (double)s->rounds));
            moda_progress_update(&progress, ++runs, w->row(w->user, i).name);
        }
        MODA_TRY(judge(s, w, round, done, &left));
    }
    MODA_TRY(moda_calibration_take(&s->calibration));
    moda_progress_update(&progress, progress.total, NULL);
out:
    moda_progress_end(&progress);
    free(done);
    return st;
}

void moda_session_print_machine(void)
{
    moda_machine machine;
    char line[640];
    moda_machine_describe(&machine);
    printf("%s\n", moda_machine_line(&machine, line, sizeof line));
}

void moda_session_print_drift(const moda_session *s)
{
    moda_timing_summary time;
    const double drift = moda_calibration_drift(&s->calibration);
    if (moda_timings_summarise(&s->calibration.rounds, &time) != MODA_OK) return;
    if (s->rounds) printf("spread: %.0f %% interval of the median; ", 100 * MODA_TIMING_CONFIDENCE);
    printf("calibration %.3f ms, drift %.1f %%%s\n", 1e3 * time.median, 100 * drift,
           drift > MODA_CALIBRATION_DRIFT ? "\nwarning: the machine drifted so much that figures "
                                            "of different rows do not compare: "
                                            "measure when it is quiet, or with more --rounds"
                                          : "");
}

moda_status moda_session_json(const moda_session *s, json_t *object)
{
    moda_status st = MODA_OK;
    moda_machine machine;
    json_t *described = NULL, *calibration = NULL, *measuring = json_null();
    json_t *team = s->elsewhere ? json_null() : moda_team_json(moda_team_current());
    moda_machine_describe(&machine);
    MODA_TRY(moda_machine_json(&machine, &described));
    MODA_TRY(moda_calibration_json(&s->calibration, &calibration));
    if (s->rounds)
        measuring =
            json_pack("{s:o s:I s:o s:o}", "seconds", moda_json_number(s->seconds), "rounds",
                      (json_int_t)s->rounds, "spread_percent", moda_json_number(s->spread),
                      "confidence", moda_json_number(MODA_TIMING_CONFIDENCE));
    MODA_CHECK(json_object_set_new(object, "measuring", measuring) == 0 &&
                   json_object_set(object, "machine", described) == 0 &&
                   json_object_set(object, "thread_map", team) == 0 &&
                   json_object_set(object, "calibration", calibration) == 0,
               MODA_ERR_NOMEM, "out of memory");
out:
    json_decref(described);
    json_decref(calibration);
    json_decref(team);
    return st;
}

void moda_session_free(moda_session *s)
{
    moda_calibration_free(&s->calibration);
}
