/* engine/onednn_conv_trial.c - the candidates of a convolution's pass: direct, Winograd, our own. */
#include "base/isa.h"
#include "engine/onednn_conv_internal.h"
#include "engine/onednn_trial_internal.h"
#include <string.h>

/* Our own, if it knows the convolution. It is content with maps in most layouts; weights are copied. */
static moda_status add_narrow(moda_trial *t, const moda_conv *conv)
{
    moda_status st = MODA_OK;
    const moda_conv_pass pass = t->pass;
    const moda_weights *w = t->tuner->weights;
    const char *name = w->net->layers[t->layer].name;
    const moda_tuning_key key = moda_tuner_key(t->tuner, t->layer, pass);
    const moda_operand *o = moda_operands[pass];
    const size_t bias =
        conv->has_bias && pass != MODA_CONV_BACKWARD_DATA ? MODA_TENSOR_BIAS : MODA_NONE;
    moda_program *p = &t->contenders[t->count].program;
    moda_narrow_conv narrow;
    dnnl_memory_desc_t want[MODA_TENSORS];
    size_t at[3];
    for (size_t i = 0; i < MODA_TENSORS; i++) want[i] = t->layout[i];
    MODA_TRY(moda_narrow_weights(&key, &want[MODA_TENSOR_WEIGHTS]));
    if (pass == MODA_CONV_BACKWARD_DATA)
        MODA_TRY(moda_narrow_written(&want[MODA_TENSOR_SRC], &want[MODA_TENSOR_SRC]));
    if (t->count == MODA_CANDIDATES ||
        !moda_narrow_fits(&key, &want[MODA_TENSOR_SRC], &want[MODA_TENSOR_DST], &narrow))
        goto out;
    moda_contender *contender = &t->contenders[t->count++];
    moda_choice *choice = &contender->choice;
    contender->algorithm = moda_algorithm_name(MODA_ALGORITHM_NARROW);
    *choice = (moda_choice){.algorithm = MODA_ALGORITHM_NARROW, .type = key.type};
    strcpy(choice->implementation, moda_isa_name(moda_isa_best()));
    MODA_TRY(moda_trial_tensors(t, p));
    for (size_t i = 0; i < 3; i++)
        MODA_TRY(moda_trial_bring(t, p, &o[i], &want[o[i].tensor], i < 2, &at[i]));
    MODA_TRY(moda_narrow_step(p, name, pass, &narrow, at, bias));
    MODA_TRY(moda_trial_take_back(t, p, &o[2], at[2], &want[o[2].tensor]));
out:
    return st;
}

/* oneDNN's first direct forward convolution of that type. */
static moda_status first_direct(const moda_tuner *tuner, size_t layer, dnnl_data_type_t type,
                                moda_conv *c, dnnl_primitive_desc_t *desc)
{
    moda_status st = MODA_OK;
    const moda_weights *w = tuner->weights;
    const char *name = w->net->layers[layer].name;
    dnnl_convolution_desc_t operation;
    MODA_TRY(moda_conv_describe(&tuner->shell, layer, type, c));
    MODA_DNNL(moda_conv_operation(c, MODA_CONV_FORWARD, MODA_ALGORITHM_DIRECT, &operation),
              "convolution", name);
    MODA_DNNL(dnnl_primitive_desc_create(desc, &operation, w->attributes, w->engine, NULL),
              "convolution", name);
out:
    return st;
}

static moda_status add_algorithm(moda_trial *t, const moda_conv *conv, moda_algorithm algorithm,
                                 moda_tune_effort effort)
{
    moda_status st = MODA_OK;
    const moda_candidate_kind kind = {.name = moda_algorithm_name(algorithm),
                                      .algorithm = algorithm,
                                      .hint = t->pass == MODA_CONV_FORWARD ? NULL : t->first};
    dnnl_convolution_desc_t operation;
    if (moda_conv_operation(conv, t->pass, algorithm, &operation) != dnnl_success) goto out;
    MODA_TRY(moda_trial_add(t, &kind, &operation, effort));
out:
    return st;
}

/* Weights and their gradient stand in f32, as a convolution of that type reads them. */
moda_status moda_conv_trial(moda_trial *t, moda_tune_effort effort)
{
    moda_status st = MODA_OK;
    dnnl_primitive_desc_t f32 = NULL;
    moda_conv conv;
    MODA_TRY(first_direct(t->tuner, t->layer, dnnl_f32, &conv, &f32));
    MODA_TRY(
        first_direct(t->tuner, t->layer, t->tuner->shell.states[t->layer].type, &conv, &t->first));
    t->has_bias = conv.has_bias;
    t->layout[MODA_TENSOR_SRC] = *dnnl_primitive_desc_query_md(t->first, dnnl_query_src_md, 0);
    t->layout[MODA_TENSOR_WEIGHTS] = *dnnl_primitive_desc_query_md(f32, dnnl_query_weights_md, 0);
    t->layout[MODA_TENSOR_DST] = *dnnl_primitive_desc_query_md(t->first, dnnl_query_dst_md, 0);
    t->layout[MODA_TENSOR_BIAS] = conv.bias;
    MODA_TRY(add_algorithm(t, &conv, MODA_ALGORITHM_DIRECT, effort));
    MODA_TRY(add_algorithm(t, &conv, MODA_ALGORITHM_WINOGRAD, effort));
    MODA_TRY(add_narrow(t, &conv));
out:
    dnnl_primitive_desc_destroy(f32);
    return st;
}
