/* numa/topology.h - the machine as this process may use it: cores, their processing units (hardware
 * threads), memory nodes. hwloc looks; the affinity mask, cpusets and CPU quotas narrow it.
 *
 * Order: nodes as hwloc counts them (neighbours stand together), cores by node, units by core; so a
 * node's cores are contiguous. A core belongs to the node whose memory is near: its own, or, where
 * that has no memory or none for this process, the nearest that has. A node without CPUs has no
 * cores. A machine without cores in hwloc's eyes has one core per unit. */
#ifndef MODA_NUMA_TOPOLOGY_H
#define MODA_NUMA_TOPOLOGY_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct moda_topology moda_topology;

typedef struct moda_core {
    size_t node;          /* index, not the system's number */
    size_t units;         /* those that this process may use: at least one, at most the core's */
    const unsigned *unit; /* [units] the system's numbers */
} moda_core;

typedef struct moda_node {
    unsigned os_index;        /* the system's number */
    bool allowed;             /* memory may be taken from it (cpuset.mems) */
    uint64_t bytes;           /* of memory, 0: none */
    size_t first_core, cores; /* that this process may use and whose memory this is */
} moda_node;

/* Caches that are alike; instruction caches are left out. */
typedef struct moda_cache {
    unsigned level;
    uint64_t bytes;
    size_t count; /* that hold a usable core */
    size_t cores; /* usable ones at each, at most */
} moda_cache;

/* This machine, for the calling thread's affinity mask (widened by OpenMP's places, as OMP_PROC_BIND
 * pins the first thread before main() starts). Where hwloc sees nothing: the mask's CPUs, each a
 * core, on one node of unknown size, and a warning. Fails: MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_topology_load(moda_topology **t);
/* Machines that are described: hwloc's synthetic text ("node:2 core:4 pu:2"), or the XML file that
 * lstopo writes. mask ("0-3,8"; NULL: all) stands for the affinity mask. Fails: MODA_ERR_ARG (the
 * text, a mask that is no list or leaves nothing), MODA_ERR_FORMAT (the file), MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_topology_synthetic(const char *text, const char *mask,
                                                  moda_topology **t);
MODA_MUST_USE moda_status moda_topology_xml(const char *path, const char *mask, moda_topology **t);
void moda_topology_destroy(moda_topology *t); /* NULL is fine */

size_t moda_topology_nodes(const moda_topology *t); /* at least 1; all of the machine */
const moda_node *moda_topology_node(const moda_topology *t, size_t i);
size_t moda_topology_cores(const moda_topology *t); /* at least 1; usable ones */
const moda_core *moda_topology_core(const moda_topology *t, size_t i);
size_t moda_topology_units(const moda_topology *t); /* usable ones of all cores */
size_t moda_topology_caches(const moda_topology *t);
const moda_cache *moda_topology_cache(const moda_topology *t, size_t i);
/* The core that a unit belongs to; NULL: no such unit, or not for this process. */
const moda_core *moda_topology_core_of(const moda_topology *t, unsigned unit);
/* Whether the machine has that unit at all, for this process or not. */
bool moda_topology_has_unit(const moda_topology *t, unsigned unit);
/* Whether the mask or a cpuset keeps units of the machine from this process. */
bool moda_topology_narrowed(const moda_topology *t);

/* CPU time that control groups leave to the process: 1.5 is 150 ms per 100 ms; INFINITY without a
 * quota, and on described machines until one is set. */
double moda_topology_quota(const moda_topology *t);
void moda_topology_set_quota(moda_topology *t, double cpus);

#endif
