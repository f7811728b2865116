/* engine/net_shape.c - the output shape of each kind of layer, and whether its inputs fit. */
#include "engine/net_internal.h"
#include "engine/quote_internal.h"

static const moda_layer *input_of(const moda_net *net, const moda_layer *l)
{
    return &net->layers[l->input[0]];
}

/* Side of the output of a window that slides over n pixels. */
static size_t slide(size_t n, const moda_layer *l)
{
    return (n + 2 * l->padding - l->kernel) / l->stride + 1;
}

/* CONV and pools: everything but the channels. */
static moda_status infer_window(moda_layer *l, moda_shape in)
{
    moda_status st = MODA_OK;
    const bool conv = l->kind == MODA_LAYER_CONV;
    if (l->kernel == 0) { /* global */
        MODA_CHECK(in.h == in.w && in.h <= NET_MAX_KERNEL && l->padding == 0, MODA_ERR_FORMAT,
                   "a global pool over %zux%zu with padding %zu; the map must be square (at most "
                   "%d), the padding 0",
                   in.h, in.w, l->padding, NET_MAX_KERNEL);
        l->kernel = in.h;
        if (l->stride == 0) l->stride = l->kernel;
    }
    /* Else whole windows would see nothing but padding. */
    MODA_CHECK(conv ? l->padding < l->kernel : 2 * l->padding <= l->kernel, MODA_ERR_FORMAT,
               "padding %zu is too large for kernel %zu; use at most %zu", l->padding, l->kernel,
               conv ? l->kernel - 1 : l->kernel / 2);
    MODA_CHECK(l->kernel <= in.h + 2 * l->padding && l->kernel <= in.w + 2 * l->padding,
               MODA_ERR_FORMAT,
               "kernel %zu is larger than the %zux%zu map of '%s' with padding %zu; use a smaller "
               "kernel or a larger input",
               l->kernel, in.h, in.w, MODA_QUOTE(l->name), l->padding);
    l->shape.h = slide(in.h, l), l->shape.w = slide(in.w, l);
out:
    return st;
}

static moda_status infer_conv(moda_layer *l, moda_shape in)
{
    moda_status st = MODA_OK;
    if (l->groups == 0) l->groups = in.c; /* depthwise */
    MODA_CHECK(in.c % l->groups == 0 && l->shape.c % l->groups == 0, MODA_ERR_FORMAT,
               "%zu groups divide %zu inputs and %zu outputs not evenly; choose a common divisor",
               l->groups, in.c, l->shape.c);
    MODA_TRY(infer_window(l, in));
out:
    return st;
}

static moda_status infer_add(moda_layer *l, moda_shape a, moda_shape b)
{
    moda_status st = MODA_OK;
    MODA_CHECK(a.c == b.c && a.h == b.h && a.w == b.w, MODA_ERR_FORMAT,
               "an addition of %zux%zux%zu and %zux%zux%zu; both must have one shape", a.c, a.h,
               a.w, b.c, b.h, b.w);
    l->shape = a;
out:
    return st;
}

static moda_status infer_mask(moda_layer *l, moda_shape x, moda_shape s)
{
    moda_status st = MODA_OK;
    MODA_CHECK(s.c == x.c && s.h == 1 && s.w == 1, MODA_ERR_FORMAT,
               "a mask of %zux%zux%zu by %zux%zux%zu; the second must have one number per channel",
               x.c, x.h, x.w, s.c, s.h, s.w);
    l->shape = x;
out:
    return st;
}

static moda_status infer_concat(moda_layer *l, moda_shape a, moda_shape b)
{
    moda_status st = MODA_OK;
    MODA_CHECK(a.h == b.h && a.w == b.w, MODA_ERR_FORMAT,
               "a concatenation of %zux%zux%zu and %zux%zux%zu; both must have one height and "
               "width",
               a.c, a.h, a.w, b.c, b.h, b.w);
    MODA_CHECK(a.c + b.c <= NET_MAX_CHANNELS, MODA_ERR_FORMAT,
               "a concatenation of %zu and %zu channels; at most %d may come out", a.c, b.c,
               NET_MAX_CHANNELS);
    l->shape = (moda_shape){a.c + b.c, a.h, a.w};
out:
    return st;
}

static moda_status infer_select(moda_layer *l, moda_shape in)
{
    moda_status st = MODA_OK;
    for (size_t j = 0; j < l->shape.c; j++)
        MODA_CHECK(l->channels[j] == MODA_SELECT_ZERO || l->channels[j] < in.c, MODA_ERR_FORMAT,
                   "channel %u is selected out of %zu, numbered from 0; name one that is there",
                   l->channels[j], in.c);
    l->shape.h = in.h, l->shape.w = in.w;
out:
    return st;
}

uint64_t moda_net_weight_elements(const moda_net *net, size_t layer)
{
    const moda_layer *l = &net->layers[layer];
    const moda_shape in = input_of(net, l)->shape;
    switch (l->kind) {
    case MODA_LAYER_CONV: return (uint64_t)l->shape.c * (in.c / l->groups) * l->kernel * l->kernel;
    case MODA_LAYER_LINEAR: return (uint64_t)l->shape.c * in.c * in.h * in.w;
    case MODA_LAYER_BATCHNORM: return l->shape.c;
    default: return 0;
    }
}

/* Inputs are within the bounds, and no layer passes them by more than NET_MAX_KERNEL per side, so
 * none of these products overflows. */
static moda_status check_size(const moda_net *net, size_t i)
{
    moda_status st = MODA_OK;
    const moda_shape s = net->layers[i].shape;
    MODA_CHECK(s.h <= NET_MAX_SIDE && s.w <= NET_MAX_SIDE &&
                   (uint64_t)s.c * s.h * s.w < NET_MAX_ELEMENTS,
               MODA_ERR_FORMAT, "an output of %zux%zux%zu is too large; make the layer smaller",
               s.c, s.h, s.w);
    const uint64_t weights = moda_net_weight_elements(net, i);
    MODA_CHECK(weights < NET_MAX_ELEMENTS && weights <= NET_MAX_FLOPS / (s.h * s.w),
               MODA_ERR_FORMAT,
               "%llu weights over %zux%zu pixels are too many; make the layer smaller",
               (unsigned long long)weights, s.h, s.w);
out:
    return st;
}

moda_status moda_net_infer_shape(moda_net *net, size_t i, size_t classes)
{
    moda_status st = MODA_OK;
    moda_layer *l = &net->layers[i];
    const moda_shape in = input_of(net, l)->shape;
    switch (l->kind) {
    case MODA_LAYER_INPUT: break;
    case MODA_LAYER_CONV:
    case MODA_LAYER_LINEAR:
        if (l->shape.c == 0) l->shape.c = classes;
        MODA_CHECK(
            l->shape.c, MODA_ERR_FORMAT,
            "'outputs = classes', but their number is not known; add 'classes = N' to [net]");
        if (l->kind == MODA_LAYER_CONV)
            MODA_TRY(infer_conv(l, in));
        else
            l->shape.h = l->shape.w = 1;
        break;
    case MODA_LAYER_MAXPOOL:
    case MODA_LAYER_AVGPOOL:
        l->shape.c = in.c;
        MODA_TRY(infer_window(l, in));
        break;
    case MODA_LAYER_RELU: /* it would be tracked, but no layer's activation */
        MODA_CHECK(l->input[0] != 0, MODA_ERR_FORMAT,
                   "a relu of the network's input; put a layer in front of it");
        l->shape = in;
        break;
    case MODA_LAYER_BATCHNORM:
    case MODA_LAYER_SOFTMAX: l->shape = in; break;
    case MODA_LAYER_ADD: MODA_TRY(infer_add(l, in, net->layers[l->input[1]].shape)); break;
    case MODA_LAYER_MASK: MODA_TRY(infer_mask(l, in, net->layers[l->input[1]].shape)); break;
    case MODA_LAYER_SELECT: MODA_TRY(infer_select(l, in)); break;
    case MODA_LAYER_CONCAT: MODA_TRY(infer_concat(l, in, net->layers[l->input[1]].shape)); break;
    }
    MODA_TRY(check_size(net, i));
out:
    return st;
}
