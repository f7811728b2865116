#include "decompose/reuse_plan.h"
#include "decompose/compose.h"
#include "decompose/kept.h"
#include "decompose/metrics.h"
#include "decompose/widen.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What all sub-tasks keep, as bits: key of sub-task t at bytes + t*stride, its segment s at
 * begin[s] .. begin[s+1]-1. */
typedef struct keys {
    size_t stride;
    size_t *begin; /* [depth+1] */
    uint8_t *bytes;
    size_t depth;
} keys;

static size_t set_bytes(size_t channels)
{
    return (channels + 63) / 64 * sizeof(uint64_t);
}

/* Channels of the layer, and those of its input that its weights read. */
static size_t layer_key_bytes(const moda_net *net, size_t i)
{
    const moda_layer *l = &net->layers[i];
    const bool weights = moda_kept_run(net, i) > 0;
    return set_bytes(l->shape.c) + (weights ? set_bytes(net->layers[l->input[0]].shape.c) : 0);
}

static moda_status create_keys(const moda_net *net, const moda_segments *segments, size_t count,
                               keys *k)
{
    moda_status st = MODA_OK;
    k->depth = segments->count;
    MODA_ALLOC(k->begin, (segments->count + 1) * sizeof *k->begin);
    for (size_t s = 0; s < segments->count; s++) {
        k->begin[s + 1] = k->begin[s];
        for (size_t i = segments->cut[s] + 1; i <= segments->cut[s + 1]; i++)
            k->begin[s + 1] += layer_key_bytes(net, i);
    }
    k->stride = k->begin[segments->count];
    MODA_ALLOC(k->bytes, count * k->stride);
out:
    return st;
}

static void write_key(const moda_net *net, const moda_segments *segments, const moda_kept *kept,
                      uint8_t *key)
{
    for (size_t i = 1; i <= segments->cut[segments->count]; i++) {
        const moda_channels *out = &kept->out[i], *in = kept->in[i];
        memcpy(key, out->bits, set_bytes(out->of));
        if (in) memcpy(key + set_bytes(out->of), in->bits, set_bytes(in->of));
        key += layer_key_bytes(net, i);
    }
}

/* Leading segments that two sub-tasks keep alike. */
static size_t common_segments(const keys *k, size_t a, size_t b)
{
    const uint8_t *x = k->bytes + a * k->stride, *y = k->bytes + b * k->stride;
    size_t s = 0;
    while (s < k->depth && !memcmp(x + k->begin[s], y + k->begin[s], k->begin[s + 1] - k->begin[s]))
        s++;
    return s;
}

static int by_key(const void *a, const void *b, void *context)
{
    const keys *k = context;
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;
    const int order = memcmp(k->bytes + x * k->stride, k->bytes + y * k->stride, k->stride);
    return order ? order : (x > y) - (x < y);
}

static void measure(const moda_net *net, const moda_segments *segments, const moda_kept *kept,
                    moda_reuse_plan *p, size_t t)
{
    p->parameters[t] = moda_module_parameters(net, kept);
    p->flops[t] = moda_module_flops(net, kept);
    for (size_t s = 0; s < p->depth; s++)
        for (size_t i = segments->cut[s] + 1; i <= segments->cut[s + 1]; i++) {
            const moda_channels *out = &kept->out[i], *in = kept->in[i];
            double share = (double)out->count / (double)out->of;
            if (in) share *= (double)in->count / (double)in->of;
            p->segment_flops[t * p->depth + s] +=
                (uint64_t)(share * (double)moda_layer_flops(net, i) + 0.5);
        }
}

/* "classes 0,3,5: " before the message. */
static moda_status name_subtask(moda_status st, const uint32_t *class_ids, const uint32_t *outputs,
                                size_t n)
{
    char text[96] = "";
    size_t used = 0;
    for (size_t i = 0; i < n && used < sizeof text - 16; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%u", i ? "," : "",
                                 class_ids[outputs[i]]);
    return moda_fail_context(st, "classes %s", text);
}

/* Figures of the network itself. */
static moda_status add_figures(const moda_net *net, const uint32_t *class_ids,
                               const moda_masks *masks, const moda_segments *segments,
                               const uint32_t *outputs, size_t n, size_t t, moda_reuse_plan *p)
{
    moda_status st = MODA_OK;
    moda_kept *kept = NULL;
    size_t *classes = NULL;
    MODA_ALLOC(classes, n * sizeof *classes);
    for (size_t i = 0; i < n; i++) classes[i] = outputs[i];
    st = moda_kept_of_classes(net, masks, classes, n, &kept);
    if (st != MODA_OK) st = name_subtask(st, class_ids, outputs, n);
    MODA_TRY(st);
    measure(net, segments, kept, p, t);
out:
    free(classes);
    moda_kept_destroy(kept);
    return st;
}

/* What is compared is what runs: idle channels too, of which a layer may keep more or fewer because of
 * a layer behind it. */
static moda_status add_key(const moda_net *wide, const moda_masks *masks,
                           const moda_segments *segments, const uint32_t *outputs, size_t n,
                           uint8_t *key)
{
    moda_status st = MODA_OK;
    moda_kept *kept = NULL;
    MODA_TRY(moda_kept_of_wide(wide, masks, outputs, n, &kept));
    write_key(wide, segments, kept, key);
out:
    moda_kept_destroy(kept);
    return st;
}

moda_status moda_reuse_plan_create(const moda_net *net, const moda_net *wide,
                                   const uint32_t *class_ids, const moda_masks *masks,
                                   const moda_segments *segments, const moda_subtasks *subtasks,
                                   moda_reuse_plan **plan)
{
    moda_status st = MODA_OK;
    moda_reuse_plan *p = NULL;
    keys k = {0};
    const size_t n = subtasks->count;
    MODA_ALLOC(p, sizeof *p);
    p->count = n, p->depth = segments->count;
    MODA_ALLOC(p->order, n * sizeof *p->order);
    MODA_ALLOC(p->common, n * sizeof *p->common);
    MODA_ALLOC(p->parameters, n * sizeof *p->parameters);
    MODA_ALLOC(p->flops, n * sizeof *p->flops);
    MODA_ALLOC(p->segment_flops, n * p->depth * sizeof *p->segment_flops);
    MODA_TRY(create_keys(wide, segments, n, &k));
    for (size_t t = 0; t < n; t++) {
        p->order[t] = t;
        const uint32_t *outputs = moda_subtask_outputs(subtasks, t);
        const size_t size = moda_subtask_size(subtasks, t);
        MODA_TRY(add_figures(net, class_ids, masks, segments, outputs, size, t, p));
        MODA_TRY(add_key(wide, masks, segments, outputs, size, k.bytes + t * k.stride));
    }
    qsort_r(p->order, n, sizeof *p->order, by_key, &k);
    for (size_t i = 1; i < n; i++) p->common[i] = common_segments(&k, p->order[i - 1], p->order[i]);
    *plan = p, p = NULL;
out:
    moda_reuse_plan_destroy(p);
    free(k.begin);
    free(k.bytes);
    return st;
}

void moda_reuse_plan_destroy(moda_reuse_plan *p)
{
    if (!p) return;
    free(p->order);
    free(p->common);
    free(p->parameters);
    free(p->flops);
    free(p->segment_flops);
    free(p);
}
