/* numa/team_internal.h - the steps from a wish to a bound team; open to tests, which have described
 * machines and make their own environment. */
#ifndef MODA_NUMA_TEAM_INTERNAL_H
#define MODA_NUMA_TEAM_INTERNAL_H

#include "numa/team.h"
#include "numa/threads.h"
#include "numa/topology.h"
#include <hwloc/bitmap.h>

/* What the process's environment says about threads (team_rules.c). */
typedef struct moda_team_rules {
    size_t threads; /* OMP_NUM_THREADS; 0: nothing */
    size_t limit;   /* OMP_THREAD_LIMIT; 0: nothing */
    size_t share;   /* SLURM_CPUS_PER_TASK; 0: nothing */
    const char
        *bind;    /* the variable that asks for a binding ("OMP_PLACES", ...); NULL: none does */
    bool no_bind; /* OMP_PROC_BIND=false */
    bool foreign; /* KMP_AFFINITY, which libgomp does not read */
} moda_team_rules;

/* From getenv(); after a restart what it was before. */
void moda_team_rules_read(moda_team_rules *rules);

/* Who runs where, purely from its arguments; rule says which of them won. team->bound is false: what
 * is bound shows cpu[]. Fails as moda_threads_set(). */
MODA_MUST_USE moda_status moda_team_plan(const moda_topology *t, const moda_team_wish *wish,
                                         const moda_team_rules *rules, moda_team **team);
/* All threads on one node, nowhere bound. */
void moda_team_unbind(moda_team *team);
/* Another sentence for team->rule. */
void moda_team_add_rule(moda_team *team, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* OpenMP's notation of the places of threads 0, 1, ...: "{0,32},{1,33}"; NULL: out of memory. */
char *moda_team_places(const moda_team *team);
/* Whether the OpenMP runtime was told just these places, or, for an unbound team, none. */
bool moda_team_places_in_force(const moda_team *team);
/* Starts the program over with the team's places, if that is allowed and has not been done. Returns
 * where there is no way, or nothing to be gained. */
void moda_team_restart(const moda_topology *t, const moda_team *team);
/* The mask from before the restart; false if there was none. */
bool moda_team_handed_mask(hwloc_bitmap_t mask);
/* What asked for a binding before it: "", "no", or a variable's name; NULL if there was none. */
const char *moda_team_handed_bind(void);
/* team->threads threads, each asks the kernel: as planned. */
MODA_MUST_USE moda_status moda_team_verify(const moda_team *team, bool *as_planned);

#endif
