/* numa/threads.c - moda_threads_set(): plan a team, have it bound, ask the kernel, remember it. */
#include "base/log.h"
#include "numa/affinity_internal.h"
#include "numa/placement.h"
#include "numa/team_internal.h"
#include <omp.h>

static moda_team *current;

const moda_team *moda_team_current(void)
{
    static moda_team_node node = {0, 0, 1};
    static unsigned cpu = MODA_UNBOUND;
    static size_t first[2];
    static const moda_team alone = {
        .threads = 1, .nodes = 1, .node = &node, .cpu = &cpu, .first = first};
    return current ? current : &alone;
}

moda_status moda_team_verify(const moda_team *team, bool *as_planned)
{
    moda_status st = MODA_OK;
    bool *good = NULL;
    MODA_ALLOC(good, team->threads * sizeof *good);
#pragma omp parallel num_threads((int)team->threads)
    {
        const size_t i = (size_t)omp_get_thread_num();
        good[i] =
            moda_affinity_is(team->unit + team->first[i], team->first[i + 1] - team->first[i]);
    }
    *as_planned = true;
    for (size_t i = 0; i < team->threads; i++) *as_planned &= good[i]; /* a missing one is false */
out:
    free(good);
    return st;
}

/* Planned places become real, or the team is unbound. asked: somebody has asked for them. */
static moda_status bind_team(const moda_topology *t, moda_team *team, bool asked)
{
    moda_status st = MODA_OK;
    const bool wanted = team->cpu[0] != MODA_UNBOUND;
    bool good = false;
    /* A thread alone starts no others; it may already be where it should. */
    if (wanted && (team->threads == 1 || moda_team_places_in_force(team)))
        MODA_TRY(moda_team_verify(team, &good));
    if (wanted ? !good : !moda_team_places_in_force(team)) moda_team_restart(t, team);
    team->bound = good;
    if (!wanted || good) goto out;
    moda_team_unbind(team);
    const bool told = moda_team_handed_bind() != NULL;
    const char *why =
        told ? "the binding did not hold" : "OpenMP was not told to bind when this program started";
    moda_team_add_rule(team, "not bound: %s", why);
    if (asked || told) moda_log(MODA_LOG_WARNING, "threads are not bound to cores: %s", why);
out:
    return st;
}

/* For this machine and environment; both are the caller's to destroy, after a failure, too. */
static moda_status plan_here(const moda_team_wish *wish, moda_topology **t, moda_team **team)
{
    moda_status st = MODA_OK;
    moda_team_rules rules;
    MODA_TRY(moda_topology_load(t));
    moda_team_rules_read(&rules);
    MODA_TRY(moda_team_plan(*t, wish, &rules, team));
out:
    return st;
}

moda_status moda_threads_set(const moda_team_wish *wish, size_t *threads)
{
    moda_status st = MODA_OK;
    moda_topology *t = NULL;
    moda_team *team = NULL;
    MODA_TRY(plan_here(wish, &t, &team));
    omp_set_dynamic(0); /* a smaller team than asked for would change the order of sums */
    omp_set_num_threads((int)team->threads);
    MODA_TRY(bind_team(t, team, wish->bind != NULL));
    moda_team_destroy(current);
    current = team, team = NULL;
    *threads = current->threads;
out:
    moda_team_destroy(team);
    moda_topology_destroy(t);
    return st;
}

moda_status moda_threads_count(const moda_team_wish *wish, size_t *threads)
{
    moda_status st = MODA_OK;
    moda_topology *t = NULL;
    moda_team *team = NULL;
    MODA_TRY(plan_here(wish, &t, &team));
    *threads = team->threads;
out:
    moda_team_destroy(team);
    moda_topology_destroy(t);
    return st;
}

moda_team_wish moda_threads_wish(const moda_common_options *common)
{
    return (moda_team_wish){common->threads, common->bind, common->smt};
}

moda_status moda_team_predict(const moda_topology *t, const moda_team_wish *wish, moda_team **team)
{
    moda_status st = MODA_OK;
    const moda_team_rules none = {0};
    MODA_TRY(moda_team_plan(t, wish, &none, team));
    (*team)->bound = (*team)->cpu[0] != MODA_UNBOUND;
out:
    return st;
}

moda_status moda_threads_apply(const moda_common_options *common, size_t *threads)
{
    moda_status st = MODA_OK;
    const moda_team_wish wish = moda_threads_wish(common);
    moda_placement placement = moda_placement_current();
    if (common->placement) MODA_TRY(moda_placement_parse(common->placement, &placement));
    MODA_TRY(moda_threads_set(&wish, threads));
    MODA_TRY(moda_placement_set(&placement));
out:
    return st;
}

moda_status moda_threads_start(const moda_common_options *common, size_t *threads)
{
    moda_status st = MODA_OK;
    static bool printed; /* a sweep calls other commands */
    MODA_TRY(moda_threads_apply(common, threads));
    if (!common->quiet && !printed) moda_team_print(moda_team_current());
    printed = true;
out:
    return st;
}
