/* decompose/ablate_internal.h - the parts of moda_ablate_run(). */
#ifndef MODA_DECOMPOSE_ABLATE_INTERNAL_H
#define MODA_DECOMPOSE_ABLATE_INTERNAL_H

#include "base/progress.h"
#include "decompose/ablate.h"
#include "decompose/pieces.h"

#define MODA_ABLATE_NONE UINT32_MAX

/* Images that are looked at, in parts whose outputs of layers fit into memory. */
typedef struct moda_ablate_work {
    const moda_ablate_options *o;
    moda_ablate *result;
    uint32_t *output;    /* [images] that the label stands for; MODA_ABLATE_NONE: not looked at */
    uint32_t *place;     /* which ablation: [masks' elements], by layer [classes, layers] */
    size_t part, widest; /* images of a part; floats per image of the largest cut */
    float *value, *next; /* [part, widest] */
    moda_pieces *pieces; /* from one cut to the next */
    const float **x;     /* [batch] */
    uint8_t *active;     /* [part, units of the widest layer] */
    uint8_t *off;        /* [batch, the same] */
    uint32_t *right, *pair; /* [part] answers with nothing off; [batch] image of the part */
    uint32_t *item;         /* [batch] ablation */
    moda_progress progress;
    size_t steps_done;
} moda_ablate_work;

/* Where class k's neurons of layer l begin among all. */
static inline size_t moda_ablate_row(const moda_ablate_options *o, size_t k, size_t l)
{
    return o->masks->shape.offset[l] + k * o->masks->shape.units[l];
}

static inline bool moda_ablate_chosen(const moda_ablate_options *o, size_t at)
{
    return o->choice == MODA_ABLATE_ALL ||
           (o->masks->values[at] != 0) == (o->choice == MODA_ABLATE_KEPT);
}

/* All ablations of tracked layer l for the part's images from .. from+n-1, whose outputs of the
 * layer's cut are in value. first: right answers of the whole model are counted, too. */
MODA_MUST_USE moda_status moda_ablate_layer(moda_ablate_work *w, size_t l, size_t from, size_t n,
                                            bool first);

#endif
