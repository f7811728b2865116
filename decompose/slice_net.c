/* decompose/slice_net.c - the graph of a module. */
#include "decompose/slice_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A [select] that stands in the new graph already. */
typedef struct selection {
    size_t from;               /* layer of the old graph */
    const moda_channels *want; /* of its channels */
    size_t place;              /* in the new graph */
} selection;

typedef struct slicer {
    const moda_net *net;
    const moda_kept *kept;
    moda_net *old;  /* a copy of net, whose layers move over one by one */
    moda_net *made; /* in running order */
    size_t *place;  /* [layer_count] where a layer's output is found in the new graph */
    selection *selections;
    size_t selection_count, names;
} slicer;

static bool same(const moda_channels *a, const moda_channels *b)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): a selection has its want */
    return a->of == b->of && a->count == b->count &&
           memcmp(a->index, b->index, a->count * sizeof *a->index) == 0;
}

static bool is_taken(const moda_net *net, const char *name)
{
    for (size_t i = 0; i < net->layer_count; i++)
        if (net->layers[i].name && strcmp(net->layers[i].name, name) == 0) return true;
    return false;
}

/* list [want->count]: where in `have` each wanted channel is; renumber maps both (NULL: not at all). */
static void locate(const moda_channels *want, const uint32_t *renumber, const moda_channels *have,
                   uint32_t *list)
{
    for (size_t j = 0; j < want->count; j++) {
        const uint32_t c = renumber ? renumber[want->index[j]] : want->index[j];
        size_t k = 0;
        if (c != MODA_SELECT_ZERO)
            while (k < have->count && have->index[k] < c) k++;
        const bool found = c != MODA_SELECT_ZERO && k < have->count && have->index[k] == c;
        list[j] = found ? (uint32_t)k : MODA_SELECT_ZERO;
    }
}

/* Appends a [select] of the wanted channels out of old layer `from`. */
static moda_status add_select(slicer *s, size_t from, const moda_channels *want, size_t *place)
{
    moda_status st = MODA_OK;
    moda_layer *l = &s->made->layers[s->made->layer_count];
    char name[32];
    do {
        snprintf(name, sizeof name, "select%zu", ++s->names);
    } while (is_taken(s->net, name));
    *l = (moda_layer){.kind = MODA_LAYER_SELECT, .input = {s->place[from]}};
    l->shape = s->net->layers[from].shape, l->shape.c = want->count;
    *place = s->made->layer_count++;
    MODA_CHECK((l->name = strdup(name)) != NULL, MODA_ERR_NOMEM, "out of memory");
    MODA_ALLOC(l->channels, want->count * sizeof *l->channels);
    locate(want, NULL, &s->kept->out[from], l->channels);
    s->selections[s->selection_count++] = (selection){from, want, *place};
out:
    return st;
}

/* Where the wanted channels of old layer `from` are found. */
static moda_status read_channels(slicer *s, size_t from, const moda_channels *want, size_t *place)
{
    moda_status st = MODA_OK;
    *place = s->place[from];
    if (same(want, &s->kept->out[from])) goto out;
    for (size_t i = 0; i < s->selection_count; i++)
        if (s->selections[i].from == from && same(s->selections[i].want, want)) {
            *place = s->selections[i].place;
            goto out;
        }
    MODA_TRY(add_select(s, from, want, place));
out:
    return st;
}

/* A [select] of the network itself takes its channels out of what its input has kept. */
static moda_status cut_select(slicer *s, size_t i, bool *needed)
{
    moda_status st = MODA_OK;
    moda_layer *l = &s->old->layers[i];
    const moda_channels *in = &s->kept->out[s->net->layers[i].input[0]], *out = &s->kept->out[i];
    uint32_t *list = NULL;
    size_t same_place = 0;
    MODA_ALLOC(list, out->count * sizeof *list);
    locate(out, l->channels, in, list);
    free(l->channels);
    l->channels = list;
    while (same_place < out->count && list[same_place] == same_place) same_place++;
    *needed = same_place < in->count || same_place < out->count || i + 1 == s->net->layer_count;
out:
    return st;
}

/* Where layer i finds its inputs in the new graph. */
static moda_status connect(slicer *s, size_t i, size_t input[2])
{
    moda_status st = MODA_OK;
    const moda_layer *l = &s->net->layers[i];
    const bool by_channel = l->kind != MODA_LAYER_SELECT && !s->kept->in[i];
    for (size_t k = 0; k < moda_layer_inputs(l); k++) {
        input[k] = s->place[l->input[k]];
        if (by_channel) MODA_TRY(read_channels(s, l->input[k], &s->kept->out[i], &input[k]));
    }
    /* A select that was not needed any more stood between the two; an addition wants two layers. */
    if (l->kind == MODA_LAYER_ADD && input[0] == input[1])
        MODA_TRY(add_select(s, l->input[1], &s->kept->out[i], &input[1]));
out:
    return st;
}

static moda_status move_layer(slicer *s, size_t i)
{
    moda_status st = MODA_OK;
    const moda_layer *whole = &s->net->layers[i];
    moda_layer *from = &s->old->layers[i];
    if (whole->kind != MODA_LAYER_INPUT) MODA_TRY(connect(s, i, from->input));
    from->shape.c = s->kept->out[i].count;
    if (moda_kept_depthwise(s->net, i)) from->groups = from->shape.c;
    if (whole->kind == MODA_LAYER_SELECT) {
        bool needed = true;
        MODA_TRY(cut_select(s, i, &needed));
        if (!needed) {
            s->place[i] = from->input[0];
            goto out;
        }
    }
    s->place[i] = s->made->layer_count;
    s->made->layers[s->made->layer_count++] = *from;
    from->name = NULL, from->channels = NULL;
out:
    return st;
}

/* Through a description, so that the parser checks it as it will when the file is read. */
static moda_status parse_again(const moda_net *net, moda_net **parsed)
{
    moda_status st = MODA_OK;
    char *text = NULL;
    const moda_net_defaults defaults = {net->input, net->classes};
    MODA_TRY(moda_net_print(net, &text));
    MODA_TRY(moda_net_parse(text, net->name, defaults, parsed));
out:
    free(text);
    return st;
}

moda_status moda_slice_net(const moda_net *net, const moda_kept *kept, moda_net **sliced)
{
    moda_status st = MODA_OK;
    slicer s = {.net = net, .kept = kept};
    const size_t n = net->layer_count;
    MODA_TRY(parse_again(net, &s.old));
    MODA_CHECK(s.old->layer_count == n, MODA_ERR_INTERNAL,
               "%s: its printed description has %zu layers instead of %zu", net->name,
               s.old->layer_count, n);
    MODA_ALLOC(s.made, sizeof *s.made);
    MODA_ALLOC(s.made->layers, 3 * n * sizeof *s.made->layers); /* two selects each at most */
    MODA_ALLOC(s.place, n * sizeof *s.place);
    MODA_ALLOC(s.selections, 2 * n * sizeof *s.selections);
    for (size_t i = 0; i < n; i++) MODA_TRY(move_layer(&s, i));
    s.made->name = s.old->name, s.old->name = NULL;
    s.made->input = net->input;
    s.made->conv_init = net->conv_init, s.made->linear_init = net->linear_init;
    s.made->classes = kept->out[n - 1].count;
    MODA_TRY(parse_again(s.made, sliced));
out:
    moda_net_destroy(s.old);
    moda_net_destroy(s.made);
    free(s.place);
    free(s.selections);
    return st;
}
