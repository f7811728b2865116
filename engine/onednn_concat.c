/* engine/onednn_concat.c - [concat] in a program: each input is copied to its channels of the output, and
 * backward each input's gradient is cut out of the output's. */
#include "engine/onednn_internal.h"

/* How input k lies in the output of that layout. False if it cannot be said: a block would hold
 * channels of both inputs. */
static bool part_of(const moda_executor *e, size_t layer, const dnnl_memory_desc_t *whole, size_t k,
                    dnnl_memory_desc_t *part)
{
    const moda_layer *l = &e->net->layers[layer];
    const moda_shape first = e->net->layers[l->input[0]].shape;
    const moda_shape own = e->net->layers[l->input[k]].shape;
    const dnnl_dims_t dims = {whole->dims[0], (dnnl_dim_t)own.c, whole->dims[2], whole->dims[3]};
    const dnnl_dims_t offsets = {0, k ? (dnnl_dim_t)first.c : 0, 0, 0};
    return dnnl_memory_desc_init_submemory(part, whole, dims, offsets) == dnnl_success;
}

/* The first input's layout if both parts fit into its blocks, else plain. bf16 only if both are: the
 * output of a layer that computes in f32 is not rounded on the way. */
static moda_status choose_layout(const moda_executor *e, size_t layer, dnnl_memory_desc_t *layout)
{
    moda_status st = MODA_OK;
    const moda_layer *l = &e->net->layers[layer];
    const dnnl_memory_desc_t *a = &e->values[l->input[0]].layout;
    const dnnl_memory_desc_t *b = &e->values[l->input[1]].layout;
    const dnnl_data_type_t type = a->data_type == b->data_type ? a->data_type : dnnl_f32;
    const dnnl_memory_desc_t like = moda_layout_typed(a, type);
    dnnl_memory_desc_t part;
    MODA_TRY(moda_layout_like(&like, l->shape, layout));
    if (!part_of(e, layer, layout, 0, &part) || !part_of(e, layer, layout, 1, &part))
        MODA_TRY(moda_layout_4d(e->options.batch, l->shape, type, dnnl_nchw, layout));
out:
    return st;
}

moda_status moda_concat_compile_forward(moda_executor *e, size_t layer)
{
    moda_status st = MODA_OK;
    const moda_layer *l = &e->net->layers[layer];
    moda_value *out = &e->values[layer];
    dnnl_memory_desc_t part;
    MODA_TRY(choose_layout(e, layer, &out->layout));
    MODA_TRY(moda_program_samples(&e->program, MODA_HOME_WORKSPACE,
                                  dnnl_memory_desc_get_size(&out->layout), &out->buffer));
    for (size_t k = 0; k < 2; k++) {
        const moda_value *in = &e->values[l->input[k]];
        MODA_CHECK(part_of(e, layer, &out->layout, k, &part), MODA_ERR_INTERNAL,
                   "layer %s: no place for its input %zu", l->name, k);
        MODA_TRY(moda_program_reorder(&e->program, e->weights, l->name, in->buffer, &in->layout,
                                      out->buffer, &part));
    }
out:
    return st;
}

moda_status moda_concat_compile_backward(moda_executor *e, size_t layer)
{
    moda_status st = MODA_OK;
    const moda_layer *l = &e->net->layers[layer];
    const moda_value *out = &e->values[layer];
    dnnl_memory_desc_t part;
    for (size_t k = 0; k < 2; k++) {
        const dnnl_memory_desc_t *layout = &e->values[l->input[k]].layout;
        size_t d_in;
        if (moda_gradient_unwanted(e, l->input[k])) continue;
        MODA_CHECK(part_of(e, layer, &out->layout, k, &part), MODA_ERR_INTERNAL,
                   "layer %s: no gradient by its input %zu", l->name, k);
        MODA_TRY(moda_program_samples(&e->program, MODA_HOME_WORKSPACE,
                                      dnnl_memory_desc_get_size(layout), &d_in));
        MODA_TRY(moda_program_reorder(&e->program, e->weights, l->name, out->gradient, &part, d_in,
                                      layout));
        MODA_TRY(moda_gradient_done(e, l->input[k], layout, d_in));
    }
out:
    return st;
}
