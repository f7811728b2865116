/* bench/turn.c */
#include "base/log.h"
#include "bench/child_internal.h"
#include "bench/turn_internal.h"
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, MOST_WORDS = 40, NUMBER = 24, NUMBERS = 4 };

/* Files of a turn, in a folder of its own. */
typedef struct turn {
    char folder[PATH_BYTES], figures[PATH_BYTES + 16], said[PATH_BYTES + 16],
        tuning[PATH_BYTES + 16];
} turn;

static moda_status make_folder(turn *t)
{
    moda_status st = MODA_OK;
    const char *base = getenv("TMPDIR");
    if (!base || !*base) base = "/tmp";
    const int length = snprintf(t->folder, sizeof t->folder, "%s/moda-turn-XXXXXX", base);
    const bool made = length < (int)sizeof t->folder && mkdtemp(t->folder) != NULL;
    if (!made) *t->folder = 0;
    MODA_CHECK(made, MODA_ERR_IO, "%s: no temporary folder: %s; set TMPDIR to where there is room",
               base, strerror(errno));
    snprintf(t->figures, sizeof t->figures, "%s/figures.json", t->folder);
    snprintf(t->said, sizeof t->said, "%s/said", t->folder);
    snprintf(t->tuning, sizeof t->tuning, "%s/tuning.json", t->folder);
out:
    return st;
}

static int remove_entry(const char *path, const struct stat *s, int type, struct FTW *where)
{
    (void)s, (void)type, (void)where;
    return remove(path);
}

/* With what a turn that was stopped had begun to write. */
static void remove_folder(const turn *t)
{
    if (*t->folder) nftw(t->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
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

moda_status moda_turn(const moda_turn_call *call, json_t **figures)
{
    moda_status st = MODA_OK;
    turn t = {.folder = ""};
    words w;
    int how = 0;
    moda_child_begin();
    MODA_TRY(make_folder(&t));
    if (has_choices(call)) MODA_TRY(moda_json_write(t.tuning, call->tuning));
    make_words(call, &t, &w);
    MODA_TRY(moda_child_run(call->program, (char *const *)w.word, t.said, &how));
    MODA_TRY(judge(&t, how));
    MODA_TRY(moda_json_read(t.figures, figures));
out:
    remove_folder(&t);
    const int caught = moda_child_end();
    if (caught) raise(caught);
    return st;
}

moda_status moda_turn_program(const char *program, const char *const *own, json_t **figures)
{
    moda_status st = MODA_OK;
    turn t = {.folder = ""};
    words w = {.word = {"moda"}, .n = 1};
    int how = 0;
    moda_child_begin();
    MODA_TRY(make_folder(&t));
    for (; *own && w.n + 4 < MOST_WORDS; own++) w.word[w.n++] = *own;
    MODA_CHECK(!*own, MODA_ERR_INTERNAL, "a process with too many arguments");
    w.word[w.n++] = "--quiet";
    add(&w, "--json", t.figures);
    MODA_TRY(moda_child_run(program, (char *const *)w.word, t.said, &how));
    MODA_TRY(judge(&t, how));
    MODA_TRY(moda_json_read(t.figures, figures));
out:
    remove_folder(&t);
    const int caught = moda_child_end();
    if (caught) raise(caught);
    return st;
}
