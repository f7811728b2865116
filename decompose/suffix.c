#include "decompose/suffix.h"
#include "decompose/activity.h"
#include "decompose/pieces.h"
#include "decompose/segments.h"
#include "engine/executor.h"
#include <stdlib.h>
#include <string.h>

struct moda_suffix {
    size_t batch, units;
    moda_shape input; /* of the cut */
    bool at_cut;      /* the tracked layer is the cut itself */
    size_t tracked;   /* else: which one it is of the piece */
    moda_net *net;
    moda_weights *weights;
    moda_executor *executor;
    moda_workspace *workspace;
    /* of the run that is on */
    size_t count;
    const uint8_t *off;
    uint8_t *active;
};

size_t moda_suffix_cut(const moda_net *net, size_t l)
{
    size_t cut = net->tracked[l];
    while (cut > 0 && !moda_net_can_cut(net, cut)) cut--;
    return cut;
}

/* x [n, ceil(c/b), hw, b]. */
static void clear_channels(moda_map_shape s, const uint8_t *off, float *x)
{
    const size_t blocks = (s.c + s.block - 1) / s.block;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < s.n; i++)
        for (size_t c = 0; c < s.c; c++) {
            float *map = x + (i * blocks + c / s.block) * s.hw * s.block + c % s.block;
            for (size_t p = 0; off[i * s.c + c] && p < s.hw; p++) map[p * s.block] = 0;
        }
}

/* The layer's output, of which only the first count images matter. */
static void at_layer(moda_suffix *s, moda_map_shape map, float *x)
{
    map.n = s->count;
    if (s->active) moda_activity_flags(map, x, s->active);
    if (s->off) clear_channels(map, s->off, x);
}

/* The executor lets a tap change what later layers read. */
static void tap(void *user, size_t l, moda_map_shape map, const float *x)
{
    moda_suffix *s = user;
    if (l == s->tracked) at_layer(s, map, (float *)x);
}

moda_status moda_suffix_create(const moda_model *model, size_t l, size_t batch,
                               moda_suffix **suffix)
{
    moda_status st = MODA_OK;
    const moda_net *net = model->net;
    const size_t cut = moda_suffix_cut(net, l), layer = net->tracked[l];
    moda_suffix *s = NULL;
    MODA_ALLOC(s, sizeof *s);
    s->batch = batch, s->units = net->layers[layer].shape.c;
    s->input = net->layers[cut].shape, s->at_cut = cut == layer;
    for (size_t i = 0; i < l; i++) s->tracked += net->tracked[i] > cut;
    MODA_TRY(moda_net_piece(net, cut, net->layer_count - 1, &s->net));
    const moda_executor_options options = {
        .batch = batch, .blocked = true, .tap = s->at_cut ? NULL : tap, .tap_user = s};
    MODA_TRY(moda_weights_create(s->net, &s->weights));
    MODA_TRY(moda_executor_create(s->weights, &options, &s->executor));
    MODA_TRY(moda_workspace_create(&s->executor, 1, &s->workspace));
    MODA_TRY(moda_piece_load(s->weights, s->net, model, cut));
    *suffix = s, s = NULL;
out:
    moda_suffix_destroy(s);
    return st;
}

void moda_suffix_destroy(moda_suffix *s)
{
    if (!s) return;
    moda_workspace_destroy(s->workspace);
    moda_executor_destroy(s->executor);
    moda_weights_destroy(s->weights);
    moda_net_destroy(s->net);
    free(s);
}

moda_status moda_suffix_run(moda_suffix *s, size_t count, const float *const *x, const uint8_t *off,
                            uint8_t *active, const float **logits)
{
    moda_status st = MODA_OK;
    const size_t hw = s->input.h * s->input.w, floats = s->input.c * hw;
    const moda_map_shape map = {
        .n = count, .c = s->input.c, .hw = hw, .block = s->input.c % 16 == 0 ? 16 : 1};
    float *input = moda_executor_input(s->executor);
    s->count = count, s->off = off, s->active = active;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < count; i++) memcpy(input + i * floats, x[i], floats * sizeof *input);
    if (s->at_cut) at_layer(s, map, input);
    MODA_TRY(moda_executor_forward(s->executor));
    *logits = moda_executor_logits(s->executor);
out:
    return st;
}
