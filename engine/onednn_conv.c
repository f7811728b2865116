/* engine/onednn_conv.c - convolution. Each of the three passes asks oneDNN for the layouts it likes
 * best (format any) and gets what differs reordered. */
#include "engine/onednn_conv_internal.h"

moda_status moda_conv_describe(const moda_executor *e, size_t layer, dnnl_data_type_t type,
                               moda_conv *c)
{
    moda_status st = MODA_OK;
    const moda_layer *l = &e->net->layers[layer];
    const moda_shape in = e->net->layers[l->input[0]].shape;
    const dnnl_dim_t g = (dnnl_dim_t)l->groups, k = (dnnl_dim_t)l->kernel;
    const dnnl_dim_t per_group_out = (dnnl_dim_t)l->shape.c / g,
                     per_group_in = (dnnl_dim_t)in.c / g;
    const dnnl_dims_t grouped = {g, per_group_out, per_group_in, k, k};
    const dnnl_dims_t bias = {(dnnl_dim_t)l->shape.c};
    const size_t inner[2] = {in.h, in.w}, outer[2] = {l->shape.h, l->shape.w};
    *c = (moda_conv){.has_bias = l->bias};
    c->relu = !e->options.training && moda_following_relu(e->net, layer) != MODA_NONE;
    MODA_TRY(moda_layout_4d(e->options.batch, in, type, dnnl_format_tag_any, &c->src));
    MODA_TRY(moda_layout_4d(e->options.batch, l->shape, type, dnnl_format_tag_any, &c->dst));
    MODA_DNNL(dnnl_memory_desc_init_by_tag(&c->weights, g > 1 ? 5 : 4,
                                           g > 1 ? grouped : grouped + 1, type,
                                           dnnl_format_tag_any),
              "layout", l->name);
    c->d_weights = moda_layout_typed(&c->weights, dnnl_f32);
    if (l->bias)
        MODA_DNNL(dnnl_memory_desc_init_by_tag(&c->bias, 1, bias, dnnl_f32, dnnl_a), "layout",
                  l->name);
    for (int i = 0; i < 2; i++) {
        c->stride[i] = (dnnl_dim_t)l->stride;
        c->padding_l[i] = (dnnl_dim_t)l->padding;
        /* what the last window needs: less than the left padding where strides leave pixels over */
        c->padding_r[i] = (dnnl_dim_t)((outer[i] - 1) * l->stride + l->kernel) -
                          (dnnl_dim_t)(inner[i] + l->padding);
    }
    c->weight = moda_weights_find(e->weights, layer, MODA_WEIGHT);
    c->bias_parameter = moda_weights_find(e->weights, layer, MODA_BIAS);
out:
    return st;
}

/* Fixes the layout of the f32 weights before their bf16 copies are asked for: as the f32 convolution
 * of evaluation reads them, which is also what the gradient is written in. */
static moda_status claim_weights(moda_executor *e, size_t layer, size_t parameter)
{
    moda_status st = MODA_OK;
    moda_conv c;
    dnnl_primitive_desc_t desc = NULL;
    dnnl_memory_desc_t *own = &e->weights->layout[parameter];
    if (own->ndims) goto out;
    MODA_TRY(moda_conv_describe(e, layer, dnnl_f32, &c));
    MODA_TRY(moda_conv_choose(e, layer, &c, MODA_CONV_FORWARD, NULL, &desc));
    *own = *dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0);
out:
    dnnl_primitive_desc_destroy(desc);
    return st;
}

moda_status moda_conv_compile_forward(moda_executor *e, size_t layer)
{
    moda_status st = MODA_OK;
    const moda_layer *l = &e->net->layers[layer];
    const moda_value *in = &e->values[l->input[0]];
    moda_value *out = &e->values[layer];
    moda_layer_state *s = &e->states[layer];
    moda_conv c;
    size_t weights, bias = 0;
    bool done;
    MODA_TRY(moda_conv_describe(e, layer, s->type, &c));
    MODA_TRY(claim_weights(e, layer, c.weight));
    MODA_TRY(moda_conv_choose(e, layer, &c, MODA_CONV_FORWARD, NULL, &s->forward));
    s->fused = c.relu;
    if (c.relu) e->states[moda_following_relu(e->net, layer)].fused = true;
    MODA_TRY(moda_narrow_compile_forward(e, layer, &c, &done));
    if (done) goto out;
    s->source_layout = *dnnl_primitive_desc_query_md(s->forward, dnnl_query_src_md, 0);
    const dnnl_memory_desc_t want =
        *dnnl_primitive_desc_query_md(s->forward, dnnl_query_weights_md, 0);
    out->layout = *dnnl_primitive_desc_query_md(s->forward, dnnl_query_dst_md, 0);
    MODA_TRY(moda_in_layout(e, layer, in->buffer, &in->layout, &s->source_layout, &s->source));
    MODA_TRY(moda_parameter_values(e, c.weight, &want, &weights));
    if (c.has_bias) MODA_TRY(moda_parameter_values(e, c.bias_parameter, &c.bias, &bias));
    MODA_TRY(moda_program_samples(&e->program, MODA_HOME_WORKSPACE,
                                  dnnl_memory_desc_get_size(&out->layout), &out->buffer));
    const moda_argument arguments[] = {{DNNL_ARG_SRC, s->source, &s->source_layout},
                                       {DNNL_ARG_WEIGHTS, weights, &want},
                                       {DNNL_ARG_DST, out->buffer, &out->layout},
                                       {DNNL_ARG_BIAS, bias, &c.bias}};
    MODA_TRY(moda_program_primitive(&e->program, e->weights->engine, l->name, s->forward,
                                    c.has_bias ? 4 : 3, arguments));
out:
    return st;
}

/* Scratch of Winograd's for a layer of many channels can be larger than all of the layer's maps, and
 * backward begins there, when every activation of the network is still needed. The gradient by such
 * weights is therefore computed at the end: two maps stay for it, the scratch gets memory that is free
 * by then. */
static bool can_wait(const moda_executor *e, size_t layer, const_dnnl_primitive_desc_t desc)
{
    enum { TIMES_THE_MAPS = 4 };
    const dnnl_memory_desc_t *scratch =
        dnnl_primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0);
    const size_t maps = dnnl_memory_desc_get_size(&e->states[layer].source_layout) +
                        dnnl_memory_desc_get_size(&e->values[layer].layout);
    return scratch && dnnl_memory_desc_get_size(scratch) > TIMES_THE_MAPS * maps;
}

/* The input for the gradient by the weights. If a batch norm with ReLU made it for this convolution alone, it
 * is made again: half of the memory of such a pair then lives no longer than forward. That costs two
 * passes over the map, which only a convolution of much arithmetic hides. */
static moda_status input_again(moda_executor *e, size_t layer, size_t *source)
{
    moda_status st = MODA_OK;
    enum { MUCH = 512 }; /* multiply-adds per element of the input */
    const moda_layer *l = &e->net->layers[layer];
    const moda_shape in = e->net->layers[l->input[0]].shape;
    const uint64_t elements = (uint64_t)in.c * in.h * in.w;
    size_t again = MODA_NONE;
    *source = e->states[layer].source;
    if (moda_net_consumers(e->net, l->input[0]) == 1 && *source == e->values[l->input[0]].buffer &&
        moda_layer_flops(e->net, layer) >= MUCH * elements)
        MODA_TRY(moda_batchnorm_again(e, l->input[0], &again));
    if (again != MODA_NONE) *source = again;
out:
    return st;
}

static moda_status backward_weights(moda_executor *e, size_t layer, const moda_conv *c)
{
    moda_status st = MODA_OK;
    const moda_layer *l = &e->net->layers[layer];
    const moda_value *out = &e->values[layer];
    moda_layer_state *s = &e->states[layer];
    dnnl_primitive_desc_t desc = NULL;
    size_t src, d_out, d_weights, d_bias = 0;
    bool done;
    MODA_TRY(moda_narrow_compile_backward_weights(e, layer, c, &done));
    if (done) goto out;
    MODA_TRY(moda_conv_choose(e, layer, c, MODA_CONV_BACKWARD_WEIGHTS, s->forward, &desc));
    if (!s->postponed && can_wait(e, layer, desc)) {
        s->postponed = true;
        goto out;
    }
    const dnnl_memory_desc_t src_want = *dnnl_primitive_desc_query_md(desc, dnnl_query_src_md, 0);
    const dnnl_memory_desc_t out_want =
        *dnnl_primitive_desc_query_md(desc, dnnl_query_diff_dst_md, 0);
    const dnnl_memory_desc_t written =
        *dnnl_primitive_desc_query_md(desc, dnnl_query_diff_weights_md, 0);
    MODA_TRY(input_again(e, layer, &src));
    MODA_TRY(moda_in_layout(e, layer, src, &s->source_layout, &src_want, &src));
    MODA_TRY(moda_in_layout(e, layer, out->gradient, &out->layout, &out_want, &d_out));
    MODA_TRY(moda_parameter_gradient(e, c->weight, &written, &d_weights));
    if (c->has_bias) MODA_TRY(moda_parameter_gradient(e, c->bias_parameter, &c->bias, &d_bias));
    const moda_argument arguments[] = {{DNNL_ARG_SRC, src, &src_want},
                                       {DNNL_ARG_DIFF_DST, d_out, &out_want},
                                       {DNNL_ARG_DIFF_WEIGHTS, d_weights, &written},
                                       {DNNL_ARG_DIFF_BIAS, d_bias, &c->bias}};
    MODA_TRY(moda_program_primitive(&e->program, e->weights->engine, l->name, desc,
                                    c->has_bias ? 4 : 3, arguments));
    MODA_TRY(moda_parameter_gradient_done(e, c->weight, &written, d_weights));
out:
    dnnl_primitive_desc_destroy(desc);
    return st;
}

static moda_status backward_data(moda_executor *e, size_t layer, const moda_conv *c)
{
    moda_status st = MODA_OK;
    const moda_layer *l = &e->net->layers[layer];
    const moda_value *out = &e->values[layer];
    dnnl_primitive_desc_t desc = NULL;
    size_t weights, d_out, d_in;
    bool done;
    MODA_TRY(moda_narrow_compile_backward_data(e, layer, c, &done));
    if (done) goto out;
    MODA_TRY(
        moda_conv_choose(e, layer, c, MODA_CONV_BACKWARD_DATA, e->states[layer].forward, &desc));
    const dnnl_memory_desc_t want = *dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0);
    const dnnl_memory_desc_t out_want =
        *dnnl_primitive_desc_query_md(desc, dnnl_query_diff_dst_md, 0);
    const dnnl_memory_desc_t written =
        *dnnl_primitive_desc_query_md(desc, dnnl_query_diff_src_md, 0);
    MODA_TRY(moda_parameter_values(e, c->weight, &want, &weights));
    MODA_TRY(moda_in_layout(e, layer, out->gradient, &out->layout, &out_want, &d_out));
    MODA_TRY(moda_program_samples(&e->program, MODA_HOME_WORKSPACE,
                                  dnnl_memory_desc_get_size(&written), &d_in));
    const moda_argument arguments[] = {{DNNL_ARG_DIFF_DST, d_out, &out_want},
                                       {DNNL_ARG_WEIGHTS, weights, &want},
                                       {DNNL_ARG_DIFF_SRC, d_in, &written}};
    MODA_TRY(moda_program_primitive(&e->program, e->weights->engine, l->name, desc, 3, arguments));
    MODA_TRY(moda_gradient_done(e, l->input[0], &written, d_in));
out:
    dnnl_primitive_desc_destroy(desc);
    return st;
}

moda_status moda_conv_compile_backward(moda_executor *e, size_t layer)
{
    moda_status st = MODA_OK;
    moda_conv c;
    MODA_TRY(moda_conv_describe(e, layer, e->states[layer].type, &c));
    MODA_TRY(backward_weights(e, layer, &c));
    if (!moda_gradient_unwanted(e, e->net->layers[layer].input[0]))
        MODA_TRY(backward_data(e, layer, &c));
out:
    return st;
}

moda_status moda_conv_compile_postponed(moda_executor *e)
{
    moda_status st = MODA_OK;
    moda_conv c;
    for (size_t i = e->net->layer_count - 1; i > 0; i--) {
        if (!e->states[i].postponed) continue;
        MODA_TRY(moda_conv_describe(e, i, e->states[i].type, &c));
        MODA_TRY(backward_weights(e, i, &c));
    }
out:
    return st;
}
