/* bench/remote.c - two events of perf_event_open(2), inherited by threads that start later. */
#include "bench/remote.h"
#include <errno.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef struct events {
    const char *names;
    uint32_t type;
    uint64_t config[2]; /* near, far */
} events;

#define NODE_LOADS (PERF_COUNT_HW_CACHE_NODE | PERF_COUNT_HW_CACHE_OP_READ << 8)

static const events generic = {
    "node-loads, node-load-misses",
    PERF_TYPE_HW_CACHE,
    {NODE_LOADS | PERF_COUNT_HW_CACHE_RESULT_ACCESS << 16,
     NODE_LOADS | PERF_COUNT_HW_CACHE_RESULT_MISS << 16},
};
/* Linux gives the node events no meaning on Zen. Event 0x44, units 0x08 and 0x40. */
static const events zen = {
    "ls_any_fills_from_sys.dram_io_near, .dram_io_far", PERF_TYPE_RAW, {0x0844, 0x4044}};

static const events *events_here(void)
{
#if defined(__x86_64__)
    unsigned family = 0;
    char line[256], vendor[64] = "";
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "vendor_id : %63s", vendor) == 1) continue;
        if (sscanf(line, "cpu family : %u", &family) == 1) break;
    }
    if (f) fclose(f);
    if (strcmp(vendor, "AuthenticAMD") == 0 && family >= 0x19) return &zen;
#endif
    return &generic;
}

const char *moda_remote_events(void)
{
    return events_here()->names;
}

static int open_event(uint32_t type, uint64_t config)
{
    struct perf_event_attr a = {.type = type,
                                .size = sizeof a,
                                .config = config,
                                .read_format =
                                    PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING,
                                .disabled = 1,
                                .inherit = 1,
                                .exclude_kernel = 1,
                                .exclude_hv = 1};
    return (int)syscall(SYS_perf_event_open, &a, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

bool moda_remote_open(moda_remote *remote, char *why, size_t size)
{
    const events *e = events_here();
    remote->fd[0] = remote->fd[1] = -1;
    for (int i = 0; i < 2; i++) {
        remote->fd[i] = open_event(e->type, e->config[i]);
        if (remote->fd[i] >= 0) continue;
        if (errno == EACCES || errno == EPERM)
            snprintf(why, size,
                     "the kernel refuses to count them (/proc/sys/kernel/perf_event_paranoid)");
        else
            snprintf(why, size, "this machine does not count %s", e->names);
        moda_remote_close(remote);
        return false;
    }
    return true;
}

static void tell(moda_remote *remote, unsigned long request)
{
    for (int i = 0; i < 2; i++)
        if (remote->fd[i] >= 0) (void)ioctl(remote->fd[i], request, 0);
}

void moda_remote_start(moda_remote *remote)
{
    tell(remote, PERF_EVENT_IOC_ENABLE);
}

void moda_remote_stop(moda_remote *remote)
{
    tell(remote, PERF_EVENT_IOC_DISABLE);
}

bool moda_remote_read(const moda_remote *remote, moda_remote_counts *counts)
{
    double scaled[2];
    for (int i = 0; i < 2; i++) {
        uint64_t value[3]; /* count, nanoseconds enabled, nanoseconds running */
        if (remote->fd[i] < 0 || read(remote->fd[i], value, sizeof value) != sizeof value ||
            value[2] == 0)
            return false;
        scaled[i] = (double)value[0] * (double)value[1] / (double)value[2];
    }
    *counts = (moda_remote_counts){scaled[0], scaled[1]};
    return true;
}

void moda_remote_close(moda_remote *remote)
{
    for (int i = 0; i < 2; i++) {
        if (remote->fd[i] >= 0) close(remote->fd[i]);
        remote->fd[i] = -1;
    }
}
