/* tests/test_cpu.c - numa/cpu.h. */
#include "numa/cpu.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

TestSuite(cpu, .timeout = 60);

/* The name that the kernel gives, where it gives one; free of hwloc. */
static void kernel_name(char *name, size_t size)
{
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "r");
    *name = 0;
    while (f && !*name && fgets(line, sizeof line, f))
        if (strncmp(line, "model name", 10) == 0 && strchr(line, ':'))
            snprintf(name, size, "%s", strtok(strchr(line, ':') + 2, "\n"));
    if (f) fclose(f);
}

Test(cpu, is_called_as_the_kernel_calls_it)
{
    char name[128], kernel[128];
    kernel_name(kernel, sizeof kernel);
    cr_assert(eq(ptr, moda_cpu_name(name, sizeof name), name));
    cr_assert(lt(sz, 0, strlen(name)));
    if (!*kernel) cr_skip("no model name in /proc/cpuinfo");
    cr_assert(eq(str, name, kernel));
}

Test(cpu, long_names_are_cut)
{
    char whole[128], cut[5];
    moda_cpu_name(whole, sizeof whole);
    moda_cpu_name(cut, sizeof cut);
    cr_assert(lt(sz, 4, strlen(whole)), "too short to be cut: %s", whole);
    cr_assert(eq(sz, strlen(cut), 4));
    cr_assert(eq(int, strncmp(whole, cut, 4), 0));
}

/* Lines of a file that begin with a word. */
static size_t lines_with(const char *path, const char *word)
{
    char line[4096];
    size_t n = 0;
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) n += strncmp(line, word, strlen(word)) == 0;
    if (f) fclose(f);
    return n;
}

Test(cpu, counts_are_possible)
{
    size_t cores = 0, units = 0, nodes = 0;
    moda_cpu_count(&cores, &units, &nodes);
    cr_assert(cores >= 1 && cores <= units && nodes >= 1, "%zu %zu %zu", cores, units, nodes);
    const size_t online = lines_with("/proc/cpuinfo", "processor");
    if (online == 0) cr_skip("no processors in /proc/cpuinfo");
    cr_assert(le(sz, units, online));
}
