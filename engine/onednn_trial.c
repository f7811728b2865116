/* engine/onednn_trial.c - candidates of one pass of a layer: what oneDNN offers for an operation. Each is a
 * small program (onednn_internal.h): reorders into what it wants, the primitive, a reorder of what it
 * gives. */
#include "engine/onednn_trial_internal.h"
#include <string.h>

/* "jit:avx512_core" -> "avx512_core" */
static const char *instructions(const char *name)
{
    const char *colon = strrchr(name, ':');
    return colon ? colon + 1 : name;
}

/* oneDNN lists the widest instruction set first; plain loops and vectors of 4 never win. In a hurry only
 * what uses the same instructions as the first is worth a run. */
static bool worth_a_run(const char *name, const char *first, moda_tune_effort effort)
{
    if (!first) return true;
    if (strncmp(name, "ref", 3) == 0 || strstr(name, "sse41")) return false;
    return effort == MODA_TUNE_FULL || strcmp(instructions(name), instructions(first)) == 0;
}

/* oneDNN may list two of one name (jit:avx512_core for some strides): only the first can be asked for. */
static bool listed(const moda_trial *t, const char *algorithm, const char *name)
{
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->contenders[i].algorithm, algorithm) == 0 &&
            strcmp(t->contenders[i].choice.implementation, name) == 0)
            return true;
    return false;
}

/* Of convolutions and of inner products, which name them alike. */
const moda_operand moda_operands[MODA_CONV_PASSES][3] = {
    [MODA_CONV_FORWARD] = {{DNNL_ARG_SRC, dnnl_query_src_md, MODA_TENSOR_SRC},
                           {DNNL_ARG_WEIGHTS, dnnl_query_weights_md, MODA_TENSOR_WEIGHTS},
                           {DNNL_ARG_DST, dnnl_query_dst_md, MODA_TENSOR_DST}},
    [MODA_CONV_BACKWARD_DATA] = {{DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md, MODA_TENSOR_DST},
                                 {DNNL_ARG_WEIGHTS, dnnl_query_weights_md, MODA_TENSOR_WEIGHTS},
                                 {DNNL_ARG_DIFF_SRC, dnnl_query_diff_src_md, MODA_TENSOR_SRC}},
    [MODA_CONV_BACKWARD_WEIGHTS] = {
        {DNNL_ARG_SRC, dnnl_query_src_md, MODA_TENSOR_SRC},
        {DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md, MODA_TENSOR_DST},
        {DNNL_ARG_DIFF_WEIGHTS, dnnl_query_diff_weights_md, MODA_TENSOR_WEIGHTS}}};

moda_status moda_trial_tensors(const moda_trial *t, moda_program *p)
{
    moda_status st = MODA_OK;
    size_t buffer;
    for (size_t i = 0; i < MODA_TENSORS; i++)
        MODA_TRY(moda_program_buffer(p, MODA_HOME_WORKSPACE,
                                     dnnl_memory_desc_get_size(&t->layout[i]), &buffer));
out:
    return st;
}

moda_status moda_trial_bring(const moda_trial *t, moda_program *p, const moda_operand *o,
                             const dnnl_memory_desc_t *want, bool read, size_t *buffer)
{
    moda_status st = MODA_OK;
    const moda_weights *w = t->tuner->weights;
    const dnnl_memory_desc_t *stands = &t->layout[o->tensor];
    *buffer = o->tensor;
    if (dnnl_memory_desc_equal(stands, want)) goto out;
    MODA_TRY(moda_program_buffer(p, MODA_HOME_WORKSPACE, dnnl_memory_desc_get_size(want), buffer));
    if (read)
        MODA_TRY(moda_program_reorder(p, w, w->net->layers[t->layer].name, o->tensor, stands,
                                      *buffer, want));
out:
    return st;
}

moda_status moda_trial_take_back(const moda_trial *t, moda_program *p, const moda_operand *o,
                                 size_t buffer, const dnnl_memory_desc_t *written)
{
    const moda_weights *w = t->tuner->weights;
    if (buffer == o->tensor) return MODA_OK;
    return moda_program_reorder(p, w, w->net->layers[t->layer].name, buffer, written, o->tensor,
                                &t->layout[o->tensor]);
}

/* The program of one of oneDNN's candidates. */
static moda_status build(const moda_trial *t, const_dnnl_primitive_desc_t desc, moda_program *p)
{
    moda_status st = MODA_OK;
    const moda_weights *w = t->tuner->weights;
    const moda_conv_pass pass = t->pass;
    const moda_operand *o = moda_operands[pass];
    dnnl_memory_desc_t want[3];
    moda_argument arguments[4];
    size_t n = 3;
    MODA_TRY(moda_trial_tensors(t, p));
    for (size_t i = 0; i < 3; i++) {
        want[i] = *dnnl_primitive_desc_query_md(desc, o[i].layout, 0);
        arguments[i] = (moda_argument){o[i].id, o[i].tensor, &want[i]};
        MODA_TRY(moda_trial_bring(t, p, &o[i], &want[i], i < 2, &arguments[i].buffer));
    }
    if (t->has_bias && pass != MODA_CONV_BACKWARD_DATA)
        arguments[n++] =
            (moda_argument){pass == MODA_CONV_FORWARD ? DNNL_ARG_BIAS : DNNL_ARG_DIFF_BIAS,
                            MODA_TENSOR_BIAS, &t->layout[MODA_TENSOR_BIAS]};
    MODA_TRY(
        moda_program_primitive(p, w->engine, w->net->layers[t->layer].name, desc, n, arguments));
    MODA_TRY(moda_trial_take_back(t, p, &o[2], arguments[2].buffer, &want[2]));
out:
    return st;
}

moda_status moda_trial_add(moda_trial *t, const moda_candidate_kind *kind,
                           const_dnnl_op_desc_t operation, moda_tune_effort effort)
{
    moda_status st = MODA_OK;
    const moda_weights *w = t->tuner->weights;
    char first[MODA_IMPLEMENTATION_NAME] = "";
    dnnl_primitive_desc_iterator_t all = NULL;
    dnnl_primitive_desc_t desc = NULL;
    if (dnnl_primitive_desc_iterator_create(&all, operation, w->attributes, w->engine,
                                            kind->hint) != dnnl_success)
        goto out; /* not for this shape or this CPU */
    do {
        moda_contender *c = &t->contenders[t->count];
        dnnl_primitive_desc_destroy(desc);
        desc = dnnl_primitive_desc_iterator_fetch(all);
        const char *name = moda_implementation_name(desc);
        if (t->count == MODA_CANDIDATES || strlen(name) >= sizeof first ||
            listed(t, kind->name, name) || !worth_a_run(name, *first ? first : NULL, effort))
            continue;
        if (!*first) strcpy(first, name);
        c->algorithm = kind->name;
        c->choice = (moda_choice){.algorithm = kind->algorithm, .type = moda_trial_type(t)};
        strcpy(c->choice.implementation, name);
        t->count++;
        MODA_TRY(kind->build ? kind->build(t, desc, &c->program) : build(t, desc, &c->program));
    } while (dnnl_primitive_desc_iterator_next(all) == dnnl_success);
out:
    dnnl_primitive_desc_destroy(desc);
    dnnl_primitive_desc_iterator_destroy(all);
    return st;
}

moda_dtype moda_trial_type(const moda_trial *t)
{
    return t->tuner->shell.states[t->layer].type == dnnl_bf16 ? MODA_DTYPE_BF16 : MODA_DTYPE_F32;
}
