/* engine/cmd_topo_report.c - what `moda topo` prints and writes. */
#include "base/json.h"
#include "base/table.h"
#include "engine/cmd_topo_internal.h"
#include "engine/cmd_train_internal.h"
#include <inttypes.h>
#include <stdio.h>

/* ---- the machine ---- */

static size_t threads_of(const moda_team *team, unsigned os_index)
{
    size_t sum = 0;
    for (size_t k = 0; k < team->nodes; k++)
        if (team->node[k].os_index == os_index) sum += team->node[k].threads;
    return sum;
}

static void print_caches(const moda_topology *t)
{
    for (size_t i = 0; i < moda_topology_caches(t); i++) {
        const moda_cache *c = moda_topology_cache(t, i);
        char bytes[16];
        printf("L%u cache  %zu x %s, each of %zu core%s\n", c->level, c->count,
               moda_human_bytes((double)c->bytes, bytes), c->cores, c->cores == 1 ? "" : "s");
    }
}

void moda_topo_print_machine(const moda_topo *t)
{
    moda_table *table = moda_table_create(">node|>memory|>cores|>threads|");
    for (size_t i = 0; i < moda_topology_nodes(t->topology); i++) {
        const moda_node *n = moda_topology_node(t->topology, i);
        char bytes[16];
        moda_table_row(table, "%u|%s|%zu|%zu|%s", n->os_index,
                       n->bytes ? moda_human_bytes((double)n->bytes, bytes) : "none", n->cores,
                       threads_of(t->placement.team, n->os_index),
                       n->allowed ? "" : "not for this process");
    }
    moda_table_print(table);
    moda_table_destroy(table);
    print_caches(t->topology);
    if (t->synthetic) moda_team_print(t->placement.team);
}

/* ---- the plan ---- */

static moda_table *table_with_nodes(const char *heads, const moda_places *p)
{
    moda_table *table = moda_table_create(heads);
    for (size_t k = 0; k < p->homes; k++) moda_table_column(table, true, "node %u", p->os_index[k]);
    return table;
}

static void bytes_cells(moda_table *table, size_t bytes, const size_t *node, size_t nodes)
{
    char text[16];
    size_t sum = 0;
    moda_table_cell(table, "%s", moda_human_bytes((double)bytes, text));
    for (size_t k = 0; k < nodes; k++) sum += node[k];
    for (size_t k = 0; k < nodes; k++)
        moda_table_cell(table, "%s", sum ? moda_human_bytes((double)node[k], text) : "-");
}

void moda_topo_print_plan(const moda_topo *t)
{
    const moda_places *p = t->places;
    moda_table *table = table_with_nodes("memory of a step|>bytes", p);
    char word[24], one[16];
    for (size_t i = 0; i < p->count; i++) {
        if (!p->row[i].bytes) continue;
        moda_table_row(table, "%s", p->row[i].name);
        bytes_cells(table, p->row[i].bytes, p->row[i].planned, p->homes);
    }
    moda_table_row(table, "workspace");
    bytes_cells(table, p->workspace, p->workspace_planned, p->homes);
    printf("\n%s, batch size %zu, %s: placement %s\n", t->model->net->name, t->batch_size,
           moda_train_precisions[t->precision], moda_placement_word(&t->placement, word));
    moda_table_print(table);
    moda_table_destroy(table);
    printf("layers share the workspace");
    if (p->workspace != p->workspace_one_node)
        printf(", which on one node would be %s",
               moda_human_bytes((double)p->workspace_one_node, one));
    printf("\n");
    if (t->placement.wish == MODA_PLACE_LOCAL)
        printf("first touch has no plan: a page goes to the node whose thread writes it first\n");
}

/* ---- where pages are ---- */

void moda_topo_print_pages(const moda_topo *t)
{
    const moda_places *p = t->places;
    const moda_topo_verdict v = moda_topo_judge(p);
    moda_table *table = table_with_nodes("pages|>touched", p);
    moda_table_column(table, true, "right");
    for (size_t i = 0; i < p->count; i++) {
        const moda_place_row *row = &p->row[i];
        if (!row->pages) continue;
        moda_table_row(table, "%s|%zu", row->name, row->pages);
        for (size_t k = 0; k < p->homes; k++) moda_table_cell(table, "%zu", row->found[k]);
        moda_table_cell(table, "%.2f%%", 100 * moda_topo_share(row));
    }
    printf("\n");
    moda_table_print(table);
    moda_table_destroy(table);
    printf("layers: %zu of %zu pages on the right node, %.2f%%\n", v.right, v.pages,
           v.pages ? 100 * (double)v.right / (double)v.pages : 0);
}

/* ---- --json; NULL: memory was short ---- */

static json_t *machine_json(const moda_topo *t)
{
    json_t *nodes = json_array(), *caches = json_array(), *result = NULL;
    int bad = 0;
    for (size_t i = 0; i < moda_topology_nodes(t->topology); i++) {
        const moda_node *n = moda_topology_node(t->topology, i);
        bad |= json_array_append_new(
            nodes,
            json_pack("{s:I, s:I, s:b, s:I, s:I}", "node", (json_int_t)n->os_index, "bytes",
                      (json_int_t)n->bytes, "allowed", n->allowed, "cores", (json_int_t)n->cores,
                      "threads", (json_int_t)threads_of(t->placement.team, n->os_index)));
    }
    for (size_t i = 0; i < moda_topology_caches(t->topology); i++) {
        const moda_cache *c = moda_topology_cache(t->topology, i);
        bad |= json_array_append_new(
            caches, json_pack("{s:I, s:I, s:I, s:I}", "level", (json_int_t)c->level, "bytes",
                              (json_int_t)c->bytes, "count", (json_int_t)c->count, "cores",
                              (json_int_t)c->cores));
    }
    if (!bad)
        result = json_pack("{s:O, s:O, s:o}", "nodes", nodes, "caches", caches, "team",
                           moda_team_json(t->placement.team));
    json_decref(nodes);
    json_decref(caches);
    return result;
}

static json_t *row_json(const moda_topo *t, const moda_place_row *row)
{
    json_t *o = json_pack("{s:s, s:b, s:I, s:o}", "name", row->name, "layer", row->layer, "bytes",
                          (json_int_t)row->bytes, "planned",
                          t->placement.wish == MODA_PLACE_LOCAL
                              ? json_null()
                              : moda_json_sizes(row->planned, t->places->homes));
    int bad = o == NULL;
    if (!bad && t->verify) {
        bad |= json_object_set_new(o, "pages", json_integer((json_int_t)row->pages));
        bad |= json_object_set_new(o, "right", json_integer((json_int_t)row->right));
        bad |= json_object_set_new(o, "found", moda_json_sizes(row->found, t->places->homes));
    }
    if (!bad) return o;
    json_decref(o);
    return NULL;
}

static json_t *plan_json(const moda_topo *t)
{
    const moda_places *p = t->places;
    json_t *rows = json_array(), *homes = json_array(), *result = NULL;
    char word[24];
    int bad = 0;
    for (size_t k = 0; k < p->homes; k++)
        bad |= json_array_append_new(homes, json_integer((json_int_t)p->os_index[k]));
    for (size_t i = 0; i < p->count; i++)
        if (p->row[i].bytes) bad |= json_array_append_new(rows, row_json(t, &p->row[i]));
    if (!bad)
        result = json_pack("{s:s, s:I, s:s, s:s, s:O, s:O, s:I, s:o, s:I}", "network",
                           t->model->net->name, "batch_size", (json_int_t)t->batch_size,
                           "precision", moda_train_precisions[t->precision], "placement",
                           moda_placement_word(&t->placement, word), "nodes", homes, "memory", rows,
                           "workspace_bytes", (json_int_t)p->workspace, "workspace_planned",
                           moda_json_sizes(p->workspace_planned, p->homes),
                           "workspace_bytes_one_node", (json_int_t)p->workspace_one_node);
    json_decref(rows);
    json_decref(homes);
    return result;
}

static json_t *verdict_json(const moda_topo *t)
{
    const moda_topo_verdict v = moda_topo_judge(t->places);
    return json_pack("{s:I, s:I, s:o, s:s?, s:o}", "pages", (json_int_t)v.pages, "right",
                     (json_int_t)v.right, "share",
                     v.pages ? moda_json_number((double)v.right / (double)v.pages) : json_null(),
                     "worst_layer", v.worst ? v.worst->name : NULL, "worst_share",
                     v.worst ? moda_json_number(moda_topo_share(v.worst)) : json_null());
}

moda_status moda_topo_write_json(const moda_topo *t)
{
    moda_status st = MODA_OK;
    json_t *object = machine_json(t);
    bool complete = object != NULL;
    if (complete && t->places) complete = !json_object_set_new(object, "plan", plan_json(t));
    if (complete && t->verify) complete = !json_object_set_new(object, "verify", verdict_json(t));
    MODA_CHECK(complete, MODA_ERR_NOMEM, "out of memory");
    MODA_TRY(moda_json_write(t->common.json, object));
out:
    json_decref(object);
    return st;
}
