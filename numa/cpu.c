/* numa/cpu.c - hwloc's name for the first package. */
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
