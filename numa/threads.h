/* numa/threads.h - how many threads this process may use, and using them. */
#ifndef MODA_NUMA_THREADS_H
#define MODA_NUMA_THREADS_H

#include "base/options.h"
#include "base/status.h"
#include "numa/team.h"
#include "numa/topology.h"
#include <stddef.h>

typedef struct moda_team_wish {
    /* 0: as many as a list of bind has CPUs; else what OMP_NUM_THREADS says, but never more than there
     * are cores; else every core. A list and every core mean no more than a CPU quota, or
     * SLURM_CPUS_PER_TASK, pays for. */
    size_t threads;
    const char *bind; /* "cores", "none", a list of CPUs ("0-3,8"); NULL: see numa/team.h */
    bool smt;         /* every hardware thread counts, not only every core */
} moda_team_wish;

/* Sets the OpenMP thread count, which oneDNN follows, binds the threads, and makes the team that
 * moda_team_current() tells. May start the program over (moda_team_may_restart). Where binding fails
 * the threads run unbound, with a warning. *threads is written on MODA_OK only. Fails: MODA_ERR_ARG
 * (more threads than cores, with smt than units, or than the list has CPUs; a list that is none, or
 * with CPUs that are not there, not allowed, or share a core without smt), MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_threads_set(const moda_team_wish *wish, size_t *threads);

/* Who would run where on a machine that is described, with no word from the environment; bound tells
 * whether the threads would be. The caller frees it: moda_team_destroy(). Fails as moda_threads_set(). */
MODA_MUST_USE moda_status moda_team_predict(const moda_topology *t, const moda_team_wish *wish,
                                            moda_team **team);

/* How many threads moda_threads_set() would give this wish, which is all that happens: where others
 * run, with the same wish. Fails as moda_threads_set(). */
MODA_MUST_USE moda_status moda_threads_count(const moda_team_wish *wish, size_t *threads);

/* The wish behind --threads, --bind and --smt. */
moda_team_wish moda_threads_wish(const moda_common_options *common);
/* moda_threads_set() for a command, and moda_placement_set() for --placement (numa/placement.h). */
MODA_MUST_USE moda_status moda_threads_apply(const moda_common_options *common, size_t *threads);
/* The same for a command that computes: prints the team, once, unless --quiet. */
MODA_MUST_USE moda_status moda_threads_start(const moda_common_options *common, size_t *threads);

#endif
