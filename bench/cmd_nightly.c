/* bench/cmd_nightly.c - moda nightly. */
#include "base/log.h"
#include "bench/commands.h"
#include "bench/nightly.h"
#include "numa/threads.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct settings {
    const char *history, *page, *accept, *turn;
    char *usual; /* history, where none is given */
    bool list;
    double patience;
    size_t rounds;
    char threads[24];
    moda_common_options common;
    moda_nightly night;
} settings;

static moda_status parse(const moda_command *self, int argc, char **argv, settings *s, bool *help)
{
    moda_status st = MODA_OK;
    moda_option common[MODA_COMMON_OPTION_COUNT];
    char **operands;
    size_t count;
    moda_common_options_table(&s->common, common);
    const moda_option table[] = {
        {MODA_OPTION_FLAG, "long", NULL, "more figures, and each measured longer",
         &s->night.in_long, 0, 0, NULL},
        {MODA_OPTION_TEXT, "only", "NAME,...",
         "these figures: names, or how they begin, as in step.vgg16,data", &s->night.only, 0, 0,
         NULL},
        {MODA_OPTION_FLAG, "list", NULL,
         "name the figures (--json FILE: there, too); measure nothing", &s->list, 0, 0, NULL},
        {MODA_OPTION_TEXT, "history", "FILE",
         "JSON lines of all nights (default: nightly.jsonl in the user's state folder)",
         &s->history, 0, 0, NULL},
        {MODA_OPTION_OUTPUT, "page", "FILE", "the history as an HTML page", &s->page, 0, 0, NULL},
        {MODA_OPTION_TEXT, "accept", "NAME,...|all",
         "regressions that stand become the base; measure nothing", &s->accept, 0, 0, NULL},
        {MODA_OPTION_SIZE, "rounds", "N", "processes per figure (default 3; long 7)", &s->rounds, 1,
         100, NULL},
        {MODA_OPTION_REAL, "patience", "X",
         "seconds that one may wait for an undisturbed time (default 6; long 20)", &s->patience,
         0.01, 3600, NULL},
        {MODA_OPTION_REAL, "pause", "X",
         "seconds before each confirmation of a suspicion (default 30)", &s->night.pause, 0, 3600,
         NULL},
        {MODA_OPTION_TEXT, "turn", "NAME",
         "one process of one figure, for --json: what a night is made of", &s->turn, 0, 0, NULL},
        {MODA_OPTION_TABLE, NULL, NULL, NULL, common, 0, 0, NULL},
        {MODA_OPTION_END, NULL, NULL, NULL, NULL, 0, 0, NULL},
    };
    MODA_TRY(moda_options_parse(self, table, argc, argv, 0, 0, &operands, &count, help));
    if (*help) goto out;
    if (s->common.quiet) moda_log_set_level(MODA_LOG_WARNING);
    const bool writes = s->page || s->common.json;
    MODA_CHECK(!s->accept || !(s->turn || s->list || s->night.only || writes), MODA_ERR_ARG,
               "--accept measures nothing: leave --turn, --list, --only, --page and --json out");
    MODA_CHECK(!s->list || !s->page, MODA_ERR_ARG,
               "--list measures nothing, so there is no page: leave --page out, or take --json");
    MODA_CHECK(!s->turn || !(s->list || s->night.only || s->page || s->history), MODA_ERR_ARG,
               "--turn goes without --list, --only, --page and --history");
    s->night.rounds = s->rounds ? s->rounds : s->night.in_long ? 7 : 3;
    s->night.patience = s->patience > 0 ? s->patience : s->night.in_long ? 20 : 6;
    s->night.seed = s->common.seed;
out:
    return st;
}

static void list_figure(const moda_nightly_figure *f, json_t *names)
{
    const char *better = f->higher ? "higher" : "lower";
    json_t *forms =
        f->subject->in_long ? json_pack("[s]", "long") : json_pack("[s,s]", "short", "long");
    printf("%s (%s, %s is better)\n", f->name, f->unit, better);
    (void)json_array_append_new(names, json_pack("{s:s s:s s:s s:o}", "name", f->name, "unit",
                                                 f->unit, "better", better, "forms", forms));
}

static moda_status list(const settings *s)
{
    moda_status st = MODA_OK;
    bool *chosen = NULL;
    json_t *file = NULL, *names = json_array();
    const size_t n = moda_nightly_subject_count();
    MODA_ALLOC(chosen, n * sizeof *chosen);
    MODA_TRY(moda_nightly_choose(s->night.in_long, s->night.only, chosen));
    for (size_t i = 0; i < n; i++) {
        moda_nightly_figure figures[MODA_NIGHTLY_FIGURES];
        const size_t count = moda_nightly_figures_of(&moda_nightly_subjects[i], figures);
        for (size_t k = 0; chosen[i] && k < count; k++) list_figure(&figures[k], names);
    }
    if (!s->common.json) goto out;
    MODA_CHECK((file = json_pack("{s:O}", "figures", names)) && !moda_json_was_short(),
               MODA_ERR_NOMEM, "%s: out of memory for its figures", s->common.json);
    MODA_TRY(moda_json_write(s->common.json, file));
out:
    json_decref(file);
    json_decref(names);
    free(chosen);
    return st;
}

/* What a turn does: measures in this process. */
static moda_status take_turn(const settings *s)
{
    moda_status st = MODA_OK;
    const moda_nightly_subject *subject = moda_nightly_subject_find(s->turn);
    moda_nightly_slices slices = {.patience = s->night.patience};
    moda_nightly_time time;
    json_t *json = NULL;
    MODA_CHECK(subject && subject->job != MODA_NIGHTLY_LEARN, MODA_ERR_ARG,
               "--turn %s: not measured in one process; `moda nightly --list` names figures",
               s->turn);
    MODA_TRY(moda_nightly_measure(subject, s->common.seed, &slices));
    MODA_TRY(moda_nightly_summarise(&slices, &time));
    MODA_TRY(moda_nightly_slices_json(subject, &slices, &json));
    if (s->common.json) MODA_TRY(moda_json_write(s->common.json, json));
    printf("%s: %.6g calibrations; %zu of %zu slices undisturbed; %.0f ns from core to core\n",
           s->turn, time.ratio, slices.quiet.n, slices.count, 1e9 * time.handover);
out:
    json_decref(json);
    moda_nightly_slices_free(&slices);
    return st;
}

/* Options for every turn, and what of them makes figures another class. */
static void pass_on(settings *s, char *team, size_t size)
{
    const moda_common_options *c = &s->common;
    const char **w = s->night.words;
    snprintf(s->threads, sizeof s->threads, "%zu", c->threads);
    if (c->threads) *w++ = "--threads", *w++ = s->threads;
    if (c->bind) *w++ = "--bind", *w++ = c->bind;
    if (c->placement) *w++ = "--placement", *w++ = c->placement;
    if (c->smt) *w++ = "--smt";
    *w = NULL;
    snprintf(team, size, "%s%s%s%s%s", c->bind ? "bound to " : "", c->bind ? c->bind : "",
             c->placement ? " placed " : "", c->placement ? c->placement : "",
             c->smt ? " smt" : "");
}

static moda_status accept(settings *s)
{
    moda_status st = MODA_OK;
    size_t accepted;
    MODA_TRY(moda_nightly_accept(&s->night, s->accept, &accepted));
    printf("%zu regression%s accepted: nights to come are compared with the present level\n",
           accepted, accepted == 1 ? "" : "s");
out:
    return st;
}

static moda_status report(const settings *s)
{
    moda_status st = MODA_OK;
    json_t *json = NULL;
    const size_t regressions = moda_nightly_count(&s->night, MODA_NIGHTLY_REGRESSION);
    moda_nightly_print(&s->night);
    if (s->common.json) {
        MODA_TRY(moda_nightly_json(&s->night, &json));
        MODA_TRY(moda_json_write(s->common.json, json));
    }
    if (s->page) MODA_TRY(moda_nightly_write_page(&s->night, s->page));
    MODA_CHECK(!regressions, MODA_ERR_NUMERIC, "%zu regression%s, named above", regressions,
               regressions == 1 ? "" : "s");
out:
    json_decref(json);
    return st;
}

static moda_status run(const moda_command *self, int argc, char **argv)
{
    moda_status st = MODA_OK;
    settings s = {.night = {.program = "/proc/self/exe", .pause = 30}};
    bool help = false;
    size_t threads;
    char team[160];
    MODA_TRY(parse(self, argc, argv, &s, &help));
    if (help) goto out;
    if (s.list) {
        st = list(&s);
        goto out;
    }
    if (s.turn) {
        MODA_TRY(moda_threads_apply(&s.common, &threads));
        st = take_turn(&s);
        goto out;
    }
    /* This process only waits; were it bound, its children would be left with its own core. */
    const moda_team_wish wish = {s.common.threads, "none", s.common.smt};
    MODA_TRY(moda_threads_set(&wish, &threads));
    pass_on(&s, team, sizeof team);
    if (!s.history) MODA_TRY(moda_nightly_history_path(&s.usual));
    s.night.history = s.history ? s.history : s.usual;
    if (s.accept) s.night.in_long = true; /* any figure may be accepted */
    MODA_TRY(moda_nightly_open(&s.night, team));
    if (s.accept) {
        st = accept(&s);
        goto out;
    }
    MODA_TRY(moda_nightly_run(&s.night));
    MODA_TRY(report(&s));
out:
    moda_nightly_free(&s.night);
    free(s.usual);
    return st;
}

const moda_command moda_command_nightly = {
    .name = "nightly",
    .summary = "measure a fixed set of figures and compare them with the nights before",
    .operands = "",
    .example = "moda nightly --page nightly.html",
    .run = run,
};
