#include "decompose/widen.h"
#include <stdlib.h>
#include <string.h>

/* Which layers have channels that masks decide about: those that keep less when every mask keeps one
 * channel alone. Asked of the slicing rules, not known here. */
static moda_status find_masked(const moda_net *net, moda_sites sites, bool *masked)
{
    moda_status st = MODA_OK;
    const size_t any_class = 0;
    moda_kept *kept = NULL;
    uint8_t **keep = NULL;
    MODA_ALLOC(keep, sites.count * sizeof *keep);
    for (size_t l = 0; l < sites.count; l++) {
        MODA_ALLOC(keep[l], net->layers[sites.layers[l]].shape.c);
        keep[l][0] = 1;
    }
    MODA_TRY(moda_kept_create_at(net, sites, (const uint8_t *const *)keep, &any_class, 1, &kept));
    for (size_t i = 0; i < net->layer_count; i++) masked[i] = kept->out[i].count < kept->out[i].of;
    /* The classes of the logits, and what follows the same layer, are chosen by no mask. */
    for (size_t i = net->layer_count; i-- > 0;) {
        masked[i] = false;
        if (net->layers[i].kind == MODA_LAYER_CONV || net->layers[i].kind == MODA_LAYER_LINEAR)
            break;
    }
out:
    for (size_t l = 0; keep && l < sites.count; l++) free(keep[l]);
    free(keep);
    moda_kept_destroy(kept);
    return st;
}

/* The network with more outputs where masked; through its description, so that the reader works out
 * and checks all shapes. *wide stays NULL where they do not fit together. */
static moda_status widen_net(const moda_net *net, const bool *masked, moda_net **wide)
{
    moda_status st = MODA_OK;
    moda_net *copy = NULL;
    char *text = NULL, *more = NULL;
    moda_net_defaults defaults = {net->input, net->classes};
    MODA_TRY(moda_net_print(net, &text));
    MODA_TRY(moda_net_parse(text, net->name, defaults, &copy));
    for (size_t i = 0; i < copy->layer_count; i++) {
        moda_layer *l = &copy->layers[i];
        if (!masked[i] || (l->kind != MODA_LAYER_CONV && l->kind != MODA_LAYER_LINEAR)) continue;
        if (l->groups > 1) l->groups += MODA_WIDEN_MULTIPLE - 1; /* fits if it is depthwise */
        l->shape.c += MODA_WIDEN_MULTIPLE - 1;
    }
    MODA_TRY(moda_net_print(copy, &more));
    st = moda_net_parse(more, net->name, defaults, wide);
    MODA_CHECK(st == MODA_OK || st == MODA_ERR_FORMAT, st, "%s", moda_last_error());
    if (st == MODA_ERR_FORMAT) *wide = NULL, st = MODA_OK;
out:
    moda_net_destroy(copy);
    free(text);
    free(more);
    return st;
}

/* p [rows, columns..] of the model into the corner of q [more rows, more columns..]; the run of a
 * column is what belongs to one input channel, so more channels are more columns at the end. */
static void copy_parameter(const moda_parameter *p, const float *from, const moda_parameter *q,
                           float *to)
{
    const size_t rows = p->shape[0], a = p->elements / rows, b = q->elements / q->shape[0];
    for (size_t r = 0; r < rows; r++) memcpy(to + r * b, from + r * a, a * sizeof *to);
}

/* Zeros but for the variances, by which is divided. */
static void clear_values(moda_model *wide)
{
    for (size_t i = 0; i < wide->parameters.count; i++) {
        const moda_parameter *q = &wide->parameters.items[i];
        for (size_t k = 0; k < q->elements; k++)
            wide->values[q->offset + k] = q->role == MODA_RUNNING_VAR ? 1 : 0;
    }
}

moda_status moda_widen(const moda_model *model, moda_sites sites, moda_model **result)
{
    moda_status st = MODA_OK;
    moda_model *wide = NULL;
    moda_net *net = NULL;
    bool *masked = NULL;
    MODA_ALLOC(masked, model->net->layer_count * sizeof *masked);
    MODA_TRY(find_masked(model->net, sites, masked));
    MODA_TRY(widen_net(model->net, masked, &net));
    if (!net) {
        memset(masked, 0, model->net->layer_count * sizeof *masked);
        MODA_TRY(widen_net(model->net, masked, &net));
    }
    MODA_TRY(moda_model_create(net, &wide)); /* takes the net, also when it fails */
    MODA_CHECK(wide->parameters.count == model->parameters.count, MODA_ERR_INTERNAL,
               "%s: widened it has %zu tensors instead of %zu", model->net->name,
               wide->parameters.count, model->parameters.count);
    clear_values(wide);
    for (size_t i = 0; i < model->parameters.count; i++) {
        const moda_parameter *p = &model->parameters.items[i], *q = &wide->parameters.items[i];
        copy_parameter(p, model->values + p->offset, q, wide->values + q->offset);
    }
    memcpy(wide->mean, model->mean, sizeof wide->mean);
    memcpy(wide->std, model->std, sizeof wide->std);
    wide->crop = model->crop;
    memcpy(wide->class_ids, model->class_ids, model->net->classes * sizeof *wide->class_ids);
    *result = wide, wide = NULL;
out:
    moda_model_destroy(wide);
    free(masked);
    return st;
}

/* keep [wide_units]: the mask's channels, then idle ones. */
static void round_up(size_t units, size_t wide_units, uint8_t *keep)
{
    size_t kept = 0;
    for (size_t k = 0; k < units; k++) kept += keep[k];
    const size_t idle = (MODA_WIDEN_MULTIPLE - kept % MODA_WIDEN_MULTIPLE) % MODA_WIDEN_MULTIPLE;
    if (kept == 0) return; /* an empty layer is an error, and idle channels would hide it */
    for (size_t k = 0; k < idle && units + k < wide_units; k++) keep[units + k] = 1;
}

moda_status moda_kept_of_wide(const moda_net *wide, const moda_masks *masks,
                              const uint32_t *outputs, size_t count, moda_kept **kept)
{
    moda_status st = MODA_OK;
    const moda_class_tables *shape = &masks->shape;
    uint8_t **keep = NULL;
    size_t *classes = NULL, *all = NULL;
    MODA_ALLOC(classes, count * sizeof *classes);
    MODA_ALLOC(all, wide->classes * sizeof *all);
    for (size_t i = 0; i < count; i++) classes[i] = outputs[i];
    for (size_t k = 0; k < wide->classes; k++) all[k] = k;
    MODA_ALLOC(keep, shape->layers * sizeof *keep);
    for (size_t l = 0; l < shape->layers; l++) {
        const size_t units = wide->layers[shape->site[l]].shape.c;
        MODA_ALLOC(keep[l], units);
        moda_masks_union(masks, l, classes, count, keep[l]);
        round_up(shape->units[l], units, keep[l]);
    }
    MODA_TRY(moda_kept_create_at(wide, moda_class_tables_sites(shape), (const uint8_t *const *)keep,
                                 all, wide->classes, kept));
out:
    for (size_t l = 0; keep && l < shape->layers; l++) free(keep[l]);
    free(keep);
    free(classes);
    free(all);
    return st;
}
