/* numa/cpu.h - what the processor calls itself, and what there is of it. */
#ifndef MODA_NUMA_CPU_H
#define MODA_NUMA_CPU_H

#include <stddef.h>

/* "AMD EPYC 9254 24-Core Processor", cut to the buffer, which is returned; the machine's architecture
 * ("aarch64") where hwloc knows no name. */
char *moda_cpu_name(char *buffer, size_t size);

/* How many the machine has, whether this process may use them or not: cores, hardware threads, nodes
 * with memory; each at least 1. */
void moda_cpu_count(size_t *cores, size_t *units, size_t *nodes);

#endif
