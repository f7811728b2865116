/* engine/onednn_layout.c - memory layouts, and getting a tensor or a parameter into one. */
#include "engine/onednn_internal.h"
#include <string.h>

moda_status moda_layout_4d(size_t n, moda_shape s, dnnl_data_type_t type, dnnl_format_tag_t tag,
                           dnnl_memory_desc_t *layout)
{
    moda_status st = MODA_OK;
    const dnnl_dims_t dims = {(dnnl_dim_t)n, (dnnl_dim_t)s.c, (dnnl_dim_t)s.h, (dnnl_dim_t)s.w};
    MODA_DNNL(dnnl_memory_desc_init_by_tag(layout, 4, dims, type, tag), "layout", "-");
out:
    return st;
}

/* The tag that gives `layout`, one of those that moda knows. */
static moda_status find_tag(const dnnl_memory_desc_t *layout, dnnl_format_tag_t *tag)
{
    moda_status st = MODA_OK;
    static const dnnl_format_tag_t known[] = {dnnl_nChw16c, dnnl_nChw8c, dnnl_nchw, dnnl_nhwc};
    const moda_shape s = {(size_t)layout->dims[1], (size_t)layout->dims[2],
                          (size_t)layout->dims[3]};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        dnnl_memory_desc_t candidate;
        MODA_TRY(
            moda_layout_4d((size_t)layout->dims[0], s, layout->data_type, known[i], &candidate));
        *tag = known[i];
        if (dnnl_memory_desc_equal(layout, &candidate)) goto out;
    }
    MODA_CHECK(false, MODA_ERR_INTERNAL, "oneDNN chose a layout that moda does not know");
out:
    return st;
}

moda_status moda_layout_map(const dnnl_memory_desc_t *layout, moda_map_shape *map)
{
    moda_status st = MODA_OK;
    dnnl_format_tag_t tag;
    MODA_TRY(find_tag(layout, &tag));
    *map = (moda_map_shape){.n = (size_t)layout->dims[0],
                            .c = (size_t)layout->dims[1],
                            .hw = (size_t)(layout->dims[2] * layout->dims[3]),
                            .type = layout->data_type == dnnl_bf16 ? MODA_BF16 : MODA_F32};
    map->block = tag == dnnl_nChw16c ? 16 : tag == dnnl_nChw8c ? 8 : tag == dnnl_nhwc ? map->c : 1;
    if (map->hw == 1 && map->block == 1) map->block = map->c; /* features: one row, not c maps */
out:
    return st;
}

moda_status moda_layout_like(const dnnl_memory_desc_t *like, moda_shape s,
                             dnnl_memory_desc_t *layout)
{
    moda_status st = MODA_OK;
    dnnl_format_tag_t tag;
    MODA_TRY(find_tag(like, &tag));
    MODA_TRY(moda_layout_4d((size_t)like->dims[0], s, like->data_type, tag, layout));
out:
    return st;
}

dnnl_memory_desc_t moda_layout_typed(const dnnl_memory_desc_t *like, dnnl_data_type_t type)
{
    dnnl_memory_desc_t layout = *like;
    layout.data_type = type; /* strides and offsets count elements */
    return layout;
}

moda_status moda_in_layout(moda_executor *e, size_t layer, size_t buffer,
                           const dnnl_memory_desc_t *have, const dnnl_memory_desc_t *want,
                           size_t *result)
{
    moda_status st = MODA_OK;
    *result = buffer;
    if (dnnl_memory_desc_equal(have, want)) goto out;
    MODA_TRY(moda_program_samples(&e->program, MODA_HOME_WORKSPACE, dnnl_memory_desc_get_size(want),
                                  result));
    MODA_TRY(moda_program_reorder(&e->program, e->weights, e->net->layers[layer].name, buffer, have,
                                  *result, want));
out:
    return st;
}

/* ---- parameters ---- */

static moda_status parameter_buffer(moda_executor *e, size_t parameter, moda_home home,
                                    size_t *buffer)
{
    moda_status st = MODA_OK;
    MODA_TRY(moda_program_buffer(
        &e->program, home, dnnl_memory_desc_get_size(&e->weights->layout[parameter]), buffer));
    e->program.buffers[*buffer].parameter = parameter;
out:
    return st;
}

moda_status moda_parameter_values(moda_executor *e, size_t parameter,
                                  const dnnl_memory_desc_t *want, size_t *buffer)
{
    moda_status st = MODA_OK;
    dnnl_memory_desc_t *own = &e->weights->layout[parameter];
    size_t values;
    if (!own->ndims) *own = moda_layout_typed(want, dnnl_f32);
    MODA_TRY(parameter_buffer(e, parameter, MODA_HOME_VALUE, &values));
    *buffer = values;
    if (dnnl_memory_desc_equal(own, want)) goto out;
    /* For evaluation the copy is kept from batch to batch, so it needs memory of its own. */
    MODA_TRY(moda_program_buffer(&e->program,
                                 e->options.training ? MODA_HOME_WORKSPACE : MODA_HOME_OWN,
                                 dnnl_memory_desc_get_size(want), buffer));
    MODA_TRY(moda_program_reorder(&e->program, e->weights,
                                  e->weights->parameters.items[parameter].name, values, own,
                                  *buffer, want));
    e->program.steps[e->program.count - 1].weights_only = !e->options.training;
out:
    return st;
}

moda_status moda_parameter_gradient(moda_executor *e, size_t parameter,
                                    const dnnl_memory_desc_t *written, size_t *buffer)
{
    if (dnnl_memory_desc_equal(&e->weights->layout[parameter], written))
        return parameter_buffer(e, parameter, MODA_HOME_GRADIENT, buffer);
    return moda_program_buffer(&e->program, MODA_HOME_WORKSPACE, dnnl_memory_desc_get_size(written),
                               buffer);
}

moda_status moda_parameter_gradient_done(moda_executor *e, size_t parameter,
                                         const dnnl_memory_desc_t *written, size_t buffer)
{
    moda_status st = MODA_OK;
    size_t gradient;
    if (e->program.buffers[buffer].home == MODA_HOME_GRADIENT) goto out;
    MODA_TRY(parameter_buffer(e, parameter, MODA_HOME_GRADIENT, &gradient));
    MODA_TRY(moda_program_reorder(&e->program, e->weights,
                                  e->weights->parameters.items[parameter].name, buffer, written,
                                  gradient, &e->weights->layout[parameter]));
out:
    return st;
}
