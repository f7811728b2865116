/* decompose/decomposition.h - a model taken apart into one module per class: figures and files.
 *
 * Files of a decomposition, docs/decomposition.md:
 *     rates.safetensors, masks.safetensors
 *     class-C.safetensors    module of class number C
 *     model.safetensors      the model, out of which moda compose builds networks
 *     decomposition.json     the figures, written last: if it is there, the rest is complete */
#ifndef MODA_DECOMPOSE_DECOMPOSITION_H
#define MODA_DECOMPOSE_DECOMPOSITION_H

#include "base/json.h"
#include "base/status.h"
#include "decompose/masks.h"
#include "decompose/rates.h"
#include "engine/model.h"
#include <stddef.h>
#include <stdint.h>

typedef struct moda_module_figures {
    size_t class_number;
    const char *name; /* borrowed from the model, may be NULL */
    size_t neurons;   /* kept, of all layers that masks decide about */
    size_t parameters;
    uint64_t flops; /* multiply-adds per sample */
} moda_module_figures;

typedef struct moda_decomposition {
    bool mwt; /* of [mask] layers: no min_active, no rule */
    double tau, min_active;
    moda_activity_rule rule; /* when a neuron counted as active */
    /* Of what modules are cut from: of MwT without the layers that make masks. */
    size_t model_neurons, model_parameters;
    uint64_t model_flops;
    size_t classes;
    moda_module_figures *modules; /* [classes] */
    double *overlap;              /* [classes, classes] share of the model's parameters */
    double mean_size, mean_flops; /* means of the modules' shares of the model */
    double mean_overlap;          /* over all pairs; 0 if there is but one class */
    /* What moda thinks of it, for the report: decompose/diagnosis.h. Borrowed, NULL: nothing said. */
    const struct moda_diagnosis *diagnosis;
} moda_decomposition;

/* Measures every class's module, without slicing; of MwT without the head that networks composed of
 * them get. model is as it was trained. Cost: classes^2/2 intersections of bit sets. The
 * model must outlive the result. Fails: MODA_ERR_UNSUPPORTED (see moda_kept_create()),
 * MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_decomposition_measure(const moda_model *model,
                                                     const moda_masks *masks,
                                                     moda_decomposition **decomposition);
void moda_decomposition_destroy(moda_decomposition *decomposition);

/* The report: tau, min_active, activity, model_parameters, model_multiply_adds, model_neurons,
 * modules[{class, name, neurons, parameters, size, flops, multiply_adds}], mean_size, mean_flops,
 * mean_overlap, overlap[i][j]; size and flops are shares of the model. Of MwT, method "mwt" in
 * place of min_active and activity. New reference. */
MODA_MUST_USE moda_status moda_decomposition_json(const moda_decomposition *decomposition,
                                                  json_t **json);

/* Names of the files in a decomposition's folder, and of the results of hours that moda reuse and moda
 * sweep keep there, as patterns, closed by NULL: for moda_check_distinct(). */
extern const char *const moda_decomposition_files[];

/* Writes all files into directory, which is made if missing. Each is written atomically. Files of
 * an earlier decomposition are replaced, its modules of classes that are gone are removed; masks and
 * decomposition.json go first and come back last, so a run that was cut short cannot be taken for
 * a finished one. source, the file that the model came from (NULL: none), is not written over if
 * it is directory/model.safetensors. */
MODA_MUST_USE moda_status moda_decomposition_write(const char *directory, const char *source,
                                                   const moda_model *model, const moda_rates *rates,
                                                   const moda_masks *masks,
                                                   const moda_decomposition *decomposition);

#endif
