/* tests/program.c */
#include "tests/program.h"
#include "base/file.h"
#include "numa/threads.h"
#include "tests/capture.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGUMENTS = 2048 };
static char *out, *err;

/* Not in the test's folder, where tests count what is left. */
static char *output_path(const char *name)
{
    char *path = moda_format("%s.%s", test_folder(), name);
    cr_assert(ne(ptr, path, NULL));
    return path;
}

static char *take(char *path)
{
    char *text = test_read(path);
    remove(path);
    free(path);
    return text;
}

size_t program_threads(void)
{
    static size_t threads;
    const moda_team_wish two = {.threads = 2};
    if (!threads && moda_threads_count(&two, &threads) != MODA_OK) threads = 1;
    return threads;
}

/* Nothing that a program remembers from run to run may come from, or go to, the user's own. */
static void set_variables(void)
{
    char *path = output_path("cache");
    setenv("XDG_CACHE_HOME", path, 1);
    setenv("THREADS", program_threads() == 2 ? "2" : "1", 1);
    free(path);
}

program_result program_run_after(const char *before, const char *arguments)
{
    set_variables();
    char *o = output_path("out"), *e = output_path("err");
    /* Redirections first: arguments may hold one of their own, which then counts. */
    char *line = moda_format("cd '%s'; %s >'%s' 2>'%s' </dev/null '" MODA_PROGRAM "' %s",
                             test_folder(), before, o, e, arguments);
    cr_assert(ne(ptr, line, NULL));
    const int status = system(line);
    free(line);
    free(out), free(err);
    out = take(o), err = take(e);
    const int died = WIFEXITED(status) ? 0 : WTERMSIG(status);
    cr_assert(eq(int, died, 0), "moda %s: died of a signal: %s", arguments, err);
    cr_assert(lt(int, WEXITSTATUS(status), 126), "moda %s: %s", arguments, err);
    return (program_result){WEXITSTATUS(status), out, err};
}

/* In the child: descriptor to a file. */
static void redirect(int descriptor, const char *path, int flags)
{
    const int fd = open(path, flags, 0666);
    if (fd < 0 || dup2(fd, descriptor) < 0) _exit(127);
    close(fd);
}

pid_t program_start(const char *const *words)
{
    enum { MOST = 64 };
    char *argv[MOST + 1] = {(char *)MODA_PROGRAM};
    size_t n = 1;
    for (; words[n - 1]; n++) {
        cr_assert(lt(sz, n, MOST));
        argv[n] = (char *)words[n - 1];
    }
    set_variables();
    const char *folder = test_folder();
    char *o = output_path("out"), *e = output_path("err");
    const pid_t process = fork();
    if (process == 0) {
        redirect(0, "/dev/null", O_RDONLY);
        redirect(1, o, O_WRONLY | O_CREAT | O_TRUNC);
        redirect(2, e, O_WRONLY | O_CREAT | O_TRUNC);
        if (chdir(folder) == 0) execv(MODA_PROGRAM, argv);
        _exit(127);
    }
    cr_assert(lt(int, 0, process));
    free(o), free(e);
    return process;
}

program_result program_end(pid_t process)
{
    int status = 0;
    cr_assert(eq(int, waitpid(process, &status, 0), process));
    free(out), free(err);
    out = take(output_path("out")), err = take(output_path("err"));
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return (program_result){code, out, err};
}

#define FORMAT_ARGUMENTS(text, format)                             \
    char text[ARGUMENTS];                                          \
    va_list list;                                                  \
    va_start(list, format);                                        \
    const int length = vsnprintf(text, sizeof text, format, list); \
    va_end(list);                                                  \
    cr_assert(lt(int, length, ARGUMENTS), "the call is too long")

program_result program_run(const char *format, ...)
{
    FORMAT_ARGUMENTS(arguments, format);
    return program_run_after("", arguments);
}

program_result program_must(const char *format, ...)
{
    FORMAT_ARGUMENTS(arguments, format);
    const program_result r = program_run_after("", arguments);
    cr_assert(eq(int, r.code, 0), "moda %s: %s", arguments, r.err);
    return r;
}

void program_must_fail(int code, const char *word, const char *format, ...)
{
    FORMAT_ARGUMENTS(arguments, format);
    const program_result r = program_run_after("", arguments);
    const char *end = strchr(r.err, '\n');
    cr_assert(eq(int, r.code, code), "moda %s: %s", arguments, r.err);
    cr_assert(end && end[1] == 0, "moda %s: not one line: '%s'", arguments, r.err);
    cr_assert(strncmp(r.err, "moda: ", 6) == 0, "moda %s: '%s'", arguments, r.err);
    cr_assert(strstr(r.err, word) != NULL, "moda %s: '%s' is not in: %s", arguments, word, r.err);
}

bool program_has(const char *name)
{
    return moda_is_file(test_path(name)) || moda_is_directory(test_path(name));
}

bool program_lacks(const char *name)
{
    return !program_has(name);
}

bool program_same(const char *name, const char *other)
{
    moda_mapped_file a = {0}, b = {0};
    cr_assert(eq(int, moda_file_map(test_path(name), &a), MODA_OK), "%s", moda_last_error());
    cr_assert(eq(int, moda_file_map(test_path(other), &b), MODA_OK), "%s", moda_last_error());
    const bool same = a.size > 0 && a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
    moda_file_unmap(&a);
    moda_file_unmap(&b);
    return same;
}

json_t *program_json(const char *name)
{
    json_error_t error;
    json_t *value = json_load_file(test_path(name), JSON_REJECT_DUPLICATES, &error);
    cr_assert(value != NULL, "%s: line %d: %s", name, error.line, error.text);
    return value;
}

json_t *program_json_lines(const char *name)
{
    char *text = test_read(test_path(name)), *rest = text;
    json_t *lines = json_array();
    cr_assert(text != NULL, "%s: no such file", name);
    cr_assert(eq(chr, text[strlen(text) - 1], '\n'), "%s: the last line is not ended", name);
    for (char *line; (line = strsep(&rest, "\n")) && *line;) {
        json_error_t error;
        json_t *value = json_loads(line, JSON_REJECT_DUPLICATES, &error);
        cr_assert(value != NULL, "%s: %s in: %s", name, error.text, line);
        json_array_append_new(lines, value);
    }
    free(text);
    return lines;
}
