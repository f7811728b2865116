/* tests/test_team.c - who runs where: the planner of numa/team.h on machines that we do not have. */
#include "base/json.h"
#include "numa/team.h"
#include "numa/team_internal.h"
#include "tests/capture.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static moda_topology *machine;
static moda_team *team;
static moda_team_wish wish;
static moda_team_rules rules;

static void tear_down(void)
{
    moda_team_destroy(team);
    moda_topology_destroy(machine);
    test_folder_remove();
}

TestSuite(team, .fini = tear_down, .timeout = 60);

static void on(const char *text, const char *mask)
{
    moda_topology_destroy(machine);
    machine = NULL;
    wish = (moda_team_wish){0};
    rules = (moda_team_rules){0};
    cr_assert(eq(int, moda_topology_synthetic(text, mask, &machine), MODA_OK), "%s",
              moda_last_error());
}

/* What has to hold for every team. */
static void check_team(void)
{
    size_t next = 0;
    for (size_t k = 0; k < team->nodes; k++) {
        cr_assert(eq(sz, team->node[k].first_thread, next));
        cr_assert(lt(sz, 0, team->node[k].threads));
        next += team->node[k].threads;
        for (size_t i = team->node[k].first_thread; i < next && team->cpu[i] != MODA_UNBOUND; i++) {
            const moda_core *core = moda_topology_core_of(machine, team->cpu[i]);
            cr_assert(core != NULL);
            cr_assert(eq(uint, moda_topology_node(machine, core->node)->os_index,
                         team->node[k].os_index));
        }
    }
    cr_assert(eq(sz, next, team->threads));
    cr_assert(eq(int, team->bound, false), "nobody has bound it yet");
}

/* "0:0+1,2 1:3": places of each node's threads; "-5": five threads, not bound. */
static const char *plan(void)
{
    static char text[4096];
    size_t used = 0;
    moda_team_destroy(team);
    team = NULL;
    cr_assert(eq(int, moda_team_plan(machine, &wish, &rules, &team), MODA_OK), "%s",
              moda_last_error());
    check_team();
    if (team->cpu[0] == MODA_UNBOUND) {
        snprintf(text, sizeof text, "-%zu", team->threads);
        cr_assert(eq(sz, team->nodes, 1));
        return text;
    }
    for (size_t k = 0; k < team->nodes; k++) {
        const moda_team_node *n = &team->node[k];
        used +=
            (size_t)snprintf(text + used, sizeof text - used, "%s%u:", k ? " " : "", n->os_index);
        for (size_t i = n->first_thread; i < n->first_thread + n->threads; i++) {
            cr_assert(eq(uint, team->unit[team->first[i]], team->cpu[i]));
            for (size_t u = team->first[i]; u < team->first[i + 1]; u++)
                used += (size_t)snprintf(text + used, sizeof text - used, "%s%u",
                                         u > team->first[i]    ? "+"
                                         : i > n->first_thread ? ","
                                                               : "",
                                         team->unit[u]);
        }
    }
    return text;
}

#define PLAN(wanted) cr_assert(eq(str, (char *)plan(), wanted), "%s", team->rule)
#define RULE(part)                                                                         \
    do {                                                                                   \
        cr_assert(eq(int, strstr(team->rule, part) != NULL, 1), "rule: '%s'", team->rule); \
    } while (0)

static void refused(const char *part)
{
    moda_team *none = NULL;
    cr_assert(eq(int, moda_team_plan(machine, &wish, &rules, &none), MODA_ERR_ARG));
    cr_assert(eq(int, strstr(moda_last_error(), part) != NULL, 1), "%s", moda_last_error());
    cr_assert(none == NULL);
}

Test(team, every_core_in_node_order)
{
    on("node:2 core:2 pu:1", NULL);
    PLAN("0:0,1 1:2,3");
    cr_assert(eq(str, team->rule, ""));
    on("node:2 core:3 pu:1(indexes=0,2,4,1,3,5)", NULL);
    PLAN("0:0,2,4 1:1,3,5");
    on("package:2 node:4 core:1 pu:1", NULL);
    PLAN("0:0 1:1 2:2 3:3 4:4 5:5 6:6 7:7");
    on("package:2 l3:1 node:2 core:2 pu:1", NULL);
    PLAN("0:0,1 1:2,3 2:4,5 3:6,7");
    on("pu:3", NULL);
    PLAN("0:0,1,2");
}

Test(team, uneven_nodes)
{
    on("node:3 core:4 pu:1", "0,4-6,8-11");
    PLAN("0:0 1:4,5,6 2:8,9,10,11");
    on("node:3 core:4 pu:1", "1,9-10");
    PLAN("0:1 2:9,10"); /* node 1 has no thread, so it is none of the team's */
}

Test(team, hardware_threads)
{
    on("node:2 core:2 pu:2(indexes=0,4,1,5,2,6,3,7)", NULL);
    PLAN("0:0+4,1+5 1:2+6,3+7"); /* a core each, either unit */
    wish.smt = true;
    PLAN("0:0,4,1,5 1:2,6,3,7");
    wish.threads = 4; /* first every core once */
    PLAN("0:0,1 1:2,3");
    wish.threads = 5;
    PLAN("0:0,4,1 1:2,3");
    wish.threads = 9;
    refused("--threads 9: this process may use 8 hardware threads");
    wish.smt = false, wish.threads = 5;
    refused("--threads 5: this process may use 4 cores; --smt counts their 8 hardware threads");
    wish.threads = 9;
    refused("--threads 9: this process may use 4 cores");
}

Test(team, mask_that_cuts_cores_in_half)
{
    on("node:2 core:2 pu:2(indexes=0,4,1,5,2,6,3,7)", "1,2,4,6");
    PLAN("0:4,1 1:2+6");
    wish.smt = true;
    PLAN("0:4,1 1:2,6");
}

/* Two processes with a thread each must not both sit on core 0. */
Test(team, fewer_threads_are_left_alone)
{
    on("node:2 core:4 pu:1", NULL);
    wish.threads = 7;
    PLAN("-7");
    RULE("7 of 8 cores");
    wish.threads = 8;
    PLAN("0:0,1,2,3 1:4,5,6,7");
    wish.threads = 5, wish.bind = "cores";
    PLAN("0:0,1,2,3 1:4");
    cr_assert(eq(str, team->rule, ""));
    wish.threads = 8, wish.bind = "none";
    PLAN("-8");
    on("node:2 core:4 pu:1", "3");
    wish.threads = 1; /* all that there is */
    PLAN("0:3");
}

Test(team, quota)
{
    on("node:2 core:4 pu:1", NULL);
    moda_topology_set_quota(machine, 3.5);
    PLAN("-3");
    RULE("a CPU quota of 3.5 says how many");
    wish.threads = 8; /* who asks gets them, but not pinned: they will be stopped often */
    PLAN("-8");
    RULE("the time of 3.5 CPUs on 8 cores");
    wish.threads = 0, wish.bind = "cores";
    PLAN("0:0,1,2");
    wish.bind = "0,4-6,2";
    PLAN("0:0 1:4,5");
    wish.bind = NULL;
    moda_topology_set_quota(machine, 0.3);
    PLAN("-1");
    moda_topology_set_quota(machine, 8);
    PLAN("0:0,1,2,3 1:4,5,6,7");
    cr_assert(eq(str, team->rule, ""));
    rules.share = 2;
    PLAN("-2");
    RULE("SLURM_CPUS_PER_TASK=2 says how many");
}

Test(team, lists)
{
    on("node:2 core:3 pu:1(indexes=0,2,4,1,3,5)", NULL);
    wish.bind = "5,0-2";
    PLAN("0:0,2 1:5,1"); /* by node; within a node as given */
    wish.threads = 3;
    PLAN("0:0 1:5,1");
    wish.threads = 5;
    refused("--threads 5: --bind 5,0-2 has 4 CPUs");
    wish.threads = 0;
    wish.bind = "0,6";
    refused("this machine has no CPU 6");
    wish.bind = "0-2,2";
    refused("CPU 2 is in it twice");
    wish.bind = "2-0";
    refused("not a list of CPUs");
    wish.bind = "";
    refused("not a list of CPUs");
    wish.bind = "1,";
    refused("not a list of CPUs");
    wish.bind = "4294967296";
    refused("not a list of CPUs");
    wish.bind = "core";
    refused("not a list of CPUs");
    on("node:2 core:2 pu:1", "1-3");
    wish.bind = "0";
    refused("CPU 0 is not for this process");
    on("core:2 pu:2", NULL);
    wish.bind = "0-1";
    refused("CPUs 0 and 1 are one core; add --smt");
    wish.smt = true;
    PLAN("0:0,1");
}

Test(team, threads_by_the_environment)
{
    on("node:2 core:2 pu:1", NULL);
    rules.threads = 2;
    PLAN("-2");
    RULE("OMP_NUM_THREADS=2 says how many");
    rules.threads = 4;
    PLAN("0:0,1 1:2,3");
    cr_assert(eq(str, team->rule, ""));
    rules.threads = 64;
    PLAN("0:0,1 1:2,3");
    RULE("OMP_NUM_THREADS=64 is more than the 4 that may be used");
    wish.threads = 1;
    PLAN("-1");
    RULE("--threads 1 wins over OMP_NUM_THREADS=64");
    wish.threads = 0, wish.bind = "0,2-3";
    PLAN("0:0 1:2,3");
    RULE("--bind 0,2-3 wins over OMP_NUM_THREADS=64");
    wish.bind = NULL;
    rules = (moda_team_rules){.limit = 3};
    PLAN("-3");
    RULE("OMP_THREAD_LIMIT=3 allows no more");
    wish.threads = 4;
    refused("OMP_THREAD_LIMIT=3");
}

Test(team, binding_by_the_environment)
{
    on("node:2 core:2 pu:1", "0,2-3"); /* as if OMP_PLACES had said so */
    rules.bind = "OMP_PLACES";
    wish.threads = 2;
    PLAN("0:0 1:2");
    RULE("bound, as OMP_PLACES asks");
    wish.bind = "none";
    PLAN("-2");
    RULE("--bind none wins over OMP_PLACES");
    rules = (moda_team_rules){.no_bind = true};
    wish = (moda_team_wish){0};
    PLAN("-3");
    RULE("OMP_PROC_BIND=false says not to bind");
    wish.bind = "cores";
    PLAN("0:0 1:2,3");
    RULE("--bind cores wins over OMP_PROC_BIND=false");
    rules = (moda_team_rules){.foreign = true};
    PLAN("0:0 1:2,3");
    RULE("KMP_AFFINITY is for another OpenMP runtime");
}

Test(team, places_are_openmp_s_notation)
{
    on("node:2 core:2 pu:2(indexes=0,4,1,5,2,6,3,7)", "0-6");
    PLAN("0:0+4,1+5 1:2+6,3");
    char *places = moda_team_places(team);
    cr_assert(eq(str, places, "{0,4},{1,5},{2,6},{3}"));
    free(places);
}

/* ---- the map ---- */

static void printed(const char *wanted)
{
    test_capture(1);
    moda_team_print(team);
    char *said = test_captured();
    cr_assert(eq(str, said, (char *)wanted));
    free(said);
}

Test(team, map)
{
    on("node:3 core:4 pu:1", "0-5,8-9");
    plan();
    team->bound = true;
    printed("threads   8 on 3 nodes\n"
            "          node 0: threads 0-3 on cpus 0-3\n"
            "          node 1: threads 4-5 on cpus 4-5\n"
            "          node 2: threads 6-7 on cpus 8-9\n"
            "rule      an affinity mask or cpuset leaves cpus 0-5,8-9\n");
    json_t *json = moda_team_json(team);
    char *line = moda_json_line(json);
    cr_assert(eq(str, line,
                 "{\"threads\": 8, \"bound\": true, \"nodes\": ["
                 "{\"node\": 0, \"first_thread\": 0, \"threads\": 4, \"cpus\": [0, 1, 2, 3]}, "
                 "{\"node\": 1, \"first_thread\": 4, \"threads\": 2, \"cpus\": [4, 5]}, "
                 "{\"node\": 2, \"first_thread\": 6, \"threads\": 2, \"cpus\": [8, 9]}], "
                 "\"rule\": \"an affinity mask or cpuset leaves cpus 0-5,8-9\"}"));
    free(line);
    json_decref(json);
    on("core:4 pu:1", NULL);
    plan();
    team->bound = true;
    printed("threads   4 on 1 node: node 0: cpus 0-3\n");
    wish.threads = 3;
    plan();
    printed("threads   3, not bound\n"
            "rule      3 of 4 cores, whose rest others may use: --bind cores binds\n");
}

/* Every way to take part of every machine: the invariants of check_team(). */
Test(team, many_machines)
{
    static const char *const machines[] = {
        "pu:1",
        "core:3 pu:2",
        "node:8 core:2 pu:2",
        "package:2 node:3 core:2 pu:1(indexes=0,6,1,7,2,8,3,9,4,10,5,11)",
        "package:2 l3:2 node:1 l2:2 core:1 pu:2",
        "node:5 pu:3"};
    size_t bound = 0;
    for (size_t m = 0; m < sizeof machines / sizeof *machines; m++) {
        on(machines[m], NULL);
        for (int smt = 0; smt < 2; smt++) {
            wish.smt = smt != 0;
            const size_t most = smt ? moda_topology_units(machine) : moda_topology_cores(machine);
            for (size_t n = 1; n <= most; n++)
                for (int explicit = 0; explicit < 2; explicit ++) {
                    wish.threads = n, wish.bind = explicit ? "cores" : NULL;
                    plan();
                    cr_assert(eq(sz, team->threads, n));
                    bound += team->cpu[0] != MODA_UNBOUND;
                }
        }
    }
    cr_assert(lt(sz, 50, bound));
}
