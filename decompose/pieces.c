#include "decompose/pieces.h"
#include "decompose/segments.h"
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 2048 };

typedef struct piece {
    char *text; /* its description: what it is found by */
    uint64_t hash;
    uint64_t used; /* when, in runs */
    size_t bytes;
    moda_net *net;
    moda_weights *weights;
    moda_executor *executor;
    moda_workspace *workspace;
} piece;

struct moda_pieces {
    size_t batch, most_bytes, bytes;
    size_t count, found, made;
    uint64_t clock;
    piece slot[SLOTS];
};

moda_status moda_pieces_create(size_t batch, size_t bytes, moda_pieces **pieces)
{
    moda_status st = MODA_OK;
    moda_pieces *p = NULL;
    MODA_ALLOC(p, sizeof *p);
    p->batch = batch, p->most_bytes = bytes;
    *pieces = p;
out:
    return st;
}

static void free_piece(piece *p)
{
    moda_workspace_destroy(p->workspace);
    moda_executor_destroy(p->executor);
    moda_weights_destroy(p->weights);
    moda_net_destroy(p->net);
    free(p->text);
    *p = (piece){0};
}

void moda_pieces_destroy(moda_pieces *p)
{
    if (!p) return;
    for (size_t i = 0; i < p->count; i++) free_piece(&p->slot[i]);
    free(p);
}

void moda_pieces_count(const moda_pieces *p, size_t *found, size_t *made)
{
    *found = p->found, *made = p->made;
}

/* FNV-1a. */
static uint64_t hash_text(const char *text)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (; *text; text++) h = (h ^ (unsigned char)*text) * UINT64_C(1099511628211);
    return h;
}

static void drop_oldest(moda_pieces *p)
{
    size_t oldest = 0;
    for (size_t i = 1; i < p->count; i++)
        if (p->slot[i].used < p->slot[oldest].used) oldest = i;
    p->bytes -= p->slot[oldest].bytes;
    free_piece(&p->slot[oldest]);
    p->slot[oldest] = p->slot[--p->count];
    p->slot[p->count] = (piece){0};
}

/* Takes net and text, also when it fails. */
static moda_status make(moda_pieces *p, moda_net *net, char *text, uint64_t hash, piece **result)
{
    moda_status st = MODA_OK;
    const moda_executor_options options = {.batch = p->batch, .blocked = true};
    piece made = {.text = text, .hash = hash, .net = net};
    MODA_TRY(moda_weights_create(net, &made.weights));
    MODA_TRY(moda_executor_create(made.weights, &options, &made.executor));
    MODA_TRY(moda_workspace_create(&made.executor, 1, &made.workspace));
    made.bytes = moda_executor_bytes(made.executor) + moda_weights_bytes(made.weights);
    while (p->count && (p->count == SLOTS || p->bytes + made.bytes > p->most_bytes)) drop_oldest(p);
    p->bytes += made.bytes;
    p->made++;
    *result = &p->slot[p->count++];
    **result = made, made = (piece){0};
out:
    free_piece(&made);
    return st;
}

static moda_status get(moda_pieces *p, const moda_net *net, size_t from, size_t to, piece **result)
{
    moda_status st = MODA_OK;
    moda_net *wanted = NULL;
    char *text = NULL;
    MODA_TRY(moda_net_piece(net, from, to, &wanted));
    MODA_TRY(moda_net_print(wanted, &text));
    const uint64_t hash = hash_text(text);
    for (size_t i = 0; i < p->count; i++) {
        if (p->slot[i].hash != hash || strcmp(p->slot[i].text, text) != 0) continue;
        *result = &p->slot[i];
        p->found++;
        goto out;
    }
    moda_net *net_given = wanted;
    char *text_given = text;
    wanted = NULL, text = NULL;
    MODA_TRY(make(p, net_given, text_given, hash, result));
out:
    moda_net_destroy(wanted);
    free(text);
    return st;
}

/* The piece's tensors stand one after the other among those of the model. */
moda_status moda_piece_load(moda_weights *weights, moda_net *net, const moda_model *model,
                            size_t from)
{
    moda_status st = MODA_OK;
    moda_model part = {.net = net};
    for (size_t i = 0; i < model->parameters.count && !part.values; i++)
        if (model->parameters.items[i].layer > from)
            part.values = model->values + model->parameters.items[i].offset;
    if (part.values) MODA_TRY(moda_weights_load(weights, &part));
out:
    return st;
}

/* memcpy() by all threads: these are hundreds of MiB per second of work. */
static void copy(float *to, const float *from, size_t floats)
{
    enum { RUN = 1 << 16 };
    if (floats <= RUN) {
        memcpy(to, from, floats * sizeof *to);
        return;
    }
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < (floats + RUN - 1) / RUN; i++) {
        const size_t left = floats - i * RUN;
        memcpy(to + i * RUN, from + i * RUN, (left < RUN ? left : RUN) * sizeof *to);
    }
}

moda_status moda_pieces_run(moda_pieces *p, const moda_model *model, size_t from, size_t to,
                            size_t n, const float *x, float *y)
{
    moda_status st = MODA_OK;
    piece *one = NULL;
    const moda_shape in = model->net->layers[from].shape, out_shape = model->net->layers[to].shape;
    const size_t in_floats = in.c * in.h * in.w;
    const size_t out_floats = out_shape.c * out_shape.h * out_shape.w;
    MODA_TRY(get(p, model->net, from, to, &one));
    one->used = ++p->clock;
    MODA_TRY(moda_piece_load(one->weights, one->net, model, from));
    for (size_t i = 0, count; i < n; i += count) {
        /* behind a last smaller batch stand images of an earlier one; they are run, not copied out */
        count = n - i < p->batch ? n - i : p->batch;
        copy(moda_executor_input(one->executor), x + i * in_floats, count * in_floats);
        MODA_TRY(moda_executor_forward(one->executor));
        copy(y + i * out_floats, moda_executor_logits(one->executor), count * out_floats);
    }
out:
    return st;
}
