/* bench/remote.h - how often the processor had to fetch data from another node's memory.
 *
 * Counted by the processor for this process and all threads that it starts after moda_remote_open(),
 * in user mode. Which events there are depends on the processor:
 *     AMD Zen 3 and later   ls_any_fills_from_sys.dram_io_near, dram_io_far
 *     others                Linux's node-loads, node-load-misses (Intel since Haswell: loads that the own
 *                           node's memory answered, and another's)
 * Virtual machines and containers usually have neither. */
#ifndef MODA_BENCH_REMOTE_H
#define MODA_BENCH_REMOTE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct moda_remote {
    int fd[2]; /* near, far; -1: not to be had */
} moda_remote;
#define MODA_REMOTE_CLOSED ((moda_remote){.fd = {-1, -1}})

/* Near and far fetches of cache lines; scaled up where the counters were shared with others. */
typedef struct moda_remote_counts {
    double near, far;
} moda_remote_counts;

/* Stopped counters at zero. False where there are none, or the kernel refuses
 * (/proc/sys/kernel/perf_event_paranoid above 2); why [size] then says which. Call it before the
 * process has threads. */
bool moda_remote_open(moda_remote *remote, char *why, size_t size);
void moda_remote_start(moda_remote *remote);
void moda_remote_stop(moda_remote *remote);
/* False if a counter never ran. */
bool moda_remote_read(const moda_remote *remote, moda_remote_counts *counts);
void moda_remote_close(moda_remote *remote); /* of a failed open, too */
/* The events' names on this processor, near and far. */
const char *moda_remote_events(void);

#endif
