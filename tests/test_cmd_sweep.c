/* moda sweep --model as a program: folders of runs, what is refused, what goes on. That rows are right is in
 * test_cmd_reuse.c and test_sweep.c. */
#include "base/file.h"
#include "tests/capture.h"
#include "tests/program.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SWEEP                                                                               \
    "sweep --model tiny.net --data synthetic:classes=3,channels=1,size=8,train=80,test=24 " \
    "--epochs 1 --batch-size 16 --tune off --threads 1 --quiet --sample 1 --tau 0.5 "
#define RUN(alpha) "runs/alpha-" #alpha "_beta-1_gamma-0.3"

static void describe(int outputs)
{
    char text[200];
    snprintf(text, sizeof text,
             "[net]\nname = tiny\n[conv]\nname = a\noutputs = %d\nkernel = 3\n[relu]\n[linear]\n"
             "name = c\noutputs = classes\n",
             outputs);
    test_write("tiny.net", text);
}

static void prepare(void)
{
    describe(6);
}

TestSuite(cmd_sweep, .init = prepare, .fini = test_folder_remove, .timeout = 100);

/* Rows of two networks would stand in one table, now or when the lists are joined later. */
Test(cmd_sweep, a_network_that_was_changed_is_refused)
{
    static const char *const lists[] = {"0,1", "2"};
    program_must(SWEEP "--alpha 0,1 --out runs");
    describe(7);
    for (size_t i = 0; i < 2; i++) {
        program_must_fail(2,
                          "near a it has 'outputs = 7', the network that was trained 'outputs = 6'",
                          SWEEP "--alpha %s --out runs", lists[i]);
        cr_assert(program_lacks(RUN(2) "/config.json"), "trained all the same");
    }
    program_must(SWEEP "--alpha 1 --out others");
    describe(6);
    program_must(SWEEP "--alpha 0,1,2 --out runs");
}

/* By whomever it is refused, and what is asked for only behind the first training: nothing is made. */
Test(cmd_sweep, a_refused_one_leaves_nothing)
{
    static const char *const calls[][2] = {
        {SWEEP "--no-such-option 3", "--no-such-option"},
        {SWEEP "--checkpoint-steps 0", "--checkpoint-steps 0"},
        {SWEEP "--method standard", "mean nothing"},
        {SWEEP "--profile --max-steps 3", "profile"},
        {SWEEP "--sizes 4", "--sizes: 4"},
        {SWEEP "--one-at-a-time", "--one-at-a-time: there is no list to vary"},
        {"sweep --model nonsense --data synthetic:classes=3,channels=1,size=8", "nonsense"},
        {"sweep --model tiny.net --data nowhere", "nowhere"},
        {"sweep --model tiny.net --data synthetic:classes=3,channels=1,size=8,test=0",
         "test images"},
    };
    static const char *const missing[] = {"--standard", "--init"};
    const int entries = test_folder_entries();
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        program_must_fail(2, calls[i][1], "%s --out deep/runs", calls[i][0]);
        cr_assert(eq(int, test_folder_entries(), entries), "moda %s left something", calls[i][0]);
    }
    for (size_t i = 0; i < 2; i++) {
        program_must_fail(1, "none.safetensors", SWEEP "%s none.safetensors --out runs",
                          missing[i]);
        cr_assert(eq(int, test_folder_entries(), entries), "%s left something", missing[i]);
    }
    program_must_fail(1, "no.txt",
                      "sweep --model tiny.net --data synthetic:classes=3,channels=1,size=8 "
                      "--subtasks no.txt --out runs");
    cr_assert(eq(int, test_folder_entries(), entries));
    program_must("train --model tiny.net --data synthetic:classes=2,channels=1,size=8,train=40 "
                 "--epochs 1 --tune off --threads 1 --quiet --out two");
    program_must_fail(2, "no output for class 2",
                      SWEEP "--standard two/model.safetensors --out runs");
    cr_assert(eq(int, test_folder_entries(), entries + 1));
    program_must(SWEEP "--alpha 0 --out runs"); /* what is there stays, refused or not */
    program_must_fail(2, "other options", SWEEP "--alpha 1 --no-such-option 3 --out runs");
    program_must_fail(2, "--checkpoint-steps 0", SWEEP "--alpha 1 --checkpoint-steps 0 --out runs");
    cr_assert(program_has("runs/sweep.json"));
}

/* What is to be done is said of the command that was called, not of moda train inside it; --resume, which
 * belongs to that, does no harm. */
Test(cmd_sweep, a_stopped_one_goes_on_with_the_same_call)
{
    static const char *const again[] = {"", "--resume"};
    for (size_t i = 0; i < 2; i++) {
        program_must_fail(75, "stopped by --time-limit 1s at step 0: the same call goes on",
                          SWEEP "--alpha %zu --out runs --time-limit 1s %s", i, again[i]);
        program_must_fail(75, "the same call goes on",
                          SWEEP "--alpha %zu --out runs --time-limit 1s %s", i, again[i]);
        program_must(SWEEP "--alpha %zu --out runs %s", i, again[i]);
    }
    program_must(SWEEP "--alpha 0,1 --out whole");
    cr_assert(program_same(RUN(0) "/model.safetensors",
                           "whole/alpha-0_beta-1_gamma-0.3/model.safetensors"));
    program_must(SWEEP "--alpha 0 --out profiled --profile");
}

/* Of trainings that are done the description is needed no more. */
Test(cmd_sweep, a_finished_one_outlives_its_description)
{
    program_must(SWEEP "--alpha 0 --out runs");
    cr_assert(eq(int, unlink(test_path("tiny.net")), 0));
    program_must(SWEEP "--alpha 0 --out runs");
    program_must_fail(1, "tiny.net", SWEEP "--alpha 0,1 --out runs");
}

/* A run without a checkpoint has nothing to go on with: what it was begun with is not this call's affair. */
Test(cmd_sweep, a_run_without_a_checkpoint_begins_anew)
{
    cr_assert(eq(int, moda_make_directory(test_path(RUN(1))), MODA_OK));
    test_write(RUN(1) "/config.json", "{\"lr\": 0.5, \"epochs\": 7, \"method\": \"moda\"}");
    program_must(SWEEP "--out runs");
    program_must(SWEEP "--out whole");
    cr_assert(program_same(RUN(1) "/model.safetensors",
                           "whole/alpha-1_beta-1_gamma-0.3/model.safetensors"));
}
