/* tests/test_lock.c - one writer per folder: among processes, also among those that are killed. */
#include "base/lock.h"
#include "tests/capture.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(lock, .fini = test_folder_remove, .timeout = 120);

static moda_lock *take(void)
{
    moda_lock *lock = NULL;
    cr_assert(eq(int, moda_lock_folder(test_folder(), &lock), MODA_OK), "%s", moda_last_error());
    return lock;
}

/* A process that takes the lock and waits to be killed. */
static pid_t start_owner(void)
{
    int ready[2];
    char word;
    cr_assert(eq(int, pipe(ready), 0));
    cr_assert(ne(ptr, (void *)test_folder(), NULL)); /* made here, not in the child */
    const pid_t child = fork();
    if (child == 0) {
        moda_lock *lock;
        word = moda_lock_folder(test_folder(), &lock) == MODA_OK ? 'y' : 'n';
        (void)!write(ready[1], &word, 1);
        pause();
        _exit(0);
    }
    cr_assert(eq(sz, (size_t)read(ready[0], &word, 1), 1));
    cr_assert(eq(chr, word, 'y'));
    close(ready[0]), close(ready[1]);
    return child;
}

Test(lock, the_second_is_refused_and_told_who)
{
    moda_lock *second = NULL;
    char number[32];
    const pid_t owner = start_owner();
    cr_assert(eq(int, moda_lock_folder(test_folder(), &second), MODA_ERR_IO));
    snprintf(number, sizeof number, "process %ld ", (long)owner);
    cr_assert(strstr(moda_last_error(), number) != NULL, "%s", moda_last_error());
    cr_assert(eq(ptr, second, NULL));
    kill(owner, SIGKILL);
    cr_assert(eq(int, waitpid(owner, NULL, 0), owner));
    moda_lock_release(take()); /* what it left behind locks nothing */
    cr_assert(eq(int, test_folder_entries(), 0), "the file stays");
}

Test(lock, again_and_again)
{
    for (int i = 0; i < 3; i++) moda_lock_release(take());
    moda_lock_release(NULL);
    moda_lock *lock = take(), *second = NULL;
    cr_assert(eq(int, moda_lock_folder(test_folder(), &second), MODA_ERR_IO), "twice in a process");
    moda_lock_release(lock);
    test_write("file", "");
    cr_assert(eq(int, moda_lock_folder(test_path("file/below"), &lock), MODA_ERR_IO));
    cr_assert(strstr(moda_last_error(), "file") != NULL, "%s", moda_last_error());
}

/* What was made before the folder could not be made goes, too. */
Test(lock, a_failure_leaves_nothing)
{
    char name[300];
    moda_lock *lock = NULL;
    snprintf(name, sizeof name, "new/newer/%0280d", 0); /* longer than a name may be */
    cr_assert(eq(int, moda_lock_folder(test_path(name), &lock), MODA_ERR_IO));
    cr_assert(eq(ptr, lock, NULL));
    cr_assert(eq(int, test_folder_entries(), 0));
}

/* What was there before stays, and so does what someone has filled. */
Test(lock, folders_that_it_made_are_removed_if_empty)
{
    static const char *const names[] = {"a", "a/b/c", "a/b/", "a//b//"};
    moda_lock *lock = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        cr_assert(eq(int, moda_lock_folder(test_path(names[i]), &lock), MODA_OK));
        cr_assert(eq(int, test_folder_entries(), 1), "%s", names[i]);
        moda_lock_release(lock);
        cr_assert(eq(int, test_folder_entries(), 0), "%s", names[i]);
    }
    cr_assert(eq(int, mkdir(test_path("old"), 0777), 0));
    cr_assert(eq(int, moda_lock_folder(test_path("old/new/newer"), &lock), MODA_OK));
    test_write("old/new/file", "mine");
    moda_lock_release(lock);
    cr_assert(eq(int, access(test_path("old/new/file"), F_OK), 0));
    cr_assert(eq(int, access(test_path("old/new/newer"), F_OK), -1));
    cr_assert(eq(int, moda_lock_folder(test_path("old"), &lock), MODA_OK));
    moda_lock_release(lock);
    cr_assert(eq(int, access(test_path("old"), F_OK), 0));
}

Test(lock, a_file_and_its_folder_are_different_things)
{
    moda_lock *a = NULL, *b = NULL, *c = take();
    cr_assert(eq(int, moda_lock_file(test_path("a.jsonl"), &a), MODA_OK), "%s", moda_last_error());
    cr_assert(eq(int, moda_lock_file(test_path("b.jsonl"), &b), MODA_OK), "%s", moda_last_error());
    cr_assert(eq(int, test_folder_entries(), 3));
    moda_lock_release(b);
    cr_assert(eq(int, moda_lock_file(test_path("a.jsonl"), &b), MODA_ERR_IO));
    cr_assert(strstr(moda_last_error(), "another file") != NULL, "%s", moda_last_error());
    cr_assert(eq(int, moda_lock_file(test_path("missing/a.jsonl"), &b), MODA_ERR_IO));
    cr_assert(strstr(moda_last_error(), "missing/a.jsonl") != NULL, "%s", moda_last_error());
    moda_lock_release(a);
    moda_lock_release(c);
    cr_assert(eq(int, test_folder_entries(), 0));
}

/* Four processes take and release it as fast as they can; the one that holds it is alone: what it
 * reads, increments and writes is never lost. */
static void count_together(const char *folder)
{
    enum { PROCESSES = 4, TURNS = 200 };
    test_write("counter", "0");
    for (int p = 0; p < PROCESSES; p++) {
        if (fork() != 0) continue;
        for (int turns = 0; turns < TURNS;) {
            moda_lock *lock;
            int count = 0;
            if (moda_lock_folder(folder, &lock) != MODA_OK) {
                if (!strstr(moda_last_error(), "is writing there")) _exit(2);
                continue;
            }
            FILE *counter = fopen(test_path("counter"), "r+");
            if (!counter || fscanf(counter, "%d", &count) != 1) _exit(1);
            rewind(counter);
            fprintf(counter, "%d", count + 1);
            fclose(counter);
            turns++;
            moda_lock_release(lock);
        }
        _exit(0);
    }
    for (int p = 0; p < PROCESSES; p++) {
        int status;
        wait(&status);
        cr_assert(eq(int, status, 0));
    }
    char *text = test_read(test_path("counter"));
    cr_assert(eq(int, atoi(text), PROCESSES *TURNS));
    free(text);
}

Test(lock, never_two_at_once)
{
    count_together(test_folder());
}

/* Who releases it removes the folder in which another one is about to make the file. Empty folders may
 * stay: one made them, the other had the lock. */
Test(lock, never_two_at_once_in_a_folder_that_comes_and_goes)
{
    char *folder = strdup(test_path("comes/and/goes")); /* for longer than eight calls */
    count_together(folder);
    free(folder);
}
