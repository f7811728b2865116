/* tests/test_nightly_history.c - bench/nightly_history.h and nightly_series.h: the file that only
 * grows, what it says of one figure, and files that are broken, torn, another machine's or
 * something else. */
#include "base/file.h"
#include "bench/nightly_history.h"
#include "bench/nightly_series.h"
#include "tests/capture.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(nightly_history, .fini = test_folder_remove, .timeout = 60);

/* A run of class "here" with one figure, and a verdict if there is one. */
static json_t *run_line(const char *name, double value, const char *verdict, const char *from)
{
    json_t *line = json_pack("{s:i s:s s:s s:s s:s s:{s:{s:f}} s:{}}", "moda_nightly", 1, "type",
                             "run", "run", name, "date", "2026-01-02T03:04:05Z", "class", "here",
                             "figures", "a", "value", value, "verdicts");
    if (verdict)
        json_object_set_new(json_object_get(line, "verdicts"), "a",
                            json_pack("{s:s s:s}", "verdict", verdict, "from", from));
    return line;
}

static void append(const char *path, json_t *line)
{
    cr_assert(eq(int, moda_nightly_history_append(path, line), MODA_OK), "%s", moda_last_error());
    json_decref(line);
}

static moda_nightly_history read_all(const char *path)
{
    moda_nightly_history h;
    cr_assert(eq(int, moda_nightly_history_read(path, "here", &h), MODA_OK), "%s",
              moda_last_error());
    return h;
}

Test(nightly_history, lines_come_back_in_their_order)
{
    const char *path = test_path("h.jsonl");
    moda_nightly_history h = read_all(path);
    cr_assert(eq(sz, json_array_size(h.lines), 0), "a file that is not there is empty");
    moda_nightly_history_free(&h);
    for (int i = 0; i < 5; i++) append(path, run_line("r", i, NULL, NULL));
    h = read_all(path);
    cr_assert(eq(sz, json_array_size(h.lines), 5));
    cr_assert(eq(sz, h.others + h.broken, 0));
    moda_nightly_history_free(&h);
}

Test(nightly_history, broken_lines_and_other_machines_stay_and_are_counted)
{
    const char *path = test_write(
        "h.jsonl", "{\"moda_nightly\": 1, \"type\": \"run\", \"run\": \"x\", \"class\": \"there\", "
                   "\"figures\": {}}\n"
                   "not a line\n\n"
                   "{\"moda_nightly\": 2, \"type\": \"run\", \"run\": \"x\", \"class\": \"here\", "
                   "\"figures\": {}}\n"
                   "{\"moda_nightly\": 1, \"type\": \"run\", \"class\": \"he"); /* torn */
    append(path, run_line("r", 7, NULL, NULL));
    moda_nightly_history h = read_all(path);
    cr_assert(eq(sz, json_array_size(h.lines), 1), "the new line does not join the torn one");
    cr_assert(eq(sz, h.others, 1));
    cr_assert(eq(sz, h.broken, 3), "garbage, a schema to come, the torn one");
    cr_assert(h.where[0] == 2 && h.where[1] == 4 && h.where[2] == 5, "%zu %zu %zu", h.where[0],
              h.where[1], h.where[2]);
    char *text = test_read(path);
    cr_assert(ne(ptr, (void *)strstr(text, "not a line\n\n"), NULL), "%s", text);
    free(text);
    moda_nightly_history_free(&h);
}

Test(nightly_history, other_files_are_refused)
{
    moda_nightly_history h;
    const char *const texts[] = {"\x7f"
                                 "ELF\x02\x01 binary\n\xff\xfe",
                                 "{\"a\": 1}\n", "hello\n"};
    for (size_t i = 0; i < 3; i++) {
        const char *path = test_write("other", texts[i]);
        cr_assert(eq(int, moda_nightly_history_read(path, "here", &h), MODA_ERR_FORMAT), "%zu", i);
        cr_assert(ne(ptr, (void *)strstr(moda_last_error(), "not a history"), NULL), "%s",
                  moda_last_error());
    }
    cr_assert(eq(int, moda_nightly_history_writable(test_folder()), MODA_ERR_IO), "a folder");
    cr_assert(eq(int, moda_nightly_history_writable("/proc/nosuch/h"), MODA_ERR_IO));
}

Test(nightly_history, an_empty_file_is_an_empty_history)
{
    const char *path = test_write("h.jsonl", "");
    moda_nightly_history h = read_all(path);
    cr_assert(eq(sz, json_array_size(h.lines) + h.others + h.broken, 0));
    moda_nightly_history_free(&h);
    append(path, run_line("r", 1, NULL, NULL));
    h = read_all(path);
    cr_assert(eq(sz, json_array_size(h.lines), 1));
    moda_nightly_history_free(&h);
}

/* A first run that was killed leaves a torn line alone: that is still a history. */
Test(nightly_history, a_torn_line_alone_is_a_history)
{
    const char *path = test_write("h.jsonl", "{\"moda_nightly\": 1, \"type\": \"ru");
    moda_nightly_history h = read_all(path);
    cr_assert(eq(sz, h.broken, 1));
    moda_nightly_history_free(&h);
}

Test(nightly_history, many_writers_at_once_do_not_mix)
{
    enum { WRITERS = 4, LINES = 30 };
    const char *path = test_path("h.jsonl");
    for (int w = 0; w < WRITERS; w++)
        if (fork() == 0) {
            int failed = 0;
            for (int i = 0; i < LINES; i++) {
                json_t *line = run_line("r", w, NULL, NULL);
                char *filler = malloc(20001);
                memset(filler, 'a' + w, 20000), filler[20000] = 0;
                json_object_set_new(line, "filler", json_string(filler));
                free(filler);
                failed += moda_nightly_history_append(path, line) != MODA_OK;
                json_decref(line);
            }
            _exit(failed != 0);
        }
    for (int w = 0; w < WRITERS; w++) {
        int how = 1;
        wait(&how);
        cr_assert(eq(int, how, 0));
    }
    moda_nightly_history h = read_all(path);
    cr_assert(eq(sz, json_array_size(h.lines), WRITERS * LINES));
    cr_assert(eq(sz, h.broken, 0));
    moda_nightly_history_free(&h);
}

/* A limit on the file's size stands for a full disk: a part of the line is written, and taken away
 * again. */
Test(nightly_history, a_full_disk_leaves_the_file_as_it_was)
{
    const char *path = test_path("h.jsonl");
    append(path, run_line("r", 1, NULL, NULL));
    char *before = test_read(path);
    signal(SIGXFSZ, SIG_IGN);
    const struct rlimit small = {strlen(before) + 20, RLIM_INFINITY};
    setrlimit(RLIMIT_FSIZE, &small);
    json_t *line = run_line("r", 2, NULL, NULL);
    const int st = moda_nightly_history_append(path, line);
    const struct rlimit any = {RLIM_INFINITY, RLIM_INFINITY};
    setrlimit(RLIMIT_FSIZE, &any);
    cr_assert(eq(int, st, MODA_ERR_IO));
    cr_assert(ne(ptr, (void *)strstr(moda_last_error(), "nothing was added"), NULL), "%s",
              moda_last_error());
    char *after = test_read(path);
    cr_assert(eq(str, after, before));
    free(before), free(after), json_decref(line);
}

/* ---- one figure ---- */

static moda_nightly_series series_of(json_t *lines)
{
    moda_nightly_series s;
    cr_assert(eq(int, moda_nightly_series_read(lines, "a", true, &s), MODA_OK));
    return s;
}

static json_t *quiet_runs(void)
{
    json_t *lines = json_array();
    for (int i = 0; i < 8; i++) {
        char name[16];
        snprintf(name, sizeof name, "r%d", i);
        json_array_append_new(lines, run_line(name, i % 2 ? 2.02 : 1.98, NULL, NULL));
    }
    return lines;
}

Test(nightly_history, the_base_is_the_mean_of_the_era)
{
    json_t *lines = quiet_runs();
    json_array_append_new(lines,
                          json_pack("{s:s s:s}", "type", "run", "run", "without the figure"));
    moda_nightly_series s = series_of(lines);
    const moda_level b = moda_nightly_base(&s);
    cr_assert(eq(sz, s.n, 8));
    cr_assert(epsilon_eq(dbl, b.mean, (log(2.02) + log(1.98)) / 2, 1e-9));
    cr_assert(epsilon_eq(dbl, b.scatter, log(2.02 / 1.98) / 2 * sqrt(8.0 / 7), 1e-9));
    cr_assert(eq(sz, b.df, 7));
    moda_nightly_series_free(&s);
    json_decref(lines);
}

Test(nightly_history, a_regression_is_no_base_until_it_is_accepted)
{
    json_t *lines = quiet_runs();
    json_array_append_new(lines, run_line("bad", 2.5, "regression", "bad"));
    json_array_append_new(lines, run_line("worse", 2.6, "regression", "bad"));
    moda_nightly_series s = series_of(lines);
    cr_assert(eq(int, s.points[8].called &&s.points[9].called, true));
    cr_assert(eq(sz, moda_nightly_base(&s).n, 8), "the old level stands");
    moda_nightly_series_free(&s);
    json_array_append_new(lines, json_pack("{s:s s:[s]}", "type", "accept", "figures", "a"));
    s = series_of(lines);
    const moda_level b = moda_nightly_base(&s);
    cr_assert(eq(sz, b.n, 2), "both nights of the new level");
    cr_assert(epsilon_eq(dbl, b.mean, (log(2.5) + log(2.6)) / 2, 1e-9));
    cr_assert(eq(sz, b.df, 8), "the scatter is that of both eras");
    moda_nightly_series_free(&s);
    json_decref(lines);
}

Test(nightly_history, an_improvement_begins_an_era_where_it_began)
{
    json_t *lines = quiet_runs();
    json_array_append_new(lines, run_line("r8", 1.5, NULL, NULL));
    json_t *last = run_line("r9", 1.7, "improvement", "r8");
    json_object_set_new(json_object_get(json_object_get(last, "figures"), "a"), "confirmations",
                        json_pack("[ff]", 1.5, 1.54));
    json_array_append_new(lines, last);
    moda_nightly_series s = series_of(lines);
    cr_assert(epsilon_eq(dbl, s.points[9].value, (log(1.5) + log(1.54)) / 2, 1e-9),
              "what was confirmed, not what was suspected");
    cr_assert(eq(sz, moda_nightly_base(&s).n, 2));
    cr_assert(eq(sz, s.points[7].era, 0));
    cr_assert(eq(sz, s.points[8].era, 1));
    moda_nightly_series_free(&s);
    json_decref(lines);
}

/* A slow drift does not move the base along. */
Test(nightly_history, the_base_stays_with_the_first_runs)
{
    json_t *lines = json_array();
    for (int i = 0; i < 60; i++)
        json_array_append_new(lines, run_line("r", exp(0.001 * i), NULL, NULL));
    moda_nightly_series s = series_of(lines);
    const moda_level b = moda_nightly_base(&s);
    cr_assert(eq(sz, b.n, MODA_NIGHTLY_ANCHOR));
    cr_assert(epsilon_eq(dbl, b.mean, 0.001 * 9.5, 1e-9));
    moda_nightly_series_free(&s);
    json_decref(lines);
}
