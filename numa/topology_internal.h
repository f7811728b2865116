/* numa/topology_internal.h - for the files of this room that go on with hwloc. */
#ifndef MODA_NUMA_TOPOLOGY_INTERNAL_H
#define MODA_NUMA_TOPOLOGY_INTERNAL_H

#include "numa/topology.h"
#include <hwloc.h>

struct moda_topology {
    hwloc_topology_t hwloc;   /* NULL: hwloc saw nothing */
    hwloc_bitmap_t usable;    /* units */
    hwloc_obj_t *node_object; /* [node_count]; NULL entries without hwloc */
    moda_node *node;          /* [node_count] */
    moda_core *core;          /* [core_count] */
    moda_cache *cache;        /* [cache_count] */
    unsigned *unit;           /* [unit_count]; the cores point into it */
    size_t node_count, core_count, unit_count, cache_count;
    double quota;
};

/* Nodes, cores and caches from hwloc and usable, which are set. */
MODA_MUST_USE moda_status moda_topology_fill(moda_topology *t);
/* The same without hwloc: one node, a core for each unit. */
MODA_MUST_USE moda_status moda_topology_fill_plain(moda_topology *t);

#endif
