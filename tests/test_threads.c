/* tests/test_threads.c - numa/threads.h, and the quotas of recorded control groups. */
#include "base/file.h"
#include "numa/team.h"
#include "numa/threads.h"
#include "numa/threads_internal.h"
#include "numa/topology.h"
#include "tests/capture.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <dirent.h>
#include <math.h>
#include <omp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void setup(void)
{
    unsetenv("OMP_NUM_THREADS");
}

TestSuite(threads, .init = setup, .fini = test_folder_remove, .timeout = 60);

static moda_status set(size_t requested, size_t *threads)
{
    const moda_team_wish wish = {.threads = requested};
    return moda_threads_set(&wish, threads);
}

/* That are allowed, and what a quota makes of them. */
static size_t cores(void)
{
    moda_topology *t = NULL;
    if (moda_topology_load(&t) != MODA_OK) return 0;
    const double most = fmin((double)moda_topology_cores(t), moda_topology_quota(t));
    moda_topology_destroy(t);
    return most < 1 ? 1 : (size_t)most;
}

static size_t units(void)
{
    cpu_set_t mask;
    cr_assert(eq(int, sched_getaffinity(0, sizeof mask, &mask), 0));
    return (size_t)CPU_COUNT(&mask);
}

/* All threads of this process, as taskset would have it: the test framework has some, too. */
static void narrow_to_first_cpu(void)
{
    cpu_set_t mask, one;
    int cpu = 0;
    sched_getaffinity(0, sizeof mask, &mask);
    while (!CPU_ISSET(cpu, &mask)) cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    DIR *tasks = opendir("/proc/self/task");
    cr_assert(tasks != NULL);
    for (struct dirent *d; (d = readdir(tasks));)
        if (*d->d_name != '.')
            cr_assert(eq(int, sched_setaffinity(atoi(d->d_name), sizeof one, &one), 0));
    closedir(tasks);
}

Test(threads, narrower_mask_means_one_core)
{
    narrow_to_first_cpu();
    cr_assert(eq(sz, cores(), 1));
    size_t threads = 77;
    cr_assert(eq(int, set(2, &threads), MODA_ERR_ARG));
    cr_assert(eq(str, (char *)moda_last_error(), "--threads 2: this process may use 1 core"));
    cr_assert(eq(sz, threads, 77));
}

/* OpenMP reads OMP_PROC_BIND when a process starts, and a test's own process is the child of one
 * that was pinned then. So this program is run again and answers before Criterion takes over. */
__attribute__((constructor)) static void answer_by_exit_code(void)
{
    const char *told = getenv("MODA_TEST_CORES");
    if (told) _exit(cores() != (size_t)atoi(told));
}

Test(threads, binding_does_not_hide_cores)
{
    char command[512];
    const size_t want = cores();
    for (size_t wrong = 0; wrong < 2; wrong++) { /* the wrong number has to fail */
        snprintf(command, sizeof command, "OMP_PROC_BIND=true MODA_TEST_CORES=%zu /proc/%ld/exe",
                 want + wrong, (long)getpid());
        cr_assert(eq(int, system(command) != 0, (int)wrong), "%s", command);
    }
}

/* As in the second life of a program whose main thread is bound. */
Test(threads, programs_that_are_started_get_all_cpus)
{
    cpu_set_t all, one, now;
    char team[64];
    int cpus[2] = {-1, -1};
    sched_getaffinity(0, sizeof all, &all);
    for (int cpu = CPU_SETSIZE; cpu-- > 0;)
        if (CPU_ISSET(cpu, &all)) cpus[1] = cpus[0], cpus[0] = cpu;
    if (cpus[1] < 0) cr_skip("one CPU: none to lend");
    snprintf(team, sizeof team, "%d,%d:", cpus[0], cpus[1]);
    setenv("MODA_TEAM", team, 1);
    CPU_ZERO(&one);
    CPU_SET(cpus[1], &one);
    cr_assert(eq(int, sched_setaffinity(0, sizeof one, &one), 0));
    moda_team_lend_cpus();
    sched_getaffinity(0, sizeof now, &now);
    cr_assert(CPU_COUNT(&now) == 2 && CPU_ISSET(cpus[0], &now), "%d CPUs", CPU_COUNT(&now));
    moda_team_return_cpus();
    sched_getaffinity(0, sizeof now, &now);
    cr_assert(ne(int, CPU_EQUAL(&now, &one), 0));
    moda_team_return_cpus();
}

Test(threads, set_reaches_openmp)
{
    size_t threads = 0;
    cr_assert(eq(int, set(1, &threads), MODA_OK));
    cr_assert(threads == 1 && omp_get_max_threads() == 1);
    cr_assert(eq(int, set(0, &threads), MODA_OK));
    cr_assert(eq(sz, threads, cores()));
    cr_assert(eq(int, omp_get_max_threads(), (int)threads));
    const moda_team_wish all = {.threads = units(), .smt = true};
    cr_assert(eq(int, moda_threads_set(&all, &threads), MODA_OK));
    cr_assert(eq(sz, threads, units()));
    int team = 0;
#pragma omp parallel
#pragma omp single
    team = omp_get_num_threads();
    cr_assert(eq(sz, (size_t)team, threads));
}

/* A program of someone's own: moda may not start it over, so its threads stay where they may be. */
Test(threads, team_of_a_library_call)
{
    cpu_set_t before, after;
    size_t threads;
    cr_assert(eq(int, sched_getaffinity(0, sizeof before, &before), 0));
    const moda_team *team = moda_team_current();
    cr_assert(team->threads == 1 && team->nodes == 1 && !team->bound);
    cr_assert(team->node[0].threads == 1 && team->cpu[0] == MODA_UNBOUND);
    for (size_t wanted = 1; wanted <= units(); wanted++) {
        const moda_team_wish wish = {.threads = wanted, .smt = true};
        cr_assert(eq(int, moda_threads_set(&wish, &threads), MODA_OK));
        team = moda_team_current();
        cr_assert(eq(sz, team->threads, wanted));
        cr_assert(eq(sz, team->node[0].threads, wanted));
        cr_assert(eq(sz, team->nodes, 1));
        cr_assert(eq(int, sched_getaffinity(0, sizeof after, &after), 0));
        cr_assert(eq(int, CPU_EQUAL(&before, &after), 1));
    }
    const moda_team_wish wrong = {.threads = units() + 1};
    cr_assert(eq(int, moda_threads_set(&wrong, &threads), MODA_ERR_ARG));
    cr_assert(moda_team_current() == team, "what failed changes nothing");
}

Test(threads, environment_is_the_default)
{
    size_t threads;
    setenv("OMP_NUM_THREADS", "1", 1);
    cr_assert(eq(int, set(0, &threads), MODA_OK));
    cr_assert(eq(sz, threads, 1));
    setenv("OMP_NUM_THREADS", "100000", 1);
    cr_assert(eq(int, set(0, &threads), MODA_OK));
    cr_assert(eq(sz, threads, cores()));
    setenv("OMP_NUM_THREADS", "many", 1);
    cr_assert(eq(int, set(0, &threads), MODA_OK));
    cr_assert(eq(sz, threads, cores()));
}

/* ---- recorded control groups ---- */

static void group_file(const char *folder, const char *name, const char *text)
{
    char path[256];
    cr_assert(eq(int, moda_make_directory(test_path(folder)), MODA_OK));
    snprintf(path, sizeof path, "%s/%s", folder, name);
    test_write(path, text);
}

static double quota(const char *membership)
{
    return moda_cgroup_quota(test_write("membership", membership), test_folder());
}

Test(threads, version_2_smallest_on_the_way_up)
{
    group_file("batch", "cpu.max", "400000 100000\n");
    group_file("batch/job7", "cpu.max", "150000 100000\n");
    group_file("batch/job8", "cpu.max", "max 100000\n");
    cr_assert(eq(dbl, quota("0::/batch/job7\n"), 1.5));
    cr_assert(eq(dbl, quota("0::/batch/job8\n"), 4));
    cr_assert(eq(dbl, quota("0::/batch\n"), 4));
    cr_assert(isinf(quota("0::/\n")));
    cr_assert(isinf(quota("0::/elsewhere\n")));
}

/* In a container the root itself has the quota, and the path may be one of the host. */
Test(threads, version_2_in_a_container)
{
    group_file(".", "cpu.max", "200000 100000\n");
    cr_assert(eq(dbl, quota("0::/\n"), 2));
    cr_assert(eq(dbl, quota("0::/docker/0123abcd\n"), 2));
}

Test(threads, version_1)
{
    group_file("cpu,cpuacct/job", "cpu.cfs_quota_us", "300000\n");
    group_file("cpu,cpuacct/job", "cpu.cfs_period_us", "100000\n");
    group_file("cpu,cpuacct", "cpu.cfs_quota_us", "-1\n");
    group_file("cpu,cpuacct", "cpu.cfs_period_us", "100000\n");
    cr_assert(eq(dbl, quota("5:memory:/\n4:cpu,cpuacct:/job\n1:name=systemd:/job\n0::/\n"), 3));
    cr_assert(isinf(quota("4:cpu,cpuacct:/\n")));
    cr_assert(isinf(quota("4:cpuset:/job\n")), "cpuset is another controller");
}

Test(threads, odd_files_mean_no_quota)
{
    cr_assert(isinf(moda_cgroup_quota("/nonexistent", "/nonexistent")));
    group_file("x", "cpu.max", "nonsense\n");
    group_file("y", "cpu.max", "0 0\n");
    cr_assert(isinf(quota("0::/x\n")));
    cr_assert(isinf(quota("0::/y\n")));
    cr_assert(isinf(quota("")));
    cr_assert(isinf(quota("no colons\n\n:\n::\n")));
}
