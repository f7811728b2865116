#include "decompose/test_data.h"
#include <stdlib.h>
#include <string.h>

/* Folders are read in the size of the model's input, unless the call says otherwise. */
static moda_status open_data(const moda_data_options *given, uint64_t seed, moda_shape input,
                             moda_dataset **data)
{
    moda_status st = MODA_OK;
    moda_data_options options = *given; /* borrows the class list */
    MODA_CHECK(options.spec, MODA_ERR_ARG,
               "--data is missing: the data whose test images are to be classified");
    if (strncmp(options.spec, "folder:", 7) == 0 && !options.image_size && input.h == input.w)
        options.image_size = input.h;
    MODA_TRY(moda_data_options_open(&options, seed, data));
out:
    return st;
}

/* Labels are only numbers: those of other data would be judged as if they meant the same. */
static moda_status check_classes(const moda_data_options *o, const moda_dataset *data,
                                 const moda_model *model)
{
    moda_status st = MODA_OK;
    MODA_CHECK(model->module || data->classes == model->net->classes, MODA_ERR_ARG,
               "%s has %zu classes, the model %zu: give the data (and --classes) that it was "
               "trained with",
               o->spec, data->classes, model->net->classes);
    for (size_t k = 0; k < model->net->classes; k++)
        MODA_CHECK(model->class_ids[k] < data->classes, MODA_ERR_ARG,
                   "the model knows class %u, but %s has %zu classes", model->class_ids[k], o->spec,
                   data->classes);
out:
    return st;
}

static moda_status choose_outputs(const moda_data_options *o, const moda_model *model,
                                  moda_sizes *outputs)
{
    moda_status st = MODA_OK;
    const moda_sizes wanted = o->relabel ? (moda_sizes){0} : o->classes;
    MODA_ALLOC(outputs->values, model->net->classes * sizeof *outputs->values);
    for (size_t k = 0; k < model->net->classes; k++) {
        bool in = wanted.n == 0;
        for (size_t i = 0; i < wanted.n; i++) in |= wanted.values[i] == model->class_ids[k];
        if (in) outputs->values[outputs->n++] = k;
    }
    MODA_CHECK(
        wanted.n == 0 || outputs->n == wanted.n, MODA_ERR_ARG,
        "--classes: the model has outputs for %zu of these %zu classes: leave out the others",
        outputs->n, wanted.n);
out:
    return st;
}

moda_status moda_test_data_open(const moda_data_options *options, uint64_t seed, size_t limit,
                                moda_model *model, moda_test_data *result)
{
    moda_status st = MODA_OK;
    moda_test_data d = {0};
    MODA_TRY(open_data(options, seed, model->net->input, &d.data));
    MODA_TRY(check_classes(options, d.data, model));
    if (model->std[0] == 0) MODA_TRY(moda_model_describe_data(model, d.data));
    d.images = d.data->test;
    MODA_CHECK(d.images.n > 0, MODA_ERR_ARG,
               "%s has no test images (of these classes): name data that has", options->spec);
    if (limit && limit < d.images.n) d.images.n = limit;
    MODA_TRY(choose_outputs(options, model, &d.outputs));
    *result = d, d = (moda_test_data){0};
out:
    moda_test_data_close(&d);
    return st;
}

void moda_test_data_close(moda_test_data *d)
{
    free(d->outputs.values);
    moda_dataset_destroy(d->data);
    *d = (moda_test_data){0};
}
