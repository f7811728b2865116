/* tests/resume.c */
#include "tests/resume.h"
#include "engine/checkpoint.h"
#include "tests/capture.h"
#include "tests/program.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void resume_prepare(void)
{
    if (access("/dev/shm", W_OK) == 0) setenv("TMPDIR", "/dev/shm", 1);
    test_write("small.net", "[net]\nname = small\n[conv]\nname = a\noutputs = 8\nkernel = 3\n"
                            "bias = no\n[batchnorm]\nname = an\n[relu]\n"
                            "[conv]\nname = b\noutputs = 16\nkernel = 3\nbias = no\n"
                            "[batchnorm]\nname = bn\n[relu]\n[linear]\nname = c\n"
                            "outputs = 20\n[relu]\n[linear]\nname = d\noutputs = classes\n");
}

pid_t resume_start(const char *words)
{
    enum { MOST = 60 };
    const char *list[MOST + 1] = {0};
    char text[1024], *rest = text;
    size_t n = 0;
    cr_assert(lt(int, snprintf(text, sizeof text, "%s%s", RESUME_RUN, words), (int)sizeof text));
    for (char *word; (word = strsep(&rest, " ")) != NULL;)
        if (*word && n < MOST) list[n++] = word;
    cr_assert(lt(sz, n, MOST));
    return program_start(list);
}

static size_t lines_of(const char *name)
{
    char *text = test_read(test_path(name));
    size_t lines = 0;
    for (const char *c = text; c && *c; c++) lines += *c == '\n';
    free(text);
    return lines;
}

bool resume_await_lines(const char *name, size_t lines, pid_t process)
{
    siginfo_t info = {0};
    while (lines_of(name) < lines) {
        const int asked = waitid(P_PID, (id_t)process, &info, WEXITED | WNOHANG | WNOWAIT);
        cr_assert(eq(int, asked, 0));
        if (info.si_pid) return false;
        usleep(1000);
    }
    return true;
}

pid_t resume_start_one(const char *words, size_t step)
{
    char line[256];
    snprintf(line, sizeof line, "%s --out part", words);
    for (int attempt = 0; attempt < 50; attempt++) {
        const pid_t process = resume_start(line);
        if (resume_await_lines("part/steps.jsonl", step, process)) return process;
        cr_assert(eq(int, program_end(process).code, 0));
        unlink(test_path("part/steps.jsonl"));
    }
    cr_fatal("the run is always done before it can be disturbed");
}

void resume_stop_one(const char *words, int signal, const char *name)
{
    program_result r = {0, "", ""};
    for (int attempt = 0; attempt < 50 && r.code == 0; attempt++) {
        const pid_t process = resume_start_one(words, 4);
        kill(process, signal);
        r = program_end(process);
    }
    const char *end = strchr(r.err, '\n');
    cr_assert(eq(int, r.code, RESUME_STOPPED), "%s", r.err);
    cr_assert(end && end[1] == 0, "not one line: %s", r.err);
    cr_assert(strstr(r.err, "--out part --resume") && strstr(r.err, name), "%s", r.err);
    cr_assert(resume_has_checkpoint("part") && program_lacks("part/model.safetensors"), "done?");
}

/* Lines of a file without what differs from run to run. */
static json_t *without_times(const char *folder, const char *name)
{
    static const char *const times[] = {"seconds", "samples_per_second", "data_share"};
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    json_t *lines = program_json_lines(path);
    for (size_t i = 0; i < json_array_size(lines); i++)
        for (size_t k = 0; k < 3; k++)
            cr_assert(eq(int, json_object_del(json_array_get(lines, i), times[k]), 0));
    return lines;
}

static void same_lines(const char *got, const char *want, const char *name)
{
    json_t *a = without_times(got, name), *b = without_times(want, name);
    cr_assert(eq(sz, json_array_size(a), json_array_size(b)), "%s of %s", name, got);
    for (size_t i = 0; i < json_array_size(a); i++) {
        char *x = json_dumps(json_array_get(a, i), JSON_REAL_PRECISION(17));
        char *y = json_dumps(json_array_get(b, i), JSON_REAL_PRECISION(17));
        cr_assert(eq(str, x, y), "line %zu of %s/%s", i + 1, got, name);
        free(x), free(y);
    }
    json_decref(a), json_decref(b);
}

static size_t entries(const char *folder)
{
    size_t n = 0;
    DIR *d = opendir(test_path(folder));
    cr_assert(ne(ptr, d, NULL));
    while (readdir(d)) n++;
    closedir(d);
    return n - 2;
}

void resume_same(const char *got, const char *want)
{
    static const char *const models[] = {"model", "epoch-1", "epoch-29"};
    char a[256], b[256];
    for (size_t i = 0; i < 3; i++) {
        snprintf(a, sizeof a, "%s/%s.safetensors", got, models[i]);
        snprintf(b, sizeof b, "%s/%s.safetensors", want, models[i]);
        cr_assert(program_same(a, b), "%s and %s differ", a, b);
    }
    same_lines(got, want, "metrics.jsonl");
    same_lines(got, want, "steps.jsonl");
    cr_assert(eq(sz, entries(got), 6), "something else is in %s", got);
}

bool resume_has_checkpoint(const char *folder)
{
    char path[256];
    size_t step;
    snprintf(path, sizeof path, "%s/checkpoints", folder);
    bool found;
    return moda_checkpoint_newest(test_path(path), &step, &found) == MODA_OK && found;
}
