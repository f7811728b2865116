/* numa/team.h - which OpenMP thread runs on which core, and whose memory is near it.
 *
 * Threads stand in node order: node k's are contiguous, so that a slice of a batch by thread number is
 * a slice by node. moda_threads_set() (numa/threads.h) makes the team, has the OpenMP runtime bind
 * it, and asks the kernel whether it did. Without --smt a thread has a core to itself and may run on
 * any of its units; with --smt, or in a list of CPUs, it has one unit.
 *
 * Who binds. libgomp ends threads when a team shrinks (oneDNN asks for fewer where there is little
 * work: five a step in LeNet-5 on 8 threads) and starts others later. A new thread inherits the mask of
 * the one that starts it, so threads that were bound by hand would gather on core 0. OpenMP's own
 * places (OMP_PLACES, OMP_PROC_BIND=close) hold for new threads too, but are read when the process
 * starts: the program therefore starts itself over with them, once, where a binding is wanted
 * (moda_team_may_restart). Other programs that call libmoda allow that as moda.c does, or set the
 * variables themselves, or run unbound.
 *
 * When threads are bound, if --bind does not say: only if the team takes every core that the process
 * may use, and no quota keeps it from using them all. With fewer threads, or a quota without a
 * mask, other processes are meant to use the rest of the cores; each of them would bind its
 * threads to the same first cores. --bind cores binds all the same, to the first cores in node
 * order. */
#ifndef MODA_NUMA_TEAM_H
#define MODA_NUMA_TEAM_H

#include "base/status.h"
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define MODA_UNBOUND ((unsigned)-1)

typedef struct moda_team_node {
    unsigned os_index;
    size_t first_thread, threads;
} moda_team_node;

typedef struct moda_team {
    size_t threads, nodes; /* nodes with threads only, in thread order; unbound: 1 */
    moda_team_node *node;  /* [nodes] */
    unsigned
        *cpu;   /* [threads] OS index of the (first) unit that thread i is bound to; MODA_UNBOUND */
    bool bound; /* the threads really are bound: the kernel was asked */
    size_t *first;  /* [threads+1] thread i may run on unit[first[i]] .. unit[first[i+1]-1] */
    unsigned *unit; /* [first[threads]]; none when unbound */
    char rule[320]; /* which rules had the last word, for people; "" if none had to be chosen */
} moda_team;

/* Never NULL; before the first moda_threads_set(): one thread, one node, unbound. Valid until the
 * next moda_threads_set(). */
const moda_team *moda_team_current(void);

void moda_team_destroy(moda_team *team); /* one of moda_team_predict(); NULL is fine */

/* "threads   2 on 1 node: node 0: cpus 0-1", and a line for team->rule if it is not empty: stdout. */
void moda_team_print(const moda_team *team);
/* {threads, bound, nodes: [{node, first_thread, threads, cpus}], rule}. New reference; NULL when out
 * of memory. */
json_t *moda_team_json(const moda_team *team);

/* For main(), before anything is computed: moda_threads_set() may start this program over with these
 * arguments and OpenMP's variables set. argv and its strings must stay. */
void moda_team_may_restart(char **argv);

/* Another program inherits the mask of the thread that starts it. Between lend and return the calling
 * thread may run wherever this process could before it was started over. One thread at a time. */
void moda_team_lend_cpus(void);
void moda_team_return_cpus(void);

#endif
