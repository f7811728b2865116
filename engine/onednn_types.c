/* engine/onednn_types.c - which layer computes in f32 and which in bf16.
 *
 * Convolutions and linear layers compute in the precision asked for; the layer that gives the logits
 * always in f32, since 8 bits of mantissa are too few for a loss. With AUTO a convolution takes the
 * type in which its passes were measured to be faster, and linear layers, whose time goes into reading
 * f32 weights, stay as they are. What computes a mask stays in f32, too: a channel is in a module or not
 * by the sign of one of its numbers. A batch norm writes bf16 if everyone
 * who reads its output can take it so. What lies between, pools and additions and ReLUs, passes on the
 * type that it gets; where a type does not fit, a reorder converts. */
#include "engine/onednn_internal.h"
#include <math.h>
#include <stdlib.h>

/* takes[i]: whether layer i can read bf16. */
static bool all_consumers_take(const moda_net *net, const bool *takes, size_t layer)
{
    bool any = false, all = true;
    for (size_t i = layer + 1; i < net->layer_count; i++)
        for (size_t k = 0; k < moda_layer_inputs(&net->layers[i]); k++) {
            if (net->layers[i].input[k] != layer) continue;
            any = true, all = all && takes[i];
        }
    return any && all;
}

/* Seconds of all passes of a convolution in a type; infinite if one was not measured. */
static double measured(const moda_executor *e, size_t layer, moda_dtype type)
{
    const bool first = e->net->layers[layer].input[0] == 0;
    double sum = 0;
    for (moda_conv_pass p = 0; p < MODA_CONV_PASSES; p++) {
        if (first && p == MODA_CONV_BACKWARD_DATA) continue; /* nobody wants it */
        const moda_tuning_key key = moda_tuning_key_of(e->net, layer, p, type, e->options.batch);
        const moda_tuning_entry *entry =
            e->options.tuning ? moda_tuning_nearest(e->options.tuning, &key) : NULL;
        sum += entry ? entry->seconds : INFINITY;
    }
    return sum;
}

static bool computes_in_bf16(const moda_executor *e, size_t layer)
{
    if (!e->options.training || layer == e->net->layer_count - 1) return false;
    switch (e->options.precision) {
    case MODA_PRECISION_F32: return false;
    case MODA_PRECISION_BF16: return true;
    case MODA_PRECISION_AUTO: break;
    }
    return e->net->layers[layer].kind == MODA_LAYER_CONV &&
           measured(e, layer, MODA_DTYPE_BF16) < measured(e, layer, MODA_DTYPE_F32);
}

/* exact [layer_count]: the s of a mask, and what a row of linear layers and ReLUs before it reads. */
static void mark_exact(const moda_net *net, bool *exact)
{
    for (size_t i = net->layer_count - 1; i > 0; i--) {
        const moda_layer *l = &net->layers[i];
        if (l->kind == MODA_LAYER_MASK) exact[l->input[1]] = true;
        if (exact[i] && (l->kind == MODA_LAYER_LINEAR || l->kind == MODA_LAYER_RELU))
            exact[l->input[0]] = true;
    }
}

moda_status moda_types_choose(moda_executor *e)
{
    moda_status st = MODA_OK;
    const moda_net *net = e->net;
    bool bf16 = e->options.precision == MODA_PRECISION_BF16 && e->options.training;
    bool *takes = NULL, *exact = NULL;
    MODA_ALLOC(exact, net->layer_count * sizeof *exact);
    mark_exact(net, exact);
    MODA_ALLOC(takes, net->layer_count * sizeof *takes);
    for (size_t i = 1; i < net->layer_count; i++) /* AUTO: all stays f32 if no layer gains */
        bf16 |= net->layers[i].kind == MODA_LAYER_CONV && computes_in_bf16(e, i);
    for (size_t i = net->layer_count - 1; i > 0; i--) {
        const bool wanted = bf16 && all_consumers_take(net, takes, i);
        switch (net->layers[i].kind) {
        case MODA_LAYER_CONV: takes[i] = computes_in_bf16(e, i); break;
        case MODA_LAYER_LINEAR: takes[i] = !exact[i] && computes_in_bf16(e, i); break;
        case MODA_LAYER_AVGPOOL: takes[i] = wanted || (bf16 && exact[i]); break;
        case MODA_LAYER_BATCHNORM: takes[i] = bf16; break;
        case MODA_LAYER_SOFTMAX:
        case MODA_LAYER_SELECT: takes[i] = false; break; /* its kernel moves floats */
        default: takes[i] = wanted;
        }
        e->states[i].type = (net->layers[i].kind == MODA_LAYER_BATCHNORM ? wanted : takes[i])
                                ? dnnl_bf16
                                : dnnl_f32;
    }
out:
    free(takes);
    free(exact);
    return st;
}
