/* tests/test_cmd_resume.c - moda train --resume as a program: it ends in the same bytes, what it refuses,
 * damage. How runs are stopped is in test_cmd_stop.c, kills are in test_resume_kills.c. */
#include "base/file.h"
#include "base/isa.h"
#include "engine/checkpoint.h"
#include "tests/capture.h"
#include "tests/program.h"
#include "tests/resume.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(cmd_resume, .init = resume_prepare, .fini = test_folder_remove, .timeout = 300);

#define RUN   RESUME_RUN RESUME_USUAL
#define USUAL RESUME_USUAL

/* ---- what goes on ends in the same bytes ---- */

static void stop_and_go_on(const char *words, int signal, const char *name)
{
    program_must(RESUME_RUN "%s --out whole", words);
    resume_stop_one(words, signal, name);
    cr_assert(strstr(program_must("train --out part --resume").out, "resume ") != NULL);
    resume_same("part", "whole");
}

Test(cmd_resume, sigterm_and_modular_losses)
{
    char words[64];
    snprintf(words, sizeof words, "--gamma 0.5 --threads %zu --bind none --epochs 30",
             program_threads());
    stop_and_go_on(words, SIGTERM, "SIGTERM");
}

Test(cmd_resume, sigint_and_standard_training)
{
    stop_and_go_on(USUAL "--method standard --no-augment", SIGINT, "SIGINT");
}

Test(cmd_resume, sigterm_and_masks)
{
    stop_and_go_on(USUAL "--method mwt --alpha 0.25", SIGTERM, "SIGTERM");
}

Test(cmd_resume, sigusr1_and_bf16)
{
    if (moda_cpu_has_bf16())
        stop_and_go_on(USUAL "--precision bf16 --classes 0,1,3", SIGUSR1, "SIGUSR1");
}

/* The figures of --json are those of the whole run. */
Test(cmd_resume, json_tells_of_all_epochs)
{
    resume_stop_one(USUAL, SIGTERM, "SIGTERM");
    program_must("train --out part --resume --quiet --json all.json");
    json_t *all = program_json("all.json"), *lines = program_json_lines("part/metrics.jsonl");
    cr_assert(eq(sz, json_array_size(lines), 30));
    cr_assert(json_equal(json_object_get(all, "epochs"), lines), "other epochs");
    json_decref(all), json_decref(lines);
}

/* ---- what --resume refuses, and what it need not do ---- */

Test(cmd_resume, options_that_disagree)
{
    resume_stop_one(USUAL, SIGTERM, "SIGTERM");
    const char *const calls[][2] = {
        {"--lr 0.1", "lr is 0.05, not 0.1"},
        {"--epochs 40", "epochs is 30, not 40"},
        {"--seed 3 --momentum 0.5", "momentum is 0.9, not 0.5; "},
        {"--momentum 0.5 --seed 3", "seed is 0, not 3"},
        {"--method standard", "method is \"moda\", not \"standard\""},
        {"--method mwt", "method is \"moda\", not \"mwt\""},
        {"--no-augment", "augment is true, not false"},
        {"--data synthetic:classes=4,channels=1,size=8,train=41", "data is"},
        {"--model lenet5", "model is"},
        {"--keep-epochs 2", "keep_epochs is [1, 29], not [2]"},
        {"--threads 2", program_threads() == 2 ? "--resume-anyway" : "this process may use 1 core"},
        {"--profile", "--profile"},
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        program_must_fail(2, calls[i][1], "train --out part --resume %s --quiet", calls[i][0]);
    /* what is said again, and what may change, is fine */
    program_must("train --out part --resume --lr 0.05 --checkpoint-steps 4 --keep-checkpoints 3 "
                 "--checkpoint-minutes 0 --quiet");
    program_must(RUN "--out whole");
    resume_same("part", "whole");
}

/* The description was changed in between; then back again. */
Test(cmd_resume, another_network_under_the_same_name)
{
    resume_stop_one(USUAL, SIGTERM, "SIGTERM");
    test_write("small.net",
               "[net]\n[conv]\nname = a\noutputs = 16\nkernel = 3\nbias = no\n[batchnorm]\n"
               "name = n\n[relu]\n[linear]\nname = c\noutputs = classes\n");
    program_must_fail(2, "small.net", "train --out part --resume --quiet");
    resume_prepare();
    program_must("train --out part --resume --quiet");
    /* that it is done says nothing of another network; of one that is gone it is all there is to say */
    test_write("small.net", "[net]\n[conv]\nname = a\noutputs = 8\nkernel = 5\n[relu]\n[linear]\n"
                            "name = c\noutputs = classes\n");
    program_must_fail(2, "small.net: changed since part/config.json",
                      "train --out part --resume --quiet");
    cr_assert(eq(int, unlink(test_path("small.net")), 0));
    cr_assert(strstr(program_must("train --out part --resume").out, "already") != NULL);
}

Test(cmd_resume, a_run_that_stopped_is_not_overwritten)
{
    resume_stop_one(USUAL, SIGTERM, "SIGTERM");
    program_must_fail(2, "--resume", RUN "--out part");
    cr_assert(resume_has_checkpoint("part"));
    program_must("train --out part --resume --quiet");
    program_must(RUN "--out part"); /* done: replaced, as ever */
}

Test(cmd_resume, a_run_that_is_done_stays)
{
    program_must(RUN "--out part");
    program_must("train --out part --resume --quiet");
    const program_result r = program_must("train --out part --resume");
    cr_assert(strstr(r.out, "already") != NULL, "%s", r.out);
    program_must_fail(2, "epochs is 30, not 50", "train --out part --resume --epochs 50");
    program_must(RUN "--out whole");
    resume_same("part", "whole");
}

/* Killed behind its model, when it had yet to clear up. */
Test(cmd_resume, a_run_that_is_done_clears_up)
{
    program_must(RUN "--out whole");
    program_must(RUN "--out part");
    cr_assert(eq(int, mkdir(test_path("part/checkpoints"), 0777), 0));
    test_write("part/.lock", "process 77 on a machine\n");
    test_write("part/previous.safetensors", "old");
    test_write("part/checkpoints/step-000000088.safetensors", "old");
    test_write_old("part/checkpoints/step-000000090.safetensors.moda-1234abcd-77-3.tmp", "half");
    test_write_old("part/model.safetensors.moda-1234abcd-77-4.tmp", "half");
    cr_assert(strstr(program_must("train --out part --resume").out, "already") != NULL);
    resume_same("part", "whole");
}

/* A model that somebody put there does not end a run that stopped: without it the run goes on. */
Test(cmd_resume, another_model_costs_no_checkpoint)
{
    program_must(RUN "--out whole");
    resume_stop_one(USUAL, SIGTERM, "SIGTERM");
    cr_assert(eq(
        int, link(test_path("whole/model.safetensors"), test_path("part/model.safetensors")), 0));
    cr_assert(strstr(program_must("train --out part --resume").out, "already") != NULL);
    cr_assert(resume_has_checkpoint("part"), "its checkpoints are gone");
    cr_assert(eq(int, unlink(test_path("part/model.safetensors")), 0));
    program_must("train --out part --resume");
    resume_same("part", "whole");
}

Test(cmd_resume, nothing_to_go_on_with)
{
    program_must_fail(1, "no run to go on with", "train --out none --resume");
    program_must_fail(2, "--out is missing", "train --resume");
    cr_assert(program_lacks("none"));
    program_must(RUN "--out part --resume"); /* the first of a chain of jobs */
    cr_assert(program_has("part/model.safetensors"));
}

/* It was killed before its first checkpoint. */
Test(cmd_resume, a_run_without_a_checkpoint_starts_anew)
{
    program_must(RUN "--out whole");
    resume_stop_one(USUAL, SIGTERM, "SIGTERM");
    cr_assert(eq(int, moda_remove_matching(test_path("part/checkpoints"), "step-*"), MODA_OK));
    program_must("train --out part --resume --quiet");
    resume_same("part", "whole");
}

Test(cmd_resume, configurations_that_are_none)
{
    static const char *const texts[] = {"",
                                        "[]",
                                        "{\"epochs\": \"many\"}",
                                        "{\"lr\": -1}",
                                        "{\"method\": \"quick\"}",
                                        "{\"out\": \"/\", ",
                                        "nonsense"};
    mkdir(test_path("part"), 0777);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        test_write("part/config.json", texts[i]);
        program_must_fail(1, "part/config.json", "train --out part --resume");
    }
}

/* ---- damage ---- */

static char *newest_path(void)
{
    size_t step = 0;
    bool found;
    cr_assert(
        eq(int, moda_checkpoint_newest(test_path("part/checkpoints"), &step, &found), MODA_OK));
    cr_assert(eq(int, found, true));
    return moda_format("%s/step-%09zu.safetensors", test_path("part/checkpoints"), step);
}

static void damage(void)
{
    char *path = newest_path();
    FILE *f = fopen(path, "r+b");
    cr_assert(ne(ptr, f, NULL));
    cr_assert(eq(int, fseek(f, -9, SEEK_END), 0));
    fputs("bad", f);
    fclose(f);
    free(path);
}

Test(cmd_resume, a_damaged_checkpoint_is_passed_over)
{
    program_must(RUN "--out whole");
    resume_stop_one(USUAL, SIGTERM, "SIGTERM");
    damage();
    const program_result r = program_must("train --out part --resume --quiet");
    const char *end = strchr(r.err, '\n');
    cr_assert(end && end[1] == 0, "not one line: %s", r.err);
    cr_assert(strstr(r.err, "damaged") && strstr(r.err, "before it is used"), "%s", r.err);
    resume_same("part", "whole");
}

Test(cmd_resume, no_whole_checkpoint)
{
    resume_stop_one(USUAL "--keep-checkpoints 1", SIGTERM, "SIGTERM");
    damage();
    program_must_fail(1, "no checkpoint is whole", "train --out part --resume --quiet");
    test_write("part/metrics.jsonl", "");
    program_must_fail(1, "no checkpoint is whole", "train --out part --resume --quiet");
}

Test(cmd_resume, lines_that_are_lost)
{
    resume_stop_one(USUAL, SIGTERM, "SIGTERM");
    test_write("part/steps.jsonl", "");
    program_must_fail(1, "part/steps.jsonl", "train --out part --resume --quiet");
}
