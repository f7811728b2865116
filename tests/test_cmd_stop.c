/* tests/test_cmd_stop.c - what ends a run of moda train, or would: time limits, a second SIGINT, full disks, a
 * second writer; and what is left then. */
#include "tests/capture.h"
#include "tests/program.h"
#include "tests/resume.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

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

/* ---- while it stands still ---- */

static size_t steps_done(void)
{
    char *text = test_read(test_path("part/steps.jsonl"));
    size_t lines = 0;
    for (const char *c = text; c && *c; c++) lines += *c == '\n';
    free(text);
    return lines;
}

/* A run in `part`, held by SIGSTOP behind a step, and with some before it: however late this process gets its turn,
 * what comes next comes in the middle. A run that was too fast is started again. */
#define LONG_RUN "--threads 1 --epochs 100 "
enum { LAST_STEP = 3 * 100 };
static pid_t hold_one(size_t step)
{
    siginfo_t info = {0};
    for (int attempt = 0; attempt < 50; attempt++) {
        const pid_t process = resume_start_one(LONG_RUN, step);
        kill(process, SIGSTOP);
        cr_assert(eq(int, waitid(P_PID, (id_t)process, &info, WEXITED | WSTOPPED | WNOWAIT), 0));
        if (info.si_code == CLD_STOPPED && steps_done() + 20 < LAST_STEP) return process;
        kill(process, SIGKILL);
        program_end(process);
        program_run_after("rm -r part;", "--version");
    }
    cr_fatal("it is always done before it can be held");
}

static program_result let_go(pid_t process)
{
    kill(process, SIGCONT);
    return program_end(process);
}

/* Two of them that wait for one place would be one: so one is for the thread, the other for the process. */
Test(cmd_stop, a_second_sigint_stops_at_once)
{
    const pid_t process = hold_one(4);
    cr_assert(eq(int, tgkill(process, process, SIGINT), 0));
    kill(process, SIGINT);
    const program_result r = let_go(process);
    cr_assert(eq(int, r.code, 128 + SIGINT), "%s", r.err);
    cr_assert(program_lacks("part/model.safetensors"));
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
    program_must(RESUME_RUN LONG_RUN "--out whole");
    const pid_t process = hold_one(60);
    limit_files(process, 20000); /* checkpoints and models are larger, and so are 60 lines */
    const program_result r = let_go(process);
    cr_assert(eq(int, r.code, 1), "%s", r.err);
    cr_assert(strstr(r.err, "its lines are kept for later") != NULL, "%s", r.err);
    cr_assert(strstr(r.err, "the run goes on, the last one is of step") != NULL, "%s", r.err);
    program_must("train --out part --resume --quiet");
    resume_same("part", "whole");
}

Test(cmd_stop, stopped_on_a_full_disk)
{
    const pid_t process = hold_one(60);
    limit_files(process, 20000);
    kill(process, SIGTERM);
    const program_result r = let_go(process);
    cr_assert(eq(int, r.code, 1), "%s", r.err);
    cr_assert(strstr(r.err, "without a checkpoint") != NULL, "%s", r.err);
    cr_assert(resume_has_checkpoint("part"));
}

/* ---- one writer ---- */

Test(cmd_stop, the_second_writer_is_refused)
{
    const pid_t process = hold_one(4);
    program_must_fail(1, "is writing there", "train --out part --resume --quiet");
    program_must_fail(1, "is writing there", RUN "--out part");
    kill(process, SIGKILL);
    program_end(process);
    /* the lock died with it */
    program_must_fail(RESUME_STOPPED, "at step",
                      "train --out part --resume --time-limit 1s --quiet");
}
