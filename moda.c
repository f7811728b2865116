/* moda.c - the program: finds the sub-command, runs it, turns its status into an exit code and its
 * message into one line on stderr. The only place that prints errors and exits. */
#include "moda.h"
#include "bench/commands.h"
#include "decompose/commands.h"
#include "engine/commands.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const moda_command *const commands[] = {
    &moda_command_describe,   &moda_command_train,   &moda_command_eval,
    &moda_command_decompose,  &moda_command_compose, &moda_command_reuse,
    &moda_command_sweep,      &moda_command_replace, &moda_command_add_class,
    &moda_command_inspect,    &moda_command_ablate,  &moda_command_topo,
    &moda_command_bench,      &moda_command_scale,   &moda_command_nightly,
    &moda_command_experiment, &moda_command_report,  NULL /* closes the table */
};

static void print_help(void)
{
    printf("usage: moda COMMAND [OPTION...] [OPERAND...]\n"
           "Trains convolutional networks so that they come apart into one module per class,\n"
           "takes them apart, and composes modules into networks for some of the classes.\n\n"
           "commands\n");
    for (size_t i = 0; commands[i]; i++)
        printf("  %-12s %s\n", commands[i]->name, commands[i]->summary);
    printf("\n`moda COMMAND --help` explains a command; `moda --version` names this one.\n");
}

static moda_status dispatch(int argc, char **argv)
{
    moda_status st = MODA_OK;
    MODA_CHECK(argc > 1, MODA_ERR_ARG, "no command given; `moda --help` lists them");
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_help();
        goto out;
    }
    if (strcmp(name, "--version") == 0) {
        printf("moda %s\n", MODA_VERSION);
        goto out;
    }
    for (size_t i = 0; commands[i]; i++) {
        if (strcmp(name, commands[i]->name) != 0) continue;
        st = moda_fail_context(commands[i]->run(commands[i], argc - 1, argv + 1), "%s", name);
        goto out;
    }
    MODA_CHECK(false, MODA_ERR_ARG, "unknown command '%s'; `moda --help` lists them", name);
out:
    return st;
}

/* A full disk or a closed pipe shows only when the buffer is written out, so that is done, and
 * looked at, here: figures that never reached their file must not end in exit code 0. */
static moda_status finish_stdout(void)
{
    moda_status st = MODA_OK;
    bool failed = ferror(stdout) != 0;
    errno = 0;
    failed = fclose(stdout) != 0 || failed;
    MODA_CHECK(!failed, MODA_ERR_IO, "standard output: %s",
               errno ? strerror(errno) : "not everything could be written");
out:
    return st;
}

int main(int argc, char **argv)
{
    /* A file beyond the batch system's size limit is then a failed write with a message. */
    signal(SIGXFSZ, SIG_IGN);
    moda_team_may_restart(argv);
    moda_status st = dispatch(argc, argv);
    if (st != MODA_OK) {
        fflush(stdout); /* results so far stand before the error in a common log */
        moda_log(MODA_LOG_ERROR, "%s", moda_last_error());
    }
    moda_status finish = finish_stdout();
    if (finish != MODA_OK && st == MODA_OK) {
        moda_log(MODA_LOG_ERROR, "%s", moda_last_error());
        st = finish;
    }
    switch (st) {
    case MODA_OK: return EXIT_SUCCESS;
    case MODA_ERR_ARG: return 2;
    case MODA_STOPPED: return 75; /* EX_TEMPFAIL of sysexits.h: try again later */
    default: return 1;
    }
}
