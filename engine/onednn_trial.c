/* engine/onednn_trial.c - the candidates of one pass of a convolution. Each is a small program
 * (onednn_internal.h): reorders into what it wants, the primitive, a reorder of what it gives. */
#include "base/isa.h"
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
static bool listed(const moda_trial *t, moda_algorithm algorithm, const char *name)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->contenders[i].choice.algorithm == algorithm &&
            strcmp(t->contenders[i].choice.implementation, name) == 0)
            return true;
    return false;
}

/* What a pass reads, and, last, what it writes. */
typedef struct operand {
    int id; /* DNNL_ARG_... */
    dnnl_query_t layout;
    size_t tensor;
} operand;
static const operand operands[MODA_CONV_PASSES][3] = {
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

/* The first buffers of every program: the tensors as they stand. */
static moda_status add_tensors(const moda_trial *t, moda_program *p)
{
    moda_status st = MODA_OK;
    size_t buffer;
    for (size_t i = 0; i < MODA_TENSORS; i++)
        MODA_TRY(moda_program_buffer(p, MODA_HOME_WORKSPACE,
                                     dnnl_memory_desc_get_size(&t->layout[i]), &buffer));
out:
    return st;
}

/* Where a pass finds an operand in the layout that it wants: as it stands, or in a buffer of its own,
 * with a copy if it is read. */
static moda_status bring(const moda_trial *t, moda_program *p, const operand *o,
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

/* What was written goes where it has to stand. */
static moda_status take_back(const moda_trial *t, moda_program *p, const operand *o, size_t buffer,
                             const dnnl_memory_desc_t *written)
{
    const moda_weights *w = t->tuner->weights;
    if (buffer == o->tensor) return MODA_OK;
    return moda_program_reorder(p, w, w->net->layers[t->layer].name, buffer, written, o->tensor,
                                &t->layout[o->tensor]);
}

/* The program of one of oneDNN's candidates. */
static moda_status build(const moda_trial *t, moda_conv_pass pass, const_dnnl_primitive_desc_t desc,
                         moda_program *p)
{
    moda_status st = MODA_OK;
    const moda_weights *w = t->tuner->weights;
    const operand *o = operands[pass];
    dnnl_memory_desc_t want[3];
    moda_argument arguments[4];
    size_t n = 3;
    MODA_TRY(add_tensors(t, p));
    for (size_t i = 0; i < 3; i++) {
        want[i] = *dnnl_primitive_desc_query_md(desc, o[i].layout, 0);
        arguments[i] = (moda_argument){o[i].id, o[i].tensor, &want[i]};
        MODA_TRY(bring(t, p, &o[i], &want[i], i < 2, &arguments[i].buffer));
    }
    if (t->conv.has_bias && pass != MODA_CONV_BACKWARD_DATA)
        arguments[n++] =
            (moda_argument){pass == MODA_CONV_FORWARD ? DNNL_ARG_BIAS : DNNL_ARG_DIFF_BIAS,
                            MODA_TENSOR_BIAS, &t->layout[MODA_TENSOR_BIAS]};
    MODA_TRY(
        moda_program_primitive(p, w->engine, w->net->layers[t->layer].name, desc, n, arguments));
    MODA_TRY(take_back(t, p, &o[2], arguments[2].buffer, &want[2]));
out:
    return st;
}

static moda_status add_algorithm(moda_trial *t, moda_conv_pass pass, moda_algorithm algorithm,
                                 moda_tune_effort effort)
{
    moda_status st = MODA_OK;
    const moda_weights *w = t->tuner->weights;
    char first[MODA_IMPLEMENTATION_NAME] = "";
    dnnl_convolution_desc_t operation;
    dnnl_primitive_desc_iterator_t all = NULL;
    dnnl_primitive_desc_t desc = NULL;
    if (moda_conv_operation(&t->conv, pass, algorithm, &operation) != dnnl_success ||
        dnnl_primitive_desc_iterator_create(&all, &operation, w->attributes, w->engine,
                                            pass == MODA_CONV_FORWARD ? NULL : t->first) !=
            dnnl_success)
        goto out; /* not for this shape or this CPU */
    do {
        moda_contender *c = &t->contenders[t->count];
        dnnl_primitive_desc_destroy(desc);
        desc = dnnl_primitive_desc_iterator_fetch(all);
        const char *name = moda_implementation_name(desc);
        if (t->count == MODA_CANDIDATES || strlen(name) >= sizeof first ||
            listed(t, algorithm, name) || !worth_a_run(name, *first ? first : NULL, effort))
            continue;
        if (!*first) strcpy(first, name);
        c->choice = (moda_choice){.algorithm = algorithm,
                                  .type = moda_tuner_key(t->tuner, t->layer, pass).type};
        strcpy(c->choice.implementation, name);
        t->count++;
        MODA_TRY(build(t, pass, desc, &c->program));
    } while (dnnl_primitive_desc_iterator_next(all) == dnnl_success);
out:
    dnnl_primitive_desc_destroy(desc);
    dnnl_primitive_desc_iterator_destroy(all);
    return st;
}

/* Our own, if it knows the convolution. It is content with maps in most layouts; weights are copied. */
static moda_status add_narrow(moda_trial *t, moda_conv_pass pass)
{
    moda_status st = MODA_OK;
    const moda_weights *w = t->tuner->weights;
    const char *name = w->net->layers[t->layer].name;
    const moda_tuning_key key = moda_tuner_key(t->tuner, t->layer, pass);
    const operand *o = operands[pass];
    const size_t bias =
        t->conv.has_bias && pass != MODA_CONV_BACKWARD_DATA ? MODA_TENSOR_BIAS : MODA_NONE;
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
    moda_choice *choice = &t->contenders[t->count++].choice;
    *choice = (moda_choice){.algorithm = MODA_ALGORITHM_NARROW, .type = key.type};
    strcpy(choice->implementation, moda_isa_name(moda_isa_best()));
    MODA_TRY(add_tensors(t, p));
    for (size_t i = 0; i < 3; i++) MODA_TRY(bring(t, p, &o[i], &want[o[i].tensor], i < 2, &at[i]));
    MODA_TRY(moda_narrow_step(p, name, pass, &narrow, at, bias));
    MODA_TRY(take_back(t, p, &o[2], at[2], &want[o[2].tensor]));
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

/* Weights and their gradient stand in f32, as a convolution of that type reads them. */
moda_status moda_trial_prepare(moda_trial *t, moda_conv_pass pass, moda_tune_effort effort)
{
    moda_status st = MODA_OK;
    dnnl_primitive_desc_t f32 = NULL;
    moda_conv unused;
    MODA_ALLOC(t->contenders, MODA_CANDIDATES * sizeof *t->contenders);
    MODA_TRY(first_direct(t->tuner, t->layer, dnnl_f32, &unused, &f32));
    MODA_TRY(first_direct(t->tuner, t->layer, t->tuner->shell.states[t->layer].type, &t->conv,
                          &t->first));
    t->layout[MODA_TENSOR_SRC] = *dnnl_primitive_desc_query_md(t->first, dnnl_query_src_md, 0);
    t->layout[MODA_TENSOR_WEIGHTS] = *dnnl_primitive_desc_query_md(f32, dnnl_query_weights_md, 0);
    t->layout[MODA_TENSOR_DST] = *dnnl_primitive_desc_query_md(t->first, dnnl_query_dst_md, 0);
    t->layout[MODA_TENSOR_BIAS] = t->conv.bias;
    MODA_TRY(add_algorithm(t, pass, MODA_ALGORITHM_DIRECT, effort));
    MODA_TRY(add_algorithm(t, pass, MODA_ALGORITHM_WINOGRAD, effort));
    MODA_TRY(add_narrow(t, pass));
out:
    dnnl_primitive_desc_destroy(f32);
    return st;
}
