/* numa/topology_fill.c - nodes, cores and caches out of hwloc's tree. Machines in the field have nodes
 * without memory (unpopulated slots), without CPUs (CXL, HBM), several nodes over the same cores, and
 * CPU numbers that jump between nodes; masks cut cores in half. */
#include "numa/topology_internal.h"
#include <hwloc/distances.h>
#include <string.h>

static hwloc_obj_t next_unit(const moda_topology *t, hwloc_obj_t unit)
{
    do unit = hwloc_get_next_obj_by_type(t->hwloc, HWLOC_OBJ_PU, unit);
    while (unit && !hwloc_bitmap_isset(t->usable, unit->os_index));
    return unit;
}

/* The core of a unit; the unit itself on machines whose cores nobody knows. */
static hwloc_obj_t core_of(const moda_topology *t, hwloc_obj_t unit)
{
    hwloc_obj_t core = hwloc_get_ancestor_obj_by_type(t->hwloc, HWLOC_OBJ_CORE, unit);
    return core ? core : unit;
}

/* ---- nodes ---- */

static moda_status fill_nodes(moda_topology *t)
{
    moda_status st = MODA_OK;
    int n = hwloc_get_nbobjs_by_type(t->hwloc, HWLOC_OBJ_NUMANODE);
    MODA_CHECK(n > 0, MODA_ERR_INTERNAL, "hwloc: a machine without memory nodes");
    MODA_ALLOC(t->node, (size_t)n * sizeof *t->node);
    MODA_ALLOC(t->node_object, (size_t)n * sizeof(hwloc_obj_t));
    hwloc_const_nodeset_t allowed = hwloc_topology_get_allowed_nodeset(t->hwloc);
    for (hwloc_obj_t o = NULL;
         (o = hwloc_get_next_obj_by_type(t->hwloc, HWLOC_OBJ_NUMANODE, o)) != NULL;) {
        t->node_object[t->node_count] = o;
        t->node[t->node_count++] =
            (moda_node){.os_index = o->os_index,
                        .allowed = hwloc_bitmap_isset(allowed, o->os_index) != 0,
                        .bytes = o->attr->numanode.local_memory};
    }
out:
    return st;
}

/* Whether threads can have their memory there. Where no node has any, the sizes are unknown. */
static bool gives_memory(const moda_topology *t, size_t node)
{
    uint64_t known = 0;
    bool any = false;
    for (size_t i = 0; i < t->node_count; i++)
        known += t->node[i].bytes, any |= t->node[i].allowed && t->node[i].bytes;
    if (!known) return t->node[node].allowed;
    return !any || (t->node[node].allowed && t->node[node].bytes);
}

/* The node that a core stands in: the smallest around it. Of several over the same cores (HBM beside
 * DRAM) the system's first, whose CPUs they are for Linux too. */
static size_t own_node(const moda_topology *t, hwloc_obj_t core)
{
    size_t best = 0;
    int least = -1;
    for (size_t i = 0; i < t->node_count; i++) {
        const hwloc_obj_t o = t->node_object[i];
        if (!hwloc_bitmap_isincluded(core->cpuset, o->cpuset)) continue;
        int weight = hwloc_bitmap_weight(o->cpuset);
        if (least >= 0 &&
            (weight > least || (weight == least && t->node[best].os_index < t->node[i].os_index)))
            continue;
        best = i, least = weight;
    }
    return best;
}

/* How far b's memory is from a: the firmware's table, else the tree (a deeper common ancestor is
 * nearer). The two are never compared with each other. */
static double distance(const moda_topology *t, const struct hwloc_distances_s *table, size_t a,
                       size_t b)
{
    int row = -1, column = -1;
    for (unsigned i = 0; table && i < table->nbobjs; i++) {
        if (table->objs[i] == t->node_object[a]) row = (int)i;
        if (table->objs[i] == t->node_object[b]) column = (int)i;
    }
    if (row >= 0 && column >= 0)
        return (double)table->values[(unsigned)row * table->nbobjs + (unsigned)column];
    hwloc_obj_t common =
        hwloc_get_common_ancestor_obj(t->hwloc, t->node_object[a], t->node_object[b]);
    return common ? 1e6 - common->depth : 1e6;
}

/* near[i]: the node whose memory cores of node i use. */
static void find_near(const moda_topology *t, size_t *near)
{
    struct hwloc_distances_s *table = NULL;
    unsigned count = 1;
    if (hwloc_distances_get_by_type(t->hwloc, HWLOC_OBJ_NUMANODE, &count, &table,
                                    HWLOC_DISTANCES_KIND_MEANS_LATENCY, 0) != 0 ||
        count == 0)
        table = NULL;
    for (size_t i = 0; i < t->node_count; i++) {
        size_t best = i;
        double least = -1;
        for (size_t j = 0; j < t->node_count && !gives_memory(t, i); j++) {
            if (!gives_memory(t, j)) continue;
            double d = distance(t, table, i, j);
            if (least < 0 || d < least) best = j, least = d;
        }
        near[i] = best;
    }
    if (table) hwloc_distances_release(t->hwloc, table);
}

/* ---- cores ---- */

static moda_status allocate_cores(moda_topology *t)
{
    moda_status st = MODA_OK;
    hwloc_obj_t core = NULL;
    for (hwloc_obj_t u = NULL; (u = next_unit(t, u)) != NULL; t->unit_count++) {
        t->core_count += core_of(t, u) != core;
        core = core_of(t, u);
    }
    MODA_ALLOC(t->core, t->core_count * sizeof *t->core);
    MODA_ALLOC(t->unit, t->unit_count * sizeof *t->unit);
out:
    return st;
}

/* A node after the other takes the cores whose memory it has. */
static moda_status fill_cores(moda_topology *t)
{
    moda_status st = MODA_OK;
    size_t *near = NULL, cores = 0, units = 0;
    MODA_ALLOC(near, t->node_count * sizeof *near);
    MODA_TRY(allocate_cores(t));
    find_near(t, near);
    for (size_t n = 0; n < t->node_count; n++) {
        hwloc_obj_t core = NULL;
        t->node[n].first_core = cores;
        for (hwloc_obj_t u = NULL; (u = next_unit(t, u)) != NULL;) {
            if (near[own_node(t, core_of(t, u))] != n) continue;
            if (core_of(t, u) != core)
                t->core[cores++] = (moda_core){.node = n, .unit = t->unit + units};
            core = core_of(t, u);
            t->core[cores - 1].units++;
            t->unit[units++] = u->os_index;
        }
        t->node[n].cores = cores - t->node[n].first_core;
    }
out:
    free(near);
    return st;
}

/* ---- caches ---- */

static size_t cores_below(const moda_topology *t, hwloc_obj_t cache)
{
    size_t n = 0;
    for (size_t i = 0; i < t->core_count; i++)
        n += hwloc_bitmap_isset(cache->cpuset, t->core[i].unit[0]) != 0;
    return n;
}

static moda_status fill_caches(moda_topology *t)
{
    moda_status st = MODA_OK;
    const int depths = hwloc_topology_get_depth(t->hwloc);
    size_t most = 0;
    for (int d = 0; d < depths; d++)
        if (hwloc_obj_type_is_dcache(hwloc_get_depth_type(t->hwloc, d)))
            most += hwloc_get_nbobjs_by_depth(t->hwloc, d);
    MODA_ALLOC(t->cache, most * sizeof *t->cache);
    for (int d = 0; d < depths; d++) {
        if (!hwloc_obj_type_is_dcache(hwloc_get_depth_type(t->hwloc, d))) continue;
        for (hwloc_obj_t o = NULL; (o = hwloc_get_next_obj_by_depth(t->hwloc, d, o)) != NULL;) {
            const size_t cores = cores_below(t, o);
            moda_cache *c = t->cache, *end = t->cache + t->cache_count;
            if (!cores) continue;
            while (c < end && (c->level != o->attr->cache.depth || c->bytes != o->attr->cache.size))
                c++;
            if (c == end) t->cache_count++;
            c->level = o->attr->cache.depth, c->bytes = o->attr->cache.size, c->count++;
            if (c->cores < cores) c->cores = cores;
        }
    }
out:
    return st;
}

moda_status moda_topology_fill(moda_topology *t)
{
    moda_status st = MODA_OK;
    MODA_TRY(fill_nodes(t));
    MODA_TRY(fill_cores(t));
    MODA_TRY(fill_caches(t));
out:
    return st;
}

moda_status moda_topology_fill_plain(moda_topology *t)
{
    moda_status st = MODA_OK;
    t->node_count = 1;
    t->core_count = t->unit_count = (size_t)hwloc_bitmap_weight(t->usable);
    MODA_ALLOC(t->node, sizeof *t->node);
    MODA_ALLOC(t->node_object, sizeof(hwloc_obj_t));
    MODA_ALLOC(t->core, t->core_count * sizeof *t->core);
    MODA_ALLOC(t->unit, t->unit_count * sizeof *t->unit);
    int unit = -1;
    for (size_t i = 0; i < t->core_count; i++) {
        unit = hwloc_bitmap_next(t->usable, unit);
        t->unit[i] = (unsigned)unit;
        t->core[i] = (moda_core){.node = 0, .units = 1, .unit = t->unit + i};
    }
    t->node[0] = (moda_node){.allowed = true, .cores = t->core_count};
out:
    return st;
}
