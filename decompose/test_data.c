#include "decompose/test_data.h"
#include "engine/model_data.h"
#include <stdlib.h>
#include <string.h>

moda_status moda_test_data_open(const moda_data_options *options, uint64_t seed, size_t limit,
                                moda_model *model, moda_test_data *result)
{
    return moda_split_data_open(options, seed, false, limit, model, result);
}

moda_status moda_split_data_open(const moda_data_options *options, uint64_t seed, bool train,
                                 size_t limit, moda_model *model, moda_test_data *result)
{
    moda_status st = MODA_OK;
    moda_test_data d = {.spec = options->spec};
    MODA_TRY(moda_model_data_for("the model", model, options, seed, false, &d.data));
    d.images = train ? d.data->train : d.data->test;
    MODA_CHECK(d.images.n > 0, MODA_ERR_ARG,
               "%s has no %s images (of these classes): name data that has", options->spec,
               train ? "training" : "test");
    if (limit && limit < d.images.n) d.images.n = limit;
    MODA_TRY(moda_model_data_outputs(model, options, &d.outputs));
    *result = d, d = (moda_test_data){0};
out:
    moda_test_data_close(&d);
    return st;
}

moda_status moda_test_data_standard(const char *spec, const moda_model *model,
                                    const moda_test_data *data, moda_model **standard)
{
    moda_status st = MODA_OK;
    moda_model *m = NULL;
    *standard = NULL;
    if (!spec) goto out;
    MODA_TRY(
        moda_model_open(spec, (moda_net_defaults){model->net->input, data->data->classes}, &m));
    MODA_CHECK(model->crop == m->crop || !model->crop || !m->crop ||
                   strncmp(data->spec, "folder:", strlen("folder:")) != 0,
               MODA_ERR_ARG,
               "--standard: %s was trained with --crop %s, the model with --crop %s: pictures of a "
               "folder cannot be prepared for both: give one that was trained alike",
               spec, moda_crop_names[m->crop], moda_crop_names[model->crop]);
    if (m->std[0] == 0) MODA_TRY(moda_model_describe_data(m, data->data));
    *standard = m, m = NULL;
out:
    moda_model_destroy(m);
    return st;
}

void moda_test_data_close(moda_test_data *d)
{
    free(d->outputs.values);
    moda_dataset_destroy(d->data);
    *d = (moda_test_data){0};
}
