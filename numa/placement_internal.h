/* numa/placement_internal.h - open to tests, which have no two nodes. */
#ifndef MODA_NUMA_PLACEMENT_INTERNAL_H
#define MODA_NUMA_PLACEMENT_INTERNAL_H

#include "numa/team.h"
#include <stdbool.h>
#include <stddef.h>

/* Asks the kernel to take pages from one node, or from several in turn; move: those that are there
 * move. 0, or -1 with errno. */
typedef int (*moda_binder)(void *at, size_t bytes, const unsigned *os_index, size_t nodes,
                           bool move);
extern moda_binder moda_bind_memory; /* hwloc's, unless a test puts its own here */

/* The team of moda_placement_current(), if not NULL. */
extern const moda_team *moda_placement_team;

/* Free bytes of a node by the files below root, which is /sys/devices/system/node; SIZE_MAX when
 * they do not say. */
size_t moda_node_free(const char *root, unsigned os_index);
extern const char *moda_node_files; /* that root */

#endif
