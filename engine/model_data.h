/* engine/model_data.h - a model together with the data that it is to be run on. */
#ifndef MODA_ENGINE_MODEL_DATA_H
#define MODA_ENGINE_MODEL_DATA_H

#include "base/status.h"
#include "datasets/data_options.h"
#include "engine/model.h"
#include <stdbool.h>

/* Opens both and checks that they fit: images of the network's shape (folders are resized to it where
 * the options leave the size open); for a whole model as many classes as it has outputs, for a module
 * at least the classes that it knows. Bare weights (NAME:W) take input and classes from the data.
 *   own_classes  a module without --classes gets samples of its own classes only
 * Images are prepared as in training, as far as the model knows how. Options that could not do
 * anything or say otherwise are refused: --normalisation where the model carries its own, another
 * --crop than it was trained with, another --image-size than it takes,
 * --relabel for a module, whose outputs are classes of its parent. The caller destroys both. Fails:
 * MODA_ERR_ARG, and as moda_model_open() and moda_dataset_open(). */
MODA_MUST_USE moda_status moda_model_data_open(const char *spec, const moda_data_options *options,
                                               uint64_t seed, bool own_classes, moda_model **model,
                                               moda_dataset **data);
/* The same for a model that is open already; spec is its name, for messages. Not for bare weights. */
MODA_MUST_USE moda_status moda_model_data_for(const char *spec, moda_model *model,
                                              const moda_data_options *options, uint64_t seed,
                                              bool own_classes, moda_dataset **data);

/* Replaces class numbers by the outputs that stand for them, ascending. Fails: MODA_ERR_ARG (a
 * number twice, or one that the model does not know; name is the option, for the message). */
MODA_MUST_USE moda_status moda_model_outputs(const moda_model *model, const char *name,
                                             moda_sizes *classes);
/* The outputs that --classes asks for; all without it, or where --relabel numbers the classes anew. The
 * caller frees their values, also after a failure. Fails as moda_model_outputs(), MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_model_data_outputs(const moda_model *model,
                                                  const moda_data_options *options,
                                                  moda_sizes *outputs);

#endif
