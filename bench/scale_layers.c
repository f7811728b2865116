/* bench/scale_layers.c - which layer and pass stops getting faster. */
#include "bench/scale.h"
#include <math.h>
#include <string.h>

const moda_scale_part *moda_scale_find_part(const moda_scale_point *p, const char *layer,
                                            const char *pass)
{
    for (size_t i = 0; i < p->part_count; i++)
        if (strcmp(p->parts[i].layer, layer) == 0 && strcmp(p->parts[i].pass, pass) == 0)
            return &p->parts[i];
    return NULL;
}

/* Images a second of a part; NAN where a point does not have it. */
static double rate(const moda_scale_point *p, const moda_scale_part *like)
{
    const moda_scale_part *part = moda_scale_find_part(p, like->layer, like->pass);
    return part && part->seconds > 0 ? (double)p->batch / part->seconds : NAN;
}

static size_t scales_to(const moda_scale_curve *c, const moda_scale_part *part)
{
    size_t i = 1;
    for (; i < c->count; i++) {
        const moda_scale_point *before = &c->points[i - 1], *now = &c->points[i];
        const double gain = rate(now, part) / rate(before, part) - 1;
        const double could = (double)now->threads / (double)before->threads - 1;
        if (!(gain >= 0.5 * could)) break;
    }
    return c->points[i - 1].threads;
}

static int by_loss(const void *a, const void *b)
{
    const double x = ((const moda_scale_layer *)a)->lost, y = ((const moda_scale_layer *)b)->lost;
    return (x < y) - (x > y);
}

moda_status moda_scale_layers(const moda_scale_curve *c, moda_scale_layer **layers, size_t *count)
{
    moda_status st = MODA_OK;
    const moda_scale_point *first = c->points, *last = &c->points[c->count - 1];
    moda_scale_layer *list = NULL;
    size_t n = 0;
    MODA_ALLOC(list, first->part_count * sizeof *list);
    for (size_t i = 0; i < first->part_count; i++) {
        const moda_scale_part *a = &first->parts[i];
        const moda_scale_part *z = moda_scale_find_part(last, a->layer, a->pass);
        const double faster = rate(last, a) / rate(first, a);
        if (!z || !isfinite(faster)) continue;
        const double perfect = (double)last->threads / (double)first->threads;
        list[n++] = (moda_scale_layer){.first = a,
                                       .last = z,
                                       .speedup = (double)first->threads * faster,
                                       .efficiency = faster / perfect,
                                       .lost = z->seconds * (1 - faster / perfect),
                                       .scales_to = scales_to(c, a)};
    }
    qsort(list, n, sizeof *list, by_loss);
    *layers = list, *count = n;
out:
    return st;
}
