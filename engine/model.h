/* engine/model.h - a network with its weights, as files hold it: plain row-major f32, no oneDNN.
 *
 * A model file is a safetensors file with PyTorch's tensor names; its __metadata__ carries what
 * else is needed to run it (docs/formats.md):
 *     moda.description  the network (docs/networks.md)
 *     moda.input        JSON {"mean": [..], "std": [..], "crop": ".."}: how images are prepared
 *     moda.classes      JSON: names of the outputs' classes, and their numbers in the parent model
 *     moda.module       JSON, modules and composed networks only: kept channels per layer, parent's size */
#ifndef MODA_ENGINE_MODEL_H
#define MODA_ENGINE_MODEL_H

#include "base/status.h"
#include "datasets/dataset.h"
#include "engine/net.h"
#include "engine/safetensors.h"
#include <stddef.h>
#include <stdint.h>

typedef struct moda_model {
    moda_net *net;
    moda_parameter_list parameters;
    float *values;                                         /* [parameters.elements] */
    float mean[MODA_MAX_CHANNELS], std[MODA_MAX_CHANNELS]; /* of the input; std 0: not known */
    moda_crop crop; /* of the images it was trained on; DEFAULT: not known */
    /* What output k stands for: [net->classes]. A whole model has class_ids 0,1,2,...; a module of
     * classes {3,5} has 3 and 5, so that it is judged on the right samples. */
    uint32_t *class_ids;
    char **class_names; /* [net->classes], entries may be NULL */
    /* [net->classes] numbers of the classes in the data set as it was before --relabel, ascending:
     * by them models of different classes find each other. NULL: they are the class_ids. */
    uint32_t *class_numbers;
    char *module; /* moda.module, NULL for a whole model */
} moda_model;

/* Takes the net over (also when it fails). Values are zero (running_var 1, batch norm weight 1). */
MODA_MUST_USE moda_status moda_model_create(moda_net *net, moda_model **model);
/* Draws the start values: net->conv_init and net->linear_init, from seed. */
void moda_model_init(moda_model *model, uint64_t seed);
void moda_model_destroy(moda_model *model);

/* What class output k stands for, in the data set's own numbers. */
uint32_t moda_model_class_number(const moda_model *model, size_t k);
/* Copies how images are prepared (normalisation, crop), class names and numbers from the data. */
MODA_MUST_USE moda_status moda_model_describe_data(moda_model *model, const moda_dataset *data);

/* spec: a model file, or NAME:W.safetensors, or FILE.net:W.safetensors with bare weights, whose
 * input and classes come from defaults. Strict: a missing, extra or misshapen tensor is
 * MODA_ERR_FORMAT and named (num_batches_tracked of a batch norm layer, which PyTorch saves, is
 * passed over). Fails also: MODA_ERR_IO, MODA_ERR_ARG, MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_model_open(const char *spec, moda_net_defaults defaults,
                                          moda_model **model);
/* Fills values from an open file, strictly as above. */
MODA_MUST_USE moda_status moda_model_read_weights(moda_model *model, const moda_tensor_file *file);
MODA_MUST_USE moda_status moda_model_save(const moda_model *model, const char *path);

/* The parameter called name, NULL if there is none; its values start at values + offset. */
const moda_parameter *moda_model_find(const moda_model *model, const char *name);

#endif
