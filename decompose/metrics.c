#include "decompose/metrics.h"

/* Columns of layer i's weight that both modules keep; b NULL: that a keeps. A depthwise
 * convolution has one. */
static size_t columns_of(const moda_kept *a, const moda_kept *b, size_t i)
{
    if (!a->in[i]) return 1;
    return b ? moda_channels_common(a->in[i], b->in[i]) : a->in[i]->count;
}

/* Trainable parameters of a layer with `rows` outputs and `columns` input channels. */
static size_t layer_parameters(const moda_net *net, size_t i, size_t rows, size_t columns)
{
    const moda_layer *layer = &net->layers[i];
    size_t run = moda_kept_run(net, i);
    if (layer->kind == MODA_LAYER_BATCHNORM) return 2 * rows;
    return run == 0 ? 0 : rows * columns * run + (layer->bias ? rows : 0);
}

size_t moda_module_shared(const moda_net *net, const moda_kept *a, const moda_kept *b)
{
    size_t sum = 0;
    for (size_t i = 0; i < net->layer_count; i++) {
        size_t rows = moda_channels_common(&a->out[i], &b->out[i]);
        sum += layer_parameters(net, i, rows, columns_of(a, b, i));
    }
    return sum;
}

size_t moda_module_parameters(const moda_net *net, const moda_kept *kept)
{
    size_t sum = 0;
    for (size_t i = 0; i < net->layer_count; i++)
        sum += layer_parameters(net, i, kept->out[i].count, columns_of(kept, NULL, i));
    return sum;
}

/* A weight is used once per pixel of the layer's output. */
uint64_t moda_module_flops(const moda_net *net, const moda_kept *kept)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < net->layer_count; i++) {
        moda_shape s = net->layers[i].shape;
        sum += (uint64_t)kept->out[i].count * columns_of(kept, NULL, i) * moda_kept_run(net, i) *
               s.h * s.w;
    }
    return sum;
}

size_t moda_network_parameters(const moda_net *net)
{
    size_t sum = 0;
    for (size_t i = 0; i < net->layer_count; i++) {
        const moda_layer *layer = &net->layers[i];
        bool matrix = moda_kept_run(net, i) > 0;
        size_t columns = matrix ? net->layers[layer->input[0]].shape.c : 0;
        if (layer->kind == MODA_LAYER_CONV) columns /= layer->groups;
        sum += layer_parameters(net, i, layer->shape.c, columns);
    }
    return sum;
}

uint64_t moda_network_flops(const moda_net *net)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < net->layer_count; i++) sum += moda_layer_flops(net, i);
    return sum;
}

size_t moda_network_neurons(const moda_net *net)
{
    size_t sum = 0;
    for (size_t l = 0; l < net->tracked_count; l++) sum += net->layers[net->tracked[l]].shape.c;
    return sum;
}

size_t moda_module_neurons(const moda_kept *kept)
{
    size_t sum = 0;
    for (size_t l = 0; l < kept->site_count; l++) sum += kept->out[kept->sites[l]].count;
    return sum;
}
