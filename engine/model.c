/* engine/model.c - a network with its weights in memory, and writing it to a file. */
#include "engine/model.h"
#include "engine/model_internal.h"
#include "engine/quote_internal.h"

#include <stdlib.h>
#include <string.h>

/* Batch norm's weight and running variance start at one, all else at zero. */
static void set_neutral(moda_model *model)
{
    for (size_t i = 0; i < model->parameters.count; i++) {
        const moda_parameter *p = &model->parameters.items[i];
        const bool scale = model->net->layers[p->layer].kind == MODA_LAYER_BATCHNORM &&
                           (p->role == MODA_WEIGHT || p->role == MODA_RUNNING_VAR);
        for (size_t e = 0; scale && e < p->elements; e++) model->values[p->offset + e] = 1;
    }
}

moda_status moda_model_create(moda_net *net, moda_model **model)
{
    moda_status st = MODA_OK;
    moda_model *m = calloc(1, sizeof *m);
    if (!m) moda_net_destroy(net);
    MODA_CHECK(m, MODA_ERR_NOMEM, "out of memory: %zu bytes", sizeof *m);
    m->net = net;
    MODA_TRY(moda_net_parameters(net, &m->parameters));
    MODA_ALLOC(m->values, m->parameters.elements * sizeof *m->values);
    MODA_ALLOC(m->class_ids, net->classes * sizeof *m->class_ids);
    MODA_ALLOC(m->class_names, net->classes * sizeof *m->class_names);
    for (size_t k = 0; k < net->classes; k++) m->class_ids[k] = (uint32_t)k;
    set_neutral(m);
    *model = m, m = NULL;
out:
    moda_model_destroy(m);
    return st;
}

void moda_model_destroy(moda_model *model)
{
    if (!model) return;
    for (size_t k = 0; model->class_names && k < model->net->classes; k++)
        free(model->class_names[k]);
    free(model->class_names);
    free(model->class_ids);
    free(model->class_numbers);
    free(model->module);
    free(model->values);
    moda_parameter_list_free(&model->parameters);
    moda_net_destroy(model->net);
    free(model);
}

uint32_t moda_model_class_number(const moda_model *model, size_t k)
{
    return model->class_numbers ? model->class_numbers[k] : model->class_ids[k];
}

/* Only renumbered data have numbers to tell. */
static moda_status take_numbers(moda_model *model, const moda_dataset *data)
{
    moda_status st = MODA_OK;
    const size_t n = model->net->classes;
    if (!data->class_numbers) goto out;
    if (!model->class_numbers) MODA_ALLOC(model->class_numbers, n * sizeof *model->class_numbers);
    for (size_t k = 0; k < n; k++)
        model->class_numbers[k] = data->class_numbers[model->class_ids[k]];
out:
    return st;
}

moda_status moda_model_describe_data(moda_model *model, const moda_dataset *data)
{
    moda_status st = MODA_OK;
    const size_t channels = data->train.channels;
    MODA_CHECK(channels == model->net->input.c && channels <= MODA_MAX_CHANNELS, MODA_ERR_ARG,
               "network '%s' takes %zu channels, the images of %s have %zu; choose a fitting "
               "network or data set",
               MODA_QUOTE(model->net->name), model->net->input.c, data->name, channels);
    for (size_t k = 0; k < model->net->classes; k++)
        MODA_CHECK(model->class_ids[k] < data->classes, MODA_ERR_ARG,
                   "network '%s' has an output for class %u, %s has %zu classes; choose a fitting "
                   "network or data set",
                   MODA_QUOTE(model->net->name), model->class_ids[k], data->name, data->classes);
    for (size_t c = 0; c < channels; c++) {
        model->mean[c] = data->mean[c];
        model->std[c] = data->std[c];
    }
    model->crop = data->crop_resized ? MODA_CROP_RESIZED : MODA_CROP_PADDED;
    for (size_t k = 0; k < model->net->classes; k++) {
        const char *name = data->class_names ? data->class_names[model->class_ids[k]] : NULL;
        char *copy = name ? strdup(name) : NULL;
        MODA_CHECK(copy || !name, MODA_ERR_NOMEM, "out of memory");
        free(model->class_names[k]);
        model->class_names[k] = copy;
    }
    MODA_TRY(take_numbers(model, data));
out:
    return st;
}

const moda_parameter *moda_model_find(const moda_model *model, const char *name)
{
    for (size_t i = 0; i < model->parameters.count; i++)
        if (strcmp(model->parameters.items[i].name, name) == 0) return &model->parameters.items[i];
    return NULL;
}

moda_status moda_model_save(const moda_model *model, const char *path)
{
    moda_status st = MODA_OK;
    const moda_parameter_list *list = &model->parameters;
    char *description = NULL, *input = NULL, *classes = NULL;
    moda_tensor *tensors = NULL;
    moda_metadata metadata[4];
    size_t n = 0;
    MODA_TRY(moda_net_print(model->net, &description));
    MODA_TRY(moda_model_print_input(model, &input));
    MODA_TRY(moda_model_print_classes(model, &classes));
    metadata[n++] = (moda_metadata){MODEL_DESCRIPTION, description};
    if (input) metadata[n++] = (moda_metadata){MODEL_INPUT, input};
    metadata[n++] = (moda_metadata){MODEL_CLASSES, classes};
    if (model->module) metadata[n++] = (moda_metadata){MODEL_MODULE, model->module};
    MODA_ALLOC(tensors, list->count * sizeof *tensors);
    for (size_t i = 0; i < list->count; i++) {
        const moda_parameter *p = &list->items[i];
        tensors[i] = moda_tensor_f32(p->name, model->values + p->offset, p->rank, p->shape[0],
                                     p->shape[1], p->shape[2], p->shape[3]);
    }
    MODA_TRY(moda_tensor_file_write(path, tensors, list->count, metadata, n));
out:
    free(tensors);
    free(description);
    free(input);
    free(classes);
    return st;
}
