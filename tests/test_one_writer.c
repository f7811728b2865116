/* tests/test_one_writer.c - two processes, one place to write: the second is refused at once, by name, and the
 * first is not disturbed. Files that are written in one go are whole, whoever comes last. Trainings are in
 * test_cmd_resume.c, the lock itself in test_lock.c. */
#include "base/file.h"
#include "base/lock.h"
#include "tests/capture.h"
#include "tests/program.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SPEC "synthetic:classes=4,channels=1,size=8,train=40,test=12"
#define DATA "--data " SPEC " --threads 1 --quiet "

/* A trained model, and its modules. */
static void prepare(void)
{
    test_write("tiny.net", "[net]\nname = tiny\n[conv]\nname = a\noutputs = 6\nkernel = 3\n[relu]\n"
                           "[linear]\nname = b\noutputs = 8\n[relu]\n"
                           "[linear]\nname = c\noutputs = classes\n");
    program_must("train --model tiny.net " DATA "--epochs 1 --tune off --out run");
    program_must("decompose run/model.safetensors " DATA "--tau 0.5 --out modules");
}

TestSuite(one_writer, .init = prepare, .fini = test_folder_remove, .timeout = 300);

/* ---- while someone else holds the lock ---- */

typedef struct place {
    const char *lock;   /* what is locked: a folder, or a file */
    const char *writes; /* what the command leaves there */
    const char *call;
} place;

static const place places[] = {
    {"parts/", "parts/decomposition.json",
     "decompose run/model.safetensors " DATA "--tau 0.5 --out parts"},
    {"modules/reuse.jsonl", "modules/reuse.csv", "reuse modules " DATA},
    {"other.jsonl", "other.csv", "reuse modules " DATA "--csv other.csv"},
    {"modules/sweep/", "modules/sweep.csv", "sweep modules " DATA "--tau 0.3,0.6"},
    {"runs/", "runs/sweep.csv",
     "sweep --model tiny.net " DATA "--epochs 1 --tune off --alpha 0,1 --out runs"},
    {"study/", "study/compactness.csv",
     "experiment compactness --model tiny.net --epochs 1 " DATA "--out study"},
    {"new/", "new/model.safetensors", "train --model tiny.net " DATA "--epochs 1 --out new"},
};
enum { PLACES = sizeof places / sizeof *places };

Test(one_writer, the_second_is_refused_and_told_who)
{
    for (size_t i = 0; i < PLACES; i++) {
        const place *p = &places[i];
        const size_t length = strlen(p->lock);
        const bool folder = p->lock[length - 1] == '/';
        char who[64], *lock_file = moda_format("%s.lock", p->lock);
        moda_lock *lock = NULL;
        snprintf(who, sizeof who, ": process %ld on ", (long)getpid());
        cr_assert(eq(int, (folder ? moda_lock_folder : moda_lock_file)(test_path(p->lock), &lock),
                     MODA_OK),
                  "%s", moda_last_error());
        program_must_fail(1, who, "%s", p->call);
        program_must_fail(1, folder ? "name another folder" : "name another file", "%s", p->call);
        cr_assert(program_lacks(p->writes), "%s", p->call);
        cr_assert(program_has(lock_file), "%s took the other's lock away", p->call);
        moda_lock_release(lock);
        program_must("%s", p->call);
        cr_assert(program_has(p->writes), "%s", p->call);
        cr_assert(program_lacks(lock_file), "%s left its lock", p->call);
        free(lock_file);
    }
}

/* A call that cannot be leaves neither folders nor a lock. */
Test(one_writer, nothing_is_left_of_a_call_that_fails)
{
    const int entries = test_folder_entries();
    static const char *const calls[] = {
        "decompose missing.safetensors " DATA "--tau 0.5 --out deep/er/parts",
        "decompose missing.safetensors " DATA "--tau 0.5 --out deep/er//",
        "train --model tiny.net --data mnist:missing --out deep/er/run",
        "sweep missing " DATA "--tau 0.3",
        "reuse modules " DATA "--standard missing.safetensors --csv o.csv",
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        program_must_fail(1, "missing", "%s", calls[i]);
        cr_assert(eq(int, test_folder_entries(), entries), "moda %s left something", calls[i]);
    }
    cr_assert(program_lacks("modules/reuse.jsonl.lock"));
}

/* ---- two processes ---- */

/* The owner stands in the file once it has the lock: before, the file may be there and not be locked. */
static bool is_held(const char *lock)
{
    char *text = test_read(test_path(lock));
    const bool held = text && *text;
    free(text);
    return held;
}

/* So many images that a call holds its lock for a good part of a second, and is seen to do so. */
#define MANY "synthetic:classes=4,channels=1,size=8,train=200000,test=12"

/* Starts words, and stops the process as soon as it holds the lock; it may be too fast for that once or twice. */
static pid_t start_and_hold(const char *const *words, const char *lock)
{
    siginfo_t info = {0};
    for (int attempt = 0; attempt < 50; attempt++) {
        const pid_t process = program_start(words);
        for (info.si_pid = 0; !info.si_pid && !is_held(lock); usleep(200))
            cr_assert(eq(int, waitid(P_PID, (id_t)process, &info, WEXITED | WNOHANG | WNOWAIT), 0));
        kill(process, SIGSTOP);
        cr_assert(eq(int, waitid(P_PID, (id_t)process, &info, WEXITED | WSTOPPED | WNOWAIT), 0));
        if (info.si_code == CLD_STOPPED && is_held(lock)) return process;
        kill(process, SIGCONT);
        cr_assert(eq(int, program_end(process).code, 0));
    }
    cr_fatal("it is always done before it can be stopped");
}

Test(one_writer, the_first_is_not_disturbed)
{
    static const char *const words[] = {"decompose", "run/model.safetensors",
                                        "--data",    MANY,
                                        "--tau",     "0.5",
                                        "--threads", "1",
                                        "--quiet",   "--out",
                                        "parts",     NULL};
    char who[64];
    program_must("decompose run/model.safetensors --data " MANY
                 " --tau 0.5 --threads 1 --quiet --out whole");
    const pid_t first = start_and_hold(words, "parts/.lock");
    snprintf(who, sizeof who, "parts: process %ld on ", (long)first);
    program_must_fail(1, who, "decompose run/model.safetensors " DATA "--tau 0.9 --out parts");
    kill(first, SIGCONT);
    cr_assert(eq(int, program_end(first).code, 0));
    cr_assert(program_same("parts/masks.safetensors", "whole/masks.safetensors"));
    cr_assert(program_same("parts/class-3.safetensors", "whole/class-3.safetensors"));
    cr_assert(program_lacks("parts/.lock"));
    /* and now it is anybody's */
    program_must("decompose run/model.safetensors " DATA "--tau 0.9 --out parts");
    cr_assert(program_same("parts/masks.safetensors", "whole/masks.safetensors") == false);
}

/* Both calls at the same time; --version ends with exit code 0 only if both of them did. */
static void run_both(const char *a, const char *b)
{
    char *line = moda_format("'" MODA_PROGRAM "' %s >/dev/null & p=$!; '" MODA_PROGRAM
                             "' %s >/dev/null || exit 9; wait $p || exit 9;",
                             a, b);
    cr_assert(ne(ptr, line, NULL));
    const program_result r = program_run_after(line, "--version");
    cr_assert(eq(int, r.code, 0), "%s", r.err);
    free(line);
}

/* compose, replace and add-class need no lock. */
Test(one_writer, one_file_is_whole_whoever_writes_it_last)
{
    program_must("compose modules --classes 0,1 --out a.safetensors --quiet");
    program_must("compose modules --classes 1,2,3 --out b.safetensors --quiet");
    cr_assert(program_same("a.safetensors", "b.safetensors") == false, "this proves nothing");
    const int entries = test_folder_entries();
    for (int i = 0; i < 8; i++) {
        run_both("compose modules --classes 0,1 --out both.safetensors --quiet",
                 "compose modules --classes 1,2,3 --out both.safetensors --quiet");
        cr_assert(program_same("both.safetensors", "a.safetensors") ||
                      program_same("both.safetensors", "b.safetensors"),
                  "neither of them");
        cr_assert(eq(int, test_folder_entries(), entries + 1), "something was left");
    }
}
