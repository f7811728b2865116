/* tests/mwt_subject.h - models with masks of their own (MwT), and random masks of them. */
#ifndef MODA_TESTS_MWT_SUBJECT_H
#define MODA_TESTS_MWT_SUBJECT_H

#include "decompose/masks.h"
#include "engine/model.h"
#include "tests/random_graph.h"

/* The model, which is destroyed, with masks added; its weights stay, those of the masks are by
 * formula. NULL if it has nothing to mask. */
moda_model *mwt_add_masks(moda_model *plain);

/* A small network with residual and depthwise convolutions, batch norms, hidden linear layer and
 * masks: images 3x16x16, six classes with names, CIFAR's normalisation, weights by formula. */
moda_model *mwt_model(void);

/* Each class keeps about one in `share` channels of each layer, at least one. tau 0.9. */
moda_masks *mwt_random_masks(random_source *s, const moda_model *masked, size_t share);

#endif
