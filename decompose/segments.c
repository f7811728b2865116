#include "decompose/segments.h"
#include "decompose/kept.h"
#include <stdlib.h>
#include <string.h>

bool moda_net_can_cut(const moda_net *net, size_t layer)
{
    for (size_t i = layer + 1; i < net->layer_count; i++) {
        const moda_layer *l = &net->layers[i];
        for (size_t k = 0; k < moda_layer_inputs(l); k++)
            if (l->input[k] < layer) return false;
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
        if ((next == MODA_LAYER_CONV || next == MODA_LAYER_LINEAR) && moda_net_can_cut(net, i))
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
        MODA_CHECK(i < composed->layer_count && moda_net_can_cut(composed, i), MODA_ERR_INTERNAL,
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
