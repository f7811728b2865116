/* numa/topology.c - where a machine comes from: this one, a synthetic text, a recorded file; and what
 * is asked about it. What hwloc's tree means is in topology_fill.c. */
#include "base/log.h"
#include "numa/affinity_internal.h"
#include "numa/team_internal.h"
#include "numa/threads_internal.h"
#include "numa/topology_internal.h"
#include <math.h>
#include <omp.h>
#include <string.h>

static void drop_hwloc(moda_topology *t)
{
    if (t->hwloc) hwloc_topology_destroy(t->hwloc);
    t->hwloc = NULL;
}

static moda_status allocate(moda_topology **t)
{
    moda_status st = MODA_OK;
    moda_topology *new = NULL;
    MODA_ALLOC(new, sizeof *new);
    new->quota = INFINITY;
    new->usable = hwloc_bitmap_alloc();
    MODA_CHECK(new->usable, MODA_ERR_NOMEM, "out of memory: the machine's topology");
    *t = new, new = NULL;
out:
    moda_topology_destroy(new);
    return st;
}

void moda_topology_destroy(moda_topology *t)
{
    if (!t) return;
    drop_hwloc(t);
    hwloc_bitmap_free(t->usable);
    free(t->node_object);
    free(t->node);
    free(t->core);
    free(t->cache);
    free(t->unit);
    free(t);
}

/* Resources that are not for this process stay in, so that a message can tell "not there" from "not
 * allowed". */
static bool start_hwloc(hwloc_topology_t *hwloc)
{
    if (hwloc_topology_init(hwloc) != 0) *hwloc = NULL;
    return *hwloc && hwloc_topology_set_flags(*hwloc, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED) == 0;
}

/* ---- this machine ---- */

/* Under OMP_PROC_BIND the OpenMP runtime pins the first thread before main() starts, and its mask is
 * one place of many; the places together are what the process was given. */
static void add_openmp_places(hwloc_bitmap_t mask)
{
    for (int place = 0; place < omp_get_num_places(); place++) {
        int n = omp_get_place_num_procs(place);
        int *units = n > 0 ? calloc((size_t)n, sizeof *units) : NULL;
        if (!units) continue;
        omp_get_place_proc_ids(place, units);
        for (int i = 0; i < n; i++) hwloc_bitmap_set(mask, (unsigned)units[i]);
        free(units);
    }
}

/* What the process was started with; hwloc's complete set if the kernel does not say. */
static void ask_mask(moda_topology *t)
{
    if (moda_team_handed_mask(t->usable)) return; /* moda has bound its threads since */
    if (moda_affinity_get(t->usable))
        add_openmp_places(t->usable);
    else if (t->hwloc)
        hwloc_bitmap_copy(t->usable, hwloc_topology_get_allowed_cpuset(t->hwloc));
    else
        hwloc_bitmap_only(t->usable, 0);
}

moda_status moda_topology_load(moda_topology **t)
{
    moda_status st = MODA_OK;
    moda_topology *new = NULL;
    MODA_TRY(allocate(&new));
    if (!start_hwloc(&new->hwloc) || hwloc_topology_load(new->hwloc) != 0) drop_hwloc(new);
    ask_mask(new);
    if (new->hwloc &&
        hwloc_bitmap_intersects(new->usable, hwloc_topology_get_allowed_cpuset(new->hwloc))) {
        hwloc_bitmap_and(new->usable, new->usable, hwloc_topology_get_allowed_cpuset(new->hwloc));
        MODA_TRY(moda_topology_fill(new));
    } else {
        moda_log(MODA_LOG_WARNING, "hwloc sees none of the CPUs of this process: each CPU of its "
                                   "affinity mask counts as a core, all memory as one node");
        drop_hwloc(new);
        MODA_TRY(moda_topology_fill_plain(new));
    }
    new->quota = moda_cgroup_quota("/proc/self/cgroup", "/sys/fs/cgroup");
    *t = new, new = NULL;
out:
    moda_topology_destroy(new);
    return st;
}

/* ---- described machines ---- */

static moda_status finish(moda_topology *t, const char *mask)
{
    moda_status st = MODA_OK;
    unsigned *cpus = NULL;
    size_t n = 0;
    hwloc_const_cpuset_t allowed = hwloc_topology_get_allowed_cpuset(t->hwloc);
    if (mask) MODA_TRY(moda_cpu_list_parse("mask", mask, &cpus, &n));
    if (!mask) hwloc_bitmap_copy(t->usable, allowed);
    for (size_t i = 0; i < n; i++) hwloc_bitmap_set(t->usable, cpus[i]);
    hwloc_bitmap_and(t->usable, t->usable, allowed);
    MODA_CHECK(!hwloc_bitmap_iszero(t->usable), MODA_ERR_ARG, "mask %s: none of the machine's CPUs",
               mask ? mask : "");
    MODA_TRY(moda_topology_fill(t));
out:
    free(cpus);
    return st;
}

moda_status moda_topology_synthetic(const char *text, const char *mask, moda_topology **t)
{
    moda_status st = MODA_OK;
    moda_topology *new = NULL;
    MODA_TRY(allocate(&new));
    MODA_CHECK(start_hwloc(&new->hwloc), MODA_ERR_NOMEM, "hwloc does not start");
    MODA_CHECK(
        hwloc_topology_set_synthetic(new->hwloc, text) == 0 && hwloc_topology_load(new->hwloc) == 0,
        MODA_ERR_ARG, "'%s' is no synthetic machine; wanted is one as node:2 core:4 pu:2", text);
    MODA_TRY(finish(new, mask));
    *t = new, new = NULL;
out:
    moda_topology_destroy(new);
    return st;
}

moda_status moda_topology_xml(const char *path, const char *mask, moda_topology **t)
{
    moda_status st = MODA_OK;
    moda_topology *new = NULL;
    MODA_TRY(allocate(&new));
    MODA_CHECK(start_hwloc(&new->hwloc), MODA_ERR_NOMEM, "hwloc does not start");
    MODA_CHECK(
        hwloc_topology_set_xml(new->hwloc, path) == 0 && hwloc_topology_load(new->hwloc) == 0,
        MODA_ERR_FORMAT, "%s: not a machine that hwloc has recorded (lstopo FILE.xml)", path);
    MODA_TRY(finish(new, mask));
    *t = new, new = NULL;
out:
    moda_topology_destroy(new);
    return st;
}

/* ---- questions ---- */

size_t moda_topology_nodes(const moda_topology *t)
{
    return t->node_count;
}

const moda_node *moda_topology_node(const moda_topology *t, size_t i)
{
    return &t->node[i];
}

size_t moda_topology_cores(const moda_topology *t)
{
    return t->core_count;
}

const moda_core *moda_topology_core(const moda_topology *t, size_t i)
{
    return &t->core[i];
}

size_t moda_topology_units(const moda_topology *t)
{
    return t->unit_count;
}

size_t moda_topology_caches(const moda_topology *t)
{
    return t->cache_count;
}

const moda_cache *moda_topology_cache(const moda_topology *t, size_t i)
{
    return &t->cache[i];
}

const moda_core *moda_topology_core_of(const moda_topology *t, unsigned unit)
{
    for (size_t i = 0; i < t->core_count; i++)
        for (size_t k = 0; k < t->core[i].units; k++)
            if (t->core[i].unit[k] == unit) return &t->core[i];
    return NULL;
}

bool moda_topology_has_unit(const moda_topology *t, unsigned unit)
{
    return hwloc_bitmap_isset(t->hwloc ? hwloc_topology_get_topology_cpuset(t->hwloc) : t->usable,
                              unit);
}

bool moda_topology_narrowed(const moda_topology *t)
{
    return t->hwloc &&
           !hwloc_bitmap_isequal(t->usable, hwloc_topology_get_topology_cpuset(t->hwloc));
}

double moda_topology_quota(const moda_topology *t)
{
    return t->quota;
}

void moda_topology_set_quota(moda_topology *t, double cpus)
{
    t->quota = cpus;
}
