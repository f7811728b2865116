/* engine/onednn_elementwise.c - ReLU and the addition of two branches. */
#include "engine/onednn_internal.h"

/* ---- ReLU: in place wherever nobody else reads its input ---- */

moda_status moda_relu_compile_forward(moda_executor *e, size_t layer)
{
    moda_status st = MODA_OK;
    const moda_layer *l = &e->net->layers[layer];
    const moda_value *in = &e->values[l->input[0]];
    moda_value *out = &e->values[layer];
    moda_layer_state *s = &e->states[layer];
    dnnl_eltwise_desc_t d;
    out->layout = in->layout, out->buffer = in->buffer;
    if (s->fused) goto out; /* the layer before it has done it */
    MODA_TRY(moda_relu_pool_follows(e, layer, &s->pooled));
    s->fused = s->pooled;
    if (s->fused) goto out;
    if (moda_net_consumers(e->net, l->input[0]) > 1 ||
        e->net->layers[l->input[0]].kind == MODA_LAYER_INPUT)
        MODA_TRY(moda_program_samples(&e->program, MODA_HOME_WORKSPACE,
                                      dnnl_memory_desc_get_size(&out->layout), &out->buffer));
    MODA_DNNL(dnnl_eltwise_forward_desc_init(&d, dnnl_forward_training,
                                             dnnl_eltwise_relu_use_dst_for_bwd, &in->layout, 0, 0),
              "ReLU", l->name);
    MODA_TRY(moda_primitive_desc(e, layer, &d, NULL, "ReLU", &s->forward));
    const moda_argument arguments[] = {{DNNL_ARG_SRC, in->buffer, &in->layout},
                                       {DNNL_ARG_DST, out->buffer, &out->layout}};
    MODA_TRY(
        moda_program_primitive(&e->program, e->weights->engine, l->name, s->forward, 2, arguments));
out:
    return st;
}

moda_status moda_relu_compile_backward(moda_executor *e, size_t layer)
{
    moda_status st = MODA_OK;
    const moda_layer *l = &e->net->layers[layer];
    const moda_value *out = &e->values[layer];
    dnnl_eltwise_desc_t d;
    dnnl_primitive_desc_t desc = NULL;
    if (!e->states[layer].fused) {
        MODA_DNNL(dnnl_eltwise_backward_desc_init(&d, dnnl_eltwise_relu_use_dst_for_bwd,
                                                  &out->layout, &out->layout, 0, 0),
                  "ReLU", l->name);
        MODA_TRY(moda_primitive_desc(e, layer, &d, e->states[layer].forward, "ReLU", &desc));
        const moda_argument arguments[] = {{DNNL_ARG_DST, out->buffer, &out->layout},
                                           {DNNL_ARG_DIFF_DST, out->gradient, &out->layout},
                                           {DNNL_ARG_DIFF_SRC, out->gradient, &out->layout}};
        MODA_TRY(
            moda_program_primitive(&e->program, e->weights->engine, l->name, desc, 3, arguments));
    }
    if (moda_gradient_unwanted(e, l->input[0])) goto out;
    MODA_TRY(moda_gradient_done(e, l->input[0], &out->layout, out->gradient));
    if (out->share != MODA_NONE)
        MODA_TRY(moda_gradient_done(e, l->input[0], &out->layout, out->share));
out:
    dnnl_primitive_desc_destroy(desc);
    return st;
}

/* ---- addition ---- */

moda_status moda_add_compile_forward(moda_executor *e, size_t layer)
{
    moda_status st = MODA_OK;
    const moda_layer *l = &e->net->layers[layer];
    const moda_value *a = &e->values[l->input[0]], *b = &e->values[l->input[1]];
    moda_value *out = &e->values[layer];
    dnnl_binary_desc_t d;
    size_t right;
    if (moda_residual_joins(e, layer)) return moda_residual_compile_forward(e, layer);
    out->layout = a->layout;
    MODA_TRY(moda_in_layout(e, layer, b->buffer, &b->layout, &out->layout, &right));
    MODA_DNNL(dnnl_binary_desc_init(&d, dnnl_binary_add, &out->layout, &out->layout, &out->layout),
              "addition", l->name);
    MODA_TRY(moda_primitive_desc(e, layer, &d, NULL, "addition", &e->states[layer].forward));
    MODA_TRY(moda_program_samples(&e->program, MODA_HOME_WORKSPACE,
                                  dnnl_memory_desc_get_size(&out->layout), &out->buffer));
    const moda_argument arguments[] = {{DNNL_ARG_SRC_0, a->buffer, &out->layout},
                                       {DNNL_ARG_SRC_1, right, &out->layout},
                                       {DNNL_ARG_DST, out->buffer, &out->layout}};
    MODA_TRY(moda_program_primitive(&e->program, e->weights->engine, l->name,
                                    e->states[layer].forward, 3, arguments));
out:
    return st;
}

/* Both inputs get the output's gradient. The first may take the buffer itself; the second needs a
 * copy, because either may later be changed in place. */
moda_status moda_add_compile_backward(moda_executor *e, size_t layer)
{
    moda_status st = MODA_OK;
    const moda_layer *l = &e->net->layers[layer];
    const moda_value *out = &e->values[layer];
    const dnnl_memory_desc_t *right = &e->values[l->input[1]].layout;
    size_t copy;
    if (moda_residual_joins(e, layer)) return moda_residual_compile_backward(e, layer);
    MODA_TRY(moda_program_samples(&e->program, MODA_HOME_WORKSPACE,
                                  dnnl_memory_desc_get_size(right), &copy));
    MODA_TRY(moda_program_reorder(&e->program, e->weights, l->name, out->gradient, &out->layout,
                                  copy, right));
    if (!moda_gradient_unwanted(e, l->input[0]))
        MODA_TRY(moda_gradient_done(e, l->input[0], &out->layout, out->gradient));
    if (!moda_gradient_unwanted(e, l->input[1]))
        MODA_TRY(moda_gradient_done(e, l->input[1], right, copy));
out:
    return st;
}
