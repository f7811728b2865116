/* tests/test_moda.c - the program's own part, moda.c: dispatch, exit codes, one line per error. */
#include "moda.h"
#include "tests/capture.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

TestSuite(moda, .fini = test_folder_remove, .timeout = 60);

/* Runs `moda ARGUMENTS`; its exit code. *out and *err (free() them) are what it wrote. */
static int run(const char *arguments, char **out, char **err)
{
    char command[2048];
    /* Redirections first: arguments may hold one of their own, which then counts. */
    snprintf(command, sizeof command, "cd '%s'; >out 2>err </dev/null '%s' %s", test_folder(),
             MODA_PROGRAM, arguments);
    int status = system(command), died = WIFEXITED(status) ? 0 : WTERMSIG(status);
    cr_assert(eq(int, died, 0), "%s: died of a signal", command);
    *out = test_read(test_path("out"));
    *err = test_read(test_path("err"));
    return WEXITSTATUS(status);
}

/* Fails with code and exactly one line on stderr, which holds word. */
static void expect_failure(const char *arguments, int code, const char *word)
{
    char *out, *err;
    int got = run(arguments, &out, &err);
    cr_assert(eq(int, got, code), "moda %s: %s", arguments, err);
    char *end = strchr(err, '\n');
    cr_assert(end && end[1] == 0, "moda %s: not one line: '%s'", arguments, err);
    cr_assert(strncmp(err, "moda: ", 6) == 0, "moda %s: '%s'", arguments, err);
    cr_assert(strstr(err, word) != NULL, "moda %s: '%s' lacks '%s'", arguments, err, word);
    free(out);
    free(err);
}

Test(moda, version)
{
    char *out, *err;
    cr_assert(eq(int, run("--version", &out, &err), 0));
    cr_assert(eq(str, out, "moda " MODA_VERSION "\n"));
    cr_assert(eq(str, err, ""));
    free(out);
    free(err);
}

Test(moda, wrong_calls)
{
    expect_failure("", 2, "no command");
    expect_failure("nonsense", 2, "unknown command 'nonsense'");
    expect_failure("--nonsense", 2, "unknown command '--nonsense'");
    expect_failure("''", 2, "unknown command ''");
}

/* Whatever part of a command complains, its name stands in front, once. */
Test(moda, messages_begin_with_the_command)
{
    expect_failure("train --epochs 0", 2, "moda: train: --epochs 0: ");
    expect_failure("train", 2, "moda: train: --model is missing");
    expect_failure("decompose x --rates x --out x", 2, "moda: decompose: --tau is missing");
    expect_failure("compose x --out x", 2, "moda: compose: --classes is missing");
    expect_failure("report /nonexistent", 1, "moda: report: /nonexistent: ");
}

/* What could not be written must not look done. */
Test(moda, full_disk_behind_stdout)
{
    expect_failure("--help >/dev/full", 1, "standard output: No space left on device");
    expect_failure("train --help >/dev/full", 1, "standard output: No space left on device");
}

/* Help lists the commands; each explains itself with an example and refuses nonsense. */
Test(moda, every_command_has_help)
{
    char *help, *out, *err;
    int commands = 0;
    cr_assert(eq(int, run("--help", &help, &err), 0));
    free(err);
    char *at = strstr(help, "\ncommands\n");
    cr_assert(at != NULL, "%s", help);
    for (at += 10; strncmp(at, "  ", 2) == 0; at = strchr(at, '\n') + 1, commands++) {
        char name[32], arguments[64], usage[96];
        cr_assert(eq(int, sscanf(at, " %31s", name), 1));
        snprintf(arguments, sizeof arguments, "%s --help", name);
        snprintf(usage, sizeof usage, "usage: moda %s ", name);
        cr_assert(eq(int, run(arguments, &out, &err), 0), "%s", err);
        cr_assert(strncmp(out, usage, strlen(usage)) == 0, "%s", out);
        cr_assert(strstr(out, "\nexample\n  moda ") != NULL, "%s", out);
        free(out);
        free(err);
        snprintf(arguments, sizeof arguments, "%s --no-such-option", name);
        snprintf(usage, sizeof usage, "moda: %s: unknown option '--no-such-option'", name);
        expect_failure(arguments, 2, usage);
    }
    cr_assert(ge(int, commands, 5), "%s", help);
    free(help);
}
