#include "decompose/describe_as.h"
#include <stdlib.h>
#include <string.h>

moda_status moda_model_describe_as(moda_model *model, const moda_model *from, const size_t *outputs)
{
    moda_status st = MODA_OK;
    memcpy(model->mean, from->mean, sizeof model->mean);
    memcpy(model->std, from->std, sizeof model->std);
    model->crop = from->crop;
    for (size_t k = 0; k < model->net->classes; k++) {
        const size_t like = outputs ? outputs[k] : k;
        const char *name = from->class_names[like];
        model->class_ids[k] = from->class_ids[like];
        free(model->class_names[k]);
        model->class_names[k] = name ? strdup(name) : NULL;
        MODA_CHECK(!name || model->class_names[k], MODA_ERR_NOMEM, "out of memory: a class name");
    }
out:
    return st;
}
