/* tests/random_graph.h - small random networks of every structure that decomposition knows: residual
 * blocks with and without a convolution beside them, depthwise convolutions, several branches, batch
 * norm before and behind ReLU; and random masks. */
#ifndef MODA_TESTS_RANDOM_GRAPH_H
#define MODA_TESTS_RANDOM_GRAPH_H

#include "base/rng.h"
#include "engine/model.h"
#include <stdbool.h>

typedef struct random_source {
    moda_rng rng;
    uint64_t drawn;
} random_source;

random_source random_seed(uint64_t seed);
size_t random_below(random_source *s, size_t bound);

/* Five classes, images of 1 to 3 channels; formula weights, other ones for each network. exact: a
 * batch norm or depthwise convolution stands behind a mask only where the next layer is a ReLU, so
 * that nothing comes out of a dropped channel but zeros. */
moda_model *random_graph(random_source *s, bool exact);

/* Per tracked layer a mask with at least one channel. share: one in how many is dropped. */
uint8_t **random_keep(random_source *s, const moda_net *net, size_t share);
void random_keep_free(const moda_net *net, uint8_t **keep);

float *random_image(random_source *s, const moda_net *net, size_t n);

#endif
