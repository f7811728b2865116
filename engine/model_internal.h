/* engine/model_internal.h - pieces of model files that reading and writing share. */
#ifndef MODA_ENGINE_MODEL_INTERNAL_H
#define MODA_ENGINE_MODEL_INTERNAL_H

#include "engine/model.h"

/* Keys of __metadata__, docs/formats.md. */
#define MODEL_DESCRIPTION "moda.description"
#define MODEL_INPUT       "moda.input"
#define MODEL_CLASSES     "moda.classes"
#define MODEL_MODULE      "moda.module"

/* moda.input and moda.classes as JSON text in fresh memory; *text is NULL when there is nothing to
 * say (normalisation not known). */
MODA_MUST_USE moda_status moda_model_print_input(const moda_model *model, char **text);
MODA_MUST_USE moda_status moda_model_print_classes(const moda_model *model, char **text);
/* The other way. Messages lack the path. */
MODA_MUST_USE moda_status moda_model_parse_input(moda_model *model, const char *text);
MODA_MUST_USE moda_status moda_model_parse_classes(moda_model *model, const char *text);
MODA_MUST_USE moda_status moda_model_parse_module(moda_model *model, const char *text);

/* Every parameter has its tensor, nothing is left over, and all of them can be read as f32. */
MODA_MUST_USE moda_status moda_model_check_tensors(const moda_net *net,
                                                   const moda_parameter_list *parameters,
                                                   const moda_tensor_file *file);

#endif
