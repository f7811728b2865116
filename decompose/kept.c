#include "decompose/kept.h"
#include <stdlib.h>

/* What decides about the channels of a group. */
enum { ALL = -1, CLASSES = -2 }; /* >= 0: a tracked layer */

static bool heads_group(const moda_layer *layer)
{
    return layer->kind == MODA_LAYER_INPUT || layer->kind == MODA_LAYER_CONV ||
           layer->kind == MODA_LAYER_LINEAR;
}

/* Structures that no rule covers yet. */
static moda_status check_layer(const moda_net *net, size_t i)
{
    moda_status st = MODA_OK;
    const moda_layer *layer = &net->layers[i];
    MODA_CHECK(layer->kind != MODA_LAYER_ADD, MODA_ERR_UNSUPPORTED,
               "%s: layer '%s' adds two branches, and additions cannot be sliced yet: only chains "
               "of layers decompose",
               net->name, layer->name);
    MODA_CHECK(layer->kind != MODA_LAYER_CONV || layer->groups == 1, MODA_ERR_UNSUPPORTED,
               "%s: layer '%s' is a convolution in %zu groups, which cannot be sliced yet: only "
               "groups of 1 decompose",
               net->name, layer->name, layer->groups);
out:
    return st;
}

/* head[i]: the layer that heads i's group. */
static moda_status find_heads(const moda_net *net, size_t *head)
{
    moda_status st = MODA_OK;
    for (size_t i = 0; i < net->layer_count; i++) {
        MODA_TRY(check_layer(net, i));
        head[i] = heads_group(&net->layers[i]) ? i : head[net->layers[i].input[0]];
    }
out:
    return st;
}

/* decider[h]: who decides about the group that h heads. */
static moda_status find_deciders(const moda_net *net, const size_t *head, long *decider)
{
    moda_status st = MODA_OK;
    for (size_t i = 0; i < net->layer_count; i++) decider[i] = ALL;
    decider[head[net->layer_count - 1]] = CLASSES;
    for (size_t l = 0; l < net->tracked_count; l++) {
        const moda_layer *relu = &net->layers[net->tracked[l]];
        size_t h = head[net->tracked[l]];
        MODA_CHECK(net->layers[h].kind != MODA_LAYER_INPUT, MODA_ERR_UNSUPPORTED,
                   "%s: ReLU '%s' works on the network's input, whose channels cannot be dropped: "
                   "put a convolution or linear layer before it",
                   net->name, relu->name);
        MODA_CHECK(decider[h] != CLASSES, MODA_ERR_UNSUPPORTED,
                   "%s: ReLU '%s' works on the logits, so its mask and the list of classes would "
                   "both decide about '%s': end the network with '%s'",
                   net->name, relu->name, net->layers[h].name, net->layers[h].name);
        MODA_CHECK(decider[h] == ALL, MODA_ERR_UNSUPPORTED,
                   "%s: ReLUs '%s' and '%s' have no convolution or linear layer between them, so "
                   "two masks would decide about '%s'",
                   net->name, net->layers[net->tracked[decider[h]]].name, relu->name,
                   net->layers[h].name);
        decider[h] = (long)l;
    }
out:
    return st;
}

static moda_status fill_layer(const moda_net *net, size_t i, long decider,
                              const uint8_t *const *keep, const size_t *classes, size_t class_count,
                              moda_channels *set)
{
    moda_status st = MODA_OK;
    const moda_layer *layer = &net->layers[i];
    if (!keep || decider == ALL)
        MODA_TRY(moda_channels_all(layer->shape.c, set));
    else if (decider == CLASSES)
        MODA_TRY(moda_channels_from_list(layer->shape.c, classes, class_count, set));
    else
        MODA_TRY(moda_channels_from_mask(layer->shape.c, keep[decider], set));
    MODA_CHECK(set->count > 0, MODA_ERR_UNSUPPORTED,
               "%s: the masks leave nothing of layer '%s' (%zu channels): lower the threshold or "
               "leave the floor on",
               net->name, layer->name, layer->shape.c);
out:
    return st;
}

static moda_status fill(const moda_net *net, const uint8_t *const *keep, const size_t *classes,
                        size_t class_count, const size_t *head, const long *decider,
                        moda_kept *kept)
{
    moda_status st = MODA_OK;
    for (size_t i = 0; i < net->layer_count; i++) {
        MODA_TRY(fill_layer(net, i, decider[head[i]], keep, classes, class_count, &kept->out[i]));
        if (moda_kept_run(net, i) > 0) kept->in[i] = &kept->out[net->layers[i].input[0]];
    }
out:
    return st;
}

static moda_status create(const moda_net *net, const uint8_t *const *keep, const size_t *classes,
                          size_t class_count, moda_kept **result)
{
    moda_status st = MODA_OK;
    size_t *head = NULL;
    long *decider = NULL;
    moda_kept *kept = NULL;
    MODA_ALLOC(kept, sizeof *kept);
    MODA_ALLOC(kept->out, net->layer_count * sizeof *kept->out);
    kept->layer_count = net->layer_count;
    MODA_ALLOC(kept->in, net->layer_count * sizeof *kept->in);
    MODA_ALLOC(head, net->layer_count * sizeof *head);
    MODA_ALLOC(decider, net->layer_count * sizeof *decider);
    MODA_TRY(find_heads(net, head));
    MODA_TRY(find_deciders(net, head, decider));
    MODA_TRY(fill(net, keep, classes, class_count, head, decider, kept));
    *result = kept, kept = NULL;
out:
    moda_kept_destroy(kept);
    free(head);
    free(decider);
    return st;
}

moda_status moda_kept_create(const moda_net *net, const uint8_t *const *keep, const size_t *classes,
                             size_t class_count, moda_kept **kept)
{
    moda_status st = MODA_OK;
    MODA_CHECK(class_count > 0, MODA_ERR_ARG, "a module needs at least one class");
    for (size_t i = 0; i < class_count; i++)
        MODA_CHECK(classes[i] < net->classes, MODA_ERR_ARG,
                   "class %zu: %s has %zu outputs, numbered from 0", classes[i], net->name,
                   net->classes);
    MODA_TRY(create(net, keep, classes, class_count, kept));
out:
    return st;
}

moda_status moda_kept_create_all(const moda_net *net, moda_kept **kept)
{
    return create(net, NULL, NULL, 0, kept);
}

void moda_kept_destroy(moda_kept *kept)
{
    if (!kept) return;
    for (size_t i = 0; i < kept->layer_count; i++) moda_channels_free(&kept->out[i]);
    free(kept->out);
    free(kept->in);
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
