/* bench/turn.c */
#include "base/file.h"
#include "base/log.h"
#include "bench/child_internal.h"
#include "bench/temporary_internal.h"
#include "bench/turn_internal.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { MOST_WORDS = 40, NUMBER = 24, NUMBERS = 4 };

/* Files of a turn, in a folder of its own. */
typedef struct turn {
    moda_temporary *folder;
    char *figures, *said, *tuning;
} turn;

static moda_status open_turn(turn *t)
{
    moda_status st = MODA_OK;
    MODA_TRY(moda_temporary_make("moda-turn", &t->folder));
    const char *folder = moda_temporary_path(t->folder);
    t->figures = moda_format("%s/figures.json", folder);
    t->said = moda_format("%s/said", folder);
    t->tuning = moda_format("%s/tuning.json", folder);
    MODA_CHECK(t->figures && t->said && t->tuning, MODA_ERR_NOMEM, "out of memory");
out:
    return st;
}

static void close_turn(turn *t)
{
    free(t->figures);
    free(t->said);
    free(t->tuning);
    moda_temporary_remove(t->folder);
}

/* ---- its arguments ---- */

typedef struct words {
    const char *word[MOST_WORDS];
    size_t n;
    char number[NUMBERS][NUMBER]; /* texts of numbers */
    size_t numbers;
} words;

static void add(words *w, const char *option, const char *value)
{
    if (!value) return;
    w->word[w->n++] = option;
    w->word[w->n++] = value;
}

static void add_number(words *w, const char *option, size_t value)
{
    char *text = w->number[w->numbers++];
    snprintf(text, NUMBER, "%zu", value);
    add(w, option, text);
}

static bool has_choices(const moda_turn_call *c)
{
    return json_array_size(c->tuning) > 0;
}

static void make_words(const moda_turn_call *c, const turn *t, words *w)
{
    *w = (words){.word = {"moda", "bench", "turn"}, .n = 3};
    add(w, "--model", c->model);
    add(w, "--data", c->data);
    add_number(w, "--batch-size", c->batch);
    add_number(w, "--steps", c->steps);
    add(w, "--method", c->method);
    add(w, "--precision", c->precision);
    if (c->threads) add_number(w, "--threads", c->threads);
    add(w, "--bind", c->bind);
    add(w, "--placement", c->placement);
    add_number(w, "--seed", c->seed);
    if (c->profiled) w->word[w->n++] = "--profile";
    if (c->smt) w->word[w->n++] = "--smt";
    if (has_choices(c))
        add(w, "--tuning", t->tuning);
    else
        add(w, "--tune", c->tune);
    w->word[w->n++] = "--quiet";
    add(w, "--json", t->figures);
    w->word[w->n] = NULL;
}

/* ---- what it leaves ---- */

/* The last line that it said, without "moda: bench: "; the others are warnings, repeated here. */
static void take_lines(const turn *t, bool failed, char *last, size_t size)
{
    static const char *const prefixes[] = {"moda: ", "warning: ", "bench: "};
    char line[512];
    FILE *f = fopen(t->said, "r");
    *last = 0;
    while (f && fgets(line, sizeof line, f)) {
        char *text = line;
        line[strcspn(line, "\n")] = 0;
        for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
            if (strncmp(text, prefixes[i], strlen(prefixes[i])) == 0) text += strlen(prefixes[i]);
        if (*last) moda_log(MODA_LOG_WARNING, "%s", last);
        snprintf(last, size, "%s", text);
    }
    if (f) fclose(f);
    if (!failed && *last) moda_log(MODA_LOG_WARNING, "%s", last);
}

static moda_status judge(const turn *t, int how)
{
    moda_status st = MODA_OK;
    char said[512];
    const int code = WIFEXITED(how) ? WEXITSTATUS(how) : -1;
    take_lines(t, code != 0, said, sizeof said);
    MODA_CHECK(!WIFSIGNALED(how), MODA_ERR_INTERNAL, "moda bench turn: %s",
               strsignal(WTERMSIG(how)));
    MODA_CHECK(code != MODA_CHILD_NOT_STARTED, MODA_ERR_IO, "%s", said);
    MODA_CHECK(code == 0, code == 2 ? MODA_ERR_ARG : MODA_ERR_INTERNAL, "%s", said);
out:
    return st;
}

/* What it leaves is gone before a signal that came meanwhile has its effect. */
static moda_status run(const char *program, const words *w, const turn *t, json_t **figures)
{
    moda_status st = MODA_OK;
    int how = 0;
    moda_child_begin();
    st = moda_child_run(program, (char *const *)w->word, t->said, &how);
    const int caught = moda_child_end();
    if (caught) raise(caught);
    if (st != MODA_OK) goto out;
    MODA_TRY(judge(t, how));
    MODA_TRY(moda_json_read(t->figures, figures));
out:
    return st;
}

moda_status moda_turn(const moda_turn_call *call, json_t **figures)
{
    moda_status st = MODA_OK;
    turn t = {0};
    words w;
    MODA_TRY(open_turn(&t));
    if (has_choices(call)) MODA_TRY(moda_json_write(t.tuning, call->tuning));
    make_words(call, &t, &w);
    MODA_TRY(run(call->program, &w, &t, figures));
out:
    close_turn(&t);
    return st;
}

moda_status moda_turn_program(const char *program, const char *const *own, json_t **figures)
{
    moda_status st = MODA_OK;
    turn t = {0};
    words w = {.word = {"moda"}, .n = 1};
    MODA_TRY(open_turn(&t));
    for (; *own && w.n + 4 < MOST_WORDS; own++) w.word[w.n++] = *own;
    MODA_CHECK(!*own, MODA_ERR_INTERNAL, "a process with too many arguments");
    w.word[w.n++] = "--quiet";
    add(&w, "--json", t.figures);
    MODA_TRY(run(program, &w, &t, figures));
out:
    close_turn(&t);
    return st;
}
