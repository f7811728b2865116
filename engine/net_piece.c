/* engine/net_piece.c - some layers of a network as a network of their own. */
#include "engine/net.h"
#include <stdlib.h>
#include <string.h>

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
    MODA_ALLOC(p->masks, (net->mask_count + 1) * sizeof *p->masks);
    p->layer_count = 1;
    p->layers[0] = (moda_layer){.kind = MODA_LAYER_INPUT, .shape = p->input};
    MODA_CHECK((p->layers[0].name = strdup(net->layers[0].name)) != NULL, MODA_ERR_NOMEM,
               "out of memory: a layer");
    for (size_t i = from + 1; i <= to; i++)
        MODA_TRY(copy_layer(&net->layers[i], from, &p->layers[p->layer_count++]));
    for (size_t l = 0; l < net->tracked_count; l++)
        if (net->tracked[l] > from && net->tracked[l] <= to)
            p->tracked[p->tracked_count++] = net->tracked[l] - from;
    for (size_t k = 0; k < net->mask_count; k++)
        if (net->masks[k] > from && net->masks[k] <= to)
            p->masks[p->mask_count++] = net->masks[k] - from;
    *piece = p, p = NULL;
out:
    moda_net_destroy(p);
    return st;
}
