/* numa/cpu.h - what the processor calls itself. */
#ifndef MODA_NUMA_CPU_H
#define MODA_NUMA_CPU_H

#include <stddef.h>

/* "AMD EPYC 9254 24-Core Processor", cut to the buffer, which is returned; the machine's architecture
 * ("aarch64") where hwloc knows no name. */
char *moda_cpu_name(char *buffer, size_t size);

#endif
