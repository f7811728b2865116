/* engine/onednn_linear_internal.h - a linear layer as oneDNN's inner product wants it, shared by what runs it
 * (onednn_linear.c) and what measures it (onednn_linear_trial.c). */
#ifndef MODA_ENGINE_ONEDNN_LINEAR_INTERNAL_H
#define MODA_ENGINE_ONEDNN_LINEAR_INTERNAL_H

#include "engine/onednn_internal.h"
#include "engine/tuning.h"

/* Descriptors of one layer. On 1x1 maps the spatial dimensions are left out. */
typedef struct moda_linear {
    dnnl_memory_desc_t src, weights, d_weights, bias, dst; /* src and weights left to oneDNN */
    dnnl_memory_desc_t flat;                               /* 1x1: the input as plain [n,c,1,1] */
    bool on_maps, has_bias;
    size_t weight, bias_parameter;
} moda_linear;

/* With maps and weights of that type; bias and gradients of weights are always f32. Of e only the
 * net, the options and the weights' list of parameters are read. */
moda_status moda_linear_describe(const moda_executor *e, size_t layer, dnnl_data_type_t type,
                                 moda_linear *x);
dnnl_status_t moda_linear_operation(const moda_linear *x, moda_conv_pass pass,
                                    dnnl_inner_product_desc_t *operation);

#endif
