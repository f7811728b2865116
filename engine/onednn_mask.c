/* engine/onednn_mask.c - [mask] in a program: our own kernels (engine/mask.h), where no batch norm takes the
 * mask along. The masks themselves are made in a step of their own; the caller may read them and join a
 * gradient by them. */
#include "engine/mask.h"
#include "engine/onednn_internal.h"

enum { X, M, Y };

static void make_values(const moda_step *step, void *const *at)
{
    moda_mask_values(step->map.n * step->map.c, at[0], at[1]);
}

enum { SLOPES_M, SLOPES_D, GIVEN };

static void make_slopes(const moda_step *step, void *const *at)
{
    moda_mask_slopes(step->map.n * step->map.c, at[SLOPES_M],
                     step->count > GIVEN ? at[GIVEN] : NULL, at[SLOPES_D], at[SLOPES_D]);
}

static void run_forward(const moda_step *step, void *const *at)
{
    moda_mask_forward(step->map, at[X], at[M], at[Y]);
}

enum { D_Y = Y, D_X, D_S, D_M };

static void run_backward(const moda_step *step, void *const *at)
{
    moda_mask_backward(step->map, at[X], at[M], step->count > D_M ? at[D_M] : NULL, at[D_Y],
                       at[D_X], at[D_S]);
}

static moda_status append(moda_executor *e, size_t layer, moda_step_kernel kernel, size_t count,
                          const size_t *buffers)
{
    moda_status st = MODA_OK;
    moda_step *step;
    bool known;
    MODA_TRY(moda_program_kernel(&e->program, e->net->layers[layer].name, kernel, count, buffers,
                                 &step));
    if (kernel == make_values || kernel == make_slopes) {
        step->map = (moda_map_shape){.n = e->options.batch, .c = e->net->layers[layer].shape.c};
        step->what = kernel == make_values ? "mask values" : "mask slopes";
    } else {
        MODA_TRY(moda_batchnorm_map(&e->states[layer].source_layout, &step->map, &known));
        step->what = "mask";
    }
out:
    return st;
}

/* Which of the net's masks the layer is. */
static size_t index_of(const moda_net *net, size_t layer)
{
    size_t k = 0;
    while (net->masks[k] != layer) k++;
    return k;
}

/* The layout of s, m and the gradients by them: a row of channels per sample. */
static moda_status rows(const moda_executor *e, size_t layer, dnnl_memory_desc_t *layout)
{
    const moda_shape s = {e->net->layers[layer].shape.c, 1, 1};
    return moda_layout_4d(e->options.batch, s, dnnl_f32, dnnl_nchw, layout);
}

/* And the buffer of the gradient by m where the caller writes one. */
moda_status moda_mask_compile_values(moda_executor *e, size_t layer, size_t *m)
{
    moda_status st = MODA_OK;
    const moda_value *s = &e->values[e->net->layers[layer].input[1]];
    const size_t k = index_of(e->net, layer);
    const moda_home home = e->options.masked ? MODA_HOME_OWN : MODA_HOME_WORKSPACE;
    dnnl_memory_desc_t row;
    size_t b[2];
    MODA_TRY(rows(e, layer, &row));
    MODA_TRY(moda_in_layout(e, layer, s->buffer, &s->layout, &row, &b[0]));
    MODA_TRY(moda_program_samples(&e->program, home, dnnl_memory_desc_get_size(&row), &e->mask[k]));
    if (e->options.masked && e->options.training)
        MODA_TRY(moda_program_samples(&e->program, MODA_HOME_OWN, dnnl_memory_desc_get_size(&row),
                                      &e->d_mask[k]));
    *m = b[1] = e->mask[k];
    MODA_TRY(append(e, layer, make_values, 2, b));
out:
    return st;
}

moda_status moda_mask_buffers(moda_executor *e, size_t layer, size_t *m, size_t *d_m)
{
    moda_status st = MODA_OK;
    dnnl_memory_desc_t row;
    *m = e->mask[index_of(e->net, layer)];
    MODA_TRY(rows(e, layer, &row));
    MODA_TRY(moda_program_samples(&e->program, MODA_HOME_WORKSPACE, dnnl_memory_desc_get_size(&row),
                                  d_m));
out:
    return st;
}

moda_status moda_mask_compile_slopes(moda_executor *e, size_t layer, size_t d_m)
{
    moda_status st = MODA_OK;
    const size_t k = index_of(e->net, layer), s = e->net->layers[layer].input[1];
    const size_t b[GIVEN + 1] = {e->mask[k], d_m, e->d_mask[k]};
    dnnl_memory_desc_t row;
    if (moda_gradient_unwanted(e, s)) goto out;
    MODA_TRY(append(e, layer, make_slopes, GIVEN + e->options.masked, b));
    MODA_TRY(rows(e, layer, &row));
    MODA_TRY(moda_gradient_done(e, s, &row, d_m));
out:
    return st;
}

/* In evaluation in place, wherever nobody else reads its input. */
moda_status moda_mask_compile_forward(moda_executor *e, size_t layer)
{
    moda_status st = MODA_OK;
    const size_t input = e->net->layers[layer].input[0];
    const bool in_place =
        !e->options.training && moda_net_consumers(e->net, input) == 1 && input > 0;
    moda_layer_state *s = &e->states[layer];
    moda_value *out = &e->values[layer];
    moda_map_shape map;
    size_t b[Y + 1];
    if (s->fused) { /* the batch norm has done it */
        out->layout = e->values[input].layout, out->buffer = e->values[input].buffer;
        goto out;
    }
    MODA_TRY(moda_batchnorm_input(e, layer, &map));
    MODA_TRY(moda_mask_compile_values(e, layer, &b[M]));
    b[X] = b[Y] = s->source;
    out->layout = s->source_layout;
    if (!in_place)
        MODA_TRY(moda_program_samples(&e->program, MODA_HOME_WORKSPACE,
                                      dnnl_memory_desc_get_size(&out->layout), &b[Y]));
    out->buffer = b[Y];
    MODA_TRY(append(e, layer, run_forward, Y + 1, b));
out:
    return st;
}

/* The gradient by the map is made in place. */
moda_status moda_mask_compile_backward(moda_executor *e, size_t layer)
{
    moda_status st = MODA_OK;
    const moda_layer *l = &e->net->layers[layer];
    const moda_value *out = &e->values[layer];
    const size_t k = index_of(e->net, layer);
    dnnl_memory_desc_t row;
    size_t b[D_M + 1] = {e->states[layer].source, e->mask[k], out->gradient, out->gradient};
    if (e->states[layer].fused) {
        MODA_TRY(moda_gradient_done(e, l->input[0], &out->layout, out->gradient));
        goto out;
    }
    MODA_TRY(rows(e, layer, &row));
    MODA_TRY(moda_program_samples(&e->program, MODA_HOME_WORKSPACE, dnnl_memory_desc_get_size(&row),
                                  &b[D_S]));
    b[D_M] = e->d_mask[k];
    MODA_TRY(append(e, layer, run_backward, D_M + e->options.masked, b));
    if (!moda_gradient_unwanted(e, l->input[0]))
        MODA_TRY(moda_gradient_done(e, l->input[0], &out->layout, out->gradient));
    if (!moda_gradient_unwanted(e, l->input[1]))
        MODA_TRY(moda_gradient_done(e, l->input[1], &row, b[D_S]));
out:
    return st;
}
