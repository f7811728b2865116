/* tests/test_leftovers.c - what killed writers leave beside their files is removed by the next one;
 * what somebody is writing, and what others keep there, is not. */
#include "base/file.h"
#include "base/unfinished_internal.h"
#include "tests/capture.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void prepare(void)
{
    (void)test_folder(); /* before a child would make one of its own */
}

TestSuite(leftovers, .init = prepare, .fini = test_folder_remove, .timeout = 120);

static size_t temporaries(void)
{
    size_t n = 0;
    const struct dirent *e;
    DIR *folder = opendir(test_folder());
    cr_assert(ne(ptr, folder, NULL));
    while (moda_directory_next(folder, test_folder(), &e) == MODA_OK && e)
        n += strstr(e->d_name, ".tmp") != NULL;
    closedir(folder);
    return n;
}

/* A child that goes with its test. */
static pid_t start_child(void)
{
    const pid_t child = fork();
    cr_assert(le(int, 0, child));
    if (child == 0) prctl(PR_SET_PDEATHSIG, SIGKILL);
    return child;
}

/* A child that writes into name, half way. */
static pid_t write_half(const char *name)
{
    int ready[2];
    char byte;
    cr_assert(eq(int, pipe(ready), 0));
    const pid_t child = start_child();
    if (child == 0) {
        moda_writer w;
        if (moda_writer_open(&w, test_path(name)) != MODA_OK) _exit(1);
        fputs("half", w.stream), fflush(w.stream);
        if (write(ready[1], "x", 1) != 1) _exit(1);
        for (;;) pause();
    }
    close(ready[1]);
    cr_assert(eq(int, (int)read(ready[0], &byte, 1), 1));
    close(ready[0]);
    return child;
}

static void end(pid_t child)
{
    int status;
    kill(child, SIGKILL);
    cr_assert(eq(int, waitpid(child, &status, 0), child));
}

static void write_whole(const char *name)
{
    moda_writer w;
    cr_assert(eq(int, moda_writer_open(&w, test_path(name)), MODA_OK));
    fputs("whole", w.stream);
    cr_assert(eq(int, moda_writer_commit(&w), MODA_OK), "%s", moda_last_error());
}

Test(leftovers, of_a_killed_writer_go)
{
    test_write("a", "old");
    end(write_half("a"));
    cr_assert(eq(sz, temporaries(), 1));
    char *a = test_read(test_path("a"));
    cr_assert(eq(str, a, (char *)"old"));
    write_whole("b");
    cr_assert(eq(sz, temporaries(), 0));
    free(a);
}

Test(leftovers, of_a_writer_at_work_stay)
{
    const pid_t child = write_half("a");
    write_whole("a"), write_whole("b");
    cr_assert(eq(int, moda_check_writable(test_path("c")), MODA_OK));
    moda_remove_leftovers(test_folder());
    cr_assert(eq(sz, temporaries(), 1));
    end(child);
    moda_remove_leftovers(test_folder());
    cr_assert(eq(sz, temporaries(), 0));
}

/* Also between its last byte and its taking the other's place. */
Test(leftovers, two_writers_of_one_file)
{
    moda_writer first, second;
    cr_assert(eq(int, moda_writer_open(&first, test_path("a")), MODA_OK));
    cr_assert(eq(int, moda_writer_open(&second, test_path("a")), MODA_OK));
    fputs("first", first.stream), fputs("second", second.stream);
    cr_assert(eq(int, moda_writer_commit(&second), MODA_OK), "%s", moda_last_error());
    cr_assert(eq(int, moda_writer_commit(&first), MODA_OK), "%s", moda_last_error());
    char *a = test_read(test_path("a"));
    cr_assert(eq(str, a, (char *)"first"));
    cr_assert(eq(sz, temporaries(), 0));
    free(a);
}

Test(leftovers, files_of_others_stay)
{
    static const char *const names[] = {"a.tmp",
                                        "a.77-1.tmp",
                                        "a.moda-1234abcd-77.tmp",
                                        "a.moda-1234abc-77-1.tmp",
                                        "a.moda-1234abcd-x-1.tmp",
                                        "a.moda-1234abcd-77-1.json.tmp",
                                        "a.moda-2026-11-23-before.tmp"};
    enum { NAMES = sizeof names / sizeof *names };
    for (size_t i = 0; i < NAMES; i++) test_write_old(names[i], "mine");
    cr_assert(eq(int, mkdir(test_path("a.moda-1234abcd-77-1.tmp"), 0777), 0));
    cr_assert(eq(int, symlink("a.tmp", test_path("b.moda-1234abcd-77-1.tmp")), 0));
    cr_assert(eq(int, mkfifo(test_path("c.moda-1234abcd-77-1.tmp"), 0666), 0));
    write_whole("a");
    cr_assert(eq(sz, temporaries(), NAMES + 3));
    moda_remove_leftovers(test_path("nowhere"));
}

/* Its lock may not be seen here: it counts as left when nobody has written there for a day. */
Test(leftovers, of_another_machine_stay_for_a_day)
{
    test_write("a.moda-1234abcd-77-1.tmp", "half");
    test_write_old("b.moda-1234abcd-77-2.tmp", "half");
    write_whole("a");
    cr_assert(moda_is_file(test_path("a.moda-1234abcd-77-1.tmp")), "it may be at work");
    cr_assert(eq(sz, temporaries(), 1));
}

/* A new file is never taken for one left behind, however many clean the folder meanwhile. */
Test(leftovers, cleaning_and_writing_at_once)
{
    enum { CLEANERS = 2, FILES = 300 };
    pid_t cleaners[CLEANERS];
    for (int i = 0; i < CLEANERS; i++) {
        cleaners[i] = start_child();
        if (cleaners[i] == 0)
            for (;;) moda_remove_leftovers(test_folder());
    }
    for (int i = 0; i < FILES; i++) write_whole("a");
    for (int i = 0; i < CLEANERS; i++) end(cleaners[i]);
    char *a = test_read(test_path("a"));
    cr_assert(eq(str, a, (char *)"whole"));
    cr_assert(eq(sz, temporaries(), 0));
    free(a);
}
