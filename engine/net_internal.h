/* engine/net_internal.h - what the reader of descriptions hands to the builder of the graph. */
#ifndef MODA_ENGINE_NET_INTERNAL_H
#define MODA_ENGINE_NET_INTERNAL_H

#include "engine/net.h"
#include <stdio.h>

/* Bounds that keep every product of sizes below 2^62, whatever a description says. */
enum {
    NET_MAX_LAYERS = 4096,
    NET_MAX_NAME = 255,
    NET_MAX_CHANNELS = 65536,
    NET_MAX_SIDE = 65536, /* height or width */
    NET_MAX_KERNEL = 1024
};
#define NET_MAX_ELEMENTS ((uint64_t)1 << 40) /* of one sample's output, of one weight tensor */
#define NET_MAX_FLOPS    ((uint64_t)1 << 50) /* of one layer and sample */

/* One written layer. What depends on other layers is still open: inputs are names, and the words
 * `classes` (outputs), `global` (kernel) and `depthwise` (groups) stand as 0. */
typedef struct net_draft_layer {
    moda_layer
        layer; /* name NULL: to be made up; shape.c holds `outputs`, or how many `channels` */
    char *from[2];
    size_t from_count; /* 0: the layer above */
    size_t from_line;
} net_draft_layer;

/* A description as written. */
typedef struct net_draft {
    char *name;
    moda_shape input; /* c = 0: not written */
    size_t classes;   /* 0: not written */
    moda_init conv_init, linear_init;
    size_t line, input_line; /* of [net], of `input` */
    net_draft_layer *layers; /* [count], in written order */
    size_t count, capacity;
} net_draft;

/* text -> draft: syntax, known sections and keys, values in range. Messages have source and line.
 * *draft is valid (and to be freed) also after a failure. */
MODA_MUST_USE moda_status moda_net_draft_read(const char *text, const char *source,
                                              net_draft *draft);
void moda_net_draft_free(net_draft *draft);
/* draft -> graph: names, order, shapes. Takes the names out of the draft. */
MODA_MUST_USE moda_status moda_net_build(net_draft *draft, const char *source,
                                         moda_net_defaults defaults, moda_net **net);

/* The output shape of layer i from those of its inputs, with the words resolved; checks that
 * everything fits. classes: value of that word, 0 when unknown. */
MODA_MUST_USE moda_status moda_net_infer_shape(moda_net *net, size_t i, size_t classes);

/* *text := fresh copy of a built-in description, NULL when name is not one. */
MODA_MUST_USE moda_status moda_net_builtin(const char *name, char **text);
/* *text := fresh copy of what moda_net_open() would parse; fails as that does. */
MODA_MUST_USE moda_status moda_net_text(const char *name_or_path, char **text);

/* "0-3 5 zero 7 4*zero" <-> channels [count], fresh memory. Reading fails: MODA_ERR_FORMAT (not such
 * a list, a channel twice, more than NET_MAX_CHANNELS). */
MODA_MUST_USE moda_status moda_net_read_channels(const char *text, uint32_t **channels,
                                                 size_t *count);
void moda_net_print_channels(FILE *f, const uint32_t *channels, size_t count);

/* Elements of a layer's weight tensor, 0 when it has none; needs the shapes of its inputs. */
uint64_t moda_net_weight_elements(const moda_net *net, size_t layer);

/* Names of moda_init in descriptions, indexed by it. */
enum { NET_INIT_COUNT = 4 };
extern const char *const moda_init_names[NET_INIT_COUNT];
enum { NET_KIND_COUNT = 12 };

#endif
