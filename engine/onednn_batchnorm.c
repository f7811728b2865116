/* engine/onednn_batchnorm.c - batch normalisation in a program. The work is done by our own kernels
 * (engine/batchnorm.h), which take the ReLU, the activation vectors and the modular gradient along
 * and so need about half of the passes over memory that oneDNN's primitive needs. */
#include "engine/batchnorm.h"
#include "engine/onednn_internal.h"

size_t moda_following_relu(const moda_net *net, size_t layer)
{
    size_t found = MODA_NONE;
    for (size_t i = layer + 1; i < net->layer_count; i++)
        if (net->layers[i].kind == MODA_LAYER_RELU && net->layers[i].input[0] == layer) found = i;
    return found != MODA_NONE && moda_net_consumers(net, layer) == 1 ? found : MODA_NONE;
}

/* The mask that alone reads this layer's output and whose s is known by then, MODA_NONE if there is none. */
static size_t following_mask(const moda_net *net, size_t layer)
{
    for (size_t k = 0; k < net->mask_count; k++) {
        const moda_layer *mask = &net->layers[net->masks[k]];
        if (mask->input[0] == layer && mask->input[1] < layer &&
            moda_net_consumers(net, layer) == 1)
            return net->masks[k];
    }
    return MODA_NONE;
}

/* The ReLU behind the batch norm and its mask. */
static size_t relu_behind(const moda_net *net, size_t layer)
{
    const size_t mask = following_mask(net, layer);
    return moda_following_relu(net, mask == MODA_NONE ? layer : mask);
}

static moda_batchnorm normalisation(const moda_step *step)
{
    return (moda_batchnorm){
        .map = step->map, .y_type = step->to.type, .eps = step->eps, .relu = step->relu};
}

/* ---- steps; at[] in the order that the functions below name the buffers ---- */

enum { X, Y, SCALE, SHIFT, MEAN, VARIANCE, SCRATCH, RUNNING_MEAN, RUNNING_VARIANCE, EXTRA };
/* From EXTRA on, in evaluation from RUNNING_MEAN on: the mask if there is one; activation vectors if wanted. */

void moda_batchnorm_track(moda_map_shape map, float momentum, const float *mean,
                          const float *variance, float *running_mean, float *running_variance)
{
    const double n = (double)map.n * (double)map.hw;
    const float unbiased = n > 1 ? (float)(n / (n - 1)) : 1;
    for (size_t c = 0; c < map.c; c++) { /* as PyTorch: the unbiased variance is kept */
        running_mean[c] += momentum * (mean[c] - running_mean[c]);
        running_variance[c] += momentum * (variance[c] * unbiased - running_variance[c]);
    }
}

static void run_training(const moda_step *step, void *const *at)
{
    moda_batchnorm b = normalisation(step);
    const size_t a = EXTRA + step->masked;
    if (step->masked) b.mask = at[EXTRA];
    moda_batchnorm_train(&b, at[X], at[SCALE], at[SHIFT], at[SCRATCH], at[MEAN], at[VARIANCE],
                         at[Y], step->count > a ? at[a] : NULL);
    moda_batchnorm_track(b.map, step->momentum, at[MEAN], at[VARIANCE], at[RUNNING_MEAN],
                         at[RUNNING_VARIANCE]);
}

static void run_evaluation(const moda_step *step, void *const *at)
{
    moda_batchnorm b = normalisation(step);
    if (step->masked) b.mask = at[SCRATCH + 1];
    moda_batchnorm_forward(&b, at[X], at[SCALE], at[SHIFT], at[MEAN], at[VARIANCE], at[SCRATCH],
                           at[Y], NULL);
}

enum { D_Y = Y, D_SCALE = RUNNING_MEAN, D_SHIFT, D_X, D_EXTRA };
/* From D_EXTRA on: the mask and the gradient by it; the gradient by the activation vectors. */

static void run_backward(const moda_step *step, void *const *at)
{
    moda_batchnorm b = normalisation(step);
    const size_t a = D_EXTRA + (step->masked ? 2 : 0);
    if (step->masked) b.mask = at[D_EXTRA], b.d_mask = at[D_EXTRA + 1];
    moda_batchnorm_backward(&b, at[X], at[SCALE], at[SHIFT], at[MEAN], at[VARIANCE], at[D_Y],
                            step->count > a ? at[a] : NULL, at[SCRATCH], at[D_X], at[D_SCALE],
                            at[D_SHIFT]);
}

/* ---- compiling ---- */

/* The layout of a per-channel parameter. */
static moda_status vector_layout(size_t c, dnnl_memory_desc_t *layout)
{
    moda_status st = MODA_OK;
    const dnnl_dims_t dims = {(dnnl_dim_t)c};
    MODA_DNNL(dnnl_memory_desc_init_by_tag(layout, 1, dims, dnnl_f32, dnnl_a), "layout", "-");
out:
    return st;
}

moda_status moda_batchnorm_values(moda_executor *e, size_t layer, moda_parameter_role role,
                                  size_t *buffer)
{
    moda_status st = MODA_OK;
    dnnl_memory_desc_t vector;
    MODA_TRY(vector_layout(e->net->layers[layer].shape.c, &vector));
    MODA_TRY(moda_parameter_values(e, moda_weights_find(e->weights, layer, role), &vector, buffer));
out:
    return st;
}

moda_status moda_batchnorm_gradient(moda_executor *e, size_t layer, moda_parameter_role role,
                                    size_t *buffer)
{
    moda_status st = MODA_OK;
    dnnl_memory_desc_t vector;
    MODA_TRY(vector_layout(e->net->layers[layer].shape.c, &vector));
    MODA_TRY(
        moda_parameter_gradient(e, moda_weights_find(e->weights, layer, role), &vector, buffer));
out:
    return st;
}

/* The tracked layer whose ReLU this batch norm applies, and whose activation vectors it takes along;
 * MODA_NONE: none, or a ReLU that gives the logits and is not tracked. */
static size_t taken_along(const moda_executor *e, size_t layer)
{
    return e->states[layer].fused && e->options.modular
               ? moda_tracked_index(e->net, relu_behind(e->net, layer))
               : MODA_NONE;
}

static moda_status add_step(moda_executor *e, size_t layer, moda_step_kernel kernel, size_t count,
                            const size_t *buffers, moda_map_shape map)
{
    moda_status st = MODA_OK;
    const moda_layer *l = &e->net->layers[layer];
    moda_step *step;
    MODA_TRY(moda_program_kernel(&e->program, l->name, kernel, count, buffers, &step));
    step->map = step->to = map;
    step->to.type = e->states[layer].type == dnnl_bf16 ? MODA_BF16 : MODA_F32;
    step->relu = e->states[layer].fused;
    step->eps = (float)l->eps;
    step->momentum = (float)l->momentum;
    step->masked = following_mask(e->net, layer) != MODA_NONE;
    step->what = taken_along(e, layer) != MODA_NONE && kernel != run_evaluation
                     ? "batch norm + ReLU + activations"
                 : step->masked && step->relu ? "batch norm + mask + ReLU"
                 : step->masked               ? "batch norm + mask"
                 : step->relu                 ? "batch norm + ReLU"
                                              : "batch norm";
out:
    return st;
}

moda_status moda_batchnorm_map(const dnnl_memory_desc_t *layout, moda_map_shape *map, bool *known)
{
    moda_status st = MODA_OK;
    MODA_TRY(moda_layout_map(layout, map));
    const bool features = map->hw == 1 && map->block == map->c; /* nchw and nhwc at once */
    *known = features || (map->block <= 16 && 16 % map->block == 0);
    if (features || !*known) map->block = 1;
out:
    return st;
}

moda_status moda_batchnorm_input(moda_executor *e, size_t layer, moda_map_shape *map)
{
    moda_status st = MODA_OK;
    const size_t input = e->net->layers[layer].input[0];
    const moda_value *in = &e->values[input];
    moda_layer_state *s = &e->states[layer];
    bool known;
    s->source_layout = in->layout;
    MODA_TRY(moda_batchnorm_map(&in->layout, map, &known));
    if (!known)
        MODA_TRY(moda_layout_4d(e->options.batch, e->net->layers[input].shape, in->layout.data_type,
                                dnnl_nchw, &s->source_layout));
    MODA_TRY(moda_in_layout(e, layer, in->buffer, &in->layout, &s->source_layout, &s->source));
out:
    return st;
}

moda_status moda_batchnorm_statistics_buffers(moda_executor *e, size_t layer, moda_map_shape map)
{
    moda_status st = MODA_OK;
    moda_layer_state *s = &e->states[layer];
    const size_t bytes = moda_batchnorm_channels(map) * sizeof(float);
    MODA_TRY(moda_program_buffer(&e->program, MODA_HOME_WORKSPACE, bytes, &s->mean));
    MODA_TRY(moda_program_buffer(&e->program, MODA_HOME_WORKSPACE, bytes, &s->variance));
out:
    return st;
}

moda_status moda_batchnorm_compile_forward(moda_executor *e, size_t layer)
{
    moda_status st = MODA_OK;
    const bool training = e->options.training;
    moda_value *out = &e->values[layer];
    moda_layer_state *s = &e->states[layer];
    const size_t relu = relu_behind(e->net, layer), mask = following_mask(e->net, layer);
    const bool masked = mask != MODA_NONE;
    moda_map_shape map;
    size_t b[EXTRA + 2], m = MODA_NONE;
    if (moda_residual_takes(e, layer)) goto out;
    s->fused = relu != MODA_NONE;
    if (s->fused) e->states[relu].fused = true;
    if (masked) {
        e->states[mask].fused = true;
        MODA_TRY(moda_mask_compile_values(e, mask, &m));
    }
    MODA_TRY(moda_batchnorm_input(e, layer, &map));
    out->layout = moda_layout_typed(&s->source_layout, s->type);
    b[X] = s->source;
    MODA_TRY(moda_program_samples(&e->program, MODA_HOME_WORKSPACE,
                                  dnnl_memory_desc_get_size(&out->layout), &b[Y]));
    out->buffer = b[Y];
    MODA_TRY(moda_batchnorm_values(e, layer, MODA_WEIGHT, &b[SCALE]));
    MODA_TRY(moda_batchnorm_values(e, layer, MODA_BIAS, &b[SHIFT]));
    MODA_TRY(moda_batchnorm_values(e, layer, MODA_RUNNING_MEAN, &b[RUNNING_MEAN]));
    MODA_TRY(moda_batchnorm_values(e, layer, MODA_RUNNING_VAR, &b[RUNNING_VARIANCE]));
    MODA_TRY(moda_program_buffer(&e->program, MODA_HOME_WORKSPACE,
                                 moda_batchnorm_scratch(map) * sizeof(float), &b[SCRATCH]));
    if (!training) {
        b[MEAN] = b[RUNNING_MEAN], b[VARIANCE] = b[RUNNING_VARIANCE];
        b[SCRATCH + 1] = m;
        MODA_TRY(add_step(e, layer, run_evaluation, SCRATCH + 1 + masked, b, map));
        goto out;
    }
    MODA_TRY(moda_batchnorm_statistics_buffers(e, layer, map));
    b[MEAN] = s->mean, b[VARIANCE] = s->variance;
    const size_t t = taken_along(e, layer);
    if (masked) b[EXTRA] = m;
    if (t != MODA_NONE) b[EXTRA + masked] = e->activation[t];
    MODA_TRY(add_step(e, layer, run_training, EXTRA + masked + (t != MODA_NONE), b, map));
out:
    return st;
}

moda_status moda_batchnorm_compile_backward(moda_executor *e, size_t layer)
{
    moda_status st = MODA_OK;
    const moda_value *out = &e->values[layer];
    const moda_layer_state *s = &e->states[layer];
    const size_t t = taken_along(e, layer), mask = following_mask(e->net, layer);
    const size_t a = D_EXTRA + (mask != MODA_NONE ? 2 : 0);
    moda_map_shape map;
    size_t b[D_EXTRA + 3];
    bool known;
    if (moda_residual_takes(e, layer)) goto out;
    MODA_TRY(moda_batchnorm_map(&s->source_layout, &map, &known));
    b[X] = s->source, b[D_Y] = b[D_X] = out->gradient;
    b[MEAN] = s->mean, b[VARIANCE] = s->variance;
    if (out->layout.data_type != s->source_layout.data_type) /* else in place */
        MODA_TRY(moda_program_samples(&e->program, MODA_HOME_WORKSPACE,
                                      dnnl_memory_desc_get_size(&s->source_layout), &b[D_X]));
    MODA_TRY(moda_batchnorm_values(e, layer, MODA_WEIGHT, &b[SCALE]));
    MODA_TRY(moda_batchnorm_values(e, layer, MODA_BIAS, &b[SHIFT]));
    MODA_TRY(moda_batchnorm_gradient(e, layer, MODA_WEIGHT, &b[D_SCALE]));
    MODA_TRY(moda_batchnorm_gradient(e, layer, MODA_BIAS, &b[D_SHIFT]));
    MODA_TRY(moda_program_buffer(&e->program, MODA_HOME_WORKSPACE,
                                 moda_batchnorm_scratch(map) * sizeof(float), &b[SCRATCH]));
    if (mask != MODA_NONE) MODA_TRY(moda_mask_buffers(e, mask, &b[D_EXTRA], &b[D_EXTRA + 1]));
    if (t != MODA_NONE) b[a] = e->d_activation[t];
    MODA_TRY(add_step(e, layer, run_backward, a + (t != MODA_NONE), b, map));
    if (mask != MODA_NONE) MODA_TRY(moda_mask_compile_slopes(e, mask, b[D_EXTRA + 1]));
    if (!moda_gradient_unwanted(e, e->net->layers[layer].input[0]))
        MODA_TRY(moda_gradient_done(e, e->net->layers[layer].input[0], &s->source_layout, b[D_X]));
out:
    return st;
}

moda_status moda_batchnorm_again(moda_executor *e, size_t layer, size_t *again)
{
    moda_status st = MODA_OK;
    const size_t norm = e->net->layers[layer].input[0];
    const moda_layer_state *s = &e->states[norm];
    moda_map_shape map;
    size_t b[SCRATCH + 1];
    bool known;
    *again = MODA_NONE;
    if (e->net->layers[layer].kind != MODA_LAYER_RELU || !e->states[layer].fused ||
        e->net->layers[norm].kind != MODA_LAYER_BATCHNORM || !s->fused)
        goto out;
    MODA_TRY(moda_batchnorm_map(&s->source_layout, &map, &known));
    b[X] = s->source, b[MEAN] = s->mean, b[VARIANCE] = s->variance;
    MODA_TRY(moda_batchnorm_values(e, norm, MODA_WEIGHT, &b[SCALE]));
    MODA_TRY(moda_batchnorm_values(e, norm, MODA_BIAS, &b[SHIFT]));
    MODA_TRY(moda_program_samples(&e->program, MODA_HOME_WORKSPACE,
                                  dnnl_memory_desc_get_size(&e->values[layer].layout), &b[Y]));
    MODA_TRY(moda_program_buffer(&e->program, MODA_HOME_WORKSPACE,
                                 moda_batchnorm_scratch(map) * sizeof(float), &b[SCRATCH]));
    MODA_TRY(add_step(e, norm, run_evaluation, SCRATCH + 1, b, map));
    *again = b[Y];
out:
    return st;
}
