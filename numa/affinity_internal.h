/* numa/affinity_internal.h - what the kernel says about where a thread may run, and lists of CPU numbers.
 * Bitmaps are hwloc's; no call here needs a topology. */
#ifndef MODA_NUMA_AFFINITY_INTERNAL_H
#define MODA_NUMA_AFFINITY_INTERNAL_H

#include "base/status.h"
#include <hwloc/bitmap.h>
#include <stdbool.h>
#include <stddef.h>

/* The calling thread's mask; false when the kernel does not say. Allocates nothing but the
 * bitmap's own words. */
bool moda_affinity_get(hwloc_bitmap_t mask);
/* Sets it for the calling thread, and by inheritance for threads and programs that it starts. */
bool moda_affinity_set(hwloc_const_bitmap_t mask);
/* Whether the calling thread may run on these units and on no other; fails safely (false), allocates
 * nothing: for parallel regions. */
bool moda_affinity_is(const unsigned *unit, size_t units);

/* "0-3,8" -> [0,1,2,3,8] in the given order, which the caller frees. Fails: MODA_ERR_ARG (empty, not
 * a list, a range that runs backwards, a CPU twice); option is for the message. */
MODA_MUST_USE moda_status moda_cpu_list_parse(const char *option, const char *text, unsigned **cpus,
                                              size_t *n);
/* The shortest such list of a set, ascending, cut to the buffer, which is returned. */
char *moda_cpu_list_print(const unsigned *cpus, size_t n, char *buffer, size_t size);

#endif
