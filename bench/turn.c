/* bench/turn.c */
#include "base/log.h"
#include "bench/turn_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { PATH_BYTES = 4096, MOST_WORDS = 64 };

/* Files of a turn, in a folder of its own. */
typedef struct turn {
    char folder[PATH_BYTES], figures[PATH_BYTES + 16], said[PATH_BYTES + 16];
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
out:
    return st;
}

static void remove_folder(const turn *t)
{
    if (!*t->folder) return;
    unlink(t->figures);
    unlink(t->said);
    rmdir(t->folder);
}

/* Runs it to its end; its stdout goes nowhere. *how as waitpid() tells. */
static moda_status run_program(const char *program, const turn *t, char *const *argv, int *how)
{
    moda_status st = MODA_OK;
    pid_t pid = -1;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    int trouble = posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    if (!trouble)
        trouble = posix_spawn_file_actions_addopen(&actions, 2, t->said, O_WRONLY | O_CREAT, 0600);
    if (!trouble) trouble = posix_spawn(&pid, program, &actions, NULL, argv, environ);
    MODA_CHECK(!trouble, MODA_ERR_IO, "%s: cannot be started: %s", program, strerror(trouble));
    while (waitpid(pid, how, 0) < 0)
        MODA_CHECK(errno == EINTR, MODA_ERR_IO, "waiting for %s: %s", program, strerror(errno));
out:
    posix_spawn_file_actions_destroy(&actions);
    return st;
}

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

moda_status moda_turn(const char *program, const char *const *words, json_t **figures)
{
    moda_status st = MODA_OK;
    turn t = {.folder = ""};
    const char *all[MOST_WORDS] = {"moda"}, *const more[] = {"--quiet", "--json", t.figures, NULL};
    char said[512];
    size_t n = 1;
    int how = 0;
    for (; *words && n + sizeof more / sizeof *more < MOST_WORDS; words++) all[n++] = *words;
    MODA_CHECK(!*words, MODA_ERR_INTERNAL, "a process with too many arguments");
    memcpy(all + n, more, sizeof more);
    MODA_TRY(make_folder(&t));
    MODA_TRY(run_program(program, &t, (char **)all, &how));
    const bool good = WIFEXITED(how) && WEXITSTATUS(how) == 0;
    take_lines(&t, !good, said, sizeof said);
    MODA_CHECK(!WIFSIGNALED(how), MODA_ERR_INTERNAL, "moda %s: %s", all[1],
               strsignal(WTERMSIG(how)));
    MODA_CHECK(good, WEXITSTATUS(how) == 2 ? MODA_ERR_ARG : MODA_ERR_INTERNAL, "%s", said);
    MODA_TRY(moda_json_read(t.figures, figures));
out:
    remove_folder(&t);
    return st;
}
