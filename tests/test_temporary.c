/* tests/test_temporary.c - bench/temporary_internal.h: folders that go with all that is in them, also when a signal
 * ends the process. */
#include "base/file.h"
#include "bench/temporary_internal.h"
#include "tests/capture.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void begin(void)
{
    setenv("TMPDIR", test_folder(), 1);
}

TestSuite(temporary, .init = begin, .fini = test_folder_remove, .timeout = 120);

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

static void *wait_for_signals(void *nothing)
{
    for (;;) pause();
    return nothing;
}

/* Makes and removes folders for ever, beside a thread that signals do not spare. */
_Noreturn static void keep_making(int ready)
{
    pthread_t other;
    moda_temporary *folder;
    char path[512];
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nobody */
    if (pthread_create(&other, NULL, wait_for_signals, NULL) != 0) _exit(1);
    for (;;) {
        if (moda_temporary_make("moda-test", &folder) != MODA_OK) _exit(2);
        snprintf(path, sizeof path, "%s/sub", moda_temporary_path(folder));
        if (mkdir(path, 0777) != 0) pause(); /* it is being removed */
        if (ready >= 0 && close(ready) != 0) _exit(4);
        ready = -1;
        moda_temporary_remove(folder);
    }
}

/* One thread keeps signals back while it changes the list of folders: then they go to another one. */
Test(temporary, goes_when_another_thread_gets_the_signal)
{
    enum { TIMES = 60 };
    test_write("kept", "x");
    for (int i = 0; i < TIMES; i++) {
        int how, ends[2];
        char c;
        cr_assert(eq(int, pipe(ends), 0));
        const pid_t process = fork();
        cr_assert(ge(int, process, 0));
        if (process == 0) keep_making(ends[1]);
        close(ends[1]);
        cr_assert(eq(int, (int)read(ends[0], &c, 1), 0)); /* its first folder is there */
        close(ends[0]);
        usleep((useconds_t)(i % 50) * 7);
        kill(process, SIGTERM);
        cr_assert(eq(int, waitpid(process, &how, 0), process));
        cr_assert(eq(int, WIFSIGNALED(how) ? WTERMSIG(how) : -WEXITSTATUS(how), SIGTERM), "%d", i);
        cr_assert(eq(int, test_folder_entries(), 1), "time %d", i);
    }
}
