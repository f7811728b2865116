/* tests/test_lock.c - one writer per folder: among processes, also among those that are killed. */
#include "base/lock.h"
#include "tests/capture.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(lock, .fini = test_folder_remove, .timeout = 30);

static moda_lock *take(void)
{
    moda_lock *lock = NULL;
    cr_assert(eq(int, moda_lock_take(test_folder(), &lock), MODA_OK), "%s", moda_last_error());
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
        word = moda_lock_take(test_folder(), &lock) == MODA_OK ? 'y' : 'n';
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
    cr_assert(eq(int, moda_lock_take(test_folder(), &second), MODA_ERR_IO));
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
    cr_assert(eq(int, moda_lock_take(test_folder(), &second), MODA_ERR_IO), "twice in a process");
    moda_lock_release(lock);
    cr_assert(eq(int, moda_lock_take("missing/folder", &lock), MODA_ERR_IO));
    cr_assert(strstr(moda_last_error(), "missing/folder") != NULL, "%s", moda_last_error());
}

/* Four processes take and release it as fast as they can; the one that holds it is alone: what it
 * reads, increments and writes is never lost. */
Test(lock, never_two_at_once)
{
    enum { PROCESSES = 4, TURNS = 200 };
    test_write("counter", "0");
    for (int p = 0; p < PROCESSES; p++) {
        if (fork() != 0) continue;
        for (int turns = 0; turns < TURNS;) {
            moda_lock *lock;
            int count = 0;
            if (moda_lock_take(test_folder(), &lock) != MODA_OK) continue;
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
