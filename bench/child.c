/* bench/child.c */
#include "bench/child_internal.h"
#include "numa/team.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static const int passed_on[] = {SIGINT, SIGTERM, SIGHUP};
enum { SIGNALS = sizeof passed_on / sizeof *passed_on };

static volatile sig_atomic_t child, last_caught;

static void pass_on(int number)
{
    last_caught = number;
    if (child > 0) kill((pid_t)child, SIGTERM);
}

static struct sigaction before[SIGNALS];

/* A signal that is ignored, as nohup does, stays so. */
void moda_child_begin(void)
{
    struct sigaction action = {.sa_handler = pass_on}; /* no SA_RESTART: waitpid() shall return */
    last_caught = 0;
    for (size_t i = 0; i < SIGNALS; i++) {
        sigaction(passed_on[i], NULL, &before[i]);
        if (before[i].sa_handler != SIG_IGN) sigaction(passed_on[i], &action, NULL);
    }
}

int moda_child_end(void)
{
    for (size_t i = 0; i < SIGNALS; i++) sigaction(passed_on[i], &before[i], NULL);
    return last_caught;
}

/* In the child, between fork and exec: calls that are safe there only. */
_Noreturn static void become(const char *program, char *const *argv, const char *said, pid_t parent,
                             const sigset_t *mask)
{
    static const char why[] = "cannot be started\n";
    const int nowhere = open("/dev/null", O_WRONLY);
    const int err = open(said, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(1); /* it died before that was set */
    dup2(nowhere, 1);
    dup2(err, 2);
    /* Ours would take a signal that came since the fork, and the program not hear of it. */
    for (size_t i = 0; i < SIGNALS; i++)
        if (before[i].sa_handler != SIG_IGN) signal(passed_on[i], SIG_DFL);
    sigprocmask(SIG_SETMASK, mask, NULL);
    execv(program, argv);
    (void)!write(2, program, strlen(program));
    (void)!write(2, ": ", 2);
    (void)!write(2, why, sizeof why - 1);
    _exit(MODA_CHILD_NOT_STARTED);
}

moda_status moda_child_run(const char *program, char *const *argv, const char *said, int *how)
{
    moda_status st = MODA_OK;
    sigset_t all, mask;
    const pid_t parent = getpid();
    fflush(NULL);
    moda_team_lend_cpus();
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &mask); /* until both sides know each other */
    const pid_t pid = last_caught ? -1 : fork();
    if (pid == 0) become(program, argv, said, parent, &mask);
    const int trouble = errno;
    child = pid;
    sigprocmask(SIG_SETMASK, &mask, NULL);
    moda_team_return_cpus();
    MODA_CHECK(!last_caught || pid > 0, MODA_ERR_INTERNAL, "stopped by a signal");
    MODA_CHECK(pid > 0, MODA_ERR_IO, "%s: cannot be started: %s", program, strerror(trouble));
    while (waitpid(pid, how, 0) < 0)
        MODA_CHECK(errno == EINTR, MODA_ERR_IO, "waiting for %s: %s", program, strerror(errno));
    MODA_CHECK(!last_caught, MODA_ERR_INTERNAL, "stopped by a signal");
out:
    child = 0;
    return st;
}
