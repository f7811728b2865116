/* tests/test_cmd_stop.c - what ends a run of moda train, or would: time limits, a second SIGINT, full disks, a
 * second writer; and what is left then. */
#include "tests/capture.h"
#include "tests/program.h"
#include "tests/resume.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

TestSuite(cmd_stop, .init = resume_prepare, .fini = test_folder_remove, .timeout = 300);

#define RUN RESUME_RUN RESUME_USUAL

/* Before its first step, and again, and then to the end. */
Test(cmd_stop, time_limit)
{
    program_must(RUN "--out whole");
    program_must_fail(RESUME_STOPPED, "--time-limit 1s", RUN "--out part --time-limit 1s");
    cr_assert(resume_has_checkpoint("part"));
    program_must_fail(RESUME_STOPPED, "at step 0",
                      "train --out part --resume --time-limit 1s --quiet");
    program_must("train --out part --resume --time-limit 1d --quiet");
    resume_same("part", "whole");
    program_must_fail(2, "--time-limit 1.5h", RUN "--out x --time-limit 1.5h");
}

/* ---- a second SIGINT ---- */

Test(cmd_stop, a_second_sigint_stops_at_once)
{
    /* steps of a good part of a second: the second one comes in the middle of one */
    static const char *const words[] = {
        "train",    "--model",     "lenet5",  "--data", "synthetic:classes=4,train=6000,test=4",
        "--out",    "slow",        "--tune",  "off",    "--batch-size",
        "3000",     "--log-steps", "--quiet", "--seed", "1",
        "--epochs", "1000",        NULL};
    const pid_t process = program_start(words);
    cr_assert(resume_await_lines("slow/steps.jsonl", 1, process));
    kill(process, SIGINT);
    usleep(20000);
    kill(process, SIGINT);
    const program_result r = program_end(process);
    cr_assert(eq(int, r.code, 128 + SIGINT), "%s", r.err);
    cr_assert(program_lacks("slow/model.safetensors"));
}

/* ---- full disks ---- */

static void limit_files(pid_t process, rlim_t bytes)
{
    const struct rlimit limit = {bytes, RLIM_INFINITY};
    cr_assert(eq(int, prlimit(process, RLIMIT_FSIZE, &limit, NULL), 0));
}

/* A checkpoint is more than twice a model: here only models fit. */
Test(cmd_stop, a_run_goes_on_without_checkpoints)
{
    program_must(RUN "--out whole");
    limit_files(0, 50000);
    const program_result r = program_must(RUN "--out part");
    limit_files(0, RLIM_INFINITY);
    cr_assert(strstr(r.err, "the run goes on, there is none yet") != NULL, "%s", r.err);
    resume_same("part", "whole");
}

/* The disk fills up while it runs: lines wait, the last good checkpoint stays, and what could
 * not be saved is no success. */
Test(cmd_stop, a_disk_that_fills_up)
{
    program_must(RUN "--out whole");
    const pid_t process = resume_start_one(RESUME_USUAL, 60);
    limit_files(process, 20000); /* checkpoints and models are larger, and so are 60 lines */
    const program_result r = program_end(process);
    cr_assert(eq(int, r.code, 1), "%s", r.err);
    cr_assert(strstr(r.err, "its lines are kept for later") != NULL, "%s", r.err);
    cr_assert(strstr(r.err, "the run goes on, the last one is of step") != NULL, "%s", r.err);
    program_must("train --out part --resume --quiet");
    resume_same("part", "whole");
}

Test(cmd_stop, stopped_on_a_full_disk)
{
    const pid_t process = resume_start_one("--threads 1 --epochs 3000", 60);
    limit_files(process, 20000);
    kill(process, SIGTERM);
    const program_result r = program_end(process);
    cr_assert(eq(int, r.code, 1), "%s", r.err);
    cr_assert(strstr(r.err, "without a checkpoint") != NULL, "%s", r.err);
    cr_assert(resume_has_checkpoint("part"));
}

/* ---- one writer ---- */

Test(cmd_stop, the_second_writer_is_refused)
{
    const pid_t process = resume_start_one("--threads 1 --epochs 3000", 4);
    program_must_fail(1, "is writing there", "train --out part --resume --quiet");
    program_must_fail(1, "is writing there", RUN "--out part");
    kill(process, SIGKILL);
    program_end(process);
    /* the lock died with it */
    program_must_fail(RESUME_STOPPED, "at step",
                      "train --out part --resume --time-limit 1s --quiet");
}
