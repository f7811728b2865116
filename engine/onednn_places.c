/* engine/onednn_places.c - what the memory of a program is planned to be, page by page, and what the
 * kernel says. */
#include "engine/onednn_internal.h"
#include "engine/places.h"
#include "numa/memory.h"
#include "numa/pages.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Rows behind those of the layers. */
enum { SCRATCH, WEIGHTS, GRADIENTS, MOMENTUM, KINDS };
static const char *const kinds[KINDS] = {"scratchpads, copies", "weights", "gradients", "momentum"};

/* ---- which row a buffer belongs to ---- */

/* For each buffer the layer whose step writes it: the first that names it. MODA_NONE: of no layer, or
 * counted with the weights. rows [buffer_count] */
static void find_rows(const moda_executor *e, size_t *rows)
{
    const moda_program *p = &e->program;
    const size_t layers = e->net->layer_count;
    for (size_t i = 0; i < p->buffer_count; i++) {
        const moda_home home = p->buffers[i].home;
        const bool counts = home == MODA_HOME_WORKSPACE || home == MODA_HOME_OWN;
        rows[i] = counts && !p->buffers[i].sliced ? layers + SCRATCH : MODA_NONE;
    }
    for (size_t s = 0; s < p->count; s++)
        for (size_t a = 0; a < p->steps[s].count; a++) {
            const size_t i = p->steps[s].buffer[a];
            size_t layer = 0;
            if (!p->buffers[i].sliced || rows[i] != MODA_NONE) continue;
            while (layer < layers && strcmp(e->net->layers[layer].name, p->steps[s].layer) != 0)
                layer++;
            rows[i] = layer < layers ? layer : layers - 1;
        }
    rows[e->input] = 0;
}

static size_t kind_bytes(const moda_weights *w, size_t kind)
{
    switch (kind) {
    case WEIGHTS: return w->floats * sizeof(float);
    case GRADIENTS:
    case MOMENTUM: return w->training ? w->trainable * sizeof(float) : 0;
    default: return 0;
    }
}

static const void *kind_memory(const moda_weights *w, size_t kind)
{
    return kind == WEIGHTS     ? w->values
           : kind == GRADIENTS ? w->gradients
           : kind == MOMENTUM  ? w->momentum
                               : NULL;
}

/* ---- the plan ---- */

/* On one node nothing is placed, but it is clear where everything is. */
static bool clear(const moda_placement *p)
{
    return p->wish != MODA_PLACE_LOCAL &&
           moda_placement_policy(p, MODA_PLACE_SLICED) == MODA_PLACE_LOCAL;
}

static void spread(const moda_placement *p, moda_policy policy, size_t bytes, size_t *home)
{
    const size_t page = moda_page_bytes();
    if (clear(p))
        home[0] += (bytes + page - 1) / page * page;
    else
        moda_placement_spread(p, policy, bytes, home);
}

static moda_status plan_workspace(moda_executor *e, const moda_placement *placement,
                                  moda_places *places)
{
    moda_status st = MODA_OK;
    moda_team_node node = {0, 0, 1};
    const moda_team alone = {.threads = 1, .nodes = 1, .node = &node};
    const moda_placement one_node = {&alone, MODA_PLACE_SLICED, 0};
    moda_space space = {0};
    MODA_TRY(moda_space_plan(&e, 1, &one_node, &space));
    places->workspace_one_node = space.bytes;
    moda_space_free(&space);
    MODA_TRY(moda_space_plan(&e, 1, placement, &space));
    places->workspace = space.bytes;
    if (clear(placement))
        spread(placement, MODA_PLACE_SLICED, space.bytes, places->workspace_planned);
    else
        moda_space_spread(&space, placement, places->workspace_planned);
out:
    moda_space_free(&space);
    return st;
}

static moda_status add_rows(const moda_executor *e, const moda_placement *placement,
                            moda_places *places)
{
    moda_status st = MODA_OK;
    const moda_program *p = &e->program;
    const size_t layers = e->net->layer_count;
    size_t *rows = NULL;
    MODA_ALLOC(rows, p->buffer_count * sizeof *rows);
    find_rows(e, rows);
    for (size_t i = 0; i < p->buffer_count; i++) {
        if (rows[i] == MODA_NONE) continue;
        moda_place_row *row = &places->row[rows[i]];
        row->bytes += p->buffers[i].bytes;
        spread(placement, row->layer ? MODA_PLACE_SLICED : MODA_PLACE_INTERLEAVED,
               p->buffers[i].bytes, row->planned);
    }
    for (size_t k = 0; k < KINDS; k++) {
        const size_t bytes = kind_bytes(e->weights, k);
        moda_place_row *row = &places->row[layers + k];
        row->bytes += bytes;
        spread(placement, MODA_PLACE_INTERLEAVED, bytes, row->planned);
    }
out:
    free(rows);
    return st;
}

moda_status moda_places_create(moda_executor *e, const moda_placement *placement,
                               moda_places **places)
{
    moda_status st = MODA_OK;
    const size_t layers = e->net->layer_count, most = placement->team->nodes + 1;
    moda_places *p = NULL;
    *places = NULL;
    MODA_ALLOC(p, sizeof *p);
    MODA_ALLOC(p->os_index, most * sizeof *p->os_index);
    MODA_ALLOC(p->workspace_planned, most * sizeof *p->workspace_planned);
    MODA_ALLOC(p->row, (layers + KINDS) * sizeof *p->row);
    p->count = layers + KINDS;
    p->homes = moda_placement_homes(placement, p->os_index);
    for (size_t i = 0; i < p->count; i++) {
        moda_place_row *row = &p->row[i];
        row->layer = i < layers;
        row->name = row->layer ? e->net->layers[i].name : kinds[i - layers];
        MODA_ALLOC(row->planned, most * sizeof *row->planned);
        MODA_ALLOC(row->found, most * sizeof *row->found);
    }
    moda_weights_measure(e->weights);
    MODA_TRY(plan_workspace(e, placement, p));
    MODA_TRY(add_rows(e, placement, p));
    *places = p, p = NULL;
out:
    moda_places_destroy(p);
    return st;
}

void moda_places_destroy(moda_places *p)
{
    if (!p) return;
    for (size_t i = 0; p->row && i < p->count; i++) {
        free(p->row[i].planned);
        free(p->row[i].found);
    }
    free(p->row);
    free(p->workspace_planned);
    free(p->os_index);
    free(p);
}

/* ---- what the kernel says ---- */

/* The node that a page of a block should be on; -1 where any is as good as the next. */
static int right_node(const moda_placement *by, moda_policy policy, size_t bytes, size_t at)
{
    size_t k = 0;
    switch (moda_placement_policy(by, policy)) {
    case MODA_PLACE_NODE: return (int)by->node;
    case MODA_PLACE_INTERLEAVED: return -1;
    case MODA_PLACE_LOCAL: break; /* one node */
    case MODA_PLACE_SLICED:
        while (at >= moda_slice_end(by->team, bytes, k)) k++;
        break;
    }
    return (int)by->team->node[k].os_index;
}

static moda_status ask_block(const moda_placement *by, moda_policy policy, const void *memory,
                             size_t bytes, const moda_places *places, moda_place_row *row)
{
    moda_status st = MODA_OK;
    const size_t page = moda_page_bytes();
    const uintptr_t begin = (uintptr_t)memory / page * page; /* small blocks begin anywhere */
    const size_t pages = ((uintptr_t)memory + bytes - begin + page - 1) / page;
    int *node = NULL;
    MODA_ALLOC(node, pages * sizeof *node);
    MODA_TRY(moda_pages_ask((const void *)begin, pages, node));
    for (size_t i = 0; i < pages; i++) {
        const size_t at = i * page < bytes ? i * page : bytes - 1;
        if (node[i] < 0) continue;
        row->pages++;
        row->right += node[i] == right_node(by, policy, bytes, at);
        for (size_t k = 0; k < places->homes; k++)
            row->found[k] += places->os_index[k] == (unsigned)node[i];
    }
out:
    free(node);
    return st;
}

/* Of memory that is interleaved no page has a node of its own, but every node has its share; with huge
 * pages, which take turns as a whole, that is as coarse as these. */
static void judge_even(const moda_places *places, moda_place_row *row)
{
    const size_t share = row->pages / places->homes + MODA_HUGE_PAGE / moda_page_bytes();
    row->right = 0;
    for (size_t k = 0; k < places->homes; k++)
        row->right += row->found[k] < share ? row->found[k] : share;
    if (row->right > row->pages) row->right = row->pages;
}

moda_status moda_places_ask(const moda_executor *e, const moda_placement *by, moda_places *places)
{
    moda_status st = MODA_OK;
    const moda_program *p = &e->program;
    const size_t layers = e->net->layer_count;
    size_t *rows = NULL;
    MODA_ALLOC(rows, p->buffer_count * sizeof *rows);
    find_rows(e, rows);
    for (size_t i = 0; i < p->buffer_count; i++) {
        if (rows[i] == MODA_NONE || !p->buffers[i].bytes) continue;
        moda_place_row *row = &places->row[rows[i]];
        MODA_TRY(ask_block(by, row->layer ? MODA_PLACE_SLICED : MODA_PLACE_INTERLEAVED,
                           p->buffers[i].memory, p->buffers[i].bytes, places, row));
    }
    for (size_t k = 0; k < KINDS; k++)
        if (kind_memory(e->weights, k))
            MODA_TRY(ask_block(by, MODA_PLACE_INTERLEAVED, kind_memory(e->weights, k),
                               kind_bytes(e->weights, k), places, &places->row[layers + k]));
    for (size_t i = 0; i < places->count; i++) {
        const moda_policy policy =
            places->row[i].layer ? MODA_PLACE_SLICED : MODA_PLACE_INTERLEAVED;
        if (moda_placement_policy(by, policy) == MODA_PLACE_INTERLEAVED)
            judge_even(places, &places->row[i]);
    }
out:
    free(rows);
    return st;
}
