/* numa/cgroup.c - the CPU quota of containers and batch systems. A quota does not show in the
 * affinity mask: a process that takes every core it sees is then stopped for most of each period.
 *   version 2: line "0::/PATH", file ROOT/PATH/cpu.max "QUOTA|max PERIOD"
 *   version 1: line "N:...,cpu,...:/PATH", files ROOT/{cpu,cpu,cpuacct}/PATH/cpu.cfs_{quota,period}_us
 * Every group on the way up can hold a quota; the smallest counts. Inside a container PATH may name
 * a group of the host that is not visible: the walk up then still ends at the visible root. */
#include "numa/threads_internal.h"
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 4096 };

/* The first words of a small file; false if there is none. */
static bool read_words(const char *folder, const char *name, char text[64])
{
    char path[PATH_BYTES + 64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "r");
    if (!f) return false;
    bool good = fgets(text, 64, f) != NULL;
    fclose(f);
    return good;
}

static double share(double quota, double period)
{
    return quota > 0 && period > 0 ? quota / period : INFINITY;
}

static double group_quota(const char *folder)
{
    char text[64], second[64];
    double quota = INFINITY, period;
    if (read_words(folder, "cpu.max", text)) {
        if (sscanf(text, "%lf %lf", &quota, &period) == 2 && isfinite(quota))
            return share(quota, period);
        return INFINITY; /* "max 100000" */
    }
    if (read_words(folder, "cpu.cfs_quota_us", text) &&
        read_words(folder, "cpu.cfs_period_us", second))
        return share(atof(text), atof(second));
    return INFINITY;
}

/* The smallest quota of root/path and the groups above it, root included. */
static double smallest_quota(const char *root, const char *path)
{
    char folder[PATH_BYTES];
    size_t start = strlen(root);
    if ((size_t)snprintf(folder, sizeof folder, "%s%s", root, path) >= sizeof folder)
        return INFINITY;
    double least = INFINITY;
    for (;;) {
        least = fmin(least, group_quota(folder));
        char *slash = strrchr(folder + start, '/');
        if (!slash) return least;
        *slash = 0;
    }
}

static bool names_cpu(const char *controllers)
{
    for (const char *c = controllers; c; c = strchr(c, ',')) {
        c += *c == ',';
        if (strncmp(c, "cpu", 3) == 0 && (c[3] == ',' || c[3] == 0)) return true;
    }
    return false;
}

double moda_cgroup_quota(const char *membership, const char *root)
{
    double least = INFINITY;
    char *line = NULL;
    size_t size = 0;
    ssize_t length;
    FILE *f = fopen(membership, "r");
    if (!f) return INFINITY;
    while ((length = getline(&line, &size, f)) > 0) {
        if (line[length - 1] == '\n') line[length - 1] = 0;
        char *controllers = strchr(line, ':'), *path;
        if (!controllers || !(path = strchr(controllers + 1, ':'))) continue;
        *path++ = 0;
        controllers++;
        if (strcmp(path, "/") == 0) path = "";
        char mount[PATH_BYTES];
        if (!*controllers) {
            least = fmin(least, smallest_quota(root, path));
            continue;
        }
        if (!names_cpu(controllers)) continue;
        static const char *const folders[] = {"cpu", "cpu,cpuacct", "cpuacct,cpu"};
        for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
            if ((size_t)snprintf(mount, sizeof mount, "%s/%s", root, folders[i]) < sizeof mount)
                least = fmin(least, smallest_quota(mount, path));
    }
    free(line);
    fclose(f);
    return least;
}
