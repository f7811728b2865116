#include "decompose/reuse_plan.h"
#include "decompose/compose.h"
#include "decompose/kept.h"
#include "decompose/metrics.h"
#include "decompose/widen.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where the bits of each layer stand among those of a sub-task. */
static moda_status create_bits(const moda_net *wide, moda_reuse_plan *p)
{
    moda_status st = MODA_OK;
    MODA_ALLOC(p->at, (wide->layer_count + 1) * sizeof *p->at);
    for (size_t i = 0; i < wide->layer_count; i++)
        p->at[i + 1] = p->at[i] + (wide->layers[i].shape.c + 63) / 64;
    p->words = p->at[wide->layer_count];
    MODA_ALLOC(p->bits, p->count * p->words * sizeof *p->bits);
out:
    return st;
}

/* Leading segments that two sub-tasks keep alike. */
static size_t common_segments(const moda_reuse_plan *p, const moda_segments *segments, size_t a,
                              size_t b)
{
    size_t s = 0;
    for (; s < p->depth; s++) {
        const size_t first = p->at[segments->cut[s] + 1], end = p->at[segments->cut[s + 1] + 1];
        if (memcmp(p->bits + a * p->words + first, p->bits + b * p->words + first,
                   (end - first) * sizeof *p->bits) != 0)
            break;
    }
    return s;
}

static int by_bits(const void *a, const void *b, void *context)
{
    const moda_reuse_plan *p = context;
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;
    const int order =
        memcmp(p->bits + x * p->words, p->bits + y * p->words, p->words * sizeof *p->bits);
    return order ? order : (x > y) - (x < y);
}

/* Channels of the set that the network has without idle ones. */
static double own_channels(const moda_channels *set, size_t own)
{
    size_t n = set->count;
    while (n > 0 && set->index[n - 1] >= own) n--;
    return (double)n;
}

double moda_reuse_segment_flops(const moda_net *net, const moda_segments *segments,
                                const moda_kept *kept, size_t s)
{
    double sum = 0;
    for (size_t i = segments->cut[s] + 1; i <= segments->cut[s + 1]; i++) {
        const moda_layer *l = &net->layers[i];
        const size_t inputs = net->layers[l->input[0]].shape.c;
        double share = own_channels(&kept->out[i], l->shape.c) / (double)l->shape.c;
        if (kept->in[i]) share *= own_channels(kept->in[i], inputs) / (double)inputs;
        sum += share * (double)moda_layer_flops(net, i);
    }
    return sum;
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
    p->parameters[t] = moda_module_parameters(net, kept);
    p->flops[t] = moda_module_flops(net, kept);
    for (size_t s = 0; s < p->depth; s++)
        p->segment_flops[t * p->depth + s] = moda_reuse_segment_flops(net, segments, kept, s);
out:
    free(classes);
    moda_kept_destroy(kept);
    return st;
}

/* What is compared is what runs: idle channels too, of which a layer may keep more or fewer because of
 * a layer behind it. */
static moda_status add_bits(const moda_net *wide, const moda_masks *masks, const uint32_t *outputs,
                            size_t n, size_t t, moda_reuse_plan *p)
{
    moda_status st = MODA_OK;
    moda_kept *kept = NULL;
    MODA_TRY(moda_kept_of_wide(wide, masks, outputs, n, &kept));
    for (size_t i = 0; i < wide->layer_count; i++)
        memcpy(p->bits + t * p->words + p->at[i], kept->out[i].bits,
               (p->at[i + 1] - p->at[i]) * sizeof *p->bits);
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
    const size_t n = subtasks->count;
    MODA_ALLOC(p, sizeof *p);
    p->count = n, p->depth = segments->count;
    MODA_ALLOC(p->order, n * sizeof *p->order);
    MODA_ALLOC(p->common, n * sizeof *p->common);
    MODA_ALLOC(p->parameters, n * sizeof *p->parameters);
    MODA_ALLOC(p->flops, n * sizeof *p->flops);
    MODA_ALLOC(p->segment_flops, n * p->depth * sizeof *p->segment_flops);
    MODA_TRY(create_bits(wide, p));
    for (size_t t = 0; t < n; t++) {
        p->order[t] = t;
        const uint32_t *outputs = moda_subtask_outputs(subtasks, t);
        const size_t size = moda_subtask_size(subtasks, t);
        MODA_TRY(add_figures(net, class_ids, masks, segments, outputs, size, t, p));
        MODA_TRY(add_bits(wide, masks, outputs, size, t, p));
    }
    qsort_r(p->order, n, sizeof *p->order, by_bits, p);
    for (size_t i = 1; i < n; i++)
        p->common[i] = common_segments(p, segments, p->order[i - 1], p->order[i]);
    *plan = p, p = NULL;
out:
    moda_reuse_plan_destroy(p);
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
    free(p->at);
    free(p->bits);
    free(p);
}
