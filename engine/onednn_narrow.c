/* engine/onednn_narrow.c - our own convolution of few channels (engine/narrow_conv.h) as steps of a
 * program, between oneDNN's layouts. */
#include "engine/onednn_conv_internal.h"
#include <omp.h>

/* The channel block of a map that our kernels can work on: 0 for none. */
static size_t block_of(const dnnl_memory_desc_t *layout)
{
    moda_map_shape map;
    if (moda_layout_map(layout, &map) != MODA_OK || map.type != MODA_F32) return 0;
    return map.block == 8 || map.block == 16 ? map.block : map.block == 1 ? 1 : 0;
}

bool moda_narrow_fits(const moda_tuning_key *key, const dnnl_memory_desc_t *src,
                      const dnnl_memory_desc_t *dst, moda_narrow_conv *c)
{
    const size_t x = block_of(src), y = block_of(dst), window = 8 * key->kernel * key->kernel;
    const bool data = key->pass == MODA_CONV_BACKWARD_DATA;
    *c = (moda_narrow_conv){.n = key->n,
                            .ic = key->ic,
                            .oc = key->oc,
                            .h = key->ih,
                            .w = key->iw,
                            .k = key->kernel,
                            .padding = key->padding,
                            .x_block = x,
                            .y_block = y,
                            .w_group = key->ic * window,
                            .w_channel = window,
                            .threads = (size_t)omp_get_max_threads()};
    if (data) *c = moda_narrow_conv_backward_data(c);
    return moda_tuning_narrow(key) && x && y && (data ? x : y) > 1;
}

moda_status moda_narrow_weights(const moda_tuning_key *key, dnnl_memory_desc_t *layout)
{
    moda_status st = MODA_OK;
    const dnnl_dims_t dims = {(dnnl_dim_t)key->oc, (dnnl_dim_t)key->ic, (dnnl_dim_t)key->kernel,
                              (dnnl_dim_t)key->kernel};
    MODA_DNNL(dnnl_memory_desc_init_by_tag(layout, 4, dims, dnnl_f32,
                                           key->pass == MODA_CONV_BACKWARD_DATA ? dnnl_aBcd8b
                                                                                : dnnl_Abcd8a),
              "layout", "-");
out:
    return st;
}

/* Up to 8 channels are one vector's; more stand as oneDNN has them. */
moda_status moda_narrow_written(const dnnl_memory_desc_t *stands, dnnl_memory_desc_t *written)
{
    moda_status st = MODA_OK;
    const dnnl_dim_t *d = stands->dims;
    const moda_shape shape = {(size_t)d[1], (size_t)d[2], (size_t)d[3]};
    *written = *stands;
    if (block_of(stands) <= 1)
        MODA_TRY(moda_layout_4d((size_t)d[0], shape, dnnl_f32,
                                shape.c > 8 ? dnnl_nChw16c : dnnl_nChw8c, written));
out:
    return st;
}

/* ---- steps ---- */

enum { FROM, WEIGHTS, TO, SCRATCH, BIAS };

static void run_forward(const moda_step *step, void *const *at)
{
    moda_narrow_conv_forward(&step->narrow, at[FROM], at[WEIGHTS],
                             step->count > BIAS ? at[BIAS] : NULL, at[TO], at[SCRATCH]);
}

enum { D_TO = WEIGHTS, D_WEIGHTS = TO };

static void run_backward_weights(const moda_step *step, void *const *at)
{
    moda_narrow_conv_backward_weights(&step->narrow, at[FROM], at[D_TO], at[D_WEIGHTS],
                                      step->count > BIAS ? at[BIAS] : NULL, at[SCRATCH]);
}

moda_status moda_narrow_step(moda_program *p, const char *layer, moda_conv_pass pass,
                             const moda_narrow_conv *c, const size_t operand[3], size_t bias)
{
    moda_status st = MODA_OK;
    static const moda_pass passes[MODA_CONV_PASSES] = {MODA_PASS_FORWARD, MODA_PASS_BACKWARD_DATA,
                                                       MODA_PASS_BACKWARD_WEIGHTS};
    size_t b[BIAS + 1] = {operand[0], operand[1], operand[2], MODA_NONE, bias};
    moda_step *step;
    MODA_TRY(moda_program_buffer(p, MODA_HOME_WORKSPACE, moda_narrow_conv_scratch(c), &b[SCRATCH]));
    MODA_TRY(moda_program_kernel(
        p, layer, pass == MODA_CONV_BACKWARD_WEIGHTS ? run_backward_weights : run_forward,
        bias == MODA_NONE ? BIAS : BIAS + 1, b, &step));
    step->narrow = *c;
    step->pass = passes[pass];
    step->what = "narrow";
out:
    return st;
}

/* ---- passes of a layer ---- */

static bool wanted(const moda_executor *e, const moda_tuning_key *key)
{
    return moda_conv_wanted(e, key).algorithm == MODA_ALGORITHM_NARROW;
}

moda_status moda_narrow_compile_forward(moda_executor *e, size_t layer, const moda_conv *c,
                                        bool *done)
{
    moda_status st = MODA_OK;
    const moda_layer *l = &e->net->layers[layer];
    const moda_value *in = &e->values[l->input[0]];
    moda_layer_state *s = &e->states[layer];
    const moda_tuning_key key = moda_conv_key(e, layer, s->type, MODA_CONV_FORWARD);
    moda_value *out = &e->values[layer];
    moda_narrow_conv narrow;
    dnnl_memory_desc_t weights, plain;
    size_t w, bias = MODA_NONE;
    MODA_TRY(moda_layout_4d(e->options.batch, l->shape, dnnl_f32, dnnl_nchw, &plain));
    MODA_TRY(moda_narrow_written(&plain, &out->layout));
    *done = wanted(e, &key) && moda_narrow_fits(&key, &in->layout, &out->layout, &narrow);
    if (!*done) goto out;
    narrow.relu = c->relu;
    s->source = in->buffer, s->source_layout = in->layout;
    MODA_TRY(moda_narrow_weights(&key, &weights));
    MODA_TRY(moda_parameter_values(e, c->weight, &weights, &w));
    if (c->has_bias) MODA_TRY(moda_parameter_values(e, c->bias_parameter, &c->bias, &bias));
    MODA_TRY(moda_program_samples(&e->program, MODA_HOME_WORKSPACE,
                                  dnnl_memory_desc_get_size(&out->layout), &out->buffer));
    MODA_TRY(moda_narrow_step(&e->program, l->name, MODA_CONV_FORWARD, &narrow,
                              (size_t[]){in->buffer, w, out->buffer}, bias));
out:
    return st;
}

moda_status moda_narrow_compile_backward_weights(moda_executor *e, size_t layer, const moda_conv *c,
                                                 bool *done)
{
    moda_status st = MODA_OK;
    const moda_value *out = &e->values[layer];
    const moda_layer_state *s = &e->states[layer];
    const moda_tuning_key key = moda_conv_key(e, layer, s->type, MODA_CONV_BACKWARD_WEIGHTS);
    moda_narrow_conv narrow;
    dnnl_memory_desc_t written;
    size_t d_weights, d_bias = MODA_NONE;
    *done = wanted(e, &key) && moda_narrow_fits(&key, &s->source_layout, &out->layout, &narrow);
    if (!*done) goto out;
    MODA_TRY(moda_narrow_weights(&key, &written));
    MODA_TRY(moda_parameter_gradient(e, c->weight, &written, &d_weights));
    if (c->has_bias) MODA_TRY(moda_parameter_gradient(e, c->bias_parameter, &c->bias, &d_bias));
    MODA_TRY(moda_narrow_step(&e->program, e->net->layers[layer].name, MODA_CONV_BACKWARD_WEIGHTS,
                              &narrow, (size_t[]){s->source, out->gradient, d_weights}, d_bias));
    MODA_TRY(moda_parameter_gradient_done(e, c->weight, &written, d_weights));
out:
    return st;
}

moda_status moda_narrow_compile_backward_data(moda_executor *e, size_t layer, const moda_conv *c,
                                              bool *done)
{
    moda_status st = MODA_OK;
    const moda_layer *l = &e->net->layers[layer];
    const moda_value *in = &e->values[l->input[0]], *out = &e->values[layer];
    const moda_tuning_key key =
        moda_conv_key(e, layer, e->states[layer].type, MODA_CONV_BACKWARD_DATA);
    dnnl_memory_desc_t weights, written;
    moda_narrow_conv narrow;
    size_t w, d_in;
    MODA_TRY(moda_narrow_written(&in->layout, &written));
    *done = wanted(e, &key) && moda_narrow_fits(&key, &written, &out->layout, &narrow);
    if (!*done) goto out;
    MODA_TRY(moda_narrow_weights(&key, &weights));
    MODA_TRY(moda_parameter_values(e, c->weight, &weights, &w));
    MODA_TRY(moda_program_samples(&e->program, MODA_HOME_WORKSPACE,
                                  dnnl_memory_desc_get_size(&written), &d_in));
    MODA_TRY(moda_narrow_step(&e->program, l->name, MODA_CONV_BACKWARD_DATA, &narrow,
                              (size_t[]){out->gradient, w, d_in}, MODA_NONE));
    MODA_TRY(moda_gradient_done(e, l->input[0], &written, d_in));
out:
    return st;
}
