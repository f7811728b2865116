/* tests/test_held_signals.c - a batch system repeats its signal: one that comes while the checkpoint of the end
 * is written changes nothing. The command runs in this process, whose fsync() below sends the signal, so
 * that it comes at that very moment. */
#include "engine/commands.h"
#include "tests/capture.h"
#include "tests/program.h"
#include "tests/resume.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

TestSuite(held_signals, .init = resume_prepare, .fini = test_folder_remove, .timeout = 60);

static int number; /* of the signal that is sent; 0: none */
static size_t sent;

/* In place of the C library's: before a file of the checkpoints is on disk the signal comes. */
int fsync(int fd)
{
    char name[32], path[4096];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    const ssize_t length = readlink(name, path, sizeof path - 1);
    path[length > 0 ? length : 0] = 0;
    if (number && strstr(path, "/checkpoints/")) {
        sent++;
        raise(number);
    }
    return (int)syscall(SYS_fsync, fd);
}

/* The checkpoint of step 2 stops the run, and that of the end is disturbed, too. */
static void disturb(int signal)
{
    char line[] = RESUME_RUN RESUME_USUAL "--out part", *argv[64], *rest = line;
    int argc = 0;
    for (char *word; (word = strsep(&rest, " ")) != NULL;)
        if (*word) argv[argc++] = word;
    argv[argc] = NULL;
    cr_assert(eq(int, chdir(test_folder()), 0));
    number = signal;
    const moda_status st = moda_command_train.run(&moda_command_train, argc, argv);
    number = 0;
    cr_assert(eq(int, st, MODA_STOPPED), "%s", moda_last_error());
    cr_assert(strstr(moda_last_error(), "at step 2:") != NULL, "%s", moda_last_error());
    cr_assert(ge(sz, sent, 2), "no signal came while the checkpoint of the end was written");
    cr_assert(resume_has_checkpoint("part"));
}

static void disturb_and_go_on(int signal)
{
    program_must(RESUME_RUN RESUME_USUAL "--out whole");
    disturb(signal);
    program_must("train --out part --resume --quiet");
    resume_same("part", "whole");
}

Test(held_signals, sigterm_again)
{
    disturb_and_go_on(SIGTERM);
}

Test(held_signals, sigusr1_again)
{
    disturb_and_go_on(SIGUSR1);
}
