/* engine/onednn_softmax.c - [softmax] over the channels of each pixel, in f32 and plain layout. */
#include "engine/onednn_internal.h"

enum { CHANNELS = 1 }; /* the axis */

moda_status moda_softmax_compile_forward(moda_executor *e, size_t layer)
{
    moda_status st = MODA_OK;
    const moda_layer *l = &e->net->layers[layer];
    const moda_value *in = &e->values[l->input[0]];
    moda_value *out = &e->values[layer];
    moda_layer_state *s = &e->states[layer];
    dnnl_softmax_desc_t d;
    MODA_TRY(moda_layout_4d(e->options.batch, l->shape, dnnl_f32, dnnl_nchw, &out->layout));
    MODA_TRY(moda_in_layout(e, layer, in->buffer, &in->layout, &out->layout, &s->source));
    MODA_TRY(moda_program_samples(&e->program, MODA_HOME_WORKSPACE,
                                  dnnl_memory_desc_get_size(&out->layout), &out->buffer));
    MODA_DNNL(dnnl_softmax_forward_desc_init(&d, dnnl_forward_training, &out->layout, CHANNELS),
              "softmax", l->name);
    MODA_TRY(moda_primitive_desc(e, layer, &d, NULL, "softmax", &s->forward));
    const moda_argument arguments[] = {{DNNL_ARG_SRC, s->source, &out->layout},
                                       {DNNL_ARG_DST, out->buffer, &out->layout}};
    MODA_TRY(
        moda_program_primitive(&e->program, e->weights->engine, l->name, s->forward, 2, arguments));
out:
    return st;
}

moda_status moda_softmax_compile_backward(moda_executor *e, size_t layer)
{
    moda_status st = MODA_OK;
    const moda_layer *l = &e->net->layers[layer];
    const moda_value *out = &e->values[layer];
    dnnl_primitive_desc_t desc = NULL;
    dnnl_softmax_desc_t d;
    size_t d_in;
    if (moda_gradient_unwanted(e, l->input[0])) goto out;
    MODA_DNNL(dnnl_softmax_backward_desc_init(&d, &out->layout, &out->layout, CHANNELS), "softmax",
              l->name);
    MODA_TRY(moda_primitive_desc(e, layer, &d, e->states[layer].forward, "softmax", &desc));
    MODA_TRY(moda_program_samples(&e->program, MODA_HOME_WORKSPACE,
                                  dnnl_memory_desc_get_size(&out->layout), &d_in));
    const moda_argument arguments[] = {{DNNL_ARG_DST, out->buffer, &out->layout},
                                       {DNNL_ARG_DIFF_DST, out->gradient, &out->layout},
                                       {DNNL_ARG_DIFF_SRC, d_in, &out->layout}};
    MODA_TRY(moda_program_primitive(&e->program, e->weights->engine, l->name, desc, 3, arguments));
    MODA_TRY(moda_gradient_done(e, l->input[0], &out->layout, d_in));
out:
    dnnl_primitive_desc_destroy(desc);
    return st;
}
