#include "decompose/segments.h"
#include "decompose/kept.h"
#include <stdlib.h>
#include <string.h>

/* True if no layer behind `layer` reads one before it. */
static bool single_crossing(const moda_net *net, size_t layer)
{
    for (size_t i = layer + 1; i < net->layer_count; i++) {
        const moda_layer *l = &net->layers[i];
        if (l->input[0] < layer || (l->kind == MODA_LAYER_ADD && l->input[1] < layer)) return false;
    }
    return true;
}

moda_status moda_segments_find(const moda_net *net, moda_segments *segments)
{
    moda_status st = MODA_OK;
    const size_t last = net->layer_count - 1;
    *segments = (moda_segments){0};
    MODA_ALLOC(segments->cut, (net->layer_count + 1) * sizeof *segments->cut);
    for (size_t i = 1; i < last; i++) {
        const moda_layer_kind next = net->layers[i + 1].kind;
        if ((next == MODA_LAYER_CONV || next == MODA_LAYER_LINEAR) && single_crossing(net, i))
            segments->cut[++segments->count] = i;
    }
    segments->cut[++segments->count] = last;
out:
    return st;
}

moda_status moda_segments_in(const moda_net *net, const moda_segments *segments,
                             const moda_net *composed, moda_segments *result)
{
    moda_status st = MODA_OK;
    *result = (moda_segments){.count = segments->count};
    MODA_ALLOC(result->cut, (segments->count + 1) * sizeof *result->cut);
    for (size_t s = 1, i = 1; s <= segments->count; s++, i++) {
        const char *name = net->layers[segments->cut[s]].name;
        while (i < composed->layer_count && strcmp(composed->layers[i].name, name) != 0) i++;
        MODA_CHECK(i < composed->layer_count && single_crossing(composed, i), MODA_ERR_INTERNAL,
                   "%s: a network composed of it cannot be cut behind layer '%s'", net->name, name);
        result->cut[s] = i;
    }
    MODA_CHECK(result->cut[result->count] == composed->layer_count - 1, MODA_ERR_INTERNAL,
               "%s: a network composed of it ends in another layer", net->name);
out:
    if (st != MODA_OK) moda_segments_free(result);
    return st;
}

bool moda_segment_by_channel(const moda_net *net, const moda_segments *segments, size_t s)
{
    for (size_t i = segments->cut[s] + 1; i <= segments->cut[s + 1]; i++) {
        const moda_layer *l = &net->layers[i];
        const bool mixes = l->kind == MODA_LAYER_CONV && !moda_kept_depthwise(net, i);
        if (l->kind == MODA_LAYER_LINEAR || l->kind == MODA_LAYER_SELECT) return false;
        if (mixes && l->input[0] != segments->cut[s]) return false;
    }
    return true;
}

void moda_segments_free(moda_segments *segments)
{
    free(segments->cut);
    *segments = (moda_segments){0};
}

static moda_status copy_layer(const moda_layer *from, size_t first, moda_layer *to)
{
    moda_status st = MODA_OK;
    moda_layer copy = *from;
    copy.name = NULL, copy.channels = NULL;
    for (size_t k = 0; k < 2; k++)
        copy.input[k] = from->input[k] < first ? 0 : from->input[k] - first;
    *to = copy;
    MODA_CHECK((to->name = strdup(from->name)) != NULL, MODA_ERR_NOMEM, "out of memory: a layer");
    if (from->channels) {
        MODA_ALLOC(to->channels, copy.shape.c * sizeof *to->channels);
        memcpy(to->channels, from->channels, copy.shape.c * sizeof *to->channels);
    }
out:
    return st;
}

moda_status moda_net_piece(const moda_net *net, size_t from, size_t to, moda_net **piece)
{
    moda_status st = MODA_OK;
    moda_net *p = NULL;
    MODA_ALLOC(p, sizeof *p);
    *p = (moda_net){.input = net->layers[from].shape,
                    .classes = net->layers[to].shape.c,
                    .conv_init = net->conv_init,
                    .linear_init = net->linear_init};
    MODA_CHECK((p->name = strdup(net->name)) != NULL, MODA_ERR_NOMEM, "out of memory: a network");
    MODA_ALLOC(p->layers, (to - from + 1) * sizeof *p->layers);
    MODA_ALLOC(p->tracked, (net->tracked_count + 1) * sizeof *p->tracked);
    p->layer_count = 1;
    p->layers[0] = (moda_layer){.kind = MODA_LAYER_INPUT, .shape = p->input};
    MODA_CHECK((p->layers[0].name = strdup(net->layers[0].name)) != NULL, MODA_ERR_NOMEM,
               "out of memory: a layer");
    for (size_t i = from + 1; i <= to; i++)
        MODA_TRY(copy_layer(&net->layers[i], from, &p->layers[p->layer_count++]));
    for (size_t l = 0; l < net->tracked_count; l++)
        if (net->tracked[l] > from && net->tracked[l] <= to)
            p->tracked[p->tracked_count++] = net->tracked[l] - from;
    *piece = p, p = NULL;
out:
    moda_net_destroy(p);
    return st;
}
