#include "decompose/strip.h"
#include "decompose/describe_as.h"
#include "engine/net_masked.h"
#include <string.h>

static moda_status copy_weights(const moda_model *model, moda_model *plain)
{
    moda_status st = MODA_OK;
    for (size_t i = 0; i < plain->parameters.count; i++) {
        const moda_parameter *to = &plain->parameters.items[i];
        const moda_parameter *from = moda_model_find(model, to->name);
        MODA_CHECK(from && from->elements == to->elements, MODA_ERR_INTERNAL,
                   "%s: without masks it has a tensor '%s' that it has not with them",
                   model->net->name, to->name);
        memcpy(plain->values + to->offset, model->values + from->offset,
               to->elements * sizeof *plain->values);
    }
out:
    return st;
}

moda_status moda_model_strip(const moda_model *model, moda_model **result)
{
    moda_status st = MODA_OK;
    moda_net *net = NULL;
    moda_model *plain = NULL;
    *result = NULL;
    if (model->net->mask_count == 0) goto out;
    MODA_TRY(moda_net_strip_masks(model->net, &net));
    MODA_TRY(moda_model_create(net, &plain)); /* takes the net, also when it fails */
    MODA_TRY(copy_weights(model, plain));
    MODA_TRY(moda_model_describe_as(plain, model, NULL));
    *result = plain, plain = NULL;
out:
    moda_model_destroy(plain);
    return st;
}
