/* engine/onednn_profile.c - a program's steps as the parts of a profile. Everything is read off the
 * finished program: what oneDNN says about its primitives, and the buffers that a step names. */
#include "base/isa.h"
#include "engine/onednn_internal.h"
#include <stdio.h>

/* Steps are named by their layer, weights' reorders by the tensor. Names are borrowed from
 * where they are looked for, so pointers tell. parameter: MODA_NONE for a layer's step. */
static void find_owner(const moda_executor *e, const char *name, size_t *layer, size_t *parameter)
{
    const moda_parameter_list *list = &e->weights->parameters;
    *layer = 0, *parameter = MODA_NONE;
    for (size_t i = 0; i < e->net->layer_count; i++)
        if (e->net->layers[i].name == name) *layer = i;
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].name == name) *layer = list->items[i].layer, *parameter = i;
}

static moda_work work_of_layer(moda_layer_kind kind)
{
    static const moda_work works[] = {
        [MODA_LAYER_INPUT] = MODA_WORK_DATA,          [MODA_LAYER_CONV] = MODA_WORK_CONVOLUTION,
        [MODA_LAYER_BATCHNORM] = MODA_WORK_BATCHNORM, [MODA_LAYER_RELU] = MODA_WORK_ELEMENTWISE,
        [MODA_LAYER_MAXPOOL] = MODA_WORK_POOLING,     [MODA_LAYER_AVGPOOL] = MODA_WORK_POOLING,
        [MODA_LAYER_LINEAR] = MODA_WORK_LINEAR,       [MODA_LAYER_ADD] = MODA_WORK_ELEMENTWISE,
        [MODA_LAYER_SELECT] = MODA_WORK_SELECT,       [MODA_LAYER_MASK] = MODA_WORK_ELEMENTWISE,
        [MODA_LAYER_CONCAT] = MODA_WORK_REORDER,      [MODA_LAYER_SOFTMAX] = MODA_WORK_ELEMENTWISE};
    return works[kind];
}

static moda_work work_of_primitive(dnnl_primitive_kind_t kind)
{
    switch (kind) {
    case dnnl_convolution: return MODA_WORK_CONVOLUTION;
    case dnnl_inner_product:
    case dnnl_matmul: return MODA_WORK_LINEAR;
    case dnnl_batch_normalization: return MODA_WORK_BATCHNORM;
    case dnnl_pooling:
    case dnnl_pooling_v2: return MODA_WORK_POOLING;
    case dnnl_reorder: return MODA_WORK_REORDER;
    default: return MODA_WORK_ELEMENTWISE;
    }
}

/* otherwise: for what has no such property (sums, reorders), or does not split its backward. */
static moda_pass pass_of_primitive(const_dnnl_primitive_desc_t desc, moda_pass otherwise)
{
    dnnl_prop_kind_t kind = dnnl_prop_kind_undef;
    if (dnnl_primitive_desc_query(desc, dnnl_query_prop_kind, 0, &kind) != dnnl_success)
        return otherwise;
    return kind == dnnl_backward_weights ? MODA_PASS_BACKWARD_WEIGHTS
           : kind == dnnl_backward_data && otherwise == MODA_PASS_BACKWARD ? MODA_PASS_BACKWARD_DATA
                                                                           : otherwise;
}

static moda_status describe_primitive(const moda_step *s, moda_pass otherwise,
                                      moda_profile_part *part)
{
    moda_status st = MODA_OK;
    const_dnnl_primitive_desc_t desc;
    dnnl_primitive_kind_t kind;
    const char *name = "";
    MODA_DNNL(dnnl_primitive_get_primitive_desc(s->primitive, &desc), "description", s->layer);
    MODA_DNNL(dnnl_primitive_desc_query(desc, dnnl_query_primitive_kind, 0, &kind), "kind",
              s->layer);
    MODA_DNNL(dnnl_primitive_desc_query(desc, dnnl_query_impl_info_str, 0, (void *)&name), "name",
              s->layer);
    part->work = work_of_primitive(kind);
    snprintf(part->kernel, sizeof part->kernel, "%s%s",
             kind == dnnl_reorder ? "reorder "
             : kind == dnnl_sum   ? "sum "
                                  : "",
             name);
    part->pass = pass_of_primitive(desc, otherwise);
out:
    return st;
}

/* Ours that do not say what they are do what their layer does. */
static void describe_kernel(const moda_step *s, moda_layer_kind layer, moda_profile_part *part)
{
    if (s->pass != MODA_PASS_NONE) part->pass = s->pass;
    part->work = s->losses ? MODA_WORK_LOSSES : work_of_layer(layer);
    snprintf(part->kernel, sizeof part->kernel, "%s, %s%s",
             s->what ? s->what : moda_work_name(part->work), moda_isa_name(moda_isa_best()),
             s->map.type == MODA_BF16 ? " bf16" : "");
}

/* Whether no other step names the buffer: what a step keeps to itself need not leave the cache. */
static bool private_to(const moda_program *p, size_t step, size_t buffer)
{
    for (size_t s = 0; s < p->count; s++)
        for (size_t a = 0; s != step && a < p->steps[s].count; a++)
            if (p->steps[s].buffer[a] == buffer) return false;
    return p->buffers[buffer].home == MODA_HOME_WORKSPACE;
}

/* Bytes of the buffers, each once per argument: what works in place names its buffer twice. */
static double bytes_moved(const moda_program *p, size_t step)
{
    const moda_step *s = &p->steps[step];
    double bytes = 0;
    for (size_t a = 0; a < s->count; a++)
        if (!private_to(p, step, s->buffer[a])) bytes += (double)p->buffers[s->buffer[a]].bytes;
    return bytes;
}

static void print_shape(const moda_executor *e, size_t layer, size_t parameter, char *text,
                        size_t size)
{
    const moda_layer *l = &e->net->layers[layer];
    const moda_shape in = e->net->layers[l->input[0]].shape, out = l->shape;
    const size_t n = e->options.batch;
    int length = 0;
    if (parameter == MODA_NONE) {
        snprintf(text, size, "%zux%zux%zux%zu > %zux%zux%zux%zu", n, in.c, in.h, in.w, n, out.c,
                 out.h, out.w);
        return;
    }
    const moda_parameter *q = &e->weights->parameters.items[parameter];
    for (size_t i = 0; i < q->rank && (size_t)length < size; i++)
        length +=
            snprintf(text + length, size - (size_t)length, "%s%zu", i ? "x" : "", q->shape[i]);
}

static moda_status describe(const moda_executor *e, size_t step, moda_profile_part *part)
{
    moda_status st = MODA_OK;
    const moda_step *s = &e->program.steps[step];
    const moda_pass pass = step < e->program.backward ? MODA_PASS_FORWARD : MODA_PASS_BACKWARD;
    size_t layer, parameter;
    find_owner(e, s->layer, &layer, &parameter);
    *part = (moda_profile_part){.place = layer, .pass = pass};
    snprintf(part->layer, sizeof part->layer, "%s", s->layer);
    print_shape(e, layer, parameter, part->shape, sizeof part->shape);
    if (s->primitive)
        MODA_TRY(describe_primitive(s, pass, part));
    else
        describe_kernel(s, e->net->layers[layer].kind, part);
    if (part->work == MODA_WORK_CONVOLUTION || part->work == MODA_WORK_LINEAR)
        part->flops = 2 * (double)moda_layer_flops(e->net, layer) * (double)e->options.batch;
    part->bytes = bytes_moved(&e->program, step);
out:
    return st;
}

moda_status moda_executor_profile(moda_executor *e, moda_profile *profile)
{
    moda_status st = MODA_OK;
    moda_profile_part part;
    size_t index, first = 0;
    for (size_t s = 0; s < e->program.count; s++) {
        MODA_TRY(describe(e, s, &part));
        MODA_TRY(moda_profile_add(profile, &part, &index));
        if (s == 0) first = index;
    }
    e->program.profile = profile, e->program.first_part = first;
out:
    return st;
}
