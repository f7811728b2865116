/* decompose/inspect.h - looking into a decomposition: what is kept of each layer by whom, how
 * active neurons are, how alike classes are. Screen, JSON and CSV of moda inspect
 * (docs/diagnosis.md). */
#ifndef MODA_DECOMPOSE_INSPECT_H
#define MODA_DECOMPOSE_INSPECT_H

#include "base/json.h"
#include "base/options.h"
#include "base/status.h"
#include "decompose/masks.h"
#include "decompose/rates.h"
#include "engine/model.h"
#include <stdbool.h>
#include <stddef.h>

/* Rates by size: 0, above 0 to below 0.1, 0.1 to below 0.2, ..., 0.9 to below 1, and 1. */
enum { MODA_RATE_BINS = 12 };
size_t moda_rate_bin(float rate);

typedef struct moda_inspect_options {
    const moda_model *model;
    const moda_rates *rates;
    const moda_masks *masks;  /* of these rates */
    const double *activation; /* moda_activation_similarity(); NULL: not wanted */
    moda_sizes layers;        /* tracked layers, ascending, to be shown one by one; n = 0: none */
    moda_sizes outputs;       /* of the model, ascending: classes to be shown */
} moda_inspect_options;

/* Of one layer and all classes of the model. A neuron is exclusive if one class keeps it, shared
 * if several do, unused if none does; a dead one is active for no class. */
typedef struct moda_layer_counts {
    size_t units, exclusive, shared, by_all, unused, dead;
    size_t least, most; /* kept by a class */
    double mean;
    size_t floored; /* classes whose mask the floor rule alone chose */
    size_t histogram[MODA_RATE_BINS];
} moda_layer_counts;
moda_layer_counts moda_count_layer(const moda_rates *rates, const moda_masks *masks, size_t l);

/* Of one layer and class. */
typedef struct moda_class_counts {
    size_t kept, exclusive;
    bool floored;
    size_t histogram[MODA_RATE_BINS];
} moda_class_counts;
moda_class_counts moda_count_class(const moda_rates *rates, const moda_masks *masks, size_t l,
                                   size_t c);

/* Classes that keep neuron k of layer l. */
size_t moda_count_keepers(const moda_masks *masks, size_t l, size_t k);

/* An overview of all layers; or, with layers named, each of them in detail. 100 columns. */
void moda_inspect_print(const moda_inspect_options *options);
/* Everything, of the layers named or of all. New reference. */
MODA_MUST_USE moda_status moda_inspect_json(const moda_inspect_options *options, json_t **json);
/* A line per layer, class and neuron: layer, name, class, neuron, rate, kept, floor, classes that
 * keep it. Atomically. */
MODA_MUST_USE moda_status moda_inspect_write_csv(const char *path,
                                                 const moda_inspect_options *options);

#endif
