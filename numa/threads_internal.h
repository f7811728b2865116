/* numa/threads_internal.h - open to tests, which have recorded machines. */
#ifndef MODA_NUMA_THREADS_INTERNAL_H
#define MODA_NUMA_THREADS_INTERNAL_H

/* CPUs that control groups leave to a process, as a share: 1.5 is 150 ms per 100 ms. INFINITY
 * without a quota. membership is its /proc/self/cgroup, root where /sys/fs/cgroup is mounted. */
double moda_cgroup_quota(const char *membership, const char *root);

#endif
