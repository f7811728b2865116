/* bench/scale_counts.c - how many threads to measure with, and where they stand. */
#include "base/file.h"
#include "bench/scale_internal.h"
#include <math.h>
#include <stdio.h>

/* Threads that may run on a node. */
static size_t room_of(const moda_topology *t, bool smt, size_t node)
{
    const moda_node *n = moda_topology_node(t, node);
    size_t units = 0;
    for (size_t i = 0; i < n->cores; i++) units += moda_topology_core(t, n->first_core + i)->units;
    return smt ? units : n->cores;
}

size_t moda_scale_room(const moda_topology *t, bool smt)
{
    return smt ? moda_topology_units(t) : moda_topology_cores(t);
}

static int ascending(const void *a, const void *b)
{
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

moda_status moda_scale_counts(const moda_topology *t, bool smt, moda_sizes *counts)
{
    moda_status st = MODA_OK;
    const double quota = ceil(moda_topology_quota(t));
    size_t most = moda_scale_room(t, smt), n = 0, kept = 0, nodes = 0, *values = NULL;
    if (quota < (double)most) most = quota > 1 ? (size_t)quota : 1;
    MODA_ALLOC(values, (8 * sizeof most + moda_topology_nodes(t) + 1) * sizeof *values);
    /* Threads fill cores before they share one, with smt too. */
    for (size_t power = 1; power < most; power *= 2) values[n++] = power;
    for (size_t i = 0; i < moda_topology_nodes(t); i++) {
        nodes += moda_topology_node(t, i)->cores;
        if (nodes > 0 && nodes < most) values[n++] = nodes;
    }
    values[n++] = most;
    qsort(values, n, sizeof *values, ascending);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || values[i] != values[kept - 1]) values[kept++] = values[i];
    *counts = (moda_sizes){values, kept};
out:
    return st;
}

moda_status moda_scale_check_counts(const moda_topology *t, bool smt, moda_sizes *counts)
{
    moda_status st = MODA_OK;
    const size_t most = moda_scale_room(t, smt);
    for (size_t i = 0; i < counts->n; i++) {
        MODA_CHECK(counts->values[i] > 0, MODA_ERR_ARG, "--threads: 0 threads cannot be measured");
        MODA_CHECK(counts->values[i] <= most, MODA_ERR_ARG,
                   "--threads: %zu are more than the %zu %s that this process may use",
                   counts->values[i], most, smt ? "hardware threads" : "cores");
    }
    MODA_TRY(moda_sizes_sort_unique("threads", counts, most + 1));
out:
    return st;
}

/* ---- spread over nodes ---- */

/* A node's share of the threads: as equal as its room and that of the others allow. */
static moda_status shares(const moda_topology *t, bool smt, size_t threads, size_t *share)
{
    moda_status st = MODA_OK;
    const size_t nodes = moda_topology_nodes(t);
    bool placed = true;
    while (threads > 0 && placed) {
        placed = false;
        for (size_t i = 0; i < nodes && threads > 0; i++) {
            if (share[i] == room_of(t, smt, i)) continue;
            share[i]++, threads--, placed = true;
        }
    }
    MODA_CHECK(threads == 0, MODA_ERR_ARG, "%zu threads more than there is room for", threads);
out:
    return st;
}

/* Units in the order of nodes: on each, the first of every core, then the second, ... */
static void print_units(const moda_topology *t, const size_t *share, FILE *to)
{
    const char *comma = "";
    for (size_t i = 0; i < moda_topology_nodes(t); i++) {
        const moda_node *n = moda_topology_node(t, i);
        size_t left = share[i];
        for (size_t u = 0; left > 0; u++)
            for (size_t c = 0; c < n->cores && left > 0; c++) {
                const moda_core *core = moda_topology_core(t, n->first_core + c);
                if (u >= core->units) continue;
                fprintf(to, "%s%u", comma, core->unit[u]);
                comma = ",", left--;
            }
    }
}

moda_status moda_scale_spread(const moda_topology *t, bool smt, size_t threads, char **list)
{
    moda_status st = MODA_OK;
    size_t *share = NULL, size;
    FILE *to = NULL;
    *list = NULL;
    MODA_ALLOC(share, moda_topology_nodes(t) * sizeof *share);
    MODA_TRY(shares(t, smt, threads, share));
    MODA_CHECK((to = open_memstream(list, &size)) != NULL, MODA_ERR_NOMEM, "out of memory");
    print_units(t, share, to);
out:
    if (to && !moda_text_close(to, list) && st == MODA_OK)
        st = moda_fail_at(__FILE__, __LINE__, MODA_ERR_NOMEM, "out of memory");
    free(share);
    return st;
}
