/* tests/test_temporary.c - bench/temporary_internal.h: folders that go with all that is in them, also when a signal
 * ends the process. */
#include "base/file.h"
#include "bench/temporary_internal.h"
#include "tests/capture.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void begin(void)
{
    setenv("TMPDIR", test_folder(), 1);
}

TestSuite(temporary, .init = begin, .fini = test_folder_remove, .timeout = 30);

/* With a file, a folder that has more files than one system call tells of, and a link to what others keep. */
static moda_temporary *make(void)
{
    enum { FILES = 300 };
    char path[512];
    moda_temporary *folder;
    cr_assert(eq(int, moda_temporary_make("moda-test", &folder), MODA_OK), "%s", moda_last_error());
    snprintf(path, sizeof path, "%s/deep/er", moda_temporary_path(folder));
    cr_assert(eq(int, moda_make_directory(path), MODA_OK));
    for (int i = 0; i < FILES; i++) {
        snprintf(path, sizeof path, "%s/deep/er/%d", moda_temporary_path(folder), i);
        FILE *f = fopen(path, "w");
        cr_assert(ne(ptr, f, NULL));
        fclose(f);
    }
    snprintf(path, sizeof path, "%s/link", moda_temporary_path(folder));
    cr_assert(eq(int, symlink(test_folder(), path), 0));
    return folder;
}

Test(temporary, goes_with_all_that_is_in_it)
{
    test_write("kept", "x");
    moda_temporary *a = make(), *b = make();
    cr_assert(eq(int, test_folder_entries(), 3));
    moda_temporary_remove(a);
    cr_assert(eq(int, moda_is_directory(moda_temporary_path(b)), true));
    moda_temporary_remove(b);
    moda_temporary_remove(NULL);
    cr_assert(eq(int, test_folder_entries(), 1));
    struct sigaction after;
    sigaction(SIGTERM, NULL, &after);
    cr_assert(after.sa_handler == SIG_DFL, "signals are still caught");
}

static void ends_by(int number)
{
    int how;
    test_write("kept", "x");
    const pid_t process = fork();
    cr_assert(ge(int, process, 0));
    if (process == 0) {
        make(), make();
        if (test_folder_entries() != 3) _exit(1);
        raise(number);
        _exit(0);
    }
    cr_assert(eq(int, waitpid(process, &how, 0), process));
    cr_assert(eq(int, WIFSIGNALED(how) ? WTERMSIG(how) : 0, number));
    cr_assert(eq(int, test_folder_entries(), 1), "after %s", strsignal(number));
}

Test(temporary, goes_when_a_signal_ends_the_process)
{
    ends_by(SIGINT), ends_by(SIGTERM), ends_by(SIGHUP);
}

/* As under nohup. */
Test(temporary, a_signal_that_is_ignored_stays_so)
{
    signal(SIGHUP, SIG_IGN);
    moda_temporary *folder = make();
    raise(SIGHUP);
    cr_assert(eq(int, moda_is_directory(moda_temporary_path(folder)), true));
    moda_temporary_remove(folder);
    raise(SIGHUP);
}

Test(temporary, what_cannot_be_made)
{
    moda_temporary *folder;
    setenv("TMPDIR", test_path("missing"), 1);
    cr_assert(eq(int, moda_temporary_make("moda-test", &folder), MODA_ERR_IO));
    cr_assert(eq(ptr, folder, NULL));
    cr_assert(strstr(moda_last_error(), "set TMPDIR") != NULL, "%s", moda_last_error());
}
