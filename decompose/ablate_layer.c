/* decompose/ablate_layer.c - pairs of an image and what is switched off, batch after batch through
 * the end of the network behind one layer. */
#include "decompose/ablate_internal.h"
#include "decompose/suffix.h"
#include <math.h>
#include <string.h>

typedef struct layer_pass {
    moda_suffix *suffix;
    size_t l, units, floats; /* per image of the cut */
    size_t from, n;          /* images of the part */
    size_t filled;           /* pairs in the batch */
} layer_pass;

static uint32_t answer(const float *z, size_t classes)
{
    size_t best = 0;
    for (size_t k = 1; k < classes; k++)
        if (z[k] > z[best]) best = k;
    return (uint32_t)best;
}

/* Answers with nothing switched off, and which neurons are active. A finite result for each image
 * is asked for here, once. */
static moda_status run_whole(moda_ablate_work *w, const layer_pass *p)
{
    moda_status st = MODA_OK;
    const size_t classes = w->o->model->net->classes, batch = w->o->batch_size;
    for (size_t i = 0, count; i < p->n; i += count) {
        const float *z = NULL;
        count = p->n - i < batch ? p->n - i : batch;
        for (size_t j = 0; j < count; j++) w->x[j] = w->value + (i + j) * p->floats;
        MODA_TRY(moda_suffix_run(p->suffix, count, w->x, NULL, w->active + i * p->units, &z));
        for (size_t j = 0; j < count * classes; j++)
            MODA_CHECK(isfinite(z[j]), MODA_ERR_NUMERIC,
                       "network %s: an output is not finite (NaN or infinite): its weights are "
                       "broken or its training diverged",
                       w->o->model->net->name);
        for (size_t j = 0; j < count; j++) w->right[i + j] = answer(z + j * classes, classes);
    }
out:
    return st;
}

/* Runs the pairs that the batch holds and enters what came out. */
static moda_status run_pairs(moda_ablate_work *w, layer_pass *p)
{
    moda_status st = MODA_OK;
    const size_t classes = w->o->model->net->classes;
    const float *z = NULL;
    if (p->filled == 0) goto out;
    MODA_TRY(moda_suffix_run(p->suffix, p->filled, w->x, w->off, NULL, &z));
    for (size_t j = 0; j < p->filled; j++) {
        const uint32_t output = w->output[p->from + w->pair[j]];
        const bool before = w->right[w->pair[j]] == output;
        const bool after = answer(z + j * classes, classes) == output;
        moda_ablation *item = &w->result->items[w->item[j]];
        item->active++;
        item->lost += before && !after;
        item->gained += !before && after;
    }
    w->result->passes += p->filled;
    p->filled = 0;
out:
    return st;
}

/* The next pair's place in the batch; *off is cleared and for the caller to fill. */
static void add_pair(moda_ablate_work *w, layer_pass *p, size_t image, uint32_t item, uint8_t **off)
{
    const size_t j = p->filled++;
    w->x[j] = w->value + image * p->floats;
    w->pair[j] = (uint32_t)image, w->item[j] = item;
    *off = w->off + j * p->units;
    memset(*off, 0, p->units);
}

static moda_status image_by_layer(moda_ablate_work *w, layer_pass *p, size_t image)
{
    moda_status st = MODA_OK;
    const size_t k = w->output[p->from + image], row = moda_ablate_row(w->o, k, p->l);
    const uint32_t item = w->place[k * w->o->masks->shape.layers + p->l];
    bool any = false;
    uint8_t *off;
    if (item == MODA_ABLATE_NONE) goto out;
    w->result->passes_plain++;
    for (size_t u = 0; u < p->units && !any; u++)
        any = w->active[image * p->units + u] && moda_ablate_chosen(w->o, row + u);
    if (!any) goto out;
    add_pair(w, p, image, item, &off);
    for (size_t u = 0; u < p->units; u++) off[u] = moda_ablate_chosen(w->o, row + u);
    if (p->filled == w->o->batch_size) MODA_TRY(run_pairs(w, p));
out:
    return st;
}

static moda_status image_by_neuron(moda_ablate_work *w, layer_pass *p, size_t image)
{
    moda_status st = MODA_OK;
    const uint32_t *place = w->place + moda_ablate_row(w->o, w->output[p->from + image], p->l);
    uint8_t *off;
    for (size_t u = 0; u < p->units; u++) {
        if (place[u] == MODA_ABLATE_NONE) continue;
        w->result->passes_plain++;
        if (!w->active[image * p->units + u]) continue;
        add_pair(w, p, image, place[u], &off);
        off[u] = 1;
        if (p->filled == w->o->batch_size) MODA_TRY(run_pairs(w, p));
    }
out:
    return st;
}

moda_status moda_ablate_layer(moda_ablate_work *w, size_t l, size_t from, size_t n, bool first)
{
    moda_status st = MODA_OK;
    const moda_net *net = w->o->model->net;
    const moda_shape cut = net->layers[moda_suffix_cut(net, l)].shape;
    layer_pass p = {.l = l,
                    .units = w->o->masks->shape.units[l],
                    .floats = cut.c * cut.h * cut.w,
                    .from = from,
                    .n = n};
    MODA_TRY(moda_suffix_create(w->o->model, l, w->o->batch_size, &p.suffix));
    MODA_TRY(run_whole(w, &p));
    for (size_t i = 0; i < n; i++) {
        const uint32_t k = w->output[from + i];
        if (k == MODA_ABLATE_NONE) continue;
        if (first) w->result->correct[k] += w->right[i] == k;
        MODA_TRY(w->o->by_layer ? image_by_layer(w, &p, i) : image_by_neuron(w, &p, i));
        w->steps_done++;
        if (w->o->label) moda_progress_update(&w->progress, w->steps_done, NULL);
    }
    MODA_TRY(run_pairs(w, &p));
out:
    moda_suffix_destroy(p.suffix);
    return st;
}
