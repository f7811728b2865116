/* engine/onednn_internal.h - what the files behind the door to oneDNN share. Only engine/onednn_*.c
 * include this header, and through it dnnl.h (v2 C API).
 *
 * A network at one batch size is compiled to a program: an array of steps, each a oneDNN primitive or
 * one of our kernels with the buffers it works on; the forward steps stand before the backward ones.
 * A buffer's lifetime is read off the steps that name it, nothing is annotated by hand. */
#ifndef MODA_ENGINE_ONEDNN_INTERNAL_H
#define MODA_ENGINE_ONEDNN_INTERNAL_H

#include "engine/executor.h"
#include "engine/narrow_conv.h"
#include "engine/plan.h"
#include "numa/placement.h"
#include <oneapi/dnnl/dnnl.h>

#define MODA_NONE ((size_t)-1)

/* what: a short word for the operation; where: the layer's name. */
#define MODA_DNNL(call, what, where)                                                    \
    do {                                                                                \
        const dnnl_status_t dnnl_st_ = (call);                                          \
        MODA_CHECK(dnnl_st_ == dnnl_success,                                            \
                   dnnl_st_ == dnnl_out_of_memory ? MODA_ERR_NOMEM : MODA_ERR_INTERNAL, \
                   "oneDNN status %d: %s of layer %s", (int)dnnl_st_, (what), (where)); \
    } while (0)

/* ---- program ---- */

typedef enum moda_home {
    MODA_HOME_WORKSPACE, /* planned, shares memory with buffers it never meets */
    MODA_HOME_OWN,       /* memory of its own: the caller reads or writes it between passes */
    MODA_HOME_VALUE,     /* the weights' values, gradients of parameter `parameter` */
    MODA_HOME_GRADIENT
} moda_home;

typedef struct moda_buffer {
    moda_home home;
    size_t bytes;
    size_t parameter; /* HOME_VALUE, HOME_GRADIENT */
    bool sliced;      /* the samples are its outermost dimension */
    void *memory;     /* where it is, once bound */
    bool placed;      /* HOME_OWN: by moda_memory_create_placed() */
} moda_buffer;

/* One argument of a primitive: which, on what buffer, in what layout. */
typedef struct moda_argument {
    int id; /* DNNL_ARG_... */
    size_t buffer;
    const dnnl_memory_desc_t *layout;
} moda_argument;

enum { MODA_STEP_ARGUMENTS = 22 };

typedef struct moda_step moda_step;
typedef struct moda_residual_step moda_residual_step; /* onednn_residual.c */
/* One of our kernels: at[i] is the memory of step->buffer[i]. */
typedef void (*moda_step_kernel)(const moda_step *step, void *const *at);

struct moda_step {
    const char *layer;          /* borrowed from the net */
    dnnl_primitive_t primitive; /* NULL: a kernel */
    moda_step_kernel kernel;
    bool weights_only; /* reads weights and nothing else: skipped while those are unchanged */
    size_t count;
    size_t buffer[MODA_STEP_ARGUMENTS];
    dnnl_exec_arg_t argument[MODA_STEP_ARGUMENTS]; /* memories owned by the step */
    /* kernels' parameters */
    moda_map_shape map, to;   /* to: of the output, where that differs in shape or type */
    const uint32_t *channels; /* borrowed */
    size_t tracked;
    moda_shape maps; /* pools: the input's, and the window */
    size_t window;
    moda_narrow_conv narrow;
    float eps, momentum; /* batch norm */
    bool relu, masked;
    const moda_residual_step *residual; /* borrowed from states[] */
    /* for profiles */
    const char *what; /* "batch norm + ReLU"; NULL: what the layer is */
    moda_pass pass;   /* of a convolution */
    bool losses;      /* belongs to the losses, not to the layer */
    const moda_executor_options *options;
};

typedef struct moda_program {
    moda_step *steps;
    size_t count, capacity;
    size_t backward; /* index of the first backward step */
    moda_buffer *buffers;
    size_t buffer_count, buffer_capacity;
    moda_profile *profile; /* borrowed; NULL: nothing is timed */
    size_t first_part;     /* step i is part first_part + i */
} moda_program;

moda_status moda_program_buffer(moda_program *p, moda_home home, size_t bytes, size_t *buffer);
/* Likewise, of something whose outermost dimension is the samples: maps and gradients by them in any
 * layout, activation vectors, logits. On several nodes it is sliced. */
moda_status moda_program_samples(moda_program *p, moda_home home, size_t bytes, size_t *buffer);
/* Appends a primitive with its arguments and, if it wants one, a scratchpad. */
moda_status moda_program_primitive(moda_program *p, dnnl_engine_t engine, const char *layer,
                                   const_dnnl_primitive_desc_t desc, size_t count,
                                   const moda_argument *arguments);
/* Appends a kernel on the given buffers; the caller sets the step's parameters. */
moda_status moda_program_kernel(moda_program *p, const char *layer, moda_step_kernel kernel,
                                size_t count, const size_t *buffers, moda_step **step);
/* Appends a copy from one layout to another. */
moda_status moda_program_reorder(moda_program *p, const moda_weights *w, const char *layer,
                                 size_t from, const dnnl_memory_desc_t *from_layout, size_t to,
                                 const dnnl_memory_desc_t *to_layout);
/* Sizes and lifetimes of the workspace buffers, bytes 0 for others. plan [buffer_count], the
 * caller's. */
void moda_program_lifetimes(const moda_program *p, moda_plan_buffer *plan);
/* Tells every memory object where its buffer is; buffers[].memory is set by then. */
moda_status moda_program_bind(moda_program *p);
/* Runs steps [from,to); fresh_weights: also those that only prepare weights. */
moda_status moda_program_run(const moda_program *p, dnnl_stream_t stream, size_t from, size_t to,
                             bool fresh_weights);
void moda_program_free(moda_program *p);
/* Frees the memory of a HOME_OWN buffer. */
void moda_own_destroy(moda_buffer *b);

/* ---- weights ---- */

struct moda_weights {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_attr_t attributes; /* of every primitive: the caller gives the scratchpad */
    const moda_net *net;              /* borrowed */
    moda_parameter_list parameters;
    dnnl_memory_desc_t *layout; /* [parameters.count], ndims 0 until a layer has chosen */
    size_t *offset;             /* [parameters.count] in floats, once allocated; all f32 */
    size_t floats, trainable;   /* of a block; trainable parameters stand first */
    float *values, *gradients, *momentum; /* the last two only for training */
    bool training;
    uint64_t version; /* counts changes of the values */
};

/* Blocks are made when the first workspace is bound: all layouts are chosen by then. */
moda_status moda_weights_allocate(moda_weights *w);
/* offset, floats and trainable, when all layouts are chosen. */
void moda_weights_measure(moda_weights *w);
/* Index of a layer's parameter, MODA_NONE if it has none of that role. */
size_t moda_weights_find(const moda_weights *w, size_t layer, moda_parameter_role role);

/* ---- compiling layers ---- */

/* MODA_ERR_ARG if a layer of that many samples is more than oneDNN can count. */
moda_status moda_check_batch(const moda_net *net, size_t batch);
/* MODA_ERR_ARG for bf16 on a CPU without it. */
moda_status moda_check_precision(moda_precision precision);

/* Sets states[].type from the precision asked for. */
moda_status moda_types_choose(moda_executor *e);

/* The ReLU that alone reads this layer's output, MODA_NONE if there is none. */
size_t moda_following_relu(const moda_net *net, size_t layer);

/* The output of a layer, and the gradient by it, which has the same layout. */
typedef struct moda_value {
    dnnl_memory_desc_t layout; /* 4-D [n,c,h,w] */
    size_t buffer;
    size_t gradient; /* MODA_NONE until a consumer's backward has written it */
    size_t share;    /* another consumer's share of it, still to be added; MODA_NONE: none */
} moda_value;

/* What a layer's backward needs from its forward. */
typedef struct moda_layer_state {
    dnnl_data_type_t type; /* CONV, LINEAR: of all maps and weights it works on; BATCHNORM: of y */
    dnnl_primitive_desc_t forward; /* hint for the backward descriptors */
    size_t source;                 /* the input in the layout that forward wanted */
    dnnl_memory_desc_t source_layout;
    size_t workspace;      /* pools */
    size_t mean, variance; /* BATCHNORM: of the batch */
    bool fused;            /* applies the ReLU behind it; RELU, MASK: a neighbour does its work */
    bool pooled;           /* RELU: that neighbour is the maximum pool behind it */
    bool postponed;        /* CONV: the gradient by its weights is computed after all others */
    uint32_t *inverse;     /* SELECT: its list the other way round, for backward */
    moda_residual_step *residual; /* ADD: if it does the work of the batch norms before it */
} moda_layer_state;

struct moda_executor {
    moda_weights *weights;
    const moda_net *net;
    moda_executor_options options;
    moda_program program;
    moda_value *values;       /* [layer_count] */
    moda_layer_state *states; /* [layer_count] */
    size_t input, logits, d_logits;
    size_t *activation, *d_activation; /* [tracked_count], modular only */
    size_t *mask, *d_mask;             /* [mask_count], the second in masked training only */
    size_t planned, own;               /* bytes in the workspace, and in memory of its own */
    size_t bytes_unshared;             /* if no two buffers of the workspace shared memory */
    uint64_t seen_version;             /* of the weights at the last forward */
};

/* Where in one block the buffers of executors lie that take turns in it. */
typedef struct moda_space {
    size_t sliced, bytes; /* of the front, which is sliced by node; of all of it */
    moda_plan_buffer
        *plan; /* of all executors, one behind the other, as they count their buffers */
    size_t count;
} moda_space;

/* On several nodes executors of the hungriest one's batch size share its sliced ranges. Others, for
 * the last, smaller batch of an epoch, take bytes as they come: their pages lie on any node. On one
 * node each has the densest plan. executors[i]->planned need not be known yet. */
moda_status moda_space_plan(moda_executor *const *executors, size_t count,
                            const moda_placement *placement, moda_space *space);
void moda_space_free(moda_space *space);
/* Adds to home[k] what the block will have on each node, as moda_placement_spread() does. */
void moda_space_spread(const moda_space *space, const moda_placement *placement, size_t *home);

/* Every layer kind has a pair of these: append the steps and set values[layer] and states[layer];
 * append the backward steps, given values[layer].gradient. */
moda_status moda_conv_compile_forward(moda_executor *e, size_t layer);
moda_status moda_conv_compile_backward(moda_executor *e, size_t layer);
/* Appends what convolutions left for the end of backward. */
moda_status moda_conv_compile_postponed(moda_executor *e);
moda_status moda_linear_compile_forward(moda_executor *e, size_t layer);
moda_status moda_linear_compile_backward(moda_executor *e, size_t layer);
moda_status moda_batchnorm_compile_forward(moda_executor *e, size_t layer);
moda_status moda_batchnorm_compile_backward(moda_executor *e, size_t layer);
moda_status moda_pool_compile_forward(moda_executor *e, size_t layer);
moda_status moda_pool_compile_backward(moda_executor *e, size_t layer);
/* A pool whose input is `pooled`. */
moda_status moda_relu_pool_compile_forward(moda_executor *e, size_t layer);
moda_status moda_relu_pool_compile_backward(moda_executor *e, size_t layer);
moda_status moda_relu_compile_forward(moda_executor *e, size_t layer);
moda_status moda_relu_compile_backward(moda_executor *e, size_t layer);
moda_status moda_add_compile_forward(moda_executor *e, size_t layer);
moda_status moda_add_compile_backward(moda_executor *e, size_t layer);
/* An addition that does the work of batch norms before it, and of the ReLU behind it. */
moda_status moda_residual_compile_forward(moda_executor *e, size_t layer);
moda_status moda_residual_compile_backward(moda_executor *e, size_t layer);
moda_status moda_select_compile_forward(moda_executor *e, size_t layer);
moda_status moda_select_compile_backward(moda_executor *e, size_t layer);
moda_status moda_mask_compile_forward(moda_executor *e, size_t layer);
moda_status moda_mask_compile_backward(moda_executor *e, size_t layer);
/* For a batch norm that applies the mask behind it: appends what makes its values m; in backward their
 * buffer and one for the gradient by them, and appends what makes of that the gradient by s. */
moda_status moda_mask_compile_values(moda_executor *e, size_t layer, size_t *m);
moda_status moda_mask_buffers(moda_executor *e, size_t layer, size_t *m, size_t *d_m);
moda_status moda_mask_compile_slopes(moda_executor *e, size_t layer, size_t d_m);
moda_status moda_concat_compile_forward(moda_executor *e, size_t layer);
moda_status moda_concat_compile_backward(moda_executor *e, size_t layer);
moda_status moda_softmax_compile_forward(moda_executor *e, size_t layer);
moda_status moda_softmax_compile_backward(moda_executor *e, size_t layer);

/* ---- helpers for those ---- */

/* Whether the one reader of this ReLU is a pool that can do its work, too. */
moda_status moda_relu_pool_follows(const moda_executor *e, size_t relu, bool *follows);

/* In training, a batch norm that only an addition reads is left to that addition's passes. */
bool moda_residual_takes(const moda_executor *e, size_t batchnorm);
/* Whether the addition `layer` has such a batch norm before it. */
bool moda_residual_joins(const moda_executor *e, size_t layer);
/* Whether layer's backward adds up two shares of the gradient by its output itself. */
bool moda_residual_adds_shares(const moda_executor *e, size_t layer);

/* How batch norm's kernels see a layout. Where they do not know it (nhwc), that is plain nchw, which
 * *known then says has to be made. */
moda_status moda_batchnorm_map(const dnnl_memory_desc_t *layout, moda_map_shape *map, bool *known);
/* states[layer].source: the input in a layout that the kernels know. */
moda_status moda_batchnorm_input(moda_executor *e, size_t layer, moda_map_shape *map);
/* Buffers of a per-channel parameter's values, and of its gradient. */
moda_status moda_batchnorm_values(moda_executor *e, size_t layer, moda_parameter_role role,
                                  size_t *buffer);
moda_status moda_batchnorm_gradient(moda_executor *e, size_t layer, moda_parameter_role role,
                                    size_t *buffer);
/* New buffers for states[layer].mean and .variance. */
moda_status moda_batchnorm_statistics_buffers(moda_executor *e, size_t layer, moda_map_shape map);
/* If layer is the ReLU of a batch norm that alone made it: appends what makes its values once more in a new
 * buffer, of which `layer`'s own is then free from forward on. Else *again is MODA_NONE. */
moda_status moda_batchnorm_again(moda_executor *e, size_t layer, size_t *again);
/* The running statistics take in those of a batch of map's size. */
void moda_batchnorm_track(moda_map_shape map, float momentum, const float *mean,
                          const float *variance, float *running_mean, float *running_variance);

/* The first implementation that oneDNN has for an operation. what: for the message. */
moda_status moda_primitive_desc(const moda_executor *e, size_t layer, const_dnnl_op_desc_t op,
                                const_dnnl_primitive_desc_t hint, const char *what,
                                dnnl_primitive_desc_t *desc);

/* Layout of a shape: 4-D in the given tag. */
moda_status moda_layout_4d(size_t n, moda_shape s, dnnl_data_type_t type, dnnl_format_tag_t tag,
                           dnnl_memory_desc_t *layout);
/* The same layout for elements of another type. */
dnnl_memory_desc_t moda_layout_typed(const dnnl_memory_desc_t *like, dnnl_data_type_t type);
/* How losses/activation.h sees a layout: MODA_ERR_INTERNAL if it is none of nchw, nChw8c, nChw16c, nhwc. */
moda_status moda_layout_map(const dnnl_memory_desc_t *layout, moda_map_shape *map);
/* The layout of `like`, as moda_layout_map() knows it, for maps of another shape. */
moda_status moda_layout_like(const dnnl_memory_desc_t *like, moda_shape s,
                             dnnl_memory_desc_t *layout);
/* buffer in the wanted layout: itself, or a reordered copy. */
moda_status moda_in_layout(moda_executor *e, size_t layer, size_t buffer,
                           const dnnl_memory_desc_t *have, const dnnl_memory_desc_t *want,
                           size_t *result);
/* A parameter's values in the wanted layout and type; the first to ask fixes the parameter's own
 * layout, which is always f32. */
moda_status moda_parameter_values(moda_executor *e, size_t parameter,
                                  const dnnl_memory_desc_t *want, size_t *buffer);
/* A buffer for a parameter's gradient in the layout that a primitive writes; if it is not the
 * parameter's own, moda_parameter_gradient_done() appends the reorder after that primitive. */
moda_status moda_parameter_gradient(moda_executor *e, size_t parameter,
                                    const dnnl_memory_desc_t *written, size_t *buffer);
moda_status moda_parameter_gradient_done(moda_executor *e, size_t parameter,
                                         const dnnl_memory_desc_t *written, size_t buffer);
/* buffer, just written in `written` layout, is a consumer's share of the gradient by layer's output:
 * it becomes that gradient, or is added to it. */
moda_status moda_gradient_done(moda_executor *e, size_t layer, const dnnl_memory_desc_t *written,
                               size_t buffer);
/* Which tracked layer the ReLU `layer` is; MODA_NONE: none, as the one that gives the logits. */
size_t moda_tracked_index(const moda_net *net, size_t layer);
/* True if nobody needs the gradient by this layer's output: the input. */
bool moda_gradient_unwanted(const moda_executor *e, size_t layer);

#endif
