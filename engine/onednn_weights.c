/* engine/onednn_weights.c - parameters, gradients and momentum in the layouts that oneDNN chose. */
#include "engine/onednn_internal.h"
#include "engine/sgd.h"
#include "numa/memory.h"
#include <stdlib.h>
#include <string.h>

moda_status moda_weights_create(const moda_net *net, moda_weights **weights)
{
    moda_status st = MODA_OK;
    moda_weights *w = NULL;
    *weights = NULL;
    MODA_ALLOC(w, sizeof *w);
    w->net = net;
    MODA_DNNL(dnnl_engine_create(&w->engine, dnnl_cpu, 0), "engine", "-");
    MODA_DNNL(dnnl_stream_create(&w->stream, w->engine, dnnl_stream_default_flags), "stream", "-");
    MODA_DNNL(dnnl_primitive_attr_create(&w->attributes), "attributes", "-");
    MODA_DNNL(dnnl_primitive_attr_set_scratchpad_mode(w->attributes, dnnl_scratchpad_mode_user),
              "attributes", "-");
    MODA_TRY(moda_net_parameters(net, &w->parameters));
    MODA_ALLOC(w->layout, w->parameters.count * sizeof *w->layout);
    MODA_ALLOC(w->offset, w->parameters.count * sizeof *w->offset);
    *weights = w, w = NULL;
out:
    moda_weights_destroy(w);
    return st;
}

void moda_weights_destroy(moda_weights *w)
{
    if (!w) return;
    moda_memory_destroy(w->values, w->floats * sizeof(float));
    moda_memory_destroy(w->gradients, w->trainable * sizeof(float));
    moda_memory_destroy(w->momentum, w->trainable * sizeof(float));
    free(w->layout);
    free(w->offset);
    moda_parameter_list_free(&w->parameters);
    if (w->attributes) dnnl_primitive_attr_destroy(w->attributes);
    if (w->stream) dnnl_stream_destroy(w->stream);
    if (w->engine) dnnl_engine_destroy(w->engine);
    free(w);
}

size_t moda_weights_find(const moda_weights *w, size_t layer, moda_parameter_role role)
{
    for (size_t i = 0; i < w->parameters.count; i++)
        if (w->parameters.items[i].layer == layer && w->parameters.items[i].role == role) return i;
    return MODA_NONE;
}

static bool trainable(const moda_parameter *p)
{
    return p->role == MODA_WEIGHT || p->role == MODA_BIAS;
}

/* Gives every parameter its place in a block, those that are trained first so that the optimizer is
 * one loop. Each begins on a cache line; the gaps and the padding of blocked layouts stay zero. */
void moda_weights_measure(moda_weights *w)
{
    const size_t line = MODA_PLAN_ALIGNMENT / sizeof(float);
    w->floats = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < w->parameters.count; i++) {
            if (trainable(&w->parameters.items[i]) != (pass == 0)) continue;
            const size_t floats = dnnl_memory_desc_get_size(&w->layout[i]) / sizeof(float);
            w->offset[i] = w->floats;
            w->floats += (floats + line - 1) / line * line;
        }
        if (pass == 0) w->trainable = w->floats;
    }
}

/* All threads read and write all of them, and oneDNN reads them at one address: a copy per node could
 * not reach its primitives. */
moda_status moda_weights_allocate(moda_weights *w)
{
    moda_status st = MODA_OK;
    if (!w->values) {
        moda_weights_measure(w);
        MODA_TRY(moda_memory_create_placed(w->floats * sizeof(float), MODA_PLACE_INTERLEAVED,
                                           "weights", (void **)&w->values));
    }
    if (w->training && !w->gradients) {
        const size_t bytes = w->trainable * sizeof(float);
        MODA_TRY(moda_memory_create_placed(bytes, MODA_PLACE_INTERLEAVED, "gradients",
                                           (void **)&w->gradients));
        MODA_TRY(moda_memory_create_placed(bytes, MODA_PLACE_INTERLEAVED, "momentum",
                                           (void **)&w->momentum));
    }
out:
    return st;
}

size_t moda_weights_bytes(const moda_weights *w)
{
    return (w->floats + (w->training ? 2 * w->trainable : 0)) * sizeof(float);
}

/* PyTorch's row-major layout of a parameter, in the dimensions that the blocked one has (groups are
 * a dimension of their own for oneDNN, and a linear layer on maps has them spread out). */
static moda_status plain_layout(const dnnl_memory_desc_t *blocked, dnnl_memory_desc_t *plain)
{
    static const dnnl_format_tag_t tags[] = {
        dnnl_format_tag_undef, dnnl_a, dnnl_ab, dnnl_abc, dnnl_abcd, dnnl_abcde};
    moda_status st = MODA_OK;
    MODA_DNNL(dnnl_memory_desc_init_by_tag(plain, blocked->ndims, blocked->dims, dnnl_f32,
                                           tags[blocked->ndims]),
              "layout", "-");
out:
    return st;
}

/* One parameter's floats between a plain array and a block, in either direction. */
static moda_status convert(moda_weights *w, size_t parameter, float *block, float *plain,
                           bool into_block)
{
    moda_status st = MODA_OK;
    dnnl_memory_desc_t layout[2];
    dnnl_memory_t memory[2] = {NULL, NULL}; /* plain, blocked */
    dnnl_primitive_desc_t desc = NULL;
    dnnl_primitive_t reorder = NULL;
    const char *name = w->parameters.items[parameter].name;
    const int from = into_block ? 0 : 1, to = 1 - from;
    layout[1] = w->layout[parameter];
    MODA_TRY(plain_layout(&layout[1], &layout[0]));
    MODA_DNNL(dnnl_memory_create(&memory[0], &layout[0], w->engine, plain), "memory", name);
    MODA_DNNL(dnnl_memory_create(&memory[1], &layout[1], w->engine, block + w->offset[parameter]),
              "memory", name);
    MODA_DNNL(dnnl_reorder_primitive_desc_create(&desc, &layout[from], w->engine, &layout[to],
                                                 w->engine, NULL),
              "reorder", name);
    MODA_DNNL(dnnl_primitive_create(&reorder, desc), "reorder", name);
    const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, memory[from]}, {DNNL_ARG_TO, memory[to]}};
    MODA_DNNL(dnnl_primitive_execute(reorder, w->stream, 2, arguments), "reorder", name);
    MODA_DNNL(dnnl_stream_wait(w->stream), "reorder", name);
out:
    dnnl_primitive_destroy(reorder);
    dnnl_primitive_desc_destroy(desc);
    dnnl_memory_destroy(memory[0]);
    dnnl_memory_destroy(memory[1]);
    return st;
}

moda_status moda_weights_load(moda_weights *w, const moda_model *model)
{
    moda_status st = MODA_OK;
    for (size_t i = 0; i < w->parameters.count; i++)
        MODA_TRY(convert(w, i, w->values, model->values + w->parameters.items[i].offset, true));
    if (w->momentum) memset(w->momentum, 0, w->trainable * sizeof(float));
    w->version++;
out:
    return st;
}

moda_status moda_weights_store(moda_weights *w, moda_model *model)
{
    moda_status st = MODA_OK;
    for (size_t i = 0; i < w->parameters.count; i++)
        MODA_TRY(convert(w, i, w->values, model->values + w->parameters.items[i].offset, false));
out:
    return st;
}

moda_status moda_weights_load_momentum(moda_weights *w, const float *momentum)
{
    moda_status st = MODA_OK;
    for (size_t i = 0; i < w->parameters.count; i++)
        if (trainable(&w->parameters.items[i])) /* into the block: plain is only read */
            MODA_TRY(convert(w, i, w->momentum, (float *)momentum + w->parameters.items[i].offset,
                             true));
out:
    return st;
}

moda_status moda_weights_store_momentum(moda_weights *w, float *momentum)
{
    moda_status st = MODA_OK;
    for (size_t i = 0; i < w->parameters.count; i++) {
        const moda_parameter *p = &w->parameters.items[i];
        memset(momentum + p->offset, 0, p->elements * sizeof *momentum);
        if (trainable(p)) MODA_TRY(convert(w, i, w->momentum, momentum + p->offset, false));
    }
out:
    return st;
}

void moda_weights_update(moda_weights *w, moda_sgd sgd)
{
    moda_sgd_update(w->trainable, (float)sgd.learning_rate, (float)sgd.momentum,
                    (float)sgd.weight_decay, w->values, w->gradients, w->momentum);
    w->version++;
}
