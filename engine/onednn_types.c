/* engine/onednn_types.c - which layer computes in f32 and which in bf16.
 *
 * Convolutions and linear layers compute in the precision asked for; the layer that gives the logits
 * always in f32, since 8 bits of mantissa are too few for a loss. A batch norm writes bf16 if everyone
 * who reads its output can take it so. What lies between, pools and additions and ReLUs, passes on the
 * type that it gets; where a type does not fit, a reorder converts. */
#include "engine/onednn_internal.h"
#include <stdlib.h>

/* takes[i]: whether layer i can read bf16. */
static bool all_consumers_take(const moda_net *net, const bool *takes, size_t layer)
{
    bool any = false, all = true;
    for (size_t i = layer + 1; i < net->layer_count; i++)
        for (size_t k = 0; k < 2; k++) {
            if (k == 1 && net->layers[i].kind != MODA_LAYER_ADD) continue;
            if (net->layers[i].input[k] != layer) continue;
            any = true, all = all && takes[i];
        }
    return any && all;
}

moda_status moda_types_choose(moda_executor *e)
{
    moda_status st = MODA_OK;
    const moda_net *net = e->net;
    const bool bf16 = e->options.training && e->options.precision == MODA_PRECISION_BF16;
    bool *takes = NULL;
    MODA_ALLOC(takes, net->layer_count * sizeof *takes);
    for (size_t i = net->layer_count - 1; i > 0; i--) {
        const bool wanted = bf16 && all_consumers_take(net, takes, i);
        switch (net->layers[i].kind) {
        case MODA_LAYER_CONV:
        case MODA_LAYER_LINEAR: takes[i] = bf16 && i != net->layer_count - 1; break;
        case MODA_LAYER_BATCHNORM: takes[i] = bf16; break;
        case MODA_LAYER_SELECT: takes[i] = false; break; /* its kernel moves floats */
        default: takes[i] = wanted;
        }
        e->states[i].type = (net->layers[i].kind == MODA_LAYER_BATCHNORM ? wanted : takes[i])
                                ? dnnl_bf16
                                : dnnl_f32;
    }
out:
    free(takes);
    return st;
}
