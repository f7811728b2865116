#include "decompose/ablate.h"
#include "datasets/batch.h"
#include "decompose/ablate_internal.h"
#include "decompose/suffix.h"
#include "numa/memory.h"
#include <stdlib.h>
#include <string.h>

/* ---- what is to be done ---- */

static bool wants_layer(const moda_ablate_options *o, size_t l)
{
    for (size_t i = 0; i < o->layers.n; i++)
        if (o->layers.values[i] == l) return true;
    return o->layers.n == 0;
}

static size_t count_chosen(const moda_ablate_options *o, size_t k, size_t l)
{
    size_t n = 0;
    for (size_t u = 0; u < o->masks->shape.units[l]; u++)
        n += moda_ablate_chosen(o, moda_ablate_row(o, k, l) + u);
    return n;
}

/* Where nothing is switched off, the whole model is still asked once: behind the last layer. */
static bool has_work(const moda_ablate_work *w, size_t l)
{
    const moda_ablate_options *o = w->o;
    size_t n = 0;
    for (size_t i = 0; i < o->outputs.n; i++) n += count_chosen(o, o->outputs.values[i], l);
    return w->result->count ? n > 0 && wants_layer(o, l) : l + 1 == o->masks->shape.layers;
}

static void list_layer(moda_ablate_work *w, size_t k, size_t l)
{
    const moda_ablate_options *o = w->o;
    moda_ablate *r = w->result;
    const size_t units = o->masks->shape.units[l], chosen = count_chosen(o, k, l);
    moda_ablation one = {(uint32_t)k, (uint32_t)l, (uint32_t)chosen, 0, 0, 0};
    if (o->by_layer && chosen) {
        w->place[k * o->masks->shape.layers + l] = (uint32_t)r->count;
        r->items[r->count++] = one;
    }
    for (size_t u = 0; u < units && !o->by_layer; u++) {
        if (!moda_ablate_chosen(o, moda_ablate_row(o, k, l) + u)) continue;
        w->place[moda_ablate_row(o, k, l) + u] = (uint32_t)r->count;
        one.unit = (uint32_t)u;
        r->items[r->count++] = one;
    }
}

static moda_status list_ablations(moda_ablate_work *w)
{
    moda_status st = MODA_OK;
    const moda_ablate_options *o = w->o;
    const moda_class_tables *t = &o->masks->shape;
    MODA_ALLOC(w->place, t->elements * sizeof *w->place);
    MODA_ALLOC(w->result->items, t->elements * sizeof *w->result->items);
    memset(w->place, 0xff, t->elements * sizeof *w->place);
    for (size_t i = 0; i < o->outputs.n; i++)
        for (size_t l = 0; l < t->layers; l++)
            if (wants_layer(o, l)) list_layer(w, o->outputs.values[i], l);
out:
    return st;
}

/* ---- images ---- */

static moda_status check_images(const moda_ablate_options *o)
{
    moda_status st = MODA_OK;
    const moda_net *net = o->model->net;
    MODA_CHECK(o->images->n, MODA_ERR_ARG, "%s: no image in this split: name another", o->source);
    MODA_CHECK(o->images->channels == net->input.c && o->images->height == net->input.h &&
                   o->images->width == net->input.w,
               MODA_ERR_ARG,
               "%s: images are %zux%zux%zu, network %s wants %zux%zux%zu: use the data it was made "
               "for",
               o->source, o->images->channels, o->images->height, o->images->width, net->name,
               net->input.c, net->input.h, net->input.w);
    MODA_CHECK(o->model->std[0] > 0, MODA_ERR_ARG,
               "the model does not say how its input is normalised: train or decompose it again");
    MODA_CHECK(!o->masks->shape.mwt, MODA_ERR_UNSUPPORTED,
               "network %s has [mask] layers (MwT), which switch channels by sample: only networks "
               "without are ablated",
               net->name);
    MODA_CHECK(net->tracked[net->tracked_count - 1] + 1 < net->layer_count, MODA_ERR_UNSUPPORTED,
               "%s ends in a ReLU, whose channels are its outputs: end it with a linear layer",
               net->name);
out:
    return st;
}

static moda_status find_outputs(moda_ablate_work *w)
{
    moda_status st = MODA_OK;
    const moda_ablate_options *o = w->o;
    const moda_model *m = o->model;
    MODA_ALLOC(w->output, o->images->n * sizeof *w->output);
    for (size_t i = 0; i < o->images->n; i++) {
        w->output[i] = MODA_ABLATE_NONE;
        for (size_t j = 0; j < o->outputs.n && w->output[i] == MODA_ABLATE_NONE; j++)
            if (m->class_ids[o->outputs.values[j]] == o->images->labels[i])
                w->output[i] = (uint32_t)o->outputs.values[j];
        if (w->output[i] != MODA_ABLATE_NONE) w->result->samples[w->output[i]]++;
    }
    for (size_t j = 0; j < o->outputs.n; j++) {
        const size_t k = o->outputs.values[j];
        MODA_CHECK(w->result->samples[k], MODA_ERR_ARG,
                   "%s: class %u%s%s has no image among these %zu: raise --limit, or name other "
                   "classes with --classes",
                   o->source, m->class_ids[k], m->class_names[k] ? " " : "",
                   m->class_names[k] ? m->class_names[k] : "", o->images->n);
    }
out:
    return st;
}

/* Images from .. from+n-1, normalised, into value. */
static moda_status load_images(moda_ablate_work *w, size_t from, size_t n)
{
    moda_status st = MODA_OK;
    const moda_images *all = w->o->images;
    moda_images some = *all;
    moda_batch_options options = {.batch_size = n};
    moda_batches *batches = NULL;
    uint32_t *labels = NULL;
    some.n = n, some.replicas = NULL, some.labels = all->labels + from;
    if (all->own)
        some.own = all->own + from;
    else
        some.pixels = all->pixels + from * all->channels * all->height * all->width;
    memcpy(options.mean, w->o->model->mean, sizeof options.mean);
    memcpy(options.std, w->o->model->std, sizeof options.std);
    MODA_ALLOC(labels, n * sizeof *labels);
    MODA_TRY(moda_batches_create(&some, &options, &batches));
    moda_batches_fill(batches, 0, w->value, labels);
out:
    moda_batches_destroy(batches);
    free(labels);
    return st;
}

/* ---- all ---- */

static moda_status run_part(moda_ablate_work *w, size_t from, size_t n)
{
    moda_status st = MODA_OK;
    const moda_net *net = w->o->model->net;
    size_t at = 0;
    bool first = true;
    MODA_TRY(load_images(w, from, n));
    for (size_t l = 0; l < net->tracked_count; l++) {
        const size_t cut = moda_suffix_cut(net, l);
        if (!has_work(w, l)) continue;
        if (cut > at) {
            float *swap = w->value;
            MODA_TRY(moda_pieces_run(w->pieces, w->o->model, at, cut, n, w->value, w->next));
            w->value = w->next, w->next = swap;
            at = cut;
        }
        MODA_TRY(moda_ablate_layer(w, l, from, n, first));
        first = false;
    }
out:
    return st;
}

static moda_status allocate(moda_ablate_work *w)
{
    moda_status st = MODA_OK;
    const moda_net *net = w->o->model->net;
    const size_t batch = w->o->batch_size;
    size_t units = 0;
    w->widest = net->input.c * net->input.h * net->input.w;
    for (size_t l = 0; l < net->tracked_count; l++) {
        const moda_shape s = net->layers[moda_suffix_cut(net, l)].shape;
        if (w->o->masks->shape.units[l] > units) units = w->o->masks->shape.units[l];
        if (s.c * s.h * s.w > w->widest) w->widest = s.c * s.h * s.w;
    }
    w->part = MODA_ABLATE_BYTES / (2 * w->widest * sizeof(float));
    if (w->part < 1) w->part = 1;
    if (w->part > w->o->images->n) w->part = w->o->images->n;
    const size_t bytes = w->part * w->widest * sizeof(float);
    MODA_TRY(moda_memory_create(bytes, "outputs of a layer", (void **)&w->value));
    MODA_TRY(moda_memory_create(bytes, "outputs of a layer", (void **)&w->next));
    MODA_TRY(moda_pieces_create(batch < w->part ? batch : w->part, SIZE_MAX, &w->pieces));
    MODA_ALLOC(w->x, batch * sizeof *w->x);
    MODA_ALLOC(w->active, w->part * units);
    MODA_ALLOC(w->off, batch * units);
    MODA_ALLOC(w->right, w->part * sizeof *w->right);
    MODA_ALLOC(w->pair, batch * sizeof *w->pair);
    MODA_ALLOC(w->item, batch * sizeof *w->item);
out:
    return st;
}

static void release(moda_ablate_work *w)
{
    const size_t bytes = w->part * w->widest * sizeof(float);
    moda_memory_destroy(w->value, bytes);
    moda_memory_destroy(w->next, bytes);
    moda_pieces_destroy(w->pieces);
    free(w->output);
    free(w->place);
    free(w->x);
    free(w->active);
    free(w->off);
    free(w->right);
    free(w->pair);
    free(w->item);
}

moda_status moda_ablate_run(const moda_ablate_options *o, moda_ablate **result)
{
    moda_status st = MODA_OK;
    const size_t classes = o->model->net->classes;
    moda_ablate_work w = {.o = o};
    moda_ablate *r = NULL;
    size_t total = 0;
    MODA_TRY(check_images(o));
    MODA_ALLOC(r, sizeof *r);
    w.result = r;
    MODA_ALLOC(r->samples, classes * sizeof *r->samples);
    MODA_ALLOC(r->correct, classes * sizeof *r->correct);
    MODA_TRY(find_outputs(&w));
    MODA_TRY(list_ablations(&w));
    MODA_TRY(allocate(&w));
    for (size_t k = 0; k < classes; k++) total += r->samples[k];
    size_t layers = 0;
    for (size_t l = 0; l < o->masks->shape.layers; l++) layers += has_work(&w, l);
    total *= layers;
    r->seconds = -moda_seconds();
    if (o->label) moda_progress_begin(&w.progress, o->label, "images", total);
    for (size_t from = 0, n; from < o->images->n; from += n) {
        n = o->images->n - from < w.part ? o->images->n - from : w.part;
        MODA_TRY(run_part(&w, from, n));
    }
    r->seconds += moda_seconds();
    *result = r, r = NULL;
out:
    if (o->label && w.item) moda_progress_end(&w.progress);
    release(&w);
    moda_ablate_destroy(r);
    return st;
}

void moda_ablate_destroy(moda_ablate *r)
{
    if (!r) return;
    free(r->items);
    free(r->samples);
    free(r->correct);
    free(r);
}
