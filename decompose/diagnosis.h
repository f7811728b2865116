/* decompose/diagnosis.h - judging a decomposition by the ways in which the method is known to fail.
 *
 * Each failure has a signature, a figure that a healthy result keeps below a threshold. A finding
 * is one line: the figure, where it comes from (classes, layers), and what to change.
 * docs/diagnosis.md. */
#ifndef MODA_DECOMPOSE_DIAGNOSIS_H
#define MODA_DECOMPOSE_DIAGNOSIS_H

#include "base/json.h"
#include "base/status.h"
#include "decompose/decomposition.h"
#include "decompose/masks.h"
#include "decompose/rates.h"
#include "decompose/reuse.h"
#include "engine/model.h"
#include <stdbool.h>
#include <stddef.h>

/* Composed networks this much worse than the whole model on the same classes: tau or gamma too
 * high. The published reuse accuracy of VGG-16 moves by 1.4 points over tau = 0.1 to 0.95. */
#define MODA_DIAGNOSIS_REUSE 0.05
/* Mean overlap of two modules. Published: 0.014 to 0.055, so this is far outside. */
#define MODA_DIAGNOSIS_OVERLAP 0.20
/* An epoch is dominated by the modular terms if they are more than this share of the loss while
 * cross entropy is above that share of ln(classes), which guessing has: late in a good training
 * little cross entropy is left, and the modular terms are then nearly all of a small loss. Over
 * half of the epochs dominated is a finding. Own choice: LeNet-5 on Fashion-MNIST with the
 * published weights has none. */
#define MODA_DIAGNOSIS_LOSS_SHARE 0.5
#define MODA_DIAGNOSIS_GUESSING   0.25
#define MODA_DIAGNOSIS_EPOCHS     0.5
/* Neurons of a layer that are active for no class. Own choice. */
#define MODA_DIAGNOSIS_DEAD 0.5
/* What masks of MwT that are on take off their channels: 1 minus their mean. Modules are cut without
 * masks, so it comes back in each layer. Published is only that masks are to be near 0 or 1, and no
 * figure. Own choice, by the product over layers: where masks are 0.9, the 12 of VGG-16 one behind
 * the other leave 0.9^12 = 0.28 of what comes out without them. */
#define MODA_DIAGNOSIS_MASKS 0.1

typedef enum moda_signature {
    MODA_SIGNATURE_REUSE,
    MODA_SIGNATURE_OVERLAP,
    MODA_SIGNATURE_LOSS,
    MODA_SIGNATURE_DEAD,
    MODA_SIGNATURE_FLOOR,
    MODA_SIGNATURE_MASKS,
    MODA_SIGNATURES
} moda_signature;
/* "reuse", "overlap", "loss", "dead", "floor", "masks", and the figure above which it is a finding:
 *     reuse     accuracy of the whole model minus that of composed networks
 *     overlap   mean overlap
 *     loss      share of the epochs that are dominated
 *     dead      largest share of dead neurons of a layer
 *     floor     layers of classes, all counted, that the floor rule alone fills
 *     masks     1 minus the mean of masks (MwT) that are on, mean over the layers that have some */
const char *moda_signature_name(moda_signature signature);
double moda_signature_threshold(moda_signature signature);

typedef struct moda_finding {
    moda_signature signature;
    char *text; /* one line */
} moda_finding;

typedef struct moda_diagnosis {
    moda_finding *items;
    size_t count;
    /* NULL: looked at; else why not ("no test images"), or "": it does not concern such a model, and
     * nothing is said of it. A literal. */
    const char *not_judged[MODA_SIGNATURES];
    double figure[MODA_SIGNATURES]; /* of those that were */
} moda_diagnosis;

/* Nothing found, nothing looked at. */
MODA_MUST_USE moda_status moda_diagnosis_create(moda_diagnosis **diagnosis);
void moda_diagnosis_destroy(moda_diagnosis *diagnosis);

/* Overlap, dead neurons, the floor rule, and moda_diagnose_mask_values(). masks and d are of these
 * rates. Fails: MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_diagnose_masks(moda_diagnosis *diagnosis, const moda_model *model,
                                              const moda_rates *rates, const moda_masks *masks,
                                              const moda_decomposition *d);

/* How far the masks that are on are from 1, for models of MwT whose rates know it. Fails:
 * MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_diagnose_mask_values(moda_diagnosis *diagnosis,
                                                    const moda_model *model,
                                                    const moda_rates *rates);

/* Reuse accuracy, out of a run of moda_reuse_run(). Fails: MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_diagnose_reuse(moda_diagnosis *diagnosis, const moda_model *model,
                                              const moda_masks *masks, const moda_reuse *reuse);

/* The same on a small sample: MODA_DIAGNOSIS_SUBTASKS sub-tasks of each size (seed 0) on at most
 * MODA_DIAGNOSIS_IMAGES images spread evenly over those given. Classes without images are left
 * out. */
enum { MODA_DIAGNOSIS_SUBTASKS = 2, MODA_DIAGNOSIS_IMAGES = 500 };
MODA_MUST_USE moda_status moda_diagnose_reuse_sample(moda_diagnosis *diagnosis,
                                                     const moda_model *model,
                                                     const moda_masks *masks,
                                                     const moda_images *images, const char *source,
                                                     size_t batch_size);

/* The training behind a model file, if it lies in the folder of a run (engine/run.h): config.json
 * and metrics.jsonl. A folder without them, or with others than moda's, is one that cannot be
 * judged. Fails: MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_diagnose_training(moda_diagnosis *diagnosis, const char *model_path,
                                                 size_t classes);

/* "finding: ..." lines, then all figures that were judged, and what was not. only: of these
 * signatures, a bit each (1 << MODA_SIGNATURE_REUSE). */
enum { MODA_SIGNATURES_ALL = (1 << MODA_SIGNATURES) - 1 };
void moda_diagnosis_print(const moda_diagnosis *diagnosis, unsigned only);
/* {"findings": [{signature, text}], "judged": {"overlap": {figure, threshold}, ...}, "not_judged":
 * {"reuse": "why"}}. New reference; NULL when out of memory. */
json_t *moda_diagnosis_json(const moda_diagnosis *diagnosis);

#endif
