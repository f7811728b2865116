/* decompose/ablate.h - is a neuron that a class's mask dropped needed after all?
 *
 * A neuron of the whole model is switched off (its output is zero, wherever it is read) and the
 * images of the class are classified again: the change of accuracy says what the neuron was worth
 * to it.
 *
 * Only images for which the neuron is active (any non-zero value) can change, so only these are
 * run, and what they compute up to the layer is computed once: pairs of an image and a neuron fill
 * one batch after the other of the network's end behind the layer (suffix.h). */
#ifndef MODA_DECOMPOSE_ABLATE_H
#define MODA_DECOMPOSE_ABLATE_H

#include "base/json.h"
#include "base/options.h"
#include "base/status.h"
#include "datasets/dataset.h"
#include "decompose/masks.h"
#include "engine/model.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which neurons of a class are switched off. */
typedef enum moda_ablate_choice {
    MODA_ABLATE_DROPPED, /* those that its mask dropped */
    MODA_ABLATE_KEPT,
    MODA_ABLATE_ALL
} moda_ablate_choice;

typedef struct moda_ablate_options {
    const moda_model *model;
    const moda_masks *masks;   /* of its network */
    const moda_images *images; /* labels are class numbers of the model */
    const char *source;        /* the data's name, for messages */
    moda_sizes outputs;        /* of the model, ascending: the classes that are looked at */
    moda_sizes layers;         /* tracked layers, ascending; n = 0: all */
    moda_ablate_choice choice;
    bool by_layer; /* all chosen neurons of a layer at once, not one by one */
    size_t batch_size;
    const char *label; /* of the progress display; NULL: none */
} moda_ablate_options;

/* One neuron off, and what becomes of the images of one class. */
typedef struct moda_ablation {
    uint32_t output, layer, unit; /* by layer: unit is how many neurons were off */
    uint32_t active;              /* images for which it is active; by layer: any of them */
    uint32_t lost, gained;        /* answers that were right and are wrong now, and the other way */
} moda_ablation;

typedef struct moda_ablate {
    size_t count;
    moda_ablation *items;      /* [count] by output, layer, unit */
    size_t *samples, *correct; /* [classes] of the whole model, nothing switched off */
    /* Images run through the end of the network, and what it would be without leaving any out. */
    uint64_t passes, passes_plain;
    double seconds;
} moda_ablate;

/* Masks may leave nothing to switch off: then there are no items. Fails: MODA_ERR_ARG (images of
 * another shape, a class without images), MODA_ERR_UNSUPPORTED (the network ends in a ReLU, or has
 * [mask] layers), MODA_ERR_NUMERIC (an output is not finite), MODA_ERR_NOMEM. Memory:
 * MODA_ABLATE_BYTES for outputs of layers, and executors. */
#define MODA_ABLATE_BYTES ((size_t)1 << 29)
MODA_MUST_USE moda_status moda_ablate_run(const moda_ablate_options *options, moda_ablate **result);
void moda_ablate_destroy(moda_ablate *result);

/* Accuracy with it off minus accuracy without. */
double moda_ablation_change(const moda_ablate *result, const moda_ablation *item);

/* A neuron whose loss costs a class more than this is called critical. One image of a thousand, as
 * CIFAR-10 and Fashion-MNIST have of each class, is 0.001. */
#define MODA_ABLATE_CRITICAL 0.01

/* Changes of accuracy by size: bin b counts those in [edge b-1, edge b), the last but one bin those
 * that are exactly 0, the last one gains. */
enum { MODA_ABLATE_BINS = 7 };
extern const char *const moda_ablate_bin_names[MODA_ABLATE_BINS];
size_t moda_ablate_bin(double change);

/* What moda ablate prints: classes[{class, name, samples, accuracy, ablations, active, mean_change,
 * critical, histogram, worst[{layer, name, neuron, active, lost, gained, change}]}], and the
 * counts of passes. New reference. */
MODA_MUST_USE moda_status moda_ablate_json(const moda_ablate_options *options,
                                           const moda_ablate *result, json_t **json);
void moda_ablate_print(const moda_ablate_options *options, const moda_ablate *result);
/* A line per ablation, atomically. */
MODA_MUST_USE moda_status moda_ablate_write_csv(const char *path,
                                                const moda_ablate_options *options,
                                                const moda_ablate *result);

#endif
