/* engine/net.c - opening, asking and destroying a graph. */
#include "engine/net.h"
#include "base/file.h"
#include "engine/net_internal.h"
#include "engine/quote_internal.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_DESCRIPTION_BYTES = 16 << 20 }; /* 4096 layers take less than one */

const char *const moda_init_names[NET_INIT_COUNT] = {
    [MODA_INIT_KAIMING_FAN_OUT] = "kaiming_fan_out",
    [MODA_INIT_NORMAL] = "normal",
    [MODA_INIT_UNIFORM_FAN_IN] = "uniform_fan_in",
    [MODA_INIT_KAIMING_FAN_IN] = "kaiming_fan_in",
};

static const char *const kind_names[NET_KIND_COUNT] = {
    [MODA_LAYER_INPUT] = "input",         [MODA_LAYER_CONV] = "conv",
    [MODA_LAYER_BATCHNORM] = "batchnorm", [MODA_LAYER_RELU] = "relu",
    [MODA_LAYER_MAXPOOL] = "maxpool",     [MODA_LAYER_AVGPOOL] = "avgpool",
    [MODA_LAYER_LINEAR] = "linear",       [MODA_LAYER_ADD] = "add",
    [MODA_LAYER_SELECT] = "select",       [MODA_LAYER_MASK] = "mask",
    [MODA_LAYER_CONCAT] = "concat",       [MODA_LAYER_SOFTMAX] = "softmax",
};

const char *moda_layer_kind_name(moda_layer_kind kind)
{
    return (unsigned)kind < NET_KIND_COUNT ? kind_names[kind] : "unknown";
}

moda_status moda_net_parse(const char *text, const char *source, moda_net_defaults defaults,
                           moda_net **net)
{
    moda_status st = MODA_OK;
    net_draft draft = {0};
    MODA_TRY(moda_net_draft_read(text, source, &draft));
    MODA_TRY(moda_net_build(&draft, source, defaults, net));
out:
    moda_net_draft_free(&draft);
    return st;
}

bool moda_net_is_path(const char *s)
{
    const size_t n = strlen(s);
    return n > 4 && strcmp(s + n - 4, ".net") == 0;
}

static moda_status read_description(const char *path, char **text)
{
    moda_status st = MODA_OK;
    moda_mapped_file file = {0};
    MODA_TRY(moda_file_map(path, &file));
    MODA_CHECK(file.size <= MAX_DESCRIPTION_BYTES, MODA_ERR_FORMAT,
               "%s: %zu bytes are no description of a network; give a text file", path, file.size);
    const void *zero = file.size ? memchr(file.data, 0, file.size) : NULL;
    MODA_CHECK(!zero, MODA_ERR_FORMAT, "%s: a zero byte at offset %zu; give a text file", path,
               (size_t)((const uint8_t *)zero - file.data));
    MODA_ALLOC(*text, file.size + 1);
    if (file.size) memcpy(*text, file.data, file.size);
out:
    moda_file_unmap(&file);
    return st;
}

moda_status moda_net_text(const char *name_or_path, char **text)
{
    moda_status st = MODA_OK;
    MODA_TRY(moda_net_builtin(name_or_path, text));
    if (*text) goto out;
    MODA_CHECK(moda_net_is_path(name_or_path), MODA_ERR_ARG,
               "unknown network '%s'; use lenet5, vgg11, vgg13, vgg16, vgg19, resnet18, resnet34, "
               "mobilenet or a description FILE.net",
               MODA_QUOTE(name_or_path));
    MODA_TRY(read_description(name_or_path, text));
out:
    return st;
}

moda_status moda_net_open(const char *name_or_path, moda_net_defaults defaults, moda_net **net)
{
    moda_status st = MODA_OK;
    char *text = NULL;
    MODA_TRY(moda_net_text(name_or_path, &text));
    MODA_TRY(moda_net_parse(text, name_or_path, defaults, net));
out:
    free(text);
    return st;
}

bool moda_net_is_meant(const char *what)
{
    if (moda_net_is_path(what) || (!strpbrk(what, "/.:") && !moda_is_file(what))) return true;
    for (const char *const *name = moda_net_builtin_names(); *name; name++)
        if (strcmp(*name, what) == 0) return true;
    return false;
}

moda_status moda_net_copy(const moda_net *net, moda_net **copy)
{
    moda_status st = MODA_OK;
    char *text = NULL;
    MODA_TRY(moda_net_print(net, &text));
    MODA_TRY(moda_net_parse(text, net->name, (moda_net_defaults){net->input, net->classes}, copy));
out:
    free(text);
    return st;
}

void moda_net_destroy(moda_net *net)
{
    if (!net) return;
    for (size_t i = 0; i < net->layer_count; i++) {
        free(net->layers[i].name);
        free(net->layers[i].channels);
    }
    free(net->layers);
    free(net->tracked);
    free(net->masks);
    free(net->name);
    free(net);
}

size_t moda_layer_inputs(const moda_layer *layer)
{
    switch (layer->kind) {
    case MODA_LAYER_INPUT: return 0;
    case MODA_LAYER_ADD:
    case MODA_LAYER_MASK:
    case MODA_LAYER_CONCAT: return 2;
    default: return 1;
    }
}

size_t moda_net_consumers(const moda_net *net, size_t layer)
{
    size_t n = 0;
    for (size_t i = 1; i < net->layer_count; i++) {
        const moda_layer *l = &net->layers[i];
        for (size_t k = 0; k < moda_layer_inputs(l); k++) n += l->input[k] == layer;
    }
    return n;
}

uint64_t moda_layer_flops(const moda_net *net, size_t layer)
{
    const moda_layer *l = &net->layers[layer];
    if (l->kind != MODA_LAYER_CONV && l->kind != MODA_LAYER_LINEAR) return 0;
    return moda_net_weight_elements(net, layer) * l->shape.h * l->shape.w;
}
