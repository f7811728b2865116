/* engine/onednn_conv_internal.h - a convolution as oneDNN's descriptors want it, shared by what runs
 * it (onednn_conv.c), what chooses its algorithms (onednn_choice.c) and what measures them
 * (onednn_trial.c). */
#ifndef MODA_ENGINE_ONEDNN_CONV_INTERNAL_H
#define MODA_ENGINE_ONEDNN_CONV_INTERNAL_H

#include "engine/onednn_internal.h"
#include "engine/tuning.h"

typedef struct moda_conv {
    dnnl_memory_desc_t src, weights, d_weights, bias, dst; /* layouts left to oneDNN, bias plain */
    dnnl_dims_t stride, padding_l, padding_r;
    bool has_bias;
    bool relu; /* the ReLU behind it is applied before anything is stored: in evaluation */
    size_t weight, bias_parameter;
} moda_conv;

/* With maps and weights of that type; bias and gradients of weights are always f32. Of e only the
 * net, the options and the weights' list of parameters are read. */
moda_status moda_conv_describe(const moda_executor *e, size_t layer, dnnl_data_type_t type,
                               moda_conv *c);
/* The key of a pass in that type at the executor's batch size. */
moda_tuning_key moda_conv_key(const moda_executor *e, size_t layer, dnnl_data_type_t type,
                              moda_conv_pass pass);

dnnl_status_t moda_conv_operation(const moda_conv *c, moda_conv_pass pass, moda_algorithm algorithm,
                                  dnnl_convolution_desc_t *operation);
/* What the executor's options say for a pass: its tuning, or the rule. */
moda_choice moda_conv_wanted(const moda_executor *e, const moda_tuning_key *key);

/* oneDNN's name of an implementation, borrowed from desc. */
const char *moda_implementation_name(const_dnnl_primitive_desc_t desc);

/* The primitive for a pass as wanted; the first direct one where this oneDNN has nothing of that kind.
 * hint: of forward, NULL for forward. */
moda_status moda_conv_choose(moda_executor *e, size_t layer, const moda_conv *c,
                             moda_conv_pass pass, const_dnnl_primitive_desc_t hint,
                             dnnl_primitive_desc_t *desc);

/* ---- narrow convolutions: onednn_narrow.c ---- */

/* Whether our kernels can do a pass between maps in these layouts, of its input and of its output (or of
 * the gradients by them), and how. */
bool moda_narrow_fits(const moda_tuning_key *key, const dnnl_memory_desc_t *src,
                      const dnnl_memory_desc_t *dst, moda_narrow_conv *c);
/* The layout that a pass has weights in. */
moda_status moda_narrow_weights(const moda_tuning_key *key, dnnl_memory_desc_t *layout);
/* The layout that a map is written in: as it stands, or blocked if it stands plain. */
moda_status moda_narrow_written(const dnnl_memory_desc_t *stands, dnnl_memory_desc_t *written);
/* Appends a pass. operand: what it reads and, last, writes, in the order of oneDNN's arguments;
 * bias: MODA_NONE for none. */
moda_status moda_narrow_step(moda_program *p, const char *layer, moda_conv_pass pass,
                             const moda_narrow_conv *c, const size_t operand[3], size_t bias);
/* As those of layers; *done: false if the pass is to be done otherwise, and nothing has been appended. */
moda_status moda_narrow_compile_forward(moda_executor *e, size_t layer, const moda_conv *c,
                                        bool *done);
moda_status moda_narrow_compile_backward_weights(moda_executor *e, size_t layer, const moda_conv *c,
                                                 bool *done);
moda_status moda_narrow_compile_backward_data(moda_executor *e, size_t layer, const moda_conv *c,
                                              bool *done);

#endif
