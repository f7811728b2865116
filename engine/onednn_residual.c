/* engine/onednn_residual.c - the end of a residual block as one step in each direction
 * (engine/residual.h): an addition, in training, of one or two batch norms that nobody else reads, with
 * the ReLU behind it. The batch norms append no steps of their own. Nothing is copied: what is not
 * normalised takes over the buffer of the gradient by the sum. */
#include "engine/batchnorm.h"
#include "engine/onednn_internal.h"
#include "engine/residual.h"
#include <stdlib.h>

/* What both steps of one addition know. */
struct moda_residual_step {
    moda_residual shape;
    float eps[2], momentum[2];
    size_t layer[2]; /* that are added, as shape counts them; the first is a batch norm */
    bool shared;     /* backward: two shares of the gradient */
    bool activations;
};

bool moda_residual_takes(const moda_executor *e, size_t layer)
{
    const moda_net *net = e->net;
    bool added = false;
    if (!e->options.training || net->layers[layer].kind != MODA_LAYER_BATCHNORM ||
        moda_net_consumers(net, layer) != 1)
        return false;
    for (size_t i = layer + 1; i < net->layer_count; i++)
        added |= net->layers[i].kind == MODA_LAYER_ADD &&
                 (net->layers[i].input[0] == layer || net->layers[i].input[1] == layer);
    return added;
}

bool moda_residual_joins(const moda_executor *e, size_t layer)
{
    const moda_layer *l = &e->net->layers[layer];
    return l->kind == MODA_LAYER_ADD &&
           (moda_residual_takes(e, l->input[0]) || moda_residual_takes(e, l->input[1]));
}

bool moda_residual_adds_shares(const moda_executor *e, size_t layer)
{
    const moda_layer *l = &e->net->layers[layer];
    return moda_residual_joins(e, layer) ||
           (l->kind == MODA_LAYER_RELU && e->states[layer].fused && !e->states[layer].pooled &&
            moda_residual_joins(e, l->input[0]));
}

/* ---- steps ---- */

/* Buffers: these, then for each batch norm its own, then what there is of the rest in this order: the
 * second input as it is, the other share of the gradient, the activation vectors or their gradient.
 * D_Y is named twice: read and written. */
enum { Y, SCRATCH, FORWARD, D_Y = FORWARD, D_SUM, BACKWARD };
enum { SCALE, SHIFT, MEAN, VARIANCE, RUNNING_MEAN, RUNNING_VARIANCE, X, OF_FORWARD };
enum { D_SCALE = RUNNING_MEAN, D_SHIFT, D_X = OF_FORWARD, OF_BACKWARD };

static moda_residual_norm norm_at(const moda_residual_step *r, size_t i, void *const *at)
{
    return (moda_residual_norm){.eps = r->eps[i],
                                .scale = at[SCALE],
                                .shift = at[SHIFT],
                                .mean = at[MEAN],
                                .variance = at[VARIANCE],
                                .d_scale = at[D_SCALE],
                                .d_shift = at[D_SHIFT]};
}

static void run_forward(const moda_step *step, void *const *at)
{
    const moda_residual_step *r = step->residual;
    void *const *norms = at + FORWARD, *const *rest = norms + r->shape.norms * OF_FORWARD;
    const void *x[2] = {NULL, NULL};
    moda_residual_norm norm[2];
    for (size_t i = 0; i < r->shape.norms; i++) {
        norm[i] = norm_at(r, i, norms + i * OF_FORWARD);
        x[i] = norms[i * OF_FORWARD + X];
    }
    if (r->shape.norms == 1) x[1] = *rest++;
    moda_residual_forward(&r->shape, norm, x, at[SCRATCH], at[Y], r->activations ? *rest : NULL);
    for (size_t i = 0; i < r->shape.norms; i++, norms += OF_FORWARD)
        moda_batchnorm_track(step->map, r->momentum[i], norms[MEAN], norms[VARIANCE],
                             norms[RUNNING_MEAN], norms[RUNNING_VARIANCE]);
}

static void run_backward(const moda_step *step, void *const *at)
{
    const moda_residual_step *r = step->residual;
    void *const *norms = at + BACKWARD, *const *rest = norms + r->shape.norms * OF_BACKWARD;
    const void *x[2] = {NULL, NULL};
    void *d_x[2] = {NULL, NULL};
    moda_residual_norm norm[2];
    for (size_t i = 0; i < r->shape.norms; i++, norms += OF_BACKWARD) {
        norm[i] = norm_at(r, i, norms);
        x[i] = norms[X], d_x[i] = norms[D_X];
    }
    const void *share = r->shared ? *rest++ : NULL;
    moda_residual_backward(&r->shape, norm, x, at[Y], at[D_Y], share, r->activations ? *rest : NULL,
                           at[SCRATCH], d_x);
}

/* ---- compiling ---- */

static moda_status append(moda_executor *e, const moda_residual_step *r, moda_step_kernel kernel,
                          size_t count, const size_t *buffers)
{
    moda_status st = MODA_OK;
    static const char *const what[2][3] = {
        {"batch norm + add", "batch norm + add + ReLU", "batch norm + add + ReLU + activations"},
        {"2 batch norms + add", "2 batch norms + add + ReLU",
         "2 batch norms + add + ReLU + activations"}};
    moda_step *step;
    MODA_TRY(moda_program_kernel(&e->program, e->net->layers[r->layer[0]].name, kernel, count,
                                 buffers, &step));
    step->residual = r;
    step->map = r->shape.map;
    /* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign): norms is 1 or 2 */
    step->what = what[r->shape.norms - 1][r->shape.relu + r->activations];
out:
    return st;
}

/* The tracked layer whose activation vectors are taken along; MODA_NONE: none. */
static size_t taken_along(const moda_executor *e, size_t layer)
{
    const size_t relu = moda_following_relu(e->net, layer);
    return relu != MODA_NONE && e->options.modular ? moda_tracked_index(e->net, relu) : MODA_NONE;
}

static moda_real real_of(const dnnl_memory_desc_t *layout)
{
    return layout->data_type == dnnl_bf16 ? MODA_BF16 : MODA_F32;
}

/* The inputs, which of them are batch norms, and what those keep for backward. */
static moda_status describe(moda_executor *e, size_t layer, moda_residual_step *r)
{
    moda_status st = MODA_OK;
    const size_t *input = e->net->layers[layer].input;
    moda_map_shape second;
    const bool swap = !moda_residual_takes(e, input[0]);
    r->layer[0] = input[swap], r->layer[1] = input[!swap];
    r->shape.norms = moda_residual_takes(e, r->layer[1]) ? 2 : 1;
    r->shape.relu = moda_following_relu(e->net, layer) != MODA_NONE;
    r->activations = taken_along(e, layer) != MODA_NONE;
    for (size_t i = 0; i < r->shape.norms; i++) {
        r->eps[i] = (float)e->net->layers[r->layer[i]].eps;
        r->momentum[i] = (float)e->net->layers[r->layer[i]].momentum;
        MODA_TRY(moda_batchnorm_input(e, r->layer[i], i == 0 ? &r->shape.map : &second));
        MODA_TRY(moda_batchnorm_statistics_buffers(e, r->layer[i], r->shape.map));
    }
out:
    return st;
}

/* The second input in the first one's layout, types apart. */
static moda_status second_input(moda_executor *e, size_t layer, moda_residual_step *r,
                                size_t *buffer)
{
    moda_status st = MODA_OK;
    moda_layer_state *second = &e->states[r->layer[1]];
    const moda_value *plain = &e->values[r->layer[1]];
    const bool normed = r->shape.norms == 2;
    const dnnl_memory_desc_t *have = normed ? &second->source_layout : &plain->layout;
    const dnnl_memory_desc_t want =
        moda_layout_typed(&e->states[r->layer[0]].source_layout, have->data_type);
    MODA_TRY(
        moda_in_layout(e, layer, normed ? second->source : plain->buffer, have, &want, buffer));
    if (normed) second->source = *buffer, second->source_layout = want;
    r->shape.x_type[1] = real_of(&want);
out:
    return st;
}

static moda_status forward_norm(moda_executor *e, size_t layer, size_t b[OF_FORWARD])
{
    moda_status st = MODA_OK;
    const moda_layer_state *s = &e->states[layer];
    b[MEAN] = s->mean, b[VARIANCE] = s->variance, b[X] = s->source;
    MODA_TRY(moda_batchnorm_values(e, layer, MODA_WEIGHT, &b[SCALE]));
    MODA_TRY(moda_batchnorm_values(e, layer, MODA_BIAS, &b[SHIFT]));
    MODA_TRY(moda_batchnorm_values(e, layer, MODA_RUNNING_MEAN, &b[RUNNING_MEAN]));
    MODA_TRY(moda_batchnorm_values(e, layer, MODA_RUNNING_VAR, &b[RUNNING_VARIANCE]));
out:
    return st;
}

static moda_status backward_norm(moda_executor *e, size_t layer, size_t b[OF_BACKWARD])
{
    moda_status st = MODA_OK;
    const moda_layer_state *s = &e->states[layer];
    b[MEAN] = s->mean, b[VARIANCE] = s->variance, b[X] = s->source;
    MODA_TRY(moda_batchnorm_values(e, layer, MODA_WEIGHT, &b[SCALE]));
    MODA_TRY(moda_batchnorm_values(e, layer, MODA_BIAS, &b[SHIFT]));
    MODA_TRY(moda_batchnorm_gradient(e, layer, MODA_WEIGHT, &b[D_SCALE]));
    MODA_TRY(moda_batchnorm_gradient(e, layer, MODA_BIAS, &b[D_SHIFT]));
out:
    return st;
}

static moda_status scratch_buffer(moda_executor *e, moda_map_shape map, size_t *buffer)
{
    return moda_program_buffer(&e->program, MODA_HOME_WORKSPACE,
                               moda_residual_scratch(map) * sizeof(float), buffer);
}

moda_status moda_residual_compile_forward(moda_executor *e, size_t layer)
{
    moda_status st = MODA_OK;
    moda_value *out = &e->values[layer];
    moda_residual_step *r = NULL;
    size_t b[FORWARD + 2 * OF_FORWARD + 2], count = FORWARD, second;
    MODA_ALLOC(r, sizeof *r);
    e->states[layer].residual = r;
    MODA_TRY(describe(e, layer, r));
    if (r->shape.relu) e->states[moda_following_relu(e->net, layer)].fused = true;
    const dnnl_memory_desc_t *first = &e->states[r->layer[0]].source_layout;
    MODA_TRY(second_input(e, layer, r, &second));
    out->layout = moda_layout_typed(first, e->states[layer].type);
    MODA_TRY(moda_program_samples(&e->program, MODA_HOME_WORKSPACE,
                                  dnnl_memory_desc_get_size(&out->layout), &out->buffer));
    b[Y] = out->buffer;
    r->shape.x_type[0] = real_of(first);
    r->shape.map.type = real_of(&out->layout);
    MODA_TRY(scratch_buffer(e, r->shape.map, &b[SCRATCH]));
    for (size_t i = 0; i < r->shape.norms; i++, count += OF_FORWARD)
        MODA_TRY(forward_norm(e, r->layer[i], b + count));
    if (r->shape.norms == 1) b[count++] = second;
    if (r->activations) b[count++] = e->activation[taken_along(e, layer)];
    MODA_TRY(append(e, r, run_forward, count, b));
out:
    return st;
}

/* Where the gradient by input i goes. The last to be written may have the buffer of the gradient by the
 * sum, unless that goes on to an input which is not normalised. */
static moda_status gradient_buffer(moda_executor *e, size_t layer, const moda_residual_step *r,
                                   size_t i, size_t *d_x)
{
    moda_status st = MODA_OK;
    const moda_value *out = &e->values[layer];
    const dnnl_memory_desc_t *layout = &e->states[r->layer[i]].source_layout;
    const bool taken = r->shape.norms == 1 && !moda_gradient_unwanted(e, r->layer[1]);
    *d_x = out->gradient;
    if (i == r->shape.norms - 1 && !taken && layout->data_type == out->layout.data_type) goto out;
    MODA_TRY(moda_program_samples(&e->program, MODA_HOME_WORKSPACE,
                                  dnnl_memory_desc_get_size(layout), d_x));
out:
    return st;
}

moda_status moda_residual_compile_backward(moda_executor *e, size_t layer)
{
    moda_status st = MODA_OK;
    const moda_value *out = &e->values[layer];
    moda_residual_step *r = e->states[layer].residual;
    size_t b[BACKWARD + 2 * OF_BACKWARD + 2], d_x[2], count = BACKWARD;
    b[Y] = out->buffer, b[D_Y] = b[D_SUM] = out->gradient;
    MODA_TRY(scratch_buffer(e, r->shape.map, &b[SCRATCH]));
    for (size_t i = 0; i < r->shape.norms; i++, count += OF_BACKWARD) {
        MODA_TRY(backward_norm(e, r->layer[i], b + count));
        MODA_TRY(gradient_buffer(e, layer, r, i, &d_x[i]));
        b[count + D_X] = d_x[i];
    }
    r->shared = out->share != MODA_NONE;
    if (r->shared) b[count++] = out->share;
    if (r->activations) b[count++] = e->d_activation[taken_along(e, layer)];
    MODA_TRY(append(e, r, run_backward, count, b));
    for (size_t i = 0; i < r->shape.norms; i++) {
        const size_t input = e->net->layers[r->layer[i]].input[0];
        const dnnl_memory_desc_t *layout = &e->states[r->layer[i]].source_layout;
        if (!moda_gradient_unwanted(e, input))
            MODA_TRY(moda_gradient_done(e, input, layout, d_x[i]));
    }
    if (r->shape.norms == 1 && !moda_gradient_unwanted(e, r->layer[1]))
        MODA_TRY(moda_gradient_done(e, r->layer[1], &out->layout, out->gradient));
out:
    return st;
}
