#include "decompose/kept.h"
#include <stdlib.h>
#include <string.h>

/* What the rules know about a layer's output, one byte per channel. */
typedef struct layer_rule {
    uint8_t *wanted;     /* a reader needs it */
    uint8_t *had;        /* it can be read, and is not just zeros */
    bool masked;         /* all that is wanted is so because of masks or the list of classes */
    bool logits;         /* its channels are outputs of the network */
    const uint8_t *mask; /* of a site; NULL: none, or everything is kept */
} layer_rule;

typedef struct rules {
    const moda_net *net;
    layer_rule *layers; /* [layer_count] */
    uint8_t *bytes;     /* of all of them */
    bool whole;         /* everything is kept, wanted or not */
} rules;

static size_t channels_of(const rules *r, size_t layer)
{
    return r->net->layers[layer].shape.c;
}

bool moda_kept_depthwise(const moda_net *net, size_t layer)
{
    const moda_layer *l = &net->layers[layer];
    return l->kind == MODA_LAYER_CONV && l->groups > 1 && l->groups == l->shape.c &&
           l->groups == net->layers[l->input[0]].shape.c;
}

/* Every output channel is made of every input channel. */
static bool is_dense(const moda_net *net, size_t layer)
{
    const moda_layer_kind kind = net->layers[layer].kind;
    return kind == MODA_LAYER_LINEAR ||
           (kind == MODA_LAYER_CONV && !moda_kept_depthwise(net, layer));
}

static bool is_empty(const uint8_t *set, size_t count)
{
    return !memchr(set, 1, count);
}

static size_t first_of(const uint8_t *set, size_t count)
{
    size_t c = 0;
    while (c + 1 < count && !set[c]) c++;
    return c;
}

/* ---- backward: what is wanted ---- */

static moda_status check_mask(const rules *r, size_t i)
{
    moda_status st = MODA_OK;
    const moda_layer *site = &r->net->layers[i];
    const char *kind = site->kind == MODA_LAYER_RELU ? "ReLU" : "layer";
    const char *before = r->net->layers[site->input[0]].name;
    size_t c = 0;
    MODA_CHECK(!r->layers[i].logits, MODA_ERR_UNSUPPORTED,
               "%s: the channels of %s '%s' are the network's outputs, so its mask and the list "
               "of classes would both decide about '%s': end the network with a linear layer",
               r->net->name, kind, site->name, before);
    while (c < site->shape.c && !r->layers[i].mask[c]) c++;
    MODA_CHECK(c < site->shape.c, MODA_ERR_UNSUPPORTED,
               "%s: the masks leave nothing of %s '%s' behind '%s' (%zu channels): lower the "
               "threshold or leave the floor on",
               r->net->name, kind, site->name, before, site->shape.c);
out:
    return st;
}

/* A site has no use for channels outside its mask, its readers perhaps not for all of it. */
static void apply_mask(const rules *r, size_t i)
{
    const size_t count = channels_of(r, i);
    const layer_rule *l = &r->layers[i];
    size_t first = 0;
    while (!l->mask[first]) first++;
    for (size_t c = 0; c < count; c++) l->wanted[c] &= l->mask[c] != 0;
    if (is_empty(l->wanted, count)) l->wanted[first] = 1;
}

/* Layer i's demand on its k-th input. */
static void want_input(const rules *r, size_t i, size_t k)
{
    const moda_layer *layer = &r->net->layers[i];
    const size_t from = layer->input[k], count = channels_of(r, from);
    const layer_rule *l = &r->layers[i];
    layer_rule *in = &r->layers[from];
    if (is_dense(r->net, i)) {
        memset(in->wanted, 1, count);
        in->masked = false;
        return;
    }
    for (size_t c = 0; c < layer->shape.c; c++) {
        if (!l->wanted[c]) continue;
        const uint32_t to = layer->channels ? layer->channels[c] : (uint32_t)c;
        if (to != MODA_SELECT_ZERO) in->wanted[to] = 1;
    }
    /* A site wants nothing but what its mask names, whoever reads it. */
    in->masked = in->masked && (l->masked || l->mask);
    in->logits = in->logits || l->logits;
}

static moda_status find_wanted(const rules *r)
{
    moda_status st = MODA_OK;
    for (size_t i = r->net->layer_count; i-- > 0;) {
        const layer_rule *l = &r->layers[i];
        if (l->mask) {
            MODA_TRY(check_mask(r, i));
            apply_mask(r, i);
        }
        /* Only zeros of a [select] are wanted. */
        if (is_empty(l->wanted, channels_of(r, i))) l->wanted[0] = 1;
        const moda_layer *layer = &r->net->layers[i];
        for (size_t k = 0; k < moda_layer_inputs(layer); k++) want_input(r, i, k);
    }
out:
    return st;
}

/* ---- forward: what can be had ---- */

static void find_had(const rules *r, size_t i)
{
    const moda_layer *layer = &r->net->layers[i];
    const layer_rule *l = &r->layers[i];
    const bool weighs = layer->kind == MODA_LAYER_BATCHNORM || moda_kept_depthwise(r->net, i);
    if (layer->kind == MODA_LAYER_INPUT || layer->kind == MODA_LAYER_SELECT ||
        is_dense(r->net, i) || (weighs && (l->masked || l->mask))) {
        memset(l->had, 1, layer->shape.c);
        return;
    }
    for (size_t k = 0; k < moda_layer_inputs(layer); k++) {
        const uint8_t *in = r->layers[layer->input[k]].had;
        for (size_t c = 0; c < layer->shape.c; c++) l->had[c] |= in[c];
    }
    for (size_t c = 0; l->mask && c < layer->shape.c; c++) l->had[c] &= l->mask[c] != 0;
}

/* ---- both ---- */

static moda_status fill(const rules *r, moda_kept *kept)
{
    moda_status st = MODA_OK;
    for (size_t i = 0; i < r->net->layer_count; i++) {
        const layer_rule *l = &r->layers[i];
        const size_t count = channels_of(r, i);
        find_had(r, i);
        for (size_t c = 0; c < count; c++) l->had[c] &= l->wanted[c];
        if (is_empty(l->had, count)) l->had[first_of(l->wanted, count)] = 1;
        if (i == 0 || r->whole) memset(l->had, 1, count); /* images are not cut */
        MODA_TRY(moda_channels_from_mask(count, l->had, &kept->out[i]));
        if (is_dense(r->net, i)) kept->in[i] = &kept->out[r->net->layers[i].input[0]];
    }
out:
    return st;
}

static moda_status check_kinds(const moda_net *net)
{
    moda_status st = MODA_OK;
    for (size_t i = 0; i < net->layer_count; i++) {
        const moda_layer *layer = &net->layers[i];
        MODA_CHECK(layer->kind != MODA_LAYER_CONCAT && layer->kind != MODA_LAYER_SOFTMAX,
                   MODA_ERR_UNSUPPORTED,
                   "%s: layer '%s' is a [%s], which does not decompose: take the networks apart "
                   "that it was made of",
                   net->name, layer->name, moda_layer_kind_name(layer->kind));
        MODA_CHECK(
            layer->kind != MODA_LAYER_MASK, MODA_ERR_UNSUPPORTED,
            "%s: layer '%s' is a [mask] of training: modules are cut from the network without "
            "its masks",
            net->name, layer->name);
        MODA_CHECK(layer->kind != MODA_LAYER_CONV || layer->groups == 1 ||
                       moda_kept_depthwise(net, i),
                   MODA_ERR_UNSUPPORTED,
                   "%s: layer '%s' is a convolution of %zu channels to %zu in %zu groups: groups "
                   "that lose different numbers of channels are no such convolution any more; only "
                   "groups of 1 and depthwise ones (as many groups, inputs and outputs) decompose",
                   net->name, layer->name, net->layers[layer->input[0]].shape.c, layer->shape.c,
                   layer->groups);
    }
out:
    return st;
}

static moda_status start(const moda_net *net, moda_sites sites, const uint8_t *const *keep,
                         const size_t *classes, size_t class_count, rules *r)
{
    moda_status st = MODA_OK;
    size_t sum = 0;
    r->net = net, r->whole = !keep;
    for (size_t i = 0; i < net->layer_count; i++) sum += net->layers[i].shape.c;
    MODA_ALLOC(r->layers, net->layer_count * sizeof *r->layers);
    MODA_ALLOC(r->bytes, 2 * sum);
    uint8_t *next = r->bytes;
    for (size_t i = 0; i < net->layer_count; i++) {
        const size_t count = net->layers[i].shape.c;
        r->layers[i] = (layer_rule){.wanted = next, .had = next + count, .masked = true};
        next += 2 * count;
    }
    for (size_t l = 0; keep && l < sites.count; l++) r->layers[sites.layers[l]].mask = keep[l];
    layer_rule *last = &r->layers[net->layer_count - 1];
    last->logits = true;
    /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): set above, layer_count > 0 */
    if (!keep) memset(last->wanted, 1, net->classes);
    for (size_t k = 0; k < class_count; k++) last->wanted[classes[k]] = 1;
out:
    return st;
}

static moda_status create(const moda_net *net, moda_sites sites, const uint8_t *const *keep,
                          const size_t *classes, size_t class_count, moda_kept **result)
{
    moda_status st = MODA_OK;
    rules r = {0};
    moda_kept *kept = NULL;
    MODA_ALLOC(kept, sizeof *kept);
    MODA_ALLOC(kept->out, net->layer_count * sizeof *kept->out);
    kept->layer_count = net->layer_count;
    MODA_ALLOC(kept->in, net->layer_count * sizeof *kept->in);
    MODA_ALLOC(kept->sites, sites.count * sizeof *kept->sites);
    kept->site_count = sites.count;
    if (sites.count) memcpy(kept->sites, sites.layers, sites.count * sizeof *kept->sites);
    MODA_TRY(check_kinds(net));
    MODA_TRY(start(net, sites, keep, classes, class_count, &r));
    MODA_TRY(find_wanted(&r));
    MODA_TRY(fill(&r, kept));
    *result = kept, kept = NULL;
out:
    moda_kept_destroy(kept);
    free(r.layers);
    free(r.bytes);
    return st;
}

moda_status moda_kept_create_at(const moda_net *net, moda_sites sites, const uint8_t *const *keep,
                                const size_t *classes, size_t class_count, moda_kept **kept)
{
    moda_status st = MODA_OK;
    MODA_CHECK(class_count > 0, MODA_ERR_ARG, "a module needs at least one class");
    for (size_t i = 0; i < class_count; i++)
        MODA_CHECK(classes[i] < net->classes, MODA_ERR_ARG,
                   "class %zu: %s has %zu outputs, numbered from 0", classes[i], net->name,
                   net->classes);
    MODA_TRY(create(net, sites, keep, classes, class_count, kept));
out:
    return st;
}

static moda_sites tracked(const moda_net *net)
{
    return (moda_sites){net->tracked_count, net->tracked};
}

moda_status moda_kept_create(const moda_net *net, const uint8_t *const *keep, const size_t *classes,
                             size_t class_count, moda_kept **kept)
{
    return moda_kept_create_at(net, tracked(net), keep, classes, class_count, kept);
}

moda_status moda_kept_create_outputs(const moda_net *net, const size_t *classes, size_t class_count,
                                     moda_kept **kept)
{
    moda_status st = MODA_OK;
    const uint8_t **keep = NULL;
    MODA_ALLOC(keep, net->tracked_count * sizeof *keep);
    MODA_TRY(moda_kept_create(net, keep, classes, class_count, kept));
out:
    free(keep);
    return st;
}

moda_status moda_kept_create_all(const moda_net *net, moda_kept **kept)
{
    return create(net, tracked(net), NULL, NULL, 0, kept);
}

void moda_kept_destroy(moda_kept *kept)
{
    if (!kept) return;
    for (size_t i = 0; kept->out && i < kept->layer_count; i++) moda_channels_free(&kept->out[i]);
    free(kept->out);
    free(kept->in);
    free(kept->sites);
    free(kept);
}

size_t moda_kept_run(const moda_net *net, size_t layer)
{
    const moda_layer *l = &net->layers[layer];
    if (l->kind == MODA_LAYER_CONV) return l->kernel * l->kernel;
    if (l->kind != MODA_LAYER_LINEAR) return 0;
    moda_shape s = net->layers[l->input[0]].shape;
    return s.h * s.w;
}
