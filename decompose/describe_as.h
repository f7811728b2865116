/* decompose/describe_as.h - a model made of another one: what its images and outputs are. */
#ifndef MODA_DECOMPOSE_DESCRIBE_AS_H
#define MODA_DECOMPOSE_DESCRIBE_AS_H

#include "base/status.h"
#include "engine/model.h"
#include <stddef.h>

/* Images are prepared as for `from`, and output k stands for what its output outputs[k] stands for;
 * outputs NULL: for what output k does. Fails: MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_model_describe_as(moda_model *model, const moda_model *from,
                                                 const size_t *outputs);

#endif
