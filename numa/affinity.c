/* numa/affinity.c - affinity through the kernel's own calls: what hwloc believes about another
 * machine (HWLOC_XMLFILE, HWLOC_SYNTHETIC) must not reach a check of what is. */
#include "numa/affinity_internal.h"
#include <ctype.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

enum { MOST_CPUS = 1 << 16 }; /* of any kernel; also the largest number in a list */

typedef union cpu_mask {
    cpu_set_t set; /* alignment; the macros with _S take the size */
    unsigned char bytes[MOST_CPUS / 8];
} cpu_mask;

bool moda_affinity_get(hwloc_bitmap_t mask)
{
    cpu_mask m = {0};
    if (sched_getaffinity(0, sizeof m, &m.set) != 0) return false;
    hwloc_bitmap_zero(mask);
    for (unsigned cpu = 0; cpu < MOST_CPUS; cpu++)
        if (CPU_ISSET_S(cpu, sizeof m, &m.set) && hwloc_bitmap_set(mask, cpu) != 0) return false;
    return !hwloc_bitmap_iszero(mask);
}

bool moda_affinity_set(hwloc_const_bitmap_t mask)
{
    cpu_mask m = {0};
    for (int cpu = hwloc_bitmap_first(mask); cpu >= 0 && cpu < MOST_CPUS;
         cpu = hwloc_bitmap_next(mask, cpu))
        CPU_SET_S((size_t)cpu, sizeof m, &m.set);
    return sched_setaffinity(0, sizeof m, &m.set) == 0;
}

bool moda_affinity_is(const unsigned *unit, size_t units)
{
    cpu_mask m = {0};
    if (sched_getaffinity(0, sizeof m, &m.set) != 0) return false;
    for (size_t i = 0; i < units; i++)
        if (unit[i] >= MOST_CPUS || !CPU_ISSET_S(unit[i], sizeof m, &m.set)) return false;
    return (size_t)CPU_COUNT_S(sizeof m, &m.set) == units;
}

/* ---- lists ---- */

/* Digits alone, below MOST_CPUS; at moves behind them. */
static bool take_number(const char **at, unsigned *value)
{
    unsigned x = 0;
    if (!isdigit((unsigned char)**at)) return false;
    for (; isdigit((unsigned char)**at); ++*at)
        if ((x = 10 * x + (unsigned)(**at - '0')) >= MOST_CPUS) return false;
    *value = x;
    return true;
}

moda_status moda_cpu_list_parse(const char *option, const char *text, unsigned **cpus, size_t *n)
{
    moda_status st = MODA_OK;
    unsigned *list = NULL, first = 0, last;
    size_t used = 0;
    cpu_mask seen = {0};
    const char *at = text;
    MODA_ALLOC(list, MOST_CPUS * sizeof *list);
    for (;; at++) {
        bool good = take_number(&at, &first);
        last = first;
        if (good && *at == '-') at++, good = take_number(&at, &last) && last >= first;
        MODA_CHECK(good && (*at == ',' || *at == 0), MODA_ERR_ARG,
                   "--%s %s: not a list of CPUs; wanted is one as 0-3,8", option,
                   *text ? text : "''");
        for (unsigned cpu = first; cpu <= last; cpu++) {
            MODA_CHECK(!CPU_ISSET_S(cpu, sizeof seen, &seen.set), MODA_ERR_ARG,
                       "--%s %s: CPU %u is in it twice", option, text, cpu);
            CPU_SET_S(cpu, sizeof seen, &seen.set);
            list[used++] = cpu;
        }
        if (*at == 0) break;
    }
    *cpus = list, *n = used;
    list = NULL;
out:
    free(list);
    return st;
}

char *moda_cpu_list_print(const unsigned *cpus, size_t n, char *buffer, size_t size)
{
    hwloc_bitmap_t set = hwloc_bitmap_alloc();
    snprintf(buffer, size, "%s", set ? "" : "?");
    if (!set) return buffer;
    for (size_t i = 0; i < n; i++) hwloc_bitmap_set(set, cpus[i]);
    int length = hwloc_bitmap_list_snprintf(buffer, size, set);
    if (length >= 0 && (size_t)length >= size && size > 4) strcpy(buffer + size - 4, "...");
    hwloc_bitmap_free(set);
    return buffer;
}
