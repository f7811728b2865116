/* engine/onednn_relu_pool.c - a ReLU with a maximum pool behind it as one step of our own
 * (engine/relu_pool.h), in training: forward saves writing the ReLU's output and a workspace, backward
 * the passes that would join the modular gradient and apply the ReLU to a map of mostly zeros. */
#include "engine/onednn_internal.h"
#include "engine/relu_pool.h"

static bool fits(const moda_layer *pool)
{
    return pool->kind == MODA_LAYER_MAXPOOL && pool->kernel == pool->stride && !pool->padding;
}

moda_status moda_relu_pool_follows(const moda_executor *e, size_t relu, bool *follows)
{
    moda_status st = MODA_OK;
    const moda_net *net = e->net;
    moda_map_shape map;
    *follows = false;
    if (!e->options.training || e->options.tap || moda_net_consumers(net, relu) != 1) goto out;
    MODA_TRY(moda_layout_map(&e->values[net->layers[relu].input[0]].layout, &map));
    if (map.block != 8 && map.block != 16) goto out;
    for (size_t i = relu + 1; i < net->layer_count; i++)
        if (net->layers[i].input[0] == relu) *follows = fits(&net->layers[i]);
out:
    return st;
}

static moda_relu_pool window(const moda_step *step)
{
    return (moda_relu_pool){
        .map = step->map, .h = step->maps.h, .w = step->maps.w, .k = step->window};
}

enum { X, Y, A };

static void run_forward(const moda_step *step, void *const *at)
{
    const moda_relu_pool p = window(step);
    moda_relu_pool_forward(&p, at[X], at[Y], step->count > A ? at[A] : NULL);
}

enum { D_Y = Y, D_X, D_A };

static void run_backward(const moda_step *step, void *const *at)
{
    const moda_relu_pool p = window(step);
    moda_relu_pool_backward(&p, at[X], at[D_Y], step->count > D_A ? at[D_A] : NULL, at[D_X]);
}

static moda_status append(moda_executor *e, size_t layer, moda_step_kernel kernel, size_t count,
                          const size_t *buffers)
{
    moda_status st = MODA_OK;
    const moda_layer *l = &e->net->layers[layer];
    moda_step *step;
    MODA_TRY(moda_program_kernel(&e->program, l->name, kernel, count, buffers, &step));
    MODA_TRY(moda_layout_map(&e->values[l->input[0]].layout, &step->map));
    step->maps = e->net->layers[l->input[0]].shape;
    step->window = l->kernel;
    step->what = "ReLU + max pool";
out:
    return st;
}

/* The tracked layer that the ReLU is, if its activation vectors are wanted. */
static size_t tracked(const moda_executor *e, size_t relu)
{
    return e->options.modular ? moda_tracked_index(e->net, relu) : MODA_NONE;
}

moda_status moda_relu_pool_compile_forward(moda_executor *e, size_t layer)
{
    moda_status st = MODA_OK;
    const moda_layer *l = &e->net->layers[layer];
    const moda_value *in = &e->values[l->input[0]];
    moda_value *out = &e->values[layer];
    const size_t t = tracked(e, l->input[0]);
    size_t b[A + 1] = {in->buffer};
    MODA_TRY(moda_layout_like(&in->layout, l->shape, &out->layout));
    MODA_TRY(moda_program_samples(&e->program, MODA_HOME_WORKSPACE,
                                  dnnl_memory_desc_get_size(&out->layout), &b[Y]));
    out->buffer = b[Y];
    if (t != MODA_NONE) b[A] = e->activation[t];
    MODA_TRY(append(e, layer, run_forward, A + (t != MODA_NONE), b));
out:
    return st;
}

moda_status moda_relu_pool_compile_backward(moda_executor *e, size_t layer)
{
    moda_status st = MODA_OK;
    const size_t relu = e->net->layers[layer].input[0];
    const moda_value *in = &e->values[relu], *out = &e->values[layer];
    const size_t t = tracked(e, relu);
    size_t b[D_A + 1] = {in->buffer, out->gradient};
    if (moda_gradient_unwanted(e, e->net->layers[relu].input[0])) goto out;
    MODA_TRY(moda_program_samples(&e->program, MODA_HOME_WORKSPACE,
                                  dnnl_memory_desc_get_size(&in->layout), &b[D_X]));
    if (t != MODA_NONE) b[D_A] = e->d_activation[t];
    MODA_TRY(append(e, layer, run_backward, D_A + (t != MODA_NONE), b));
    MODA_TRY(moda_gradient_done(e, relu, &in->layout, b[D_X]));
out:
    return st;
}
