/* tests/test_cmd_threads.c - the program's threads, as the kernel sees them: --threads, --bind, --smt and the
 * variables that say otherwise. */
#include "tests/capture.h"
#include "tests/program.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PEAK "bench peak --seconds 0.001 --rounds 1 "

static int cpu[2];    /* the first that are allowed; -1: there is none */
static char all[256]; /* as /proc prints a mask */

/* "Cpus_allowed_list:\t0-1" */
static bool allowed_list(const char *path, char *list, size_t size)
{
    char line[4096];
    bool found = false;
    FILE *f = fopen(path, "r");
    if (!f) return false;
    while (!found && fgets(line, sizeof line, f)) {
        found = strncmp(line, "Cpus_allowed_list:\t", 19) == 0;
        if (found) snprintf(list, size, "%.*s", (int)strcspn(line + 19, "\n"), line + 19);
    }
    fclose(f);
    return found;
}

static void setup(void)
{
    static const char *const variables[] = {
        "OMP_NUM_THREADS", "OMP_PROC_BIND",    "OMP_PLACES",         "GOMP_CPU_AFFINITY",
        "KMP_AFFINITY",    "OMP_THREAD_LIMIT", "SLURM_CPUS_PER_TASK"};
    cpu_set_t mask;
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) unsetenv(variables[i]);
    cr_assert(eq(int, sched_getaffinity(0, sizeof mask, &mask), 0));
    cpu[0] = cpu[1] = -1;
    for (int c = 0, n = 0; c < CPU_SETSIZE && n < 2; c++)
        if (CPU_ISSET(c, &mask)) cpu[n++] = c;
    cr_assert(eq(int, allowed_list("/proc/self/status", all, sizeof all), true));
    if (cpu[1] < 0) cr_skip_test("one CPU: nothing to choose from");
}

TestSuite(cmd_threads, .init = setup, .fini = test_folder_remove, .timeout = 120);

/* ---- a program that runs ---- */

typedef struct running {
    pid_t pid;
    char out[256];
} running;

/* Starts `moda bench peak OPTIONS`, and returns when it has printed its map. */
static running start(const char *options)
{
    static int number;
    running r;
    char command[1024];
    snprintf(r.out, sizeof r.out, "%s/out%d", test_folder(), number++);
    snprintf(command, sizeof command,
             "exec '%s' bench peak --seconds 100 --rounds 1 %s >'%s' 2>&1 </dev/null", MODA_PROGRAM,
             options, r.out);
    r.pid = fork();
    cr_assert(ge(int, r.pid, 0));
    if (r.pid == 0) {
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    for (int tries = 0; tries < 3000; tries++) {
        char *text = test_read(r.out);
        const bool ready = text && strstr(text, "threads ");
        free(text);
        if (ready) return r;
        usleep(10000);
    }
    kill(r.pid, SIGKILL);
    cr_assert(eq(int, 0, 1), "moda bench peak %s says nothing", options);
    return r;
}

/* The mask of a thread of it, behind those in the list. */
static void add_mask(const char *folder, const char *thread, char *list)
{
    char path[512], mask[128];
    snprintf(path, sizeof path, "%s/%s/status", folder, thread);
    if (allowed_list(path, mask, sizeof mask))
        sprintf(list + strlen(list), "%s%s", *list ? " " : "", mask);
}

/* The masks of its threads, that of the first one first, whose number need not be the least: "0 1". Ends it. */
static const char *masks(running r)
{
    static char text[2][512];
    static int turn;
    char *list = text[turn++ % 2], folder[64], first[16];
    struct dirent **tasks = NULL;
    snprintf(folder, sizeof folder, "/proc/%d/task", (int)r.pid);
    snprintf(first, sizeof first, "%d", (int)r.pid);
    int n = scandir(folder, &tasks, NULL, versionsort);
    *list = 0;
    add_mask(folder, first, list);
    for (int i = 0; i < n; i++) {
        const char *thread = tasks[i]->d_name;
        if (*thread != '.' && strcmp(thread, first) != 0) add_mask(folder, thread, list);
        free(tasks[i]);
    }
    free(tasks);
    kill(r.pid, SIGKILL);
    waitpid(r.pid, NULL, 0);
    return list;
}

static const char *both(const char *format)
{
    static char text[256];
    snprintf(text, sizeof text, format, cpu[0], cpu[1]);
    return text;
}

Test(cmd_threads, a_list_is_kept_by_the_kernel)
{
    char options[64];
    snprintf(options, sizeof options, "--smt --bind %d,%d", cpu[0], cpu[1]);
    cr_assert(eq(str, (char *)masks(start(options)), (char *)both("%d %d")));
    snprintf(options, sizeof options, "--bind %d", cpu[1]);
    char second[16];
    snprintf(second, sizeof second, "%d", cpu[1]);
    cr_assert(eq(str, (char *)masks(start(options)), second));
}

/* Two trainings of a thread each share the machine: neither may be pinned. */
Test(cmd_threads, part_of_the_machine_is_not_pinned)
{
    if (program_threads() < 2) cr_skip_test("one core: a thread takes all of the machine");
    running a = start("--smt --threads 1"), b = start("--smt --threads 1");
    cr_assert(eq(str, (char *)masks(a), all));
    cr_assert(eq(str, (char *)masks(b), all));
    cr_assert(eq(str, (char *)masks(start("--threads 1 --bind none")), all));
}

Test(cmd_threads, the_list_wins_over_the_environment)
{
    char options[64], place[32];
    snprintf(place, sizeof place, "{%d}", cpu[0]);
    setenv("OMP_PLACES", place, 1);
    setenv("OMP_PROC_BIND", "true", 1);
    cr_assert(eq(str, (char *)masks(start("")), (char *)both("%d")));
    snprintf(options, sizeof options, "--threads 1 --bind none");
    cr_assert(eq(str, (char *)masks(start(options)), (char *)both("%d")),
              "unbound, but on the CPUs that were left");
    setenv("OMP_PROC_BIND", "false", 1);
    cr_assert(eq(str, (char *)masks(start("--threads 1")), all));
}

/* ---- what it says ---- */

static void says(const char *before, const char *options, const char *wanted)
{
    char line[512], quietly[256];
    snprintf(line, sizeof line, PEAK "%s", options);
    /* After ten seconds, on a busy machine, it would tell how far it is. */
    snprintf(quietly, sizeof quietly, "export MODA_LOG=warning; %s", before);
    const program_result r = program_run_after(quietly, line);
    cr_assert(eq(int, r.code, 0), "%s", r.err);
    cr_assert(eq(int, strstr(r.out, wanted) != NULL, 1), "wanted '%s', got '%s'", wanted, r.out);
    cr_assert(eq(str, (char *)r.err, ""));
}

Test(cmd_threads, map_and_rule)
{
    char list[64], map[128];
    snprintf(list, sizeof list, "--bind %d", cpu[1]);
    snprintf(map, sizeof map, "threads   1 on 1 node: node 0: cpus %d\n", cpu[1]);
    says("", list, strstr(map, "cpus"));
    says("", "--bind none", ", not bound\n");
    if (program_threads() > 1) /* cores */
        says("export OMP_NUM_THREADS=1;", "--bind none",
             "rule      OMP_NUM_THREADS=1 says how many\n");
    says("export OMP_NUM_THREADS=2;", "--threads 1 --bind none",
         "rule      --threads 1 wins over OMP_NUM_THREADS=2\n");
    says("export OMP_PROC_BIND=false;", "", "OMP_PROC_BIND=false says not to bind\n");
    says("export OMP_PROC_BIND=false;", list, " wins over OMP_PROC_BIND=false\n");
    says("export OMP_PROC_BIND=true;", "--bind none", "--bind none wins over OMP_PROC_BIND\n");
    says("export OMP_PLACES=threads;", "--threads 1", "bound, as OMP_PLACES asks");
    says("export KMP_AFFINITY=compact;", "", "KMP_AFFINITY is for another OpenMP runtime");
    snprintf(map, sizeof map, "export GOMP_CPU_AFFINITY=%d;", cpu[1]);
    says(map, "", "bound, as GOMP_CPU_AFFINITY asks");
    snprintf(map, sizeof map, "taskset -cp %d $$ >/dev/null;", cpu[1]);
    says(map, "", "rule      an affinity mask or cpuset leaves cpus ");
    const program_result r = program_must(PEAK "--quiet");
    cr_assert(eq(ptr, strstr(r.out, "threads   "), NULL), "%s", r.out);
}

/* Two nodes by hwloc's own variable: real threads, bound for real, on a machine made up. */
Test(cmd_threads, two_nodes)
{
    if (cpu[0] != 0 || cpu[1] != 1) cr_skip_test("CPUs 0 and 1 are not allowed");
    says("export HWLOC_SYNTHETIC='node:2 core:1 pu:1';", "",
         "threads   2 on 2 nodes\n"
         "          node 0: threads 0-0 on cpus 0\n"
         "          node 1: threads 1-1 on cpus 1\n");
    setenv("HWLOC_SYNTHETIC", "node:2 core:1 pu:1", 1);
    cr_assert(eq(str, (char *)masks(start("")), "0 1"));
}

/* A second life that nobody started: no places to be bound to, and no third life. */
Test(cmd_threads, leftover_variables)
{
    char list[64];
    snprintf(list, sizeof list, PEAK "--bind %d", cpu[0]);
    program_result r = program_run_after("export MODA_TEAM=0-1:OMP_PLACES;", list);
    cr_assert(eq(int, r.code, 0), "%s", r.err);
    cr_assert(ne(ptr, strstr(r.out, "threads   1, not bound"), NULL), "%s", r.out);
    cr_assert(ne(ptr, strstr(r.err, "not bound to cores"), NULL), "%s", r.err);
    r = program_run_after("export MODA_TEAM=:; export MODA_TEAM=nonsense;", PEAK);
    cr_assert(eq(int, r.code, 0), "%s", r.err);
}

Test(cmd_threads, wrong_calls)
{
    program_must_fail(2, "--threads 60000: this process may use", PEAK "--threads 60000");
    program_must_fail(2, "this process may use", PEAK "--smt --threads 60000");
    program_must_fail(2, "must not be empty", PEAK "--bind ''");
    program_must_fail(2, "not a list of CPUs; wanted is one as 0-3,8", PEAK "--bind 0-");
    program_must_fail(2, "CPU 0 is in it twice", PEAK "--bind 0,0");
    program_must_fail(2, "this machine has no CPU 60000", PEAK "--bind 60000");
    program_must_fail(2, "has 1 CPU", PEAK "--threads 2 --bind %d", cpu[0]);
    char before[64];
    snprintf(before, sizeof before, "taskset -cp %d $$ >/dev/null;", cpu[1]);
    char line[128];
    snprintf(line, sizeof line, PEAK "--bind %d", cpu[0]);
    const program_result r = program_run_after(before, line);
    cr_assert(eq(int, r.code, 2));
    cr_assert(ne(ptr, strstr(r.err, "is not for this process"), NULL), "%s", r.err);
}

/* ---- JSON ---- */

Test(cmd_threads, json)
{
    json_t *json = NULL, *cpus = NULL;
    int bound = -1, threads = 0, node_threads = 0;
    program_must(PEAK "--bind %d --json peak.json", cpu[1]);
    json = program_json("peak.json");
    cr_assert(eq(int,
                 json_unpack(json, "{s:{s:i s:b s:[{s:i s:o}]}}", "thread_map", "threads", &threads,
                             "bound", &bound, "nodes", "threads", &node_threads, "cpus", &cpus),
                 0));
    cr_assert(threads == 1 && bound == 1 && node_threads == 1);
    cr_assert(eq(sz, json_array_size(cpus), 1));
    cr_assert(eq(int, (int)json_integer_value(json_array_get(cpus, 0)), cpu[1]));
    json_decref(json);
    program_must("train --model lenet5 --data synthetic:train=64,test=16 --epochs 1 --tune off "
                 "--threads 1 --bind none --quiet --out run --json train.json");
    json = program_json("train.json");
    const char *bind = NULL;
    cr_assert(eq(int,
                 json_unpack(json, "{s:{s:s} s:{s:i s:b}}", "config", "bind", &bind, "thread_map",
                             "threads", &threads, "bound", &bound),
                 0));
    cr_assert(eq(str, (char *)bind, "none"));
    cr_assert(threads == 1 && bound == 0);
    json_decref(json);
}
