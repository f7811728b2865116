/* numa/pages.c - binding and asking, by hwloc where it can and by the system call where hwloc would
 * make one call per page. */
#include "numa/pages.h"
#include "numa/memory.h"
#include "numa/placement_internal.h"
#include <errno.h>
#include <hwloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { AT_A_TIME = 1024 };

const char *moda_node_files = "/sys/devices/system/node";

/* Loaded by the first who needs it, which is nobody on a machine with one node, and kept. */
static hwloc_topology_t machine;

static void load(void)
{
    if (hwloc_topology_init(&machine) != 0) {
        machine = NULL;
    } else if (hwloc_topology_load(machine) != 0) {
        hwloc_topology_destroy(machine);
        machine = NULL;
    }
}

static hwloc_topology_t loaded(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    return machine;
}

static int bind_by_hwloc(void *at, size_t bytes, const unsigned *os_index, size_t nodes, bool move)
{
    const hwloc_topology_t topology = loaded();
    const hwloc_bitmap_t set = hwloc_bitmap_alloc();
    int answer = -1, error = ENOMEM;
    if (!topology || !set) goto out;
    for (size_t k = 0; k < nodes; k++) hwloc_bitmap_set(set, os_index[k]);
    /* Not STRICT: a strict binding ends in the out-of-memory killer when the node is full. MIGRATE only
     * where there is something to move: Linux then stops all CPUs for a moment. */
    answer = hwloc_set_area_membind(topology, at, bytes, set,
                                    nodes > 1 ? HWLOC_MEMBIND_INTERLEAVE : HWLOC_MEMBIND_BIND,
                                    HWLOC_MEMBIND_BYNODESET | (move ? HWLOC_MEMBIND_MIGRATE : 0));
    error = errno;
out:
    hwloc_bitmap_free(set);
    errno = error;
    return answer;
}

moda_binder moda_bind_memory = bind_by_hwloc;

bool moda_node_usable(unsigned os_index)
{
    const hwloc_topology_t topology = loaded();
    return topology && hwloc_get_numanode_obj_by_os_index(topology, os_index) != NULL;
}

/* One call for some pages: node below 0 where the kernel knows none. */
static moda_status ask_some(void *const *at, size_t n, int *node)
{
    moda_status st = MODA_OK;
    MODA_CHECK(syscall(SYS_move_pages, 0, n, at, NULL, node, 0) == 0, MODA_ERR_UNSUPPORTED,
               "the kernel does not tell where pages are (%s)%s", strerror(errno),
               errno == EPERM ? ": in a container, allow it SYS_NICE" : "");
out:
    return st;
}

/* Linux hides pages that its NUMA balancing has just taken the access from, which it does with memory
 * that nobody has bound. A read gives it back; of a page that is not there it makes none. */
static bool read_missing(void *const *at, size_t n, const int *node)
{
    bool missing = false;
    for (size_t i = 0; i < n; i++) {
        if (node[i] >= 0) continue;
        (void)*(const volatile char *)at[i];
        missing = true;
    }
    return missing;
}

moda_status moda_pages_ask(const void *block, size_t pages, int *node)
{
    moda_status st = MODA_OK;
    const size_t page = moda_page_bytes();
    void *at[AT_A_TIME];
    for (size_t first = 0, n; first < pages; first += n) {
        n = pages - first < AT_A_TIME ? pages - first : AT_A_TIME;
        for (size_t i = 0; i < n; i++) at[i] = (char *)(uintptr_t)block + (first + i) * page;
        MODA_TRY(ask_some(at, n, node + first));
        if (read_missing(at, n, node + first)) MODA_TRY(ask_some(at, n, node + first));
        for (size_t i = first; i < first + n; i++)
            if (node[i] < 0) node[i] = -1;
    }
out:
    return st;
}

size_t moda_node_free(const char *root, unsigned os_index)
{
    char path[512], line[128];
    size_t kilobytes = SIZE_MAX;
    snprintf(path, sizeof path, "%s/node%u/meminfo", root, os_index);
    FILE *f = fopen(path, "r");
    while (f && kilobytes == SIZE_MAX && fgets(line, sizeof line, f)) {
        const char *at = strstr(line, " MemFree:");
        if (at && sscanf(at, " MemFree: %zu kB", &kilobytes) != 1) kilobytes = SIZE_MAX;
    }
    if (f) fclose(f);
    return kilobytes > SIZE_MAX / 1024 ? SIZE_MAX : kilobytes * 1024;
}
