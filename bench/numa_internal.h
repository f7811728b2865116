/* bench/numa_internal.h - a turn of moda bench numa (numa_turn.c), for its rounds (numa.c). */
#ifndef MODA_BENCH_NUMA_INTERNAL_H
#define MODA_BENCH_NUMA_INTERNAL_H

#include "bench/numa.h"

/* `moda bench step` with that many steps, under --bind and --placement. *figures is what it writes for
 * --json, a new reference. What it says on stderr is said again as a warning, or is the failure. */
MODA_MUST_USE moda_status moda_numa_turn(const moda_numa_bench *bench, const char *bind,
                                         const char *placement, size_t steps, json_t **figures);

#endif
