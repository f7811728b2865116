/* numa/cpu.c - hwloc's name for the first package, and its counts. */
#include "numa/cpu.h"
#include <hwloc.h>
#include <stdio.h>
#include <sys/utsname.h>

char *moda_cpu_name(char *buffer, size_t size)
{
    hwloc_topology_t topology = NULL;
    struct utsname system;
    snprintf(buffer, size, "%s", uname(&system) == 0 ? system.machine : "unknown");
    if (hwloc_topology_init(&topology) != 0) return buffer;
    if (hwloc_topology_load(topology) != 0) goto out;
    hwloc_obj_t package = hwloc_get_obj_by_type(topology, HWLOC_OBJ_PACKAGE, 0);
    const char *name = package ? hwloc_obj_get_info_by_name(package, "CPUModel") : NULL;
    if (name) snprintf(buffer, size, "%s", name);
out:
    hwloc_topology_destroy(topology);
    return buffer;
}

static size_t count(hwloc_topology_t topology, hwloc_obj_type_t type, size_t otherwise)
{
    const int n = hwloc_get_nbobjs_by_type(topology, type);
    return n > 0 ? (size_t)n : otherwise;
}

void moda_cpu_count(size_t *cores, size_t *units, size_t *nodes)
{
    hwloc_topology_t topology = NULL;
    *cores = *units = *nodes = 1;
    if (hwloc_topology_init(&topology) != 0) return;
    hwloc_topology_set_flags(topology, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED);
    if (hwloc_topology_load(topology) == 0) {
        *units = count(topology, HWLOC_OBJ_PU, 1);
        *cores = count(topology, HWLOC_OBJ_CORE, *units);
        *nodes = count(topology, HWLOC_OBJ_NUMANODE, 1);
    }
    hwloc_topology_destroy(topology);
}
