/* engine/onednn_linear.c - fully connected layers as oneDNN inner products. A linear layer behind a
 * feature map reads the map as it lies in memory, blocked or not: oneDNN orders the weights to fit,
 * so there is no flatten step. */
#include "engine/onednn_linear_internal.h"

moda_status moda_linear_describe(const moda_executor *e, size_t layer, dnnl_data_type_t type,
                                 moda_linear *x)
{
    moda_status st = MODA_OK;
    const moda_layer *l = &e->net->layers[layer];
    const moda_shape in = e->net->layers[l->input[0]].shape;
    const dnnl_dim_t n = (dnnl_dim_t)e->options.batch, o = (dnnl_dim_t)l->shape.c;
    const dnnl_dims_t src = {n, (dnnl_dim_t)in.c, (dnnl_dim_t)in.h, (dnnl_dim_t)in.w};
    const dnnl_dims_t weights = {o, src[1], src[2], src[3]}, dst = {n, o}, bias = {o};
    *x = (moda_linear){.on_maps = in.h * in.w > 1, .has_bias = l->bias};
    const int rank = x->on_maps ? 4 : 2;
    MODA_DNNL(dnnl_memory_desc_init_by_tag(&x->src, rank, src, type,
                                           x->on_maps ? dnnl_format_tag_any : dnnl_nc),
              "layout", l->name);
    MODA_DNNL(dnnl_memory_desc_init_by_tag(&x->weights, rank, weights, type, dnnl_format_tag_any),
              "layout", l->name);
    x->d_weights = moda_layout_typed(&x->weights, dnnl_f32);
    MODA_DNNL(dnnl_memory_desc_init_by_tag(&x->dst, 2, dst, type, dnnl_nc), "layout", l->name);
    if (l->bias)
        MODA_DNNL(dnnl_memory_desc_init_by_tag(&x->bias, 1, bias, dnnl_f32, dnnl_a), "layout",
                  l->name);
    MODA_TRY(moda_layout_4d(e->options.batch, in, type, dnnl_nchw, &x->flat));
    x->weight = moda_weights_find(e->weights, layer, MODA_WEIGHT);
    x->bias_parameter = moda_weights_find(e->weights, layer, MODA_BIAS);
out:
    return st;
}

dnnl_status_t moda_linear_operation(const moda_linear *x, moda_conv_pass pass,
                                    dnnl_inner_product_desc_t *d)
{
    const dnnl_memory_desc_t *bias = x->has_bias ? &x->bias : NULL;
    switch (pass) {
    case MODA_CONV_FORWARD:
        return dnnl_inner_product_forward_desc_init(d, dnnl_forward_training, &x->src, &x->weights,
                                                    bias, &x->dst);
    case MODA_CONV_BACKWARD_DATA:
        return dnnl_inner_product_backward_data_desc_init(d, &x->src, &x->weights, &x->dst);
    case MODA_CONV_BACKWARD_WEIGHTS:
        return dnnl_inner_product_backward_weights_desc_init(d, &x->src, &x->d_weights, bias,
                                                             &x->dst);
    case MODA_CONV_PASSES: break;
    }
    return dnnl_invalid_arguments;
}

static moda_status forward_primitive(const moda_executor *e, size_t layer, const moda_linear *x,
                                     dnnl_primitive_desc_t *desc)
{
    moda_status st = MODA_OK;
    dnnl_inner_product_desc_t d;
    MODA_DNNL(moda_linear_operation(x, MODA_CONV_FORWARD, &d), "inner product",
              e->net->layers[layer].name);
    MODA_TRY(moda_primitive_desc(e, layer, &d, NULL, "inner product", desc));
out:
    return st;
}

/* As for convolutions: the f32 weights lie as evaluation reads them. */
static moda_status claim_weights(moda_executor *e, size_t layer, size_t parameter)
{
    moda_status st = MODA_OK;
    moda_linear x;
    dnnl_primitive_desc_t desc = NULL;
    dnnl_memory_desc_t *own = &e->weights->layout[parameter];
    if (own->ndims) goto out;
    MODA_TRY(moda_linear_describe(e, layer, dnnl_f32, &x));
    MODA_TRY(forward_primitive(e, layer, &x, &desc));
    *own = *dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0);
out:
    dnnl_primitive_desc_destroy(desc);
    return st;
}

moda_status moda_linear_compile_forward(moda_executor *e, size_t layer)
{
    moda_status st = MODA_OK;
    const moda_layer *l = &e->net->layers[layer];
    const moda_value *in = &e->values[l->input[0]];
    moda_value *out = &e->values[layer];
    moda_layer_state *s = &e->states[layer];
    moda_linear x;
    size_t weights, bias = 0;
    MODA_TRY(moda_linear_describe(e, layer, s->type, &x));
    MODA_TRY(claim_weights(e, layer, x.weight));
    MODA_TRY(forward_primitive(e, layer, &x, &s->forward));
    const dnnl_memory_desc_t want =
        *dnnl_primitive_desc_query_md(s->forward, dnnl_query_weights_md, 0);
    s->source_layout =
        x.on_maps ? *dnnl_primitive_desc_query_md(s->forward, dnnl_query_src_md, 0) : x.flat;
    MODA_TRY(moda_in_layout(e, layer, in->buffer, &in->layout, &s->source_layout, &s->source));
    MODA_TRY(moda_parameter_values(e, x.weight, &want, &weights));
    if (x.has_bias) MODA_TRY(moda_parameter_values(e, x.bias_parameter, &x.bias, &bias));
    MODA_TRY(moda_layout_4d(e->options.batch, l->shape, s->type, dnnl_nchw, &out->layout));
    MODA_TRY(moda_program_samples(&e->program, MODA_HOME_WORKSPACE,
                                  dnnl_memory_desc_get_size(&out->layout), &out->buffer));
    const moda_argument arguments[] = {
        {DNNL_ARG_SRC, s->source, x.on_maps ? &s->source_layout : &x.src},
        {DNNL_ARG_WEIGHTS, weights, &want},
        {DNNL_ARG_DST, out->buffer, &x.dst},
        {DNNL_ARG_BIAS, bias, &x.bias}};
    MODA_TRY(moda_program_primitive(&e->program, e->weights->engine, l->name, s->forward,
                                    x.has_bias ? 4 : 3, arguments));
out:
    return st;
}

static moda_status backward_weights(moda_executor *e, size_t layer, const moda_linear *x)
{
    moda_status st = MODA_OK;
    const moda_layer *l = &e->net->layers[layer];
    const moda_layer_state *s = &e->states[layer];
    dnnl_primitive_desc_t desc = NULL;
    dnnl_inner_product_desc_t d;
    size_t src = s->source, d_weights, d_bias = 0;
    dnnl_memory_desc_t src_want = x->src;
    MODA_DNNL(moda_linear_operation(x, MODA_CONV_BACKWARD_WEIGHTS, &d), "inner product", l->name);
    MODA_TRY(moda_primitive_desc(e, layer, &d, s->forward, "inner product", &desc));
    const dnnl_memory_desc_t written =
        *dnnl_primitive_desc_query_md(desc, dnnl_query_diff_weights_md, 0);
    if (x->on_maps) {
        src_want = *dnnl_primitive_desc_query_md(desc, dnnl_query_src_md, 0);
        MODA_TRY(moda_in_layout(e, layer, s->source, &s->source_layout, &src_want, &src));
    }
    MODA_TRY(moda_parameter_gradient(e, x->weight, &written, &d_weights));
    if (x->has_bias) MODA_TRY(moda_parameter_gradient(e, x->bias_parameter, &x->bias, &d_bias));
    const moda_argument arguments[] = {{DNNL_ARG_SRC, src, &src_want},
                                       {DNNL_ARG_DIFF_DST, e->values[layer].gradient, &x->dst},
                                       {DNNL_ARG_DIFF_WEIGHTS, d_weights, &written},
                                       {DNNL_ARG_DIFF_BIAS, d_bias, &x->bias}};
    MODA_TRY(moda_program_primitive(&e->program, e->weights->engine, l->name, desc,
                                    x->has_bias ? 4 : 3, arguments));
    MODA_TRY(moda_parameter_gradient_done(e, x->weight, &written, d_weights));
out:
    dnnl_primitive_desc_destroy(desc);
    return st;
}

static moda_status backward_data(moda_executor *e, size_t layer, const moda_linear *x)
{
    moda_status st = MODA_OK;
    const moda_layer *l = &e->net->layers[layer];
    dnnl_primitive_desc_t desc = NULL;
    dnnl_inner_product_desc_t d;
    size_t weights, d_in;
    MODA_DNNL(moda_linear_operation(x, MODA_CONV_BACKWARD_DATA, &d), "inner product", l->name);
    MODA_TRY(moda_primitive_desc(e, layer, &d, e->states[layer].forward, "inner product", &desc));
    const dnnl_memory_desc_t want = *dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0);
    const dnnl_memory_desc_t written =
        *dnnl_primitive_desc_query_md(desc, dnnl_query_diff_src_md, 0);
    MODA_TRY(moda_parameter_values(e, x->weight, &want, &weights));
    MODA_TRY(moda_program_samples(&e->program, MODA_HOME_WORKSPACE,
                                  dnnl_memory_desc_get_size(&written), &d_in));
    const moda_argument arguments[] = {{DNNL_ARG_DIFF_DST, e->values[layer].gradient, &x->dst},
                                       {DNNL_ARG_WEIGHTS, weights, &want},
                                       {DNNL_ARG_DIFF_SRC, d_in, &written}};
    MODA_TRY(moda_program_primitive(&e->program, e->weights->engine, l->name, desc, 3, arguments));
    MODA_TRY(moda_gradient_done(e, l->input[0], x->on_maps ? &written : &x->flat, d_in));
out:
    dnnl_primitive_desc_destroy(desc);
    return st;
}

moda_status moda_linear_compile_backward(moda_executor *e, size_t layer)
{
    moda_status st = MODA_OK;
    moda_linear x;
    MODA_TRY(moda_linear_describe(e, layer, e->states[layer].type, &x));
    MODA_TRY(backward_weights(e, layer, &x));
    if (!moda_gradient_unwanted(e, e->net->layers[layer].input[0]))
        MODA_TRY(backward_data(e, layer, &x));
out:
    return st;
}
