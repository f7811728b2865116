/* bench/gnuplot.c - the script around a plot command, and the program that reads it. */
#include "base/table.h"
#include "bench/gnuplot_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { SAID = 256 };

/* Colours that colour-blind people tell apart too (M. Okabe, K. Ito). */
static const char preamble[] =
    "# made by moda scale; `gnuplot %s.gp` draws the pictures again\n"
    "if (!exists(\"suffix\")) suffix = ''\n"
    "set encoding utf8\n"
    "set linetype 1 lc rgb '#0072b2' lw 2 pt 7\n"
    "set linetype 2 lc rgb '#d55e00' lw 2 pt 5\n"
    "set linetype 3 lc rgb '#009e73' lw 2 pt 9\n"
    "set linetype 4 lc rgb '#cc79a7' lw 2 pt 13\n"
    "set linetype 5 lc rgb '#e69f00' lw 2 pt 11\n"
    "set linetype 6 lc rgb '#56b4e9' lw 2 pt 15\n"
    "set linetype cycle 6\n"
    "set border 3\n"
    "set tics nomirror\n"
    "set grid lc rgb '#dddddd' lw 1 lt 1\n"
    "set terminal svg noenhanced size 900,600 font 'sans-serif,14' background rgb 'white'\n"
    "set output '%s.svg'.suffix\n"
    "set xlabel '%s'\n"
    "set ylabel '%s'\n"
    "set title ";
static const char again[] = "set terminal pngcairo noenhanced size 900,600 font 'sans-serif,11'\n"
                            "set output '%s.png'.suffix\n"
                            "replot\n"
                            "unset output\n";

moda_status moda_plot_begin(moda_plot *p, const char *folder, const char *name, const char *title,
                            const char *x, const char *y)
{
    moda_status st = MODA_OK;
    char *script = moda_format("%s/%s.gp", folder, name);
    char *data = moda_format("%s/%s.dat", folder, name);
    *p = (moda_plot){.folder = folder, .name = name};
    MODA_CHECK(script && data, MODA_ERR_NOMEM, "out of memory");
    MODA_TRY(moda_writer_open(&p->script, script));
    MODA_TRY(moda_writer_open(&p->data, data));
    fprintf(p->script.stream, preamble, name, name, x, y);
    moda_plot_text(p, title);
    putc('\n', p->script.stream);
out:
    free(script);
    free(data);
    return st;
}

void moda_plot_text(moda_plot *p, const char *text)
{
    char plain[256];
    putc('\'', p->script.stream);
    for (const char *c = moda_plain_text(text, plain, sizeof plain); *c; c++) {
        if (*c == '\'') putc('\'', p->script.stream); /* a quote inside gnuplot's string */
        putc(*c, p->script.stream);
    }
    putc('\'', p->script.stream);
}

void moda_plot_abort(moda_plot *p)
{
    moda_writer_abort(&p->script);
    moda_writer_abort(&p->data);
}

/* ---- the program ---- */

/* Runs it in the folder to its end. said: the start of what it writes to stderr. */
static moda_status run(const char *folder, const char *script, bool *missing, bool *good,
                       char said[SAID])
{
    moda_status st = MODA_OK;
    int ends[2] = {-1, -1}, how = 0;
    size_t length = 0;
    pid_t pid = -1;
    posix_spawn_file_actions_t actions;
    /* The pictures get their final names when they are whole. */
    const char *const words[] = {"gnuplot", "-e", "suffix = '.new'", script, NULL};
    posix_spawn_file_actions_init(&actions);
    MODA_CHECK(pipe2(ends, O_CLOEXEC) == 0, MODA_ERR_IO, "gnuplot: %s", strerror(errno));
    int trouble = posix_spawn_file_actions_addchdir_np(&actions, folder);
    if (!trouble) trouble = posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    if (!trouble) trouble = posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
    if (!trouble) trouble = posix_spawnp(&pid, *words, &actions, NULL, (char **)words, environ);
    *missing = trouble == ENOENT;
    if (*missing) goto out;
    MODA_CHECK(!trouble, MODA_ERR_IO, "gnuplot cannot be started: %s", strerror(trouble));
    close(ends[1]), ends[1] = -1;
    char rest[SAID];
    for (ssize_t got = 1; got > 0;) { /* to its end, so that gnuplot never waits */
        const bool room = length + 1 < SAID;
        got = read(ends[0], room ? said + length : rest, room ? SAID - 1 - length : SAID);
        if (got > 0 && room) length += (size_t)got;
    }
    while (waitpid(pid, &how, 0) < 0)
        MODA_CHECK(errno == EINTR, MODA_ERR_IO, "waiting for gnuplot: %s", strerror(errno));
    *good = WIFEXITED(how) && WEXITSTATUS(how) == 0;
out:
    said[length] = 0;
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0) close(ends[i]);
    posix_spawn_file_actions_destroy(&actions);
    return st;
}

/* NAME.svg.new becomes NAME.svg, or goes away. */
static moda_status settle(const char *folder, const char *name, const char *kind, bool keep)
{
    moda_status st = MODA_OK;
    char *made = moda_format("%s/%s.%s.new", folder, name, kind);
    char *final = moda_format("%s/%s.%s", folder, name, kind);
    MODA_CHECK(made && final, MODA_ERR_NOMEM, "out of memory");
    if (!keep)
        unlink(made);
    else
        MODA_CHECK(rename(made, final) == 0, MODA_ERR_IO, "%s: %s", final, strerror(errno));
out:
    free(made);
    free(final);
    return st;
}

/* The first line with words in it: gnuplot shows the place with an empty one and a caret. */
static const char *first_line(char said[SAID])
{
    char *line = said + strspn(said, "\n ");
    line[strcspn(line, "\n")] = 0;
    return *line ? line : "it says nothing";
}

moda_status moda_plot_end(moda_plot *p, bool *missing)
{
    moda_status st = MODA_OK;
    char said[SAID] = "", script[64];
    bool good = false;
    fprintf(p->script.stream, again, p->name);
    MODA_TRY(moda_writer_commit(&p->script));
    MODA_TRY(moda_writer_commit(&p->data));
    snprintf(script, sizeof script, "%s.gp", p->name);
    MODA_TRY(run(p->folder, script, missing, &good, said));
    if (*missing) goto out;
    MODA_TRY(settle(p->folder, p->name, "svg", good));
    MODA_TRY(settle(p->folder, p->name, "png", good));
    MODA_CHECK(good, MODA_ERR_INTERNAL, "gnuplot %s/%s: %s", p->folder, script, first_line(said));
out:
    return st;
}
