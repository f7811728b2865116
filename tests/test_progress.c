/* tests/test_progress.c - base/progress.h in a pipe and on a (pseudo) terminal. The clock stands still, so that it does
 * not matter how long a busy machine takes for a test. */
#include "base/log.h"
#include "base/progress.h"
#include "tests/capture.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static bool stands;
static struct timespec now;

/* In place of the C library's. */
int clock_gettime(clockid_t clock, struct timespec *t)
{
    if (!stands || clock != CLOCK_MONOTONIC) return (int)syscall(SYS_clock_gettime, clock, t);
    *t = now;
    return 0;
}

/* Whole seconds: sums of those are exact. */
static void setup(void)
{
    cr_assert(eq(int, clock_gettime(CLOCK_MONOTONIC, &now), 0));
    now.tv_nsec = 0;
    stands = true;
    unsetenv("MODA_LOG");
    moda_log_set_level(MODA_LOG_INFO);
}

TestSuite(progress, .init = setup, .fini = test_folder_remove, .timeout = 60);

static int count(const char *text, const char *word)
{
    int n = 0;
    while ((text = strstr(text, word))) n++, text++;
    return n;
}

static double since(struct timespec t, struct timespec then)
{
    return (double)(t.tv_sec - then.tv_sec) + 1e-9 * (double)(t.tv_nsec - then.tv_nsec);
}

Test(progress, clock_runs_forward)
{
    struct timespec first, last;
    stands = false;
    clock_gettime(CLOCK_MONOTONIC, &first);
    const double before = moda_seconds();
    usleep(20000);
    const double passed = moda_seconds() - before;
    clock_gettime(CLOCK_MONOTONIC, &last);
    const double most = since(last, first);
    cr_assert(passed >= 0.019 && passed <= most + 1e-6, "20 ms, or %g s, took %g s", most, passed);
}

static char *thousand_steps_in_a_pipe(void)
{
    moda_progress p;
    test_capture(STDERR_FILENO);
    moda_progress_begin(&p, "epoch 3/20", "samples", 1000);
    for (size_t i = 1; i <= 1000; i++) moda_progress_update(&p, i, i == 1000 ? "loss 1.25" : NULL);
    moda_progress_end(&p);
    return test_captured();
}

Test(progress, short_loop_says_nothing_in_a_pipe)
{
    char *text = thousand_steps_in_a_pipe();
    cr_assert(eq(str, text, ""));
    free(text);
}

static void pass(double seconds)
{
    const long long nanoseconds = now.tv_nsec + (long long)(seconds * 1e9 + 0.5);
    now.tv_sec += (time_t)(nanoseconds / 1000000000),
        now.tv_nsec = (long)(nanoseconds % 1000000000);
}

Test(progress, last_line_follows_an_earlier_one)
{
    moda_progress p;
    test_capture(STDERR_FILENO);
    moda_progress_begin(&p, "epoch 3/20", "samples", 1000);
    pass(10.1);
    moda_progress_update(&p, 500, NULL);
    for (size_t i = 501; i <= 1000; i++) moda_progress_update(&p, i, "loss 1.25");
    moda_progress_update(&p, 1000, NULL);
    moda_progress_end(&p);
    char *text = test_captured();
    cr_assert(eq(int, count(text, "\n"), 2), "got: %s", text);
    char *last = strchr(text, '\n') + 1;
    cr_assert(strncmp(last, "moda: epoch 3/20: 1000/1000 samples, 100%, ", 43) == 0, "%s", text);
    cr_assert(strstr(last, ", 0:10 elapsed, loss 1.25\n") != NULL, "%s", text);
    cr_assert(eq(int, count(text, "\r") + count(text, "\033"), 0));
    free(text);
}

Test(progress, after_a_minute_a_line_a_minute)
{
    moda_progress p;
    test_capture(STDERR_FILENO);
    moda_progress_begin(&p, "epoch 1", "samples", 1000);
    for (size_t i = 1; i <= 60; i++) { /* ten minutes */
        pass(10);
        moda_progress_update(&p, i, NULL);
    }
    moda_progress_end(&p);
    moda_progress_begin(&p, "epoch 2", "samples", 1000); /* the same run */
    for (size_t i = 1; i <= 5; i++) {
        pass(10);
        moda_progress_update(&p, i, NULL);
    }
    moda_progress_end(&p);
    char *text = test_captured();
    /* Five in the first minute, the last of them at 50 s; then at 110, 170, ... 590; the end. */
    cr_assert(eq(int, count(text, "\n"), 5 + 9 + 1), "got: %s", text);
    cr_assert(eq(int, count(text, "epoch 2"), 0), "got: %s", text);
    free(text);
}

Test(progress, pipe_gets_a_line_every_ten_seconds)
{
    moda_progress p;
    test_capture(STDERR_FILENO);
    moda_progress_begin(&p, "epoch", "samples", 100);
    moda_progress_update(&p, 10, NULL);
    pass(10.1);
    moda_progress_update(&p, 25, NULL);
    moda_progress_update(&p, 26, NULL);
    moda_progress_end(&p);
    char *text = test_captured();
    cr_assert(eq(int, count(text, "\n"), 2), "got: %s", text);
    cr_assert(strstr(text, "25/100 samples, 25%, 2.5 samples/s, 0:30 left\n") != NULL, "%s", text);
    cr_assert(strstr(text, "26/100 samples, 26%, 2.6 samples/s, stopped, 0:10 elapsed\n") != NULL,
              "%s", text);
    free(text);
}

Test(progress, quiet_says_nothing)
{
    moda_log_set_level(MODA_LOG_WARNING);
    char *text = thousand_steps_in_a_pipe();
    cr_assert(eq(str, text, ""));
    free(text);
}

Test(progress, nothing_to_do_and_nothing_done)
{
    moda_progress p;
    test_capture(STDERR_FILENO);
    moda_progress_begin(&p, "empty", "samples", 0);
    moda_progress_end(&p);
    moda_progress_begin(&p, "left", "samples", 10);
    moda_progress_end(&p);
    char *text = test_captured();
    cr_assert(eq(int, count(text, "nan") + count(text, "inf"), 0), "%s", text);
    free(text);
}

/* stderr becomes a terminal with 60 columns. Containers without /dev/pts have none to give. */
static int open_terminal(int *saved)
{
    int master, slave;
    struct winsize size = {.ws_row = 24, .ws_col = 60};
    if (openpty(&master, &slave, NULL, NULL, &size) != 0) cr_skip_test("no pseudo terminals here");
    setenv("TERM", "xterm", 1);
    *saved = dup(STDERR_FILENO);
    dup2(slave, STDERR_FILENO);
    close(slave);
    fcntl(master, F_SETFL, O_NONBLOCK);
    return master;
}

static void read_all(int fd, char *text, size_t size)
{
    size_t used = 0;
    ssize_t n;
    while (used + 1 < size && (n = read(fd, text + used, size - used - 1)) > 0) used += (size_t)n;
    text[used] = 0;
}

Test(progress, terminal_gets_a_bar)
{
    int saved, master = open_terminal(&saved);
    char text[4096];
    moda_progress p;
    moda_progress_begin(&p, "epoch 3/20", "samples", 1000);
    for (size_t i = 1; i < 1000; i++) { /* half a second */
        pass(0.0005);
        moda_progress_update(&p, i, NULL);
    }
    pass(1);
    moda_progress_update(&p, 500, "a note that is far too long for this terminal to show");
    moda_log(MODA_LOG_INFO, "hello");
    moda_progress_end(&p);
    moda_log(MODA_LOG_INFO, "done");
    read_all(master, text, sizeof text);
    dup2(saved, STDERR_FILENO);
    char *bar = strstr(text, "epoch 3/20 [############............]  50%");
    cr_assert(bar != NULL, "got: %s", text);
    cr_assert(le(sz, strcspn(bar, "\r"), 59), "wider than the terminal");
    cr_assert(eq(int, count(text, "epoch"), 4 + 1), "every tenth of a second: %s", text);
    cr_assert(strstr(text, "\r\033[Kmoda: hello") != NULL, "a message has to wipe the bar first");
    cr_assert(strstr(text, "\r\033[Kmoda: done") != NULL, "the end has to wipe the bar");
    close(master);
}
