/* engine/net.h - a network as data: the graph that a description (docs/networks.md) stands for.
 *
 * Layer 0 is the input; every other layer has its inputs at smaller indices, so running the array
 * in order is a forward pass. All shapes are inferred and checked when the description is read. */
#ifndef MODA_ENGINE_NET_H
#define MODA_ENGINE_NET_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum moda_layer_kind {
    MODA_LAYER_INPUT,
    MODA_LAYER_CONV,      /* weight [outputs, c/groups, kernel, kernel], bias [outputs] */
    MODA_LAYER_BATCHNORM, /* weight, bias, running_mean, running_var [c] */
    MODA_LAYER_RELU,
    MODA_LAYER_MAXPOOL,
    MODA_LAYER_AVGPOOL, /* zero padding is not counted in the mean */
    MODA_LAYER_LINEAR,  /* weight [outputs, c*h*w], inputs in the order c,h,w; bias [outputs] */
    MODA_LAYER_ADD,     /* elementwise, two inputs of one shape */
    MODA_LAYER_SELECT,  /* channels by number, or zeros */
    MODA_LAYER_MASK,    /* inputs x [c,h,w] and s [c,1,1]: y = x * relu(tanh(s)) per channel */
    MODA_LAYER_CONCAT,  /* the channels of two inputs of one h,w, one after the other */
    MODA_LAYER_SOFTMAX  /* over the channels: exp(x_c) / sum exp(x_k) */
} moda_layer_kind;

#define MODA_SELECT_ZERO UINT32_MAX /* in moda_layer.channels: a channel of zeros */

/* One sample's shape. Features of a linear layer are [c,1,1]. */
typedef struct moda_shape {
    size_t c, h, w;
} moda_shape;

/* How parameters start; docs/networks.md has the formulas. Batch norm always starts at 1 and 0. */
typedef enum moda_init {
    MODA_INIT_KAIMING_FAN_OUT, /* weight N(0, 2/(outputs*kernel^2)), bias 0 */
    MODA_INIT_NORMAL,          /* weight N(0, 0.01^2), bias 0 */
    MODA_INIT_UNIFORM_FAN_IN,  /* weight and bias U(-1/sqrt(fan_in), 1/sqrt(fan_in)) */
    MODA_INIT_KAIMING_FAN_IN   /* weight N(0, 2/fan_in), bias 0 */
} moda_init;

typedef struct moda_layer {
    moda_layer_kind kind;
    char *name;                     /* unique; prefix of its tensors' names: "features.0" */
    size_t input[2];                /* layer indices; moda_layer_inputs() of them */
    size_t line;                    /* in the description, for messages */
    moda_shape shape;               /* of the output */
    size_t kernel, stride, padding; /* CONV and pools, in pixels, both directions alike */
    size_t groups;                  /* CONV; c for a depthwise one */
    bool bias;                      /* CONV, LINEAR */
    double eps, momentum;           /* BATCHNORM: 1e-5, 0.1 (PyTorch's meaning of momentum) */
    /* SELECT: [shape.c], output channel j is input channel channels[j], each at most once, or
     * MODA_SELECT_ZERO. Owned by the layer. */
    uint32_t *channels;
    bool tracked;     /* RELU: its output is a layer of the modular losses */
    moda_init init;   /* CONV, LINEAR */
    double bias_init; /* CONV, LINEAR: of every bias; NaN: as init says */
} moda_layer;

typedef struct moda_net {
    char *name;
    moda_shape input;
    size_t classes; /* outputs of the last layer */
    moda_init conv_init, linear_init;
    moda_layer *layers; /* [layer_count], the last one gives the logits */
    size_t layer_count;
    size_t *tracked; /* [tracked_count] indices of the tracked ReLU layers, forward order */
    size_t tracked_count;
    size_t *masks; /* [mask_count] indices of the MASK layers, forward order */
    size_t mask_count;
} moda_net;

/* What a description may leave to the data. */
typedef struct moda_net_defaults {
    moda_shape input; /* used where the description has no `input`; c = 0: then it must have one */
    size_t classes;   /* the value of the word `classes`; 0: then it must not be used */
} moda_net_defaults;

/* text is a description; source (a path or a name) is for messages. Fails: MODA_ERR_FORMAT (source,
 * line, what to do), MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_net_parse(const char *text, const char *source,
                                         moda_net_defaults defaults, moda_net **net);
/* A built-in name or a path that ends in .net. Fails also: MODA_ERR_ARG (neither; lists the names),
 * MODA_ERR_IO. */
MODA_MUST_USE moda_status moda_net_open(const char *name_or_path, moda_net_defaults defaults,
                                        moda_net **net);
/* Whether a network is named by a file: FILE.net. */
bool moda_net_is_path(const char *name_or_path);
/* Of an operand that is a network or a model: whether it goes to moda_net_open(). A plain word that is
 * no file can only be meant as a name: the message then lists those. */
bool moda_net_is_meant(const char *what);
void moda_net_destroy(moda_net *net);
/* A graph of its own, printed and parsed again, so that one changed by hand is checked, too. Fails as
 * moda_net_parse(). */
MODA_MUST_USE moda_status moda_net_copy(const moda_net *net, moda_net **copy);
/* The canonical description, with the shapes filled in; parses back to the same graph. free() it. */
MODA_MUST_USE moda_status moda_net_print(const moda_net *net, char **text);

/* Layers from+1 .. to as a network of their own, whose input has the shape of layer from. It need not
 * end in logits. */
MODA_MUST_USE moda_status moda_net_piece(const moda_net *net, size_t from, size_t to,
                                         moda_net **piece);

/* Built-in descriptions: names[count], NULL-terminated. */
const char *const *moda_net_builtin_names(void);

/* How many inputs a layer has: ADD, MASK and CONCAT two, INPUT none, the others one. */
size_t moda_layer_inputs(const moda_layer *layer);
/* Consumers of layer i's output: how many layers read it. */
size_t moda_net_consumers(const moda_net *net, size_t layer);
const char *moda_layer_kind_name(moda_layer_kind kind);
/* Multiply-adds of one sample's forward pass through a layer: CONV and LINEAR, else 0. */
uint64_t moda_layer_flops(const moda_net *net, size_t layer);

/* ---- parameters ---- */

typedef enum moda_parameter_role {
    MODA_WEIGHT,
    MODA_BIAS,
    MODA_RUNNING_MEAN, /* not trainable */
    MODA_RUNNING_VAR   /* not trainable */
} moda_parameter_role;

/* One tensor of the state dict. Values of all of them stand one after the other in one f32 array,
 * in this order (layers ascending; weight, bias, running_mean, running_var). */
typedef struct moda_parameter {
    char *name; /* "features.0.weight" */
    size_t layer;
    moda_parameter_role role;
    size_t rank, shape[4]; /* PyTorch's shape, row-major */
    size_t elements, offset;
} moda_parameter;

typedef struct moda_parameter_list {
    moda_parameter *items;
    size_t count;
    size_t elements;  /* of all */
    size_t trainable; /* elements without the running statistics */
} moda_parameter_list;

MODA_MUST_USE moda_status moda_net_parameters(const moda_net *net, moda_parameter_list *list);
void moda_parameter_list_free(moda_parameter_list *list);

#endif
