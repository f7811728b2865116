/* engine/onednn_linear_trial.c - the candidates of a linear layer's pass: oneDNN's inner products, which training
 * uses, and the same product as a plain matrix multiplication.
 *
 * Inner products are given what training gives them: plain features, or the maps as they lie, and weights in f32 as
 * evaluation reads them. A multiplication has matrices of its own, all row by row, and needs no copies:
 *     forward           y [n,o]  = x [n,k] w^T       w [o,k], bias added
 *     backward_data     dx [n,k] = dy [n,o] w
 *     backward_weights  dw [o,k] = dy^T x            without the gradient by the bias */
#include "engine/onednn_linear_internal.h"
#include "engine/onednn_trial_internal.h"

/* ---- inner products ---- */

static moda_status first(const moda_trial *t, dnnl_data_type_t type, moda_linear *x,
                         dnnl_primitive_desc_t *desc)
{
    moda_status st = MODA_OK;
    const moda_executor *shell = &t->tuner->shell;
    dnnl_inner_product_desc_t operation;
    MODA_TRY(moda_linear_describe(shell, t->layer, type, x));
    MODA_DNNL(moda_linear_operation(x, MODA_CONV_FORWARD, &operation), "inner product",
              shell->net->layers[t->layer].name);
    MODA_TRY(moda_primitive_desc(shell, t->layer, &operation, NULL, "inner product", desc));
out:
    return st;
}

static moda_status add_inner_product(moda_trial *t, const moda_linear *x, moda_tune_effort effort)
{
    moda_status st = MODA_OK;
    const moda_candidate_kind kind = {.name = "inner_product",
                                      .hint = t->pass == MODA_CONV_FORWARD ? NULL : t->first};
    dnnl_inner_product_desc_t operation;
    if (moda_linear_operation(x, t->pass, &operation) != dnnl_success) goto out;
    MODA_TRY(moda_trial_add(t, &kind, &operation, effort));
out:
    return st;
}

/* ---- matrix multiplications ---- */

enum { LEFT, RIGHT, PRODUCT, MATRICES };

/* A matrix [rows,columns]; transposed: it lies in memory as [columns,rows]. */
static dnnl_status_t matrix(dnnl_dim_t rows, dnnl_dim_t columns, bool transposed,
                            dnnl_data_type_t type, dnnl_memory_desc_t *m)
{
    const dnnl_dims_t dims = {rows, columns};
    const dnnl_dims_t strides = {transposed ? 1 : columns, transposed ? rows : 1};
    return dnnl_memory_desc_init_by_strides(m, 2, dims, type, strides);
}

static dnnl_status_t matrices(moda_conv_pass pass, dnnl_dim_t n, dnnl_dim_t k, dnnl_dim_t o,
                              dnnl_data_type_t type, dnnl_memory_desc_t m[MATRICES])
{
    const bool forward = pass == MODA_CONV_FORWARD, data = pass == MODA_CONV_BACKWARD_DATA;
    const dnnl_dim_t rows = forward || data ? n : o, columns = forward ? o : k;
    const dnnl_dim_t inner = forward ? k : data ? o : n;
    dnnl_status_t st = matrix(rows, inner, !forward && !data, type, &m[LEFT]);
    if (st == dnnl_success) st = matrix(inner, columns, forward, type, &m[RIGHT]);
    if (st == dnnl_success)
        st = matrix(rows, columns, false, forward || data ? type : dnnl_f32, &m[PRODUCT]);
    return st;
}

/* Its matrices take the place of the tensors that they are: what is written is no other candidate's
 * input. */
static moda_status build_product(const moda_trial *t, const_dnnl_primitive_desc_t desc,
                                 moda_program *p)
{
    moda_status st = MODA_OK;
    enum { X = MODA_TENSOR_SRC, W = MODA_TENSOR_WEIGHTS, Y = MODA_TENSOR_DST };
    static const size_t tensor[MODA_CONV_PASSES][MATRICES] = {
        [MODA_CONV_FORWARD] = {X, W, Y},
        [MODA_CONV_BACKWARD_DATA] = {Y, W, X},
        [MODA_CONV_BACKWARD_WEIGHTS] = {Y, X, W}};
    const moda_weights *w = t->tuner->weights;
    const size_t *of = tensor[t->pass];
    const dnnl_memory_desc_t *m[MATRICES] = {
        dnnl_primitive_desc_query_md(desc, dnnl_query_src_md, 0),
        dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0),
        dnnl_primitive_desc_query_md(desc, dnnl_query_dst_md, 0)};
    const bool biased = t->has_bias && t->pass == MODA_CONV_FORWARD;
    size_t bytes[MODA_TENSORS] = {0}, buffer;
    for (size_t i = 0; i < MATRICES; i++) bytes[of[i]] = dnnl_memory_desc_get_size(m[i]);
    if (biased) bytes[MODA_TENSOR_BIAS] = dnnl_memory_desc_get_size(&t->layout[MODA_TENSOR_BIAS]);
    for (size_t i = 0; i < MODA_TENSORS; i++)
        MODA_TRY(moda_program_buffer(p, MODA_HOME_WORKSPACE, bytes[i], &buffer));
    const moda_argument arguments[] = {
        {DNNL_ARG_SRC, of[LEFT], m[LEFT]},
        {DNNL_ARG_WEIGHTS, of[RIGHT], m[RIGHT]},
        {DNNL_ARG_DST, of[PRODUCT], m[PRODUCT]},
        {DNNL_ARG_BIAS, MODA_TENSOR_BIAS,
         dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 1)}};
    MODA_TRY(moda_program_primitive(p, w->engine, w->net->layers[t->layer].name, desc,
                                    biased ? 4 : 3, arguments));
out:
    return st;
}

static moda_status add_products(moda_trial *t, dnnl_data_type_t type, moda_tune_effort effort)
{
    moda_status st = MODA_OK;
    const moda_net *net = t->tuner->shell.net;
    const moda_layer *l = &net->layers[t->layer];
    const moda_shape in = net->layers[l->input[0]].shape;
    const moda_candidate_kind kind = {.name = "matmul", .build = build_product};
    const dnnl_dims_t row = {1, (dnnl_dim_t)l->shape.c};
    dnnl_memory_desc_t m[MATRICES], bias;
    dnnl_matmul_desc_t operation;
    MODA_DNNL(matrices(t->pass, (dnnl_dim_t)t->tuner->shell.options.batch,
                       (dnnl_dim_t)(in.c * in.h * in.w), row[1], type, m),
              "layout", l->name);
    MODA_DNNL(dnnl_memory_desc_init_by_tag(&bias, 2, row, dnnl_f32, dnnl_ab), "layout", l->name);
    const bool biased = t->has_bias && t->pass == MODA_CONV_FORWARD;
    if (dnnl_matmul_desc_init(&operation, &m[LEFT], &m[RIGHT], biased ? &bias : NULL,
                              &m[PRODUCT]) != dnnl_success)
        goto out;
    MODA_TRY(moda_trial_add(t, &kind, &operation, effort));
out:
    return st;
}

moda_status moda_linear_trial(moda_trial *t, moda_tune_effort effort)
{
    moda_status st = MODA_OK;
    const dnnl_data_type_t type = t->tuner->shell.states[t->layer].type;
    dnnl_primitive_desc_t f32 = NULL;
    moda_linear x;
    MODA_TRY(first(t, dnnl_f32, &x, &f32));
    MODA_TRY(first(t, type, &x, &t->first));
    t->has_bias = x.has_bias;
    t->layout[MODA_TENSOR_SRC] = *dnnl_primitive_desc_query_md(t->first, dnnl_query_src_md, 0);
    t->layout[MODA_TENSOR_WEIGHTS] = *dnnl_primitive_desc_query_md(f32, dnnl_query_weights_md, 0);
    t->layout[MODA_TENSOR_DST] = *dnnl_primitive_desc_query_md(t->first, dnnl_query_dst_md, 0);
    t->layout[MODA_TENSOR_BIAS] = x.bias;
    MODA_TRY(add_inner_product(t, &x, effort));
    MODA_TRY(add_products(t, type, effort));
out:
    dnnl_primitive_desc_destroy(f32);
    return st;
}
