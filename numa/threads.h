/* numa/threads.h - how many threads this process may use, and using them. */
#ifndef MODA_NUMA_THREADS_H
#define MODA_NUMA_THREADS_H

#include "base/status.h"
#include <stddef.h>

/* Physical cores that the process may run on (hwloc, restricted to the affinity mask), at least
 * 1; never more than a cgroup CPU quota. */
size_t moda_allowed_cores(void);

/* Sets the OpenMP thread count, which oneDNN follows; requested 0 means what
 * OMP_NUM_THREADS says (never more than allowed processing units), or else moda_allowed_cores().
 * Fails: MODA_ERR_ARG (more threads than allowed processing units). */
MODA_MUST_USE moda_status moda_threads_set(size_t requested, size_t *threads);

#endif
