/* numa/team_print.c - the map of threads for people and for programs. */
#include "base/json.h"
#include "numa/affinity_internal.h"
#include "numa/team_internal.h"
#include <stdio.h>

/* The CPUs of a node's threads, all units of their cores. */
static char *cpus_of(const moda_team *team, const moda_team_node *node, char *buffer, size_t size)
{
    const size_t first = team->first[node->first_thread];
    const size_t end = team->first[node->first_thread + node->threads];
    return moda_cpu_list_print(team->unit + first, end - first, buffer, size);
}

void moda_team_print(const moda_team *team)
{
    char cpus[256];
    if (!team->bound)
        printf("threads   %zu, not bound\n", team->threads);
    else if (team->nodes == 1)
        printf("threads   %zu on 1 node: node %u: cpus %s\n", team->threads, team->node[0].os_index,
               cpus_of(team, &team->node[0], cpus, sizeof cpus));
    else
        printf("threads   %zu on %zu nodes\n", team->threads, team->nodes);
    for (size_t i = 0; i < team->nodes && team->nodes > 1; i++) {
        const moda_team_node *n = &team->node[i];
        printf("          node %u: threads %zu-%zu on cpus %s\n", n->os_index, n->first_thread,
               n->first_thread + n->threads - 1, cpus_of(team, n, cpus, sizeof cpus));
    }
    if (*team->rule) printf("rule      %s\n", team->rule);
    fflush(stdout); /* a long run starts: batch logs show the map at once */
}

static json_t *node_json(const moda_team *team, const moda_team_node *n)
{
    json_t *cpus = json_array();
    bool good = cpus != NULL;
    for (size_t i = n->first_thread; i < n->first_thread + n->threads && good && team->bound; i++)
        good = json_array_append_new(cpus, json_integer((json_int_t)team->cpu[i])) == 0;
    if (!good) json_decref(cpus), cpus = NULL;
    return json_pack("{s:I s:I s:I s:o}", "node", (json_int_t)n->os_index, "first_thread",
                     (json_int_t)n->first_thread, "threads", (json_int_t)n->threads, "cpus", cpus);
}

json_t *moda_team_json(const moda_team *team)
{
    json_t *nodes = json_array();
    bool good = nodes != NULL;
    for (size_t i = 0; i < team->nodes && good; i++)
        good = json_array_append_new(nodes, node_json(team, &team->node[i])) == 0;
    if (!good) json_decref(nodes), nodes = NULL;
    return json_pack("{s:I s:b s:o s:s}", "threads", (json_int_t)team->threads, "bound",
                     (int)team->bound, "nodes", nodes, "rule", team->rule);
}
