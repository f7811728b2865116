/* tests/test_child.c - bench/child_internal.h: a signal that comes while a program is being started. Those that come
 * later are in test_bench_turn.c. */
#include "bench/child_internal.h"
#include "tests/capture.h"
#include "tests/processes.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(child, .fini = test_folder_remove, .timeout = 120);

/* In a process of its own: a program that alone would run for long, whose messages go to that file. Exit code 0: the
 * signal ended it, and was told. */
_Noreturn static void run(const char *said, int number)
{
    static char *const argv[] = {"sleep", "300", NULL};
    int how = 0;
    moda_child_begin();
    const moda_status st = moda_child_run("/bin/sleep", argv, said, &how);
    const bool told = moda_child_end() == number;
    _exit(!(told && st == MODA_ERR_INTERNAL && WIFSIGNALED(how)));
}

/* Its messages go to a pipe that nobody reads yet: so long the child waits between fork and exec. */
static void reaches_the_program(int number)
{
    const char *said = test_path("said");
    pid_t child = 0;
    int how;
    cr_assert(eq(int, mkfifo(said, 0600), 0));
    const pid_t starter = fork();
    cr_assert(ge(int, starter, 0));
    if (starter == 0) run(said, number);
    for (int tries = 0; tries < 3000 && !child; tries++) {
        usleep(10000);
        child = process_child(starter);
    }
    cr_assert(lt(int, 0, child), "it did not start");
    kill(starter, number);
    for (int tries = 0; tries < 3000 && !process_owes(child, SIGTERM); tries++) usleep(10000);
    const bool passed_on = process_owes(child, SIGTERM);
    const int reader = open(said, O_RDONLY | O_NONBLOCK);
    const bool gone = process_becomes_gone(child);
    if (!gone) kill(child, SIGKILL);
    cr_assert(eq(int, waitpid(starter, &how, 0), starter));
    close(reader), unlink(said);
    cr_assert(eq(int, passed_on, true), "%s is not passed on", strsignal(number));
    cr_assert(eq(int, gone, true), "the program runs on after %s", strsignal(number));
    cr_assert(eq(int, how, 0));
}

Test(child, a_signal_between_fork_and_exec_is_not_lost)
{
    reaches_the_program(SIGTERM), reaches_the_program(SIGINT), reaches_the_program(SIGHUP);
}
