/* numa/threads.c - cores by hwloc, narrowed by the affinity mask and by control groups. */
#include "numa/threads.h"
#include "numa/threads_internal.h"
#include <hwloc.h>
#include <math.h>
#include <omp.h>
#include <sched.h>
#include <stdlib.h>

typedef struct allowance {
    size_t cores, units; /* physical cores; hardware threads */
} allowance;

/* What the scheduler says, should hwloc fail: no cores known, so every unit counts as one. */
static allowance ask_scheduler(void)
{
    cpu_set_t mask;
    size_t n = sched_getaffinity(0, sizeof mask, &mask) == 0 ? (size_t)CPU_COUNT(&mask) : 1;
    return (allowance){n, n};
}

/* Under OMP_PROC_BIND the OpenMP runtime pins the first thread before main() starts, and the
 * process's mask is one place of many; the places together are what the process was given. */
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

static allowance ask_hwloc(void)
{
    allowance a = ask_scheduler();
    hwloc_topology_t topology = NULL;
    hwloc_bitmap_t mask = NULL;
    if (hwloc_topology_init(&topology) != 0) return a;
    if (hwloc_topology_load(topology) != 0) goto out;
    if (!(mask = hwloc_bitmap_alloc())) goto out;
    if (hwloc_get_cpubind(topology, mask, HWLOC_CPUBIND_PROCESS) != 0)
        hwloc_bitmap_copy(mask, hwloc_topology_get_allowed_cpuset(topology));
    add_openmp_places(mask);
    hwloc_bitmap_and(mask, mask, hwloc_topology_get_allowed_cpuset(topology));
    int units = hwloc_bitmap_weight(mask);
    size_t cores = 0;
    hwloc_obj_t core = NULL;
    while ((core = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_CORE, core)))
        cores += hwloc_bitmap_intersects(core->cpuset, mask) != 0;
    if (units > 0) a = (allowance){cores ? cores : (size_t)units, (size_t)units};
out:
    hwloc_bitmap_free(mask);
    hwloc_topology_destroy(topology);
    return a;
}

size_t moda_allowed_cores(void)
{
    double quota = moda_cgroup_quota("/proc/self/cgroup", "/sys/fs/cgroup");
    size_t cores = ask_hwloc().cores;
    /* 1.5 CPUs are one core: a second thread would be stopped half the time, and all wait for it. */
    if (quota < (double)cores) cores = (size_t)quota;
    return cores > 0 ? cores : 1;
}

/* OMP_NUM_THREADS, as batch systems set it for a job's share of the machine; 0 without one. */
static size_t environment_threads(size_t units)
{
    const char *text = getenv("OMP_NUM_THREADS");
    long n = text ? strtol(text, NULL, 10) : 0;
    return n <= 0 ? 0 : (size_t)n < units ? (size_t)n : units;
}

moda_status moda_threads_set(size_t requested, size_t *threads)
{
    moda_status st = MODA_OK;
    size_t units = ask_hwloc().units;
    MODA_CHECK(requested <= units, MODA_ERR_ARG,
               "--threads %zu: this process may use %zu processing unit%s", requested, units,
               units == 1 ? "" : "s");
    size_t n = requested ? requested : environment_threads(units);
    if (n == 0) n = moda_allowed_cores();
    omp_set_dynamic(0); /* a smaller team than asked for would change the order of sums */
    omp_set_num_threads((int)n);
    *threads = n;
out:
    return st;
}
