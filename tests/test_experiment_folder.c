/* The folder of a study: what is done once, what goes on, trainings from elsewhere, and what is refused there. */
#include "base/file.h"
#include "base/json.h"
#include "bench/experiment_internal.h"
#include "tests/capture.h"
#include "tests/program.h"
#include "tests/resume.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SPEC "synthetic:classes=3,channels=1,size=32,train=60,test=30"
#define DATA "--data " SPEC
#define CALL "--model tiny.net " DATA " --epochs 2 --threads 1 --quiet "

static void prepare(void)
{
    test_folder();
    test_write("tiny.net", "[net]\nname = tiny\n\n[conv]\nname = c\noutputs = 8\nkernel = 5\n"
                           "stride = 4\n\n[relu]\n\n[linear]\nname = l\noutputs = classes\n");
}

TestSuite(experiment_folder, .init = prepare, .fini = test_folder_remove, .timeout = 300);

static void must(moda_status st)
{
    cr_assert(eq(int, st, MODA_OK), "%s", moda_last_error());
}

/* A file's last change, in nanoseconds. */
static long long changed(const char *name)
{
    struct stat s;
    cr_assert(eq(int, stat(test_path(name), &s), 0), "%s", name);
    return (long long)s.st_mtim.tv_sec * 1000000000 + s.st_mtim.tv_nsec;
}

/* Starts the study and kills it without warning once a file is there. False: it had already gone too far, or to its
 * end, as the other file shows. */
static bool start_and_kill(const char *file, const char *too_far)
{
    static const char *const words[] = {
        "experiment", "compactness", "--model", "tiny.net", "--data", SPEC, "--epochs",
        "2",          "--threads",   "1",       "--quiet",  "--out",  "s",  NULL};
    siginfo_t info = {0};
    const pid_t process = program_start(words);
    for (; !info.si_pid && program_lacks(file); usleep(500))
        cr_assert(eq(int, waitid(P_PID, (id_t)process, &info, WEXITED | WNOHANG | WNOWAIT), 0));
    kill(process, SIGKILL);
    const program_result r = program_end(process);
    cr_assert(r.code == 0 || r.code == 128 + SIGKILL, "%d: %s", r.code, r.err);
    return program_has(file) && program_lacks(too_far);
}

/* On a busy machine the study may have its turn for longer than a training takes: then again. */
Test(experiment_folder, a_killed_study_goes_on_where_it_stopped)
{
    static const char first[] = "s/runs/tiny-moda/model.safetensors",
                      second[] = "s/runs/tiny-moda_gamma-0/model.safetensors";
    program_must("experiment compactness " CALL "--out whole");
    for (int attempt = 0; !start_and_kill(first, second); attempt++) {
        cr_assert(lt(int, attempt, 50), "it is always too fast to be killed in between");
        program_run_after("rm -r s;", "--version");
    }
    const long long model = changed(first);
    program_must("experiment compactness " CALL "--out s");
    cr_assert(eq(i64, changed(first), model), "trained again");
    cr_assert(program_same("s/compactness.csv", "whole/compactness.csv"));
}

/* It says how the study goes on, not the training inside it. */
Test(experiment_folder, a_stopped_study_goes_on_with_the_same_call)
{
    static const char *const words[] = {
        "experiment", "compactness", "--model",
        "tiny.net",   "--data",      "synthetic:classes=3,channels=1,size=32,train=60,test=30",
        "--epochs",   "5000",        "--threads",
        "1",          "--quiet",     "--out",
        "s",          NULL};
    const pid_t process = program_start(words);
    cr_assert(resume_await_lines("s/runs/tiny-moda/metrics.jsonl", 1, process));
    kill(process, SIGTERM);
    const program_result r = program_end(process);
    cr_assert(eq(int, r.code, 75), "%s", r.err);
    cr_assert(strstr(r.err, "moda: experiment: tiny-moda, train: stopped by SIGTERM at step") !=
                  NULL,
              "%s", r.err);
    cr_assert(strstr(r.err, ": the same call goes on\n") != NULL, "%s", r.err);
}

Test(experiment_folder, only_what_is_missing_or_changed_is_done_again)
{
    program_must("experiment compactness " CALL "--out s");
    const char *const files[] = {"s/results/tiny-moda/eval.json",
                                 "s/results/tiny-moda_gamma-0/eval.json",
                                 "s/results/tiny-moda_gamma-0/reuse.json"};
    const long long before = changed(files[0]);
    cr_assert(eq(int, unlink(test_path(files[2])), 0));
    /* a command's own figures without what made them: cut short between two writes */
    test_write("s/results/tiny-moda_gamma-0/eval.json", "{\"accuracy\": 2}");
    program_must("experiment compactness " CALL "--out s");
    cr_assert(eq(i64, changed(files[0]), before));
    json_t *eval = program_json(files[1]);
    cr_assert(ne(ptr, json_object_get(eval, "command"), NULL), "the torn one was taken");
    json_decref(eval);
    cr_assert(program_has(files[2]));
    json_t *json = program_json("s/compactness.json");
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(json, "rows"), i, row)
        cr_assert(moda_figure(row, "accuracy") <= 1);
    json_decref(json);
}

/* The models beside the figures decide, not the file's age. */
Test(experiment_folder, another_model_in_a_run_s_place_is_judged_anew)
{
    program_must("experiment compactness " CALL "--out s");
    char *before = test_read(test_path("s/results/tiny-moda/eval.json"));
    program_must("train --model tiny.net " DATA " --epochs 2 --threads 1 --quiet --method moda "
                 "--seed 7 --out other");
    char *from = moda_format("%s/other/model.safetensors", test_folder());
    cr_assert(eq(int, rename(from, test_path("s/runs/tiny-moda/model.safetensors")), 0));
    cr_assert(eq(int, unlink(test_path("s/results/tiny-moda/reuse.jsonl")), 0));
    program_must("experiment compactness " CALL "--out s");
    char *after = test_read(test_path("s/results/tiny-moda/eval.json"));
    cr_assert(ne(str, before, after));
    free(before), free(after), free(from);
}

Test(experiment_folder, trainings_from_elsewhere_are_taken_over)
{
    program_must("train --model tiny.net " DATA " --epochs 2 --threads 1 --quiet --out mine");
    const long long model = changed("mine/model.safetensors");
    program_must("experiment compactness " CALL "--out s --use mine");
    struct stat s;
    cr_assert(eq(int, lstat(test_path("s/runs/tiny-moda"), &s), 0));
    cr_assert(eq(int, S_ISLNK(s.st_mode), 1));
    cr_assert(eq(i64, changed("mine/model.safetensors"), model), "trained again");
    program_must("experiment compactness " CALL "--out s --use mine"); /* once more: no harm */
    program_must("experiment compactness " CALL "--out t");
    cr_assert(program_same("s/compactness.csv", "t/compactness.csv"));
}

Test(experiment_folder, trainings_that_do_not_fit_are_refused)
{
    program_must("train --model tiny.net " DATA
                 " --epochs 2 --threads 1 --quiet --seed 3 --out mine");
    program_must_fail(2, "from tiny-moda, the nearest one, it differs by its seed",
                      "experiment compactness " CALL "--out s --use mine");
    /* under the name of the one that is wanted */
    must(moda_make_directory(test_path("s/runs")));
    cr_assert(eq(int, symlink(test_path("mine"), test_path("s/runs/tiny-moda")), 0));
    program_must_fail(2, "its seed differs", "experiment compactness " CALL "--out s");
    cr_assert(eq(int, unlink(test_path("mine/model.safetensors")), 0));
    program_must_fail(2, "not finished", "experiment compactness " CALL "--out s");
    program_must_fail(2, "not a finished training",
                      "experiment compactness " CALL "--out u --use mine");
    program_must_fail(1, "config.json", "experiment compactness " CALL "--out v --use nowhere");
}

/* The file has the same name and another network: before anything is trained, and for --use too. */
Test(experiment_folder, a_network_that_was_changed_is_refused)
{
    program_must("experiment compactness " CALL "--out s");
    program_must("train --model tiny.net " DATA " --epochs 2 --threads 1 --quiet --out mine");
    const char *const first = test_path("s/runs/tiny-moda_gamma-0/model.safetensors");
    const long long model = changed("s/runs/tiny-moda/model.safetensors");
    test_write("tiny.net", "[net]\nname = tiny\n\n[conv]\nname = c\noutputs = 9\nkernel = 5\n"
                           "stride = 4\n\n[relu]\n\n[linear]\nname = l\noutputs = classes\n");
    static const char *const calls[] = {"--out s", "--out s --dry-run", "--out t --use mine"};
    for (size_t i = 0; i < 3; i++)
        program_must_fail(2,
                          "near c it has 'outputs = 9', the network that was trained 'outputs = 8'",
                          "experiment compactness " CALL "%s", calls[i]);
    cr_assert(program_lacks("t/runs/tiny-moda/config.json"), "linked all the same");
    cr_assert(
        eq(int, unlink(first), 0)); /* the other one is compared before this is trained again */
    program_must_fail(2, "s/runs/tiny-moda", "experiment compactness " CALL "--out s");
    cr_assert(program_lacks("s/runs/tiny-moda_gamma-0/model.safetensors"));
    prepare(); /* the change taken back */
    program_must("experiment compactness " CALL "--out s");
    cr_assert(eq(i64, changed("s/runs/tiny-moda/model.safetensors"), model), "trained again");
}

Test(experiment_folder, a_folder_of_other_settings_is_refused)
{
    program_must("experiment compactness " CALL "--out s");
    program_must_fail(2, "this folder's study is \"compactness\", not \"tau\"",
                      "experiment tau " CALL "--out s");
    program_must_fail(2, "this folder's seed is 0, not 1",
                      "experiment compactness " CALL "--seed 1 --out s");
    program_must_fail(2, "this folder's epochs is 2, not 3",
                      "experiment compactness --model tiny.net " DATA
                      " --epochs 3 --quiet --out s");
    program_must_fail(2, "this folder's scale is \"small\", not \"full\"",
                      "experiment compactness --full " CALL "--dry-run --out s");
}
