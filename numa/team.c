/* numa/team.c - the planner: from a machine, a wish and the environment's rules to who runs where.
 * It asks nobody, so that machines that are only described can be planned for. */
#include "numa/team.h"
#include "numa/affinity_internal.h"
#include "numa/team_internal.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A thread's place: a core, or one unit of it. */
typedef struct slot {
    size_t node;
    const unsigned *unit;
    size_t units, order;
} slot;

/* What has been decided so far. */
typedef struct draft {
    const moda_topology *t;
    const moda_team_wish *wish;
    const moda_team_rules *rules;
    moda_team *team;
    unsigned *list; /* of --bind; NULL: none was given */
    size_t listed;
    bool bind;
    slot *slots; /* [team->threads] */
} draft;

void moda_team_destroy(moda_team *team)
{
    if (!team) return;
    free(team->node);
    free(team->cpu);
    free(team->first);
    free(team->unit);
    free(team);
}

void moda_team_add_rule(moda_team *team, const char *format, ...)
{
    size_t used = strlen(team->rule);
    va_list arguments;
    if (used) used += (size_t)snprintf(team->rule + used, sizeof team->rule - used, "; ");
    if (used >= sizeof team->rule) return;
    va_start(arguments, format);
    vsnprintf(team->rule + used, sizeof team->rule - used, format, arguments);
    va_end(arguments);
}

void moda_team_unbind(moda_team *team)
{
    for (size_t i = 0; i < team->threads; i++) team->cpu[i] = MODA_UNBOUND;
    memset(team->first, 0, (team->threads + 1) * sizeof *team->first);
    team->bound = false;
    team->nodes = 1;
    team->node[0].first_thread = 0, team->node[0].threads = team->threads;
}

/* ---- --bind LIST ---- */

static moda_status check_list(const draft *d)
{
    moda_status st = MODA_OK;
    const char *text = d->wish->bind;
    const moda_core **core = NULL;
    MODA_ALLOC(core, d->listed * sizeof *core);
    for (size_t i = 0; i < d->listed; i++) {
        core[i] = moda_topology_core_of(d->t, d->list[i]);
        MODA_CHECK(moda_topology_has_unit(d->t, d->list[i]), MODA_ERR_ARG,
                   "--bind %s: this machine has no CPU %u", text, d->list[i]);
        MODA_CHECK(core[i], MODA_ERR_ARG,
                   "--bind %s: CPU %u is not for this process: its affinity mask or cpuset leaves "
                   "it out",
                   text, d->list[i]);
        for (size_t k = 0; k < i && !d->wish->smt; k++)
            MODA_CHECK(core[k] != core[i], MODA_ERR_ARG,
                       "--bind %s: CPUs %u and %u are one core; add --smt, or leave one out", text,
                       d->list[k], d->list[i]);
    }
out:
    free(core);
    return st;
}

static bool word_is(const char *text, const char *word)
{
    return text && strcmp(text, word) == 0;
}

static moda_status read_list(draft *d)
{
    moda_status st = MODA_OK;
    const char *bind = d->wish->bind;
    if (!bind || word_is(bind, "cores") || word_is(bind, "none")) goto out;
    MODA_TRY(moda_cpu_list_parse("bind", bind, &d->list, &d->listed));
    MODA_TRY(check_list(d));
out:
    return st;
}

/* ---- how many ---- */

static size_t most_threads(const draft *d)
{
    return d->list        ? d->listed
           : d->wish->smt ? moda_topology_units(d->t)
                          : moda_topology_cores(d->t);
}

static moda_status check_count(const draft *d)
{
    moda_status st = MODA_OK;
    const size_t n = d->wish->threads, most = most_threads(d), units = moda_topology_units(d->t);
    MODA_CHECK(n <= most || !d->list, MODA_ERR_ARG, "--threads %zu: --bind %s has %zu CPU%s", n,
               d->wish->bind, most, most == 1 ? "" : "s");
    MODA_CHECK(n <= most || d->wish->smt || n > units, MODA_ERR_ARG,
               "--threads %zu: this process may use %zu core%s; --smt counts their %zu hardware "
               "threads",
               n, most, most == 1 ? "" : "s", units);
    MODA_CHECK(n <= most, MODA_ERR_ARG, "--threads %zu: this process may use %zu %s%s", n, most,
               d->wish->smt ? "hardware thread" : "core", most == 1 ? "" : "s");
    MODA_CHECK(!d->rules->limit || n <= d->rules->limit, MODA_ERR_ARG,
               "--threads %zu: OMP_THREAD_LIMIT=%zu allows no more", n, d->rules->limit);
out:
    return st;
}

/* CPUs' worth of time: of a control group's quota, or of the job's share where the batch system tells
 * it but sets no mask. */
static double paid_for(const draft *d)
{
    const double share = d->rules->share && !d->list ? (double)d->rules->share : INFINITY;
    return fmin(moda_topology_quota(d->t), share);
}

static size_t usual_threads(const draft *d)
{
    const size_t most = most_threads(d), told = d->rules->threads;
    moda_team *team = d->team;
    size_t n = most;
    if (told && told != most && d->list)
        moda_team_add_rule(team, "--bind %s wins over OMP_NUM_THREADS=%zu", d->wish->bind, told);
    if (told && !d->list) {
        n = told < most ? told : most;
        if (told > most)
            moda_team_add_rule(team, "OMP_NUM_THREADS=%zu is more than the %zu that may be used",
                               told, most);
        else if (told < most)
            moda_team_add_rule(team, "OMP_NUM_THREADS=%zu says how many", told);
    } else if (paid_for(d) < (double)most) {
        /* 1.5 CPUs are one core: a second thread would be stopped half the time, and all wait. */
        n = paid_for(d) < 1 ? 1 : (size_t)paid_for(d);
        if (paid_for(d) < moda_topology_quota(d->t))
            moda_team_add_rule(team, "SLURM_CPUS_PER_TASK=%zu says how many", d->rules->share);
        else
            moda_team_add_rule(team, "a CPU quota of %.3g says how many", paid_for(d));
    }
    if (d->rules->limit && n > d->rules->limit) {
        n = d->rules->limit;
        moda_team_add_rule(team, "OMP_THREAD_LIMIT=%zu allows no more", n);
    }
    return n;
}

/* Others narrow what the machine has: taskset, srun, a container. OpenMP's places have a sentence of
 * their own. */
static void tell_mask(const draft *d)
{
    char cpus[64];
    unsigned *all = calloc(moda_topology_units(d->t), sizeof *all);
    size_t n = 0;
    if (!all || !moda_topology_narrowed(d->t) || d->rules->bind) goto out;
    for (size_t i = 0; i < moda_topology_cores(d->t); i++) {
        const moda_core *core = moda_topology_core(d->t, i);
        for (size_t k = 0; k < core->units; k++) all[n++] = core->unit[k];
    }
    moda_team_add_rule(d->team, "an affinity mask or cpuset leaves cpus %s",
                       moda_cpu_list_print(all, n, cpus, sizeof cpus));
out:
    free(all);
}

static moda_status decide_count(draft *d)
{
    moda_status st = MODA_OK;
    const size_t wished = d->wish->threads, told = d->rules->threads;
    MODA_TRY(check_count(d));
    tell_mask(d);
    d->team->threads = wished ? wished : usual_threads(d);
    if (wished && told && wished != told)
        moda_team_add_rule(d->team, "--threads %zu wins over OMP_NUM_THREADS=%zu", wished, told);
out:
    return st;
}

/* ---- whether to bind ---- */

static void decide_binding(draft *d)
{
    const char *bind = d->wish->bind;
    const moda_team_rules *r = d->rules;
    const size_t n = d->team->threads, cores = moda_topology_cores(d->t);
    d->bind = false;
    if (bind) {
        d->bind = !word_is(bind, "none");
        if (d->bind && r->no_bind)
            moda_team_add_rule(d->team, "--bind %s wins over OMP_PROC_BIND=false", bind);
        else if (r->bind)
            moda_team_add_rule(d->team, "--bind %s wins over %s", bind, r->bind);
    } else if (r->no_bind) {
        moda_team_add_rule(d->team, "OMP_PROC_BIND=false says not to bind");
    } else if (r->bind) {
        d->bind = true;
        moda_team_add_rule(d->team, "bound, as %s asks, to its CPUs in node order", r->bind);
    } else if (n < cores) {
        moda_team_add_rule(d->team,
                           "%zu of %zu cores, whose rest others may use: --bind cores "
                           "binds",
                           n, cores);
    } else if (paid_for(d) < (double)cores) {
        moda_team_add_rule(d->team,
                           "the time of %.3g CPUs on %zu cores, which others use too: "
                           "--bind cores binds",
                           paid_for(d), cores);
    } else {
        d->bind = true;
    }
    if (r->foreign)
        moda_team_add_rule(d->team, "KMP_AFFINITY is for another OpenMP runtime: not read");
}

/* ---- where ---- */

static int by_node_then_order(const void *a, const void *b)
{
    const slot *x = a, *y = b;
    if (x->node != y->node) return x->node < y->node ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

/* First every core once, then their second units, and so on; in the end a core's threads stand
 * together, as neighbours work on neighbouring samples and share its caches. */
static void take_cores(draft *d)
{
    const size_t n = d->team->threads, cores = moda_topology_cores(d->t);
    size_t taken = 0;
    for (size_t rank = 0; taken < n; rank++)
        for (size_t c = 0; c < cores && taken < n; c++) {
            const moda_core *core = moda_topology_core(d->t, c);
            if (rank >= core->units) continue;
            d->slots[taken++] = (slot){core->node, core->unit + rank,
                                       d->wish->smt ? 1 : core->units, c * 65536 + rank};
        }
}

static void take_list(draft *d)
{
    for (size_t i = 0; i < d->team->threads; i++)
        d->slots[i] = (slot){moda_topology_core_of(d->t, d->list[i])->node, &d->list[i], 1, i};
}

static moda_status place(draft *d)
{
    moda_status st = MODA_OK;
    moda_team *team = d->team;
    MODA_ALLOC(d->slots, team->threads * sizeof *d->slots);
    if (d->list)
        take_list(d);
    else
        take_cores(d);
    qsort(d->slots, team->threads, sizeof *d->slots, by_node_then_order);
    for (size_t i = 0; i < team->threads; i++) {
        const slot *s = &d->slots[i];
        if (i == 0 || s->node != d->slots[i - 1].node)
            team->node[team->nodes++] =
                (moda_team_node){moda_topology_node(d->t, s->node)->os_index, i, 0};
        team->node[team->nodes - 1].threads++;
        team->cpu[i] = s->unit[0];
        memcpy(team->unit + team->first[i], s->unit, s->units * sizeof *s->unit);
        team->first[i + 1] = team->first[i] + s->units;
    }
out:
    return st;
}

/* The node of an unbound team: where the first core is. */
static void place_nowhere(const draft *d)
{
    d->team->node[0].os_index =
        moda_topology_node(d->t, moda_topology_core(d->t, 0)->node)->os_index;
    moda_team_unbind(d->team);
}

moda_status moda_team_plan(const moda_topology *t, const moda_team_wish *wish,
                           const moda_team_rules *rules, moda_team **team)
{
    moda_status st = MODA_OK;
    draft d = {.t = t, .wish = wish, .rules = rules};
    moda_team *new = NULL;
    MODA_ALLOC(new, sizeof *new);
    d.team = new;
    MODA_TRY(read_list(&d));
    MODA_TRY(decide_count(&d));
    decide_binding(&d);
    MODA_ALLOC(new->node, moda_topology_nodes(t) * sizeof *new->node);
    MODA_ALLOC(new->cpu, new->threads * sizeof *new->cpu);
    MODA_ALLOC(new->first, (new->threads + 1) * sizeof *new->first);
    MODA_ALLOC(new->unit, moda_topology_units(t) * sizeof *new->unit);
    if (d.bind)
        MODA_TRY(place(&d));
    else
        place_nowhere(&d);
    *team = new, new = NULL;
out:
    moda_team_destroy(new);
    free(d.slots);
    free(d.list);
    return st;
}
