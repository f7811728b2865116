/* tests/test_experiment_show.c - moda experiment --dry-run: what it lists, on the screen and as JSON,
 * and that it leaves the study alone. */
#include "bench/experiment_internal.h"
#include "tests/capture.h"
#include "tests/program.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void prepare(void)
{
    test_folder();
    test_write("tiny.net", "[net]\nname = tiny\n\n[conv]\nname = c\noutputs = 8\nkernel = 5\n"
                           "stride = 4\n\n[relu]\n\n[linear]\nname = l\noutputs = classes\n");
}

TestSuite(experiment_show, .init = prepare, .fini = test_folder_remove, .timeout = 120);

#define CALL                                                                                      \
    "--model tiny.net --data synthetic:classes=3,channels=1,size=32,train=60,test=30 --epochs 2 " \
    "--threads 1 --quiet "

Test(experiment_show, a_dry_run_lists_and_does_nothing)
{
    const program_result r =
        program_must("experiment compactness " CALL "--dry-run --out s --json plan.json");
    cr_assert(ne(ptr, strstr(r.out, "moda train --model tiny.net"), NULL), "%s", r.out);
    cr_assert(ne(ptr, strstr(r.out, "--gamma 0 --epochs 2 "), NULL), "%s", r.out);
    cr_assert(ne(ptr, strstr(r.out, "8 steps, at most about "), NULL), "%s", r.out);
    cr_assert(program_lacks("s"));
    json_t *json = program_json("plan.json"), *steps = json_object_get(json, "steps");
    const json_t *step;
    size_t i;
    double sum = 0;
    cr_assert(eq(sz, json_array_size(steps), 8));
    json_array_foreach(steps, i, step)
    {
        const char *command = json_string_value(json_object_get(step, "command"));
        const char *name = json_string_value(json_object_get(step, "step"));
        const double seconds = moda_figure(step, "seconds");
        const int at_most = json_is_true(json_object_get(step, "at_most"));
        cr_assert(eq(int, at_most, strcmp(name, "reuse") == 0), "%s", name);
        cr_assert(strncmp(command, "moda ", 5) == 0 && strstr(r.out, command), "%s", command);
        cr_assert(strncmp(command + 5, name, strlen(name)) == 0, "%s: %s", name, command);
        const int done = !json_is_false(json_object_get(step, "done"));
        cr_assert(eq(int, done, 0), "%s", name);
        cr_assert(lt(dbl, 0, seconds), "%s", name);
        sum += seconds;
    }
    cr_assert(epsilon_eq(dbl, moda_figure(json, "seconds"), sum, 1e-9));
    cr_assert(eq(dbl, moda_figure(json, "settings.epochs"), 2));
    json_decref(json);
}

/* Of what nobody said, the JSON tells what will be, by network; of replacement, nothing is composed. */
Test(experiment_show, settings_that_have_defaults)
{
    program_must("experiment replacement --model tiny.net --data "
                 "synthetic:classes=4,channels=1,size=32,train=80,test=40 --threads 1 --quiet "
                 "--dry-run --out s --json r.json");
    program_must("experiment accuracy --model tiny.net --data "
                 "synthetic:classes=4,channels=1,size=32,train=80,test=40 --threads 1 --quiet "
                 "--dry-run --out s --json a.json");
    json_t *accuracy = program_json("a.json"), *replacement = program_json("r.json");
    const json_t *a = json_object_get(accuracy, "settings"),
                 *r = json_object_get(replacement, "settings");
    cr_assert(eq(ptr, json_object_get(a, "epochs"), json_null()));
    cr_assert(eq(ptr, json_object_get(a, "sample"), json_null()));
    const json_t *trainings = json_object_get(a, "trainings"),
                 *first = json_array_get(trainings, 0);
    cr_assert(eq(sz, json_array_size(trainings), 2)); /* no masks without batch norms */
    cr_assert(eq(str, (char *)json_string_value(json_object_get(first, "run")), "tiny-standard"));
    cr_assert(eq(dbl, moda_figure(first, "epochs"), 20));
    cr_assert(eq(dbl, moda_figure(first, "sample"), 252));
    cr_assert(eq(dbl, moda_figure(json_array_get(json_object_get(accuracy, "steps"), 0), "seconds"),
                 40)); /* of two methods */
    trainings = json_object_get(r, "trainings");
    cr_assert(eq(dbl, moda_figure(json_array_get(trainings, 0), "epochs"), 25));
    cr_assert(eq(dbl, moda_figure(json_array_get(trainings, 1), "epochs"), 200));
    cr_assert(eq(ptr, json_object_get(json_array_get(trainings, 0), "sample"), json_null()));
    json_decref(accuracy), json_decref(replacement);
}

Test(experiment_show, a_dry_run_knows_what_is_done)
{
    program_must("experiment compactness " CALL "--out s");
    char *table = test_read(test_path("s/compactness.json"));
    cr_assert(eq(int, unlink(test_path("s/results/tiny-moda_gamma-0/reuse.json")), 0));
    program_must("experiment compactness " CALL "--dry-run --out s --json plan.json");
    json_t *json = program_json("plan.json"), *steps = json_object_get(json, "steps");
    for (size_t i = 0; i < 8; i++) {
        const json_t *step = json_array_get(steps, i);
        const int done = json_is_true(json_object_get(step, "done"));
        cr_assert(eq(int, done, i != 7), "%zu", i);
        cr_assert(eq(int, moda_figure(step, "seconds") > 0, i == 7), "%zu", i);
    }
    json_decref(json);
    /* the list is not written over the study's own files */
    program_must_fail(2, "give another name",
                      "experiment compactness " CALL "--dry-run --out s --json s/compactness.json");
    program_must_fail(2, "give another name",
                      "experiment compactness " CALL "--dry-run --out s --json s/study.json");
    char *after = test_read(test_path("s/compactness.json"));
    cr_assert(eq(str, after, table));
    free(table), free(after);
}

/* ---- as the run would ---- */

#define TRAIN                                                                                \
    "train --model tiny.net --data synthetic:classes=3,channels=1,size=32,train=60,test=30 " \
    "--epochs 2 --threads 1 --quiet "

static int is_done(const json_t *plan, const char *run, const char *name)
{
    size_t i;
    const json_t *step;
    json_array_foreach(json_object_get(plan, "steps"), i, step)
    {
        if (strcmp(json_string_value(json_object_get(step, "run")), run) == 0 &&
            strcmp(json_string_value(json_object_get(step, "step")), name) == 0)
            return json_is_true(json_object_get(step, "done"));
    }
    return -1;
}

Test(experiment_show, a_dry_run_takes_trainings_over)
{
    program_must(TRAIN "--out mine");
    program_must("experiment compactness " CALL "--dry-run --out s --use mine --json plan.json");
    cr_assert(program_lacks("s"));
    json_t *plan = program_json("plan.json");
    cr_assert(eq(int, is_done(plan, "tiny-moda", "train"), 1));
    cr_assert(eq(int, is_done(plan, "tiny-moda", "eval"), 0));
    cr_assert(eq(int, is_done(plan, "tiny-moda_gamma-0", "train"), 0));
    json_decref(plan);
    /* figures of the same model stay, and a folder that is linked already is no other one */
    program_must("experiment compactness " CALL "--out s --use mine");
    cr_assert(eq(int, unlink(test_path("s/runs/tiny-moda")), 0));
    program_must("experiment compactness " CALL
                 "--dry-run --out s --use mine,mine --json plan.json");
    plan = program_json("plan.json");
    cr_assert(eq(int, is_done(plan, "tiny-moda", "train"), 1));
    cr_assert(eq(int, is_done(plan, "tiny-moda", "eval"), 1));
    json_decref(plan);
    struct stat s;
    cr_assert(ne(int, lstat(test_path("s/runs/tiny-moda"), &s), 0), "a dry run made a link");
}

Test(experiment_show, a_dry_run_is_refused_where_the_run_would_be)
{
    program_must(TRAIN "--seed 3 --out other");
    program_must(TRAIN "--out mine");
    program_must(TRAIN "--out twin");
    cr_assert(eq(int, mkdir(test_path("half"), 0777), 0));
    test_write("half/results", "x");
    static const struct {
        int code;
        const char *word, *call;
    } calls[] = {
        {2, "it differs by its seed", "--out a --use other"},
        {1, "nowhere/config.json", "--out b --use nowhere"},
        {2, "c/runs/tiny-moda is there already", "--out c --use mine,twin"},
        {1, "tiny.net is not a directory", "--out tiny.net/s"},
        {1, "half/results: is a file", "--out half"},
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        const int before = test_folder_entries();
        program_must_fail(calls[i].code, calls[i].word,
                          "experiment compactness " CALL "%s --dry-run", calls[i].call);
        cr_assert(eq(int, test_folder_entries(), before), "%s", calls[i].call);
        program_must_fail(calls[i].code, calls[i].word, "experiment compactness " CALL "%s",
                          calls[i].call);
    }
    program_must_fail(1, "s/plan.json",
                      "experiment compactness " CALL "--dry-run --out s --json s/plan.json");
}
