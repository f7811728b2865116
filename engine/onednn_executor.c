/* engine/onednn_executor.c - compiling a network to a program, and running it. Where its memory is:
 * onednn_workspace.c. */
#include "base/isa.h"
#include "engine/onednn_internal.h"
#include <stdlib.h>

typedef struct layer_compiler {
    moda_status (*forward)(moda_executor *e, size_t layer);
    moda_status (*backward)(moda_executor *e, size_t layer);
} layer_compiler;

static const layer_compiler compilers[] = {
    [MODA_LAYER_CONV] = {moda_conv_compile_forward, moda_conv_compile_backward},
    [MODA_LAYER_BATCHNORM] = {moda_batchnorm_compile_forward, moda_batchnorm_compile_backward},
    [MODA_LAYER_RELU] = {moda_relu_compile_forward, moda_relu_compile_backward},
    [MODA_LAYER_MAXPOOL] = {moda_pool_compile_forward, moda_pool_compile_backward},
    [MODA_LAYER_AVGPOOL] = {moda_pool_compile_forward, moda_pool_compile_backward},
    [MODA_LAYER_LINEAR] = {moda_linear_compile_forward, moda_linear_compile_backward},
    [MODA_LAYER_ADD] = {moda_add_compile_forward, moda_add_compile_backward},
    [MODA_LAYER_SELECT] = {moda_select_compile_forward, moda_select_compile_backward},
    [MODA_LAYER_MASK] = {moda_mask_compile_forward, moda_mask_compile_backward},
    [MODA_LAYER_CONCAT] = {moda_concat_compile_forward, moda_concat_compile_backward},
    [MODA_LAYER_SOFTMAX] = {moda_softmax_compile_forward, moda_softmax_compile_backward},
};

moda_status moda_primitive_desc(const moda_executor *e, size_t layer, const_dnnl_op_desc_t op,
                                const_dnnl_primitive_desc_t hint, const char *what,
                                dnnl_primitive_desc_t *desc)
{
    moda_status st = MODA_OK;
    MODA_DNNL(
        dnnl_primitive_desc_create(desc, op, e->weights->attributes, e->weights->engine, hint),
        what, e->net->layers[layer].name);
out:
    return st;
}

/* ---- what happens at a tracked layer ---- */

static void take_activations(const moda_step *step, void *const *at)
{
    moda_channel_means(step->map, at[0], at[1]);
}

static void join_gradient(const moda_step *step, void *const *at)
{
    moda_channel_means_backward(step->map, at[0], at[1], at[2]);
}

static void call_tap(const moda_step *step, void *const *at)
{
    step->options->tap(step->options->tap_user, step->tracked, step->map, at[0]);
}

static moda_status tracked_kernel(moda_executor *e, size_t t, moda_step_kernel kernel, size_t count,
                                  const size_t *buffers)
{
    moda_status st = MODA_OK;
    const size_t layer = e->net->tracked[t];
    moda_step *step;
    MODA_TRY(moda_program_kernel(&e->program, e->net->layers[layer].name, kernel, count, buffers,
                                 &step));
    MODA_TRY(moda_layout_map(&e->values[layer].layout, &step->map));
    step->tracked = t;
    step->options = &e->options;
    step->losses = true;
    step->what = kernel == join_gradient ? "activations' gradient" : "activations";
out:
    return st;
}

/* Activation vectors and the gradients by them: the caller's side of the tracked layers. */
static moda_status activation_buffers(moda_executor *e)
{
    moda_status st = MODA_OK;
    for (size_t t = 0; e->options.modular && t < e->net->tracked_count; t++) {
        const moda_layer *l = &e->net->layers[e->net->tracked[t]];
        const size_t bytes = e->options.batch * l->shape.c * sizeof(float);
        MODA_TRY(moda_program_samples(&e->program, MODA_HOME_OWN, bytes, &e->activation[t]));
        MODA_TRY(moda_program_samples(&e->program, MODA_HOME_OWN, bytes, &e->d_activation[t]));
    }
out:
    return st;
}

/* What does the ReLU in its own passes, a batch norm, an addition or a pool, takes the vectors there. */
static moda_status tracked_forward(moda_executor *e, size_t t)
{
    moda_status st = MODA_OK;
    const size_t layer = e->net->tracked[t];
    const size_t buffers[] = {e->values[layer].buffer, e->activation[t]};
    if (e->options.modular && !(e->states[layer].fused && e->options.training))
        MODA_TRY(tracked_kernel(e, t, take_activations, 2, buffers));
    if (e->options.tap) MODA_TRY(tracked_kernel(e, t, call_tap, 1, buffers));
out:
    return st;
}

static moda_status tracked_backward(moda_executor *e, size_t t)
{
    moda_status st = MODA_OK;
    const size_t layer = e->net->tracked[t];
    const size_t gradient = e->values[layer].gradient; /* named twice: read and written */
    const size_t buffers[] = {e->values[layer].buffer, e->d_activation[t], gradient, gradient};
    if (e->options.modular && !e->states[layer].fused)
        MODA_TRY(tracked_kernel(e, t, join_gradient, 4, buffers));
out:
    return st;
}

/* ---- compiling ---- */

/* How the caller writes the input and reads the output. */
static dnnl_format_tag_t outer_layout(const moda_executor *e, moda_shape s)
{
    return e->options.blocked && s.c % 16 == 0 && s.h * s.w > 1 ? dnnl_nChw16c : dnnl_nchw;
}

static moda_status compile_input(moda_executor *e)
{
    moda_status st = MODA_OK;
    moda_value *v = &e->values[0];
    MODA_TRY(moda_layout_4d(e->options.batch, e->net->input, dnnl_f32,
                            outer_layout(e, e->net->input), &v->layout));
    MODA_TRY(moda_program_samples(&e->program, MODA_HOME_OWN, dnnl_memory_desc_get_size(&v->layout),
                                  &v->buffer));
    e->input = v->buffer;
out:
    return st;
}

/* The logits as plain [n,classes] in memory of their own, which later steps leave alone. */
static moda_status compile_logits(moda_executor *e)
{
    moda_status st = MODA_OK;
    const size_t last = e->net->layer_count - 1;
    moda_value *v = &e->values[last];
    const moda_shape shape = e->net->layers[last].shape;
    dnnl_memory_desc_t plain;
    MODA_TRY(moda_layout_4d(e->options.batch, shape, dnnl_f32, outer_layout(e, shape), &plain));
    if (e->options.blocked && dnnl_memory_desc_equal(&v->layout, &plain)) {
        e->logits = v->buffer; /* as it is: a copy would cost as much as many a layer */
        e->program.buffers[v->buffer].home = MODA_HOME_OWN;
        goto out;
    }
    MODA_TRY(moda_program_samples(&e->program, MODA_HOME_OWN, dnnl_memory_desc_get_size(&plain),
                                  &e->logits));
    MODA_TRY(moda_program_reorder(&e->program, e->weights, e->net->layers[last].name, v->buffer,
                                  &v->layout, e->logits, &plain));
out:
    return st;
}

static moda_status compile_forward(moda_executor *e)
{
    moda_status st = MODA_OK;
    size_t t = 0;
    MODA_TRY(compile_input(e));
    MODA_TRY(activation_buffers(e));
    for (size_t i = 1; i < e->net->layer_count; i++) {
        MODA_TRY(compilers[e->net->layers[i].kind].forward(e, i));
        if (t < e->net->tracked_count && e->net->tracked[t] == i) MODA_TRY(tracked_forward(e, t++));
    }
    MODA_TRY(compile_logits(e));
    e->program.backward = e->program.count;
out:
    return st;
}

static moda_status compile_backward(moda_executor *e)
{
    moda_status st = MODA_OK;
    const size_t last = e->net->layer_count - 1;
    size_t t = e->net->tracked_count;
    dnnl_memory_desc_t plain;
    MODA_TRY(
        moda_layout_4d(e->options.batch, e->net->layers[last].shape, dnnl_f32, dnnl_nchw, &plain));
    MODA_TRY(moda_program_samples(&e->program, MODA_HOME_OWN, dnnl_memory_desc_get_size(&plain),
                                  &e->d_logits));
    MODA_TRY(moda_in_layout(e, last, e->d_logits, &plain, &e->values[last].layout,
                            &e->values[last].gradient));
    for (size_t i = last; i > 0; i--) {
        if (t && e->net->tracked[t - 1] == i) MODA_TRY(tracked_backward(e, --t));
        MODA_TRY(compilers[e->net->layers[i].kind].backward(e, i));
    }
    MODA_TRY(moda_conv_compile_postponed(e));
out:
    return st;
}

static moda_status measure(moda_executor *e)
{
    moda_status st = MODA_OK;
    const moda_placement placement = moda_placement_current();
    moda_space space = {0};
    MODA_TRY(moda_space_plan(&e, 1, &placement, &space));
    e->planned = space.bytes;
    for (size_t i = 0; i < e->program.buffer_count; i++) {
        const moda_buffer *b = &e->program.buffers[i];
        if (b->home == MODA_HOME_WORKSPACE) e->bytes_unshared += b->bytes;
        if (b->home == MODA_HOME_OWN) e->own += b->bytes;
    }
out:
    moda_space_free(&space);
    return st;
}

moda_status moda_check_precision(moda_precision precision)
{
    moda_status st = MODA_OK;
    MODA_CHECK(precision != MODA_PRECISION_BF16 || moda_cpu_has_bf16(), MODA_ERR_ARG,
               "bf16: this CPU has no instructions for it (AVX-512-BF16): use f32");
out:
    return st;
}

/* oneDNN counts elements in 32 bits in places: a batch that goes beyond is refused here, by name. */
moda_status moda_check_batch(const moda_net *net, size_t batch)
{
    moda_status st = MODA_OK;
    MODA_CHECK(batch > 0, MODA_ERR_ARG, "a batch of 0 samples: give at least 1");
    for (size_t i = 0; i < net->layer_count; i++) {
        const moda_shape s = net->layers[i].shape;
        const size_t sample =
            (s.c + 15) / 16 * 16 * s.h * s.w; /* channels are padded to a vector */
        MODA_CHECK(batch <= INT32_MAX / sample, MODA_ERR_ARG,
                   "batch size %zu: layer %s would have more than 2^31 elements: use at most %zu",
                   batch, net->layers[i].name, INT32_MAX / sample);
    }
out:
    return st;
}

moda_status moda_executor_create(moda_weights *weights, const moda_executor_options *options,
                                 moda_executor **executor)
{
    moda_status st = MODA_OK;
    moda_executor *e = NULL;
    *executor = NULL;
    MODA_TRY(moda_check_batch(weights->net, options->batch));
    MODA_TRY(moda_check_precision(options->precision));
    MODA_ALLOC(e, sizeof *e);
    e->weights = weights, e->net = weights->net, e->options = *options;
    const size_t n = e->net->layer_count;
    MODA_ALLOC(e->values, n * sizeof *e->values);
    MODA_ALLOC(e->states, n * sizeof *e->states);
    MODA_ALLOC(e->activation, e->net->tracked_count * sizeof *e->activation);
    MODA_ALLOC(e->d_activation, e->net->tracked_count * sizeof *e->d_activation);
    MODA_ALLOC(e->mask, e->net->mask_count * sizeof *e->mask);
    MODA_ALLOC(e->d_mask, e->net->mask_count * sizeof *e->d_mask);
    for (size_t i = 0; i < n; i++) e->values[i].gradient = e->values[i].share = MODA_NONE;
    MODA_TRY(moda_types_choose(e));
    MODA_TRY(compile_forward(e));
    if (options->training) {
        weights->training = true;
        MODA_TRY(compile_backward(e));
    }
    MODA_TRY(measure(e));
    *executor = e, e = NULL;
out:
    moda_executor_destroy(e);
    return st;
}

void moda_executor_destroy(moda_executor *e)
{
    if (!e) return;
    moda_program_free(&e->program);
    for (size_t i = 0; e->states && i < e->net->layer_count; i++) {
        dnnl_primitive_desc_destroy(e->states[i].forward);
        free(e->states[i].inverse);
        free(e->states[i].residual);
    }
    free(e->values);
    free(e->states);
    free(e->activation);
    free(e->d_activation);
    free(e->mask);
    free(e->d_mask);
    free(e);
}

/* ---- what callers ask ---- */

size_t moda_executor_own_bytes(const moda_executor *e)
{
    return e->own;
}

size_t moda_executor_bytes(const moda_executor *e)
{
    return e->planned + e->own;
}

size_t moda_executor_bytes_unshared(const moda_executor *e)
{
    return e->bytes_unshared + e->own;
}

size_t moda_executor_batch(const moda_executor *e)
{
    return e->options.batch;
}

float *moda_executor_input(moda_executor *e)
{
    return e->program.buffers[e->input].memory;
}

const float *moda_executor_logits(const moda_executor *e)
{
    return e->program.buffers[e->logits].memory;
}

float *moda_executor_d_logits(moda_executor *e)
{
    return e->program.buffers[e->d_logits].memory;
}

const float *moda_executor_activation(const moda_executor *e, size_t l)
{
    return e->program.buffers[e->activation[l]].memory;
}

float *moda_executor_d_activation(moda_executor *e, size_t l)
{
    return e->program.buffers[e->d_activation[l]].memory;
}

const float *moda_executor_mask(const moda_executor *e, size_t k)
{
    return e->program.buffers[e->mask[k]].memory;
}

float *moda_executor_d_mask(moda_executor *e, size_t k)
{
    return e->program.buffers[e->d_mask[k]].memory;
}

/* ---- running ---- */

moda_status moda_executor_forward(moda_executor *e)
{
    const bool fresh = e->seen_version != e->weights->version;
    e->seen_version = e->weights->version;
    return moda_program_run(&e->program, e->weights->stream, 0, e->program.backward, fresh);
}

moda_status moda_executor_backward(moda_executor *e)
{
    return moda_program_run(&e->program, e->weights->stream, e->program.backward, e->program.count,
                            true);
}
