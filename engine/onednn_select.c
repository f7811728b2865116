/* engine/onednn_select.c - [select] in a program: our own kernel between two buffers of one layout. */
#include "engine/channel_select.h"
#include "engine/onednn_internal.h"
#include <stdlib.h>

static void run_select(const moda_step *step, void *const *at)
{
    moda_select(step->map, step->to, step->channels, at[0], at[1]);
}

static moda_status append(moda_executor *e, size_t layer, size_t from,
                          const dnnl_memory_desc_t *from_layout, size_t to,
                          const dnnl_memory_desc_t *to_layout, const uint32_t *channels)
{
    moda_status st = MODA_OK;
    moda_step *step;
    MODA_TRY(moda_program_kernel(&e->program, e->net->layers[layer].name, run_select, 2,
                                 (size_t[]){from, to}, &step));
    step->channels = channels;
    MODA_TRY(moda_layout_map(from_layout, &step->map));
    MODA_TRY(moda_layout_map(to_layout, &step->to));
out:
    return st;
}

moda_status moda_select_compile_forward(moda_executor *e, size_t layer)
{
    moda_status st = MODA_OK;
    const moda_layer *l = &e->net->layers[layer];
    const moda_value *in = &e->values[l->input[0]];
    moda_value *out = &e->values[layer];
    moda_layer_state *s = &e->states[layer];
    s->source_layout = moda_layout_typed(&in->layout, dnnl_f32);
    MODA_TRY(moda_in_layout(e, layer, in->buffer, &in->layout, &s->source_layout, &s->source));
    MODA_TRY(moda_layout_like(&s->source_layout, l->shape, &out->layout));
    MODA_TRY(moda_program_samples(&e->program, MODA_HOME_WORKSPACE,
                                  dnnl_memory_desc_get_size(&out->layout), &out->buffer));
    MODA_TRY(
        append(e, layer, s->source, &s->source_layout, out->buffer, &out->layout, l->channels));
out:
    return st;
}

/* The gradient by the input: channels that were not selected get zeros. */
moda_status moda_select_compile_backward(moda_executor *e, size_t layer)
{
    moda_status st = MODA_OK;
    const moda_layer *l = &e->net->layers[layer];
    const moda_value *out = &e->values[layer];
    const size_t inputs = e->net->layers[l->input[0]].shape.c;
    moda_layer_state *s = &e->states[layer];
    size_t d_in;
    if (moda_gradient_unwanted(e, l->input[0])) goto out;
    MODA_ALLOC(s->inverse, inputs * sizeof *s->inverse);
    moda_select_inverse(inputs, l->shape.c, l->channels, s->inverse);
    MODA_TRY(moda_program_samples(&e->program, MODA_HOME_WORKSPACE,
                                  dnnl_memory_desc_get_size(&s->source_layout), &d_in));
    MODA_TRY(append(e, layer, out->gradient, &out->layout, d_in, &s->source_layout, s->inverse));
    MODA_TRY(moda_gradient_done(e, l->input[0], &s->source_layout, d_in));
out:
    return st;
}
