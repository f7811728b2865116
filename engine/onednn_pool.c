/* engine/onednn_pool.c - maximum and average pooling. Averages leave the padding out
 * (docs/networks.md), which PyTorch calls count_include_pad=False. */
#include "engine/onednn_internal.h"

typedef struct window {
    dnnl_alg_kind_t algorithm;
    dnnl_dims_t stride, kernel, dilation, padding_l, padding_r;
} window;

static window describe(const moda_executor *e, size_t layer)
{
    const moda_layer *l = &e->net->layers[layer];
    const moda_shape in = e->net->layers[l->input[0]].shape;
    const size_t inner[2] = {in.h, in.w}, outer[2] = {l->shape.h, l->shape.w};
    window w = {.algorithm = l->kind == MODA_LAYER_MAXPOOL ? dnnl_pooling_max
                                                           : dnnl_pooling_avg_exclude_padding};
    for (int i = 0; i < 2; i++) {
        w.stride[i] = (dnnl_dim_t)l->stride;
        w.kernel[i] = (dnnl_dim_t)l->kernel;
        w.padding_l[i] = (dnnl_dim_t)l->padding;
        w.padding_r[i] = (dnnl_dim_t)((outer[i] - 1) * l->stride) + w.kernel[i] -
                         (dnnl_dim_t)(inner[i] + l->padding);
    }
    return w;
}

moda_status moda_pool_compile_forward(moda_executor *e, size_t layer)
{
    moda_status st = MODA_OK;
    const moda_layer *l = &e->net->layers[layer];
    const moda_value *in = &e->values[l->input[0]];
    moda_value *out = &e->values[layer];
    moda_layer_state *s = &e->states[layer];
    const window w = describe(e, layer);
    dnnl_pooling_v2_desc_t d;
    dnnl_memory_desc_t any;
    if (e->states[l->input[0]].pooled) return moda_relu_pool_compile_forward(e, layer);
    MODA_TRY(moda_layout_4d(e->options.batch, l->shape, in->layout.data_type, dnnl_format_tag_any,
                            &any));
    MODA_DNNL(dnnl_pooling_v2_forward_desc_init(
                  &d, e->options.training ? dnnl_forward_training : dnnl_forward_inference,
                  w.algorithm, &in->layout, &any, w.stride, w.kernel, w.dilation, w.padding_l,
                  w.padding_r),
              "pooling", l->name);
    MODA_TRY(moda_primitive_desc(e, layer, &d, NULL, "pooling", &s->forward));
    out->layout = *dnnl_primitive_desc_query_md(s->forward, dnnl_query_dst_md, 0);
    MODA_TRY(moda_program_samples(&e->program, MODA_HOME_WORKSPACE,
                                  dnnl_memory_desc_get_size(&out->layout), &out->buffer));
    const dnnl_memory_desc_t *workspace =
        dnnl_primitive_desc_query_md(s->forward, dnnl_query_workspace_md, 0);
    const bool kept = workspace && dnnl_memory_desc_get_size(workspace);
    if (kept)
        MODA_TRY(moda_program_samples(&e->program, MODA_HOME_WORKSPACE,
                                      dnnl_memory_desc_get_size(workspace), &s->workspace));
    const moda_argument arguments[] = {{DNNL_ARG_SRC, in->buffer, &in->layout},
                                       {DNNL_ARG_DST, out->buffer, &out->layout},
                                       {DNNL_ARG_WORKSPACE, s->workspace, workspace}};
    MODA_TRY(moda_program_primitive(&e->program, e->weights->engine, l->name, s->forward,
                                    kept ? 3 : 2, arguments));
out:
    return st;
}

moda_status moda_pool_compile_backward(moda_executor *e, size_t layer)
{
    moda_status st = MODA_OK;
    const moda_layer *l = &e->net->layers[layer];
    const moda_value *in = &e->values[l->input[0]], *out = &e->values[layer];
    const moda_layer_state *s = &e->states[layer];
    const window w = describe(e, layer);
    dnnl_primitive_desc_t desc = NULL;
    dnnl_pooling_v2_desc_t d;
    size_t d_in;
    if (e->states[l->input[0]].pooled) return moda_relu_pool_compile_backward(e, layer);
    if (moda_gradient_unwanted(e, l->input[0])) goto out;
    MODA_DNNL(dnnl_pooling_v2_backward_desc_init(&d, w.algorithm, &in->layout, &out->layout,
                                                 w.stride, w.kernel, w.dilation, w.padding_l,
                                                 w.padding_r),
              "pooling", l->name);
    MODA_TRY(moda_primitive_desc(e, layer, &d, s->forward, "pooling", &desc));
    MODA_TRY(moda_program_samples(&e->program, MODA_HOME_WORKSPACE,
                                  dnnl_memory_desc_get_size(&in->layout), &d_in));
    const dnnl_memory_desc_t *workspace =
        dnnl_primitive_desc_query_md(s->forward, dnnl_query_workspace_md, 0);
    const bool kept = workspace && dnnl_memory_desc_get_size(workspace);
    const moda_argument arguments[] = {{DNNL_ARG_DIFF_DST, out->gradient, &out->layout},
                                       {DNNL_ARG_DIFF_SRC, d_in, &in->layout},
                                       {DNNL_ARG_WORKSPACE, s->workspace, workspace}};
    MODA_TRY(moda_program_primitive(&e->program, e->weights->engine, l->name, desc, kept ? 3 : 2,
                                    arguments));
    MODA_TRY(moda_gradient_done(e, l->input[0], &in->layout, d_in));
out:
    dnnl_primitive_desc_destroy(desc);
    return st;
}
