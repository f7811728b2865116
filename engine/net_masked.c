/* engine/net_masked.c - masks into a graph, and out of it again. */
#include "engine/net_masked.h"
#include "base/file.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHAIN = 4 /* mean, fc1, relu, fc2 */ };

/* A graph that takes over the layers of a copy one by one. */
typedef struct mover {
    moda_net *old;  /* the copy */
    moda_net *made; /* in running order; has room for all that may come */
    size_t *place;  /* [old->layer_count] where an old layer's output is found in it */
    size_t *mean;   /* [old->layer_count] where its global average is; 0: not there yet */
} mover;

static void mover_free(mover *m)
{
    moda_net_destroy(m->old);
    moda_net_destroy(m->made);
    free(m->place);
    free(m->mean);
}

static moda_status mover_begin(const moda_net *net, mover *m)
{
    moda_status st = MODA_OK;
    MODA_TRY(moda_net_copy(net, &m->old));
    MODA_ALLOC(m->made, sizeof *m->made);
    MODA_ALLOC(m->made->layers, net->layer_count * (CHAIN + 2) * sizeof *m->made->layers);
    MODA_ALLOC(m->place, net->layer_count * sizeof *m->place);
    MODA_ALLOC(m->mean, net->layer_count * sizeof *m->mean);
    m->made->name = m->old->name, m->old->name = NULL;
    m->made->input = net->input, m->made->classes = net->classes;
    m->made->conv_init = net->conv_init, m->made->linear_init = net->linear_init;
out:
    return st;
}

/* Old layer i as it is, but for where it finds its inputs. */
static void move(mover *m, size_t i)
{
    moda_layer *l = &m->old->layers[i];
    for (size_t k = 0; k < moda_layer_inputs(l); k++) l->input[k] = m->place[l->input[k]];
    m->place[i] = m->made->layer_count;
    m->made->layers[m->made->layer_count++] = *l;
    l->name = NULL, l->channels = NULL;
}

/* A new layer `base`.mask`suffix`; its shape is inferred when the graph is parsed. */
static moda_status append(mover *m, const char *base, const char *suffix, moda_layer layer,
                          size_t *place)
{
    moda_status st = MODA_OK;
    MODA_CHECK((layer.name = moda_format("%s.mask%s", base, suffix)) != NULL, MODA_ERR_NOMEM,
               "out of memory: the name of a mask of %s", base);
    *place = m->made->layer_count;
    m->made->layers[m->made->layer_count++] = layer;
out:
    return st;
}

/* ---- adding ---- */

/* The batch norm behind convolution i that gets a mask, 0 if there is none. */
static size_t masked_norm(const moda_net *net, size_t i)
{
    size_t norm = 0;
    if (net->layers[i].kind != MODA_LAYER_CONV) return 0;
    for (size_t k = i + 1; k < net->layer_count && !norm; k++)
        if (net->layers[k].kind == MODA_LAYER_BATCHNORM && net->layers[k].input[0] == i) norm = k;
    return norm;
}

static size_t first_pair(const moda_net *net)
{
    size_t i = 1;
    while (i < net->layer_count && !masked_norm(net, i)) i++;
    return i;
}

/* What computes s for a batch norm, before the convolution: then that one's input is no longer needed
 * once it has run. */
static moda_status append_chain(mover *m, const moda_net *net, size_t conv, const char *base,
                                size_t *place)
{
    moda_status st = MODA_OK;
    const size_t input = net->layers[conv].input[0], c = net->layers[conv].shape.c;
    moda_layer mean = {.kind = MODA_LAYER_AVGPOOL, .input = {m->place[input]}};
    mean.kernel = mean.stride = net->layers[input].shape.h;
    if (!m->mean[input]) MODA_TRY(append(m, base, ".mean", mean, &m->mean[input]));
    *place = m->mean[input];
    moda_layer fc = {.kind = MODA_LAYER_LINEAR,
                     .input = {*place},
                     .shape = {c < 128 ? c : c / 2, 1, 1},
                     .init = MODA_INIT_KAIMING_FAN_IN,
                     .bias_init = NAN};
    MODA_TRY(append(m, base, ".fc1", fc, place));
    MODA_TRY(
        append(m, base, ".relu", (moda_layer){.kind = MODA_LAYER_RELU, .input = {*place}}, place));
    fc.input[0] = *place, fc.shape.c = c, fc.bias = true, fc.bias_init = 1;
    MODA_TRY(append(m, base, ".fc2", fc, place));
out:
    return st;
}

moda_status moda_net_add_masks(const moda_net *plain, moda_net **masked)
{
    moda_status st = MODA_OK;
    mover m = {0};
    size_t *s = NULL; /* [layer_count] where the s of a batch norm is; 0: it gets no mask */
    const size_t first = first_pair(plain);
    size_t added = 0;
    MODA_CHECK(plain->mask_count == 0, MODA_ERR_ARG, "%s has masks already: give it as it is",
               plain->name);
    MODA_ALLOC(s, plain->layer_count * sizeof *s);
    MODA_TRY(mover_begin(plain, &m));
    for (size_t i = 0; i < plain->layer_count; i++) {
        const size_t norm = i > first ? masked_norm(plain, i) : 0;
        if (norm) MODA_TRY(append_chain(&m, plain, i, plain->layers[norm].name, &s[norm]));
        move(&m, i);
        if (!s[i]) continue;
        const moda_layer mask = {.kind = MODA_LAYER_MASK, .input = {m.place[i], s[i]}};
        MODA_TRY(append(&m, plain->layers[i].name, "", mask, &m.place[i]));
        added++;
    }
    MODA_CHECK(added > 0, MODA_ERR_ARG,
               "%s has nothing to mask: masks stand behind every batch norm of a convolution but "
               "the first; choose a network with more of them",
               plain->name);
    MODA_TRY(moda_net_copy(m.made, masked));
out:
    free(s);
    mover_free(&m);
    return st;
}

/* ---- taking away ---- */

/* needed [layer_count]: what the output still depends on. */
static void mark_needed(const moda_net *net, bool *needed)
{
    needed[0] = needed[net->layer_count - 1] = true;
    for (size_t i = net->layer_count - 1; i > 0; i--) {
        const moda_layer *l = &net->layers[i];
        const size_t inputs = l->kind == MODA_LAYER_MASK ? 1 : moda_layer_inputs(l);
        for (size_t k = 0; needed[i] && k < inputs; k++) needed[l->input[k]] = true;
    }
}

moda_status moda_net_strip_masks(const moda_net *masked, moda_net **plain)
{
    moda_status st = MODA_OK;
    mover m = {0};
    bool *needed = NULL;
    MODA_ALLOC(needed, masked->layer_count * sizeof *needed);
    MODA_TRY(mover_begin(masked, &m));
    mark_needed(masked, needed);
    for (size_t i = 0; i < masked->layer_count; i++) {
        if (!needed[i]) continue;
        if (masked->layers[i].kind == MODA_LAYER_MASK)
            m.place[i] = m.place[masked->layers[i].input[0]];
        else
            move(&m, i);
    }
    MODA_TRY(moda_net_copy(m.made, plain));
out:
    free(needed);
    mover_free(&m);
    return st;
}
