/* engine/net_build.c - a draft into a graph: unique names, inputs by index, an order in which every
 * layer comes after its inputs, shapes.
 *
 * Until assemble(), a layer's number is its place in the description, counted from 1; 0 is the
 * input. */
#include "engine/net_internal.h"
#include "engine/quote_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char input_name[] = "input";

typedef struct builder {
    net_draft *draft;
    size_t line;     /* that the next message is about */
    size_t *order;   /* [count] written numbers in running order */
    size_t *place;   /* [count + 1] written number -> index in the graph */
    size_t *readers; /* [count + 1] how many layers read it */
} builder;

/* The draft of a written number, which is not 0. */
static net_draft_layer *written(const builder *b, size_t number)
{
    return &b->draft->layers[number - 1];
}

/* ---- names ---- */

/* Written number of the layer called name; count + 1 when there is none. */
static size_t find_name(const builder *b, const char *name)
{
    size_t number = 1;
    if (strcmp(name, input_name) == 0) return 0;
    while (number <= b->draft->count &&
           (!written(b, number)->layer.name || strcmp(written(b, number)->layer.name, name) != 0))
        number++;
    return number;
}

static moda_status check_names(builder *b)
{
    moda_status st = MODA_OK;
    for (size_t i = 1; i <= b->draft->count; i++) {
        const moda_layer *l = &written(b, i)->layer;
        if (!l->name) continue;
        b->line = l->line;
        const size_t first = find_name(b, l->name);
        MODA_CHECK(first != 0, MODA_ERR_FORMAT,
                   "the name 'input' means the network's input; choose another");
        MODA_CHECK(first == i, MODA_ERR_FORMAT,
                   "name '%s' twice, first in line %zu; choose another", MODA_QUOTE(l->name),
                   written(b, first)->layer.line);
    }
out:
    return st;
}

/* relu1, relu2, maxpool1, ...: counted per kind, leaving out names that are taken. */
static moda_status make_up_names(builder *b)
{
    moda_status st = MODA_OK;
    size_t used[NET_KIND_COUNT] = {0};
    for (size_t i = 1; i <= b->draft->count; i++) {
        moda_layer *l = &written(b, i)->layer;
        char name[32];
        if (l->name) continue;
        do {
            snprintf(name, sizeof name, "%s%zu", moda_layer_kind_name(l->kind), ++used[l->kind]);
        } while (find_name(b, name) <= b->draft->count);
        MODA_CHECK((l->name = strdup(name)) != NULL, MODA_ERR_NOMEM, "out of memory");
    }
out:
    return st;
}

/* ---- connections ---- */

static moda_status connect(builder *b)
{
    moda_status st = MODA_OK;
    const size_t count = b->draft->count;
    for (size_t i = 1; i <= count; i++) {
        net_draft_layer *d = written(b, i);
        b->line = d->from_line;
        if (d->from_count == 0) {
            d->layer.input[0] = i - 1;
            b->readers[i - 1]++;
        }
        for (size_t k = 0; k < d->from_count; k++) {
            const size_t from = find_name(b, d->from[k]);
            MODA_CHECK(from <= count, MODA_ERR_FORMAT,
                       "from = '%s': there is no such layer; name one of this description",
                       MODA_QUOTE(d->from[k]));
            d->layer.input[k] = from;
            b->readers[from]++;
        }
    }
out:
    return st;
}

static bool is_placed(const builder *b, size_t number)
{
    return number == 0 || b->place[number] != 0;
}

/* An input that has no place yet; 0 when all have one. */
static size_t waits_for(const builder *b, size_t number)
{
    const moda_layer *l = &written(b, number)->layer;
    for (size_t k = 0; k < moda_layer_inputs(l); k++)
        if (!is_placed(b, l->input[k])) return l->input[k];
    return 0;
}

/* Layers that wait do so for others that wait: after enough steps back one stands in a cycle, in
 * which at least one connection is written out. */
static moda_status report_cycle(builder *b)
{
    size_t number = 1;
    while (is_placed(b, number)) number++;
    for (size_t i = 0; i < b->draft->count; i++) number = waits_for(b, number);
    while (written(b, number)->from_count == 0) number = waits_for(b, number);
    b->line = written(b, number)->from_line;
    return moda_fail_at(__FILE__, __LINE__, MODA_ERR_FORMAT,
                        "layer '%s' needs its own output (a cycle through '%s'); change a `from`",
                        MODA_QUOTE(written(b, number)->layer.name),
                        MODA_QUOTE(written(b, waits_for(b, number))->layer.name));
}

/* Always the first written layer that can run: what is in order already stays as it is. */
static moda_status sort(builder *b)
{
    moda_status st = MODA_OK;
    const size_t count = b->draft->count;
    size_t first = 1; /* all before it are placed */
    for (size_t placed = 0; placed < count; placed++) {
        while (is_placed(b, first)) first++;
        size_t number = first;
        while (number <= count && (is_placed(b, number) || waits_for(b, number))) number++;
        if (number > count) {
            st = report_cycle(b);
            goto out;
        }
        b->order[placed] = number;
        b->place[number] = placed + 1;
    }
    /* Only the last written layer may end the graph, so it also ends the order. */
    for (size_t i = 1; i < count; i++) {
        b->line = written(b, i)->layer.line;
        MODA_CHECK(b->readers[i] > 0, MODA_ERR_FORMAT,
                   "no layer reads '%s'; remove it, name it in a `from`, or write it last",
                   MODA_QUOTE(written(b, i)->layer.name));
    }
out:
    return st;
}

/* ---- the graph ---- */

static moda_status choose_input(builder *b, const moda_net_defaults *defaults, moda_net *net)
{
    moda_status st = MODA_OK;
    const net_draft *d = b->draft;
    const moda_shape in = d->input.c ? d->input : defaults->input;
    b->line = d->input_line;
    MODA_CHECK(in.c && in.h && in.w, MODA_ERR_FORMAT,
               "the size of the input is not known; add 'input = C H W' to [net]");
    MODA_CHECK(in.c <= NET_MAX_CHANNELS && in.h <= NET_MAX_SIDE && in.w <= NET_MAX_SIDE &&
                   (uint64_t)in.c * in.h * in.w < NET_MAX_ELEMENTS,
               MODA_ERR_FORMAT, "an input of %zux%zux%zu is too large; make it smaller", in.c, in.h,
               in.w);
    net->input = in;
out:
    return st;
}

/* The net takes the names over, layer by layer, so that every failure leaves one owner. */
static moda_status assemble(builder *b, moda_net *net)
{
    moda_status st = MODA_OK;
    net_draft *d = b->draft;
    MODA_ALLOC(net->layers, (d->count + 1) * sizeof *net->layers);
    net->layer_count = 1;
    net->layers[0] =
        (moda_layer){.kind = MODA_LAYER_INPUT, .line = d->input_line, .shape = net->input};
    MODA_CHECK((net->layers[0].name = strdup(input_name)) != NULL, MODA_ERR_NOMEM, "out of memory");
    for (size_t i = 0; i < d->count; i++) {
        moda_layer *from = &written(b, b->order[i])->layer, *to = &net->layers[net->layer_count++];
        *to = *from;
        from->name = NULL, from->channels = NULL;
        for (size_t k = 0; k < moda_layer_inputs(to); k++) to->input[k] = b->place[to->input[k]];
    }
    net->name = d->name, d->name = NULL;
    if (!net->name) net->name = strdup("net");
    MODA_CHECK(net->name, MODA_ERR_NOMEM, "out of memory");
    net->conv_init = d->conv_init, net->linear_init = d->linear_init;
out:
    return st;
}

static moda_status infer_shapes(builder *b, size_t classes, moda_net *net)
{
    moda_status st = MODA_OK;
    for (size_t i = 1; i < net->layer_count; i++) {
        b->line = net->layers[i].line;
        MODA_TRY(moda_net_infer_shape(net, i, classes));
    }
    const moda_layer *last = &net->layers[net->layer_count - 1];
    MODA_CHECK(last->shape.h == 1 && last->shape.w == 1, MODA_ERR_FORMAT,
               "the last layer gives %zux%zux%zu, not one number per class; end with [linear] or a "
               "global pool",
               last->shape.c, last->shape.h, last->shape.w);
    MODA_CHECK(classes == 0 || last->shape.c == classes, MODA_ERR_FORMAT,
               "the last layer has %zu outputs for %zu classes; write 'outputs = classes'",
               last->shape.c, classes);
    net->classes = last->shape.c;
out:
    return st;
}

/* A ReLU that ends the network gives the logits and is no hidden layer. */
static moda_status list_layers(moda_net *net)
{
    moda_status st = MODA_OK;
    MODA_ALLOC(net->tracked, net->layer_count * sizeof *net->tracked);
    MODA_ALLOC(net->masks, net->layer_count * sizeof *net->masks);
    for (size_t i = 1; i < net->layer_count; i++) {
        const moda_layer *l = &net->layers[i];
        if (l->kind == MODA_LAYER_RELU && l->tracked && i + 1 < net->layer_count)
            net->tracked[net->tracked_count++] = i;
        if (l->kind == MODA_LAYER_MASK) net->masks[net->mask_count++] = i;
    }
out:
    return st;
}

moda_status moda_net_build(net_draft *draft, const char *source, moda_net_defaults defaults,
                           moda_net **net)
{
    moda_status st = MODA_OK;
    builder b = {.draft = draft, .line = draft->line};
    moda_net *built = NULL;
    const size_t numbers = draft->count + 1;
    MODA_ALLOC(b.order, numbers * sizeof *b.order);
    MODA_ALLOC(b.place, numbers * sizeof *b.place);
    MODA_ALLOC(b.readers, numbers * sizeof *b.readers);
    MODA_ALLOC(built, sizeof *built);
    MODA_TRY(check_names(&b));
    MODA_TRY(make_up_names(&b));
    MODA_TRY(connect(&b));
    MODA_TRY(sort(&b));
    MODA_TRY(choose_input(&b, &defaults, built));
    MODA_TRY(assemble(&b, built));
    MODA_TRY(infer_shapes(&b, draft->classes ? draft->classes : defaults.classes, built));
    MODA_TRY(list_layers(built));
    *net = built, built = NULL;
out:
    moda_net_destroy(built);
    free(b.order);
    free(b.place);
    free(b.readers);
    return moda_fail_context(st, "%s:%zu", source, b.line);
}
