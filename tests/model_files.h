/* tests/model_files.h - a folder with files of a small model, right and wrong. */
#ifndef MODA_TESTS_MODEL_FILES_H
#define MODA_TESTS_MODEL_FILES_H

#include "engine/model.h"
#include <stdbool.h>
#include <stddef.h>

/* Of a suite: .init and .fini, which finds anything that is left besides the two files. */
void model_folder_make(void);
void model_folder_remove(void);
extern char model_folder[];
extern char *model_path, *model_second; /* in it */

extern const moda_net_defaults model_usual, model_open_ends; /* 3x32x32 and 10 classes; nothing */
extern const char
    model_small[]; /* a description: conv c, batch norm b, linear f; 2x4x4, 3 classes */

moda_model *model_create(const char *description);
moda_model *model_open(const char *spec, moda_net_defaults defaults);
/* Opening must fail with that code and text, which names model_path if the format is wrong. */
void model_refuse(const char *spec, moda_status code, const char *says);
bool model_same_files(const char *a, const char *b);

/* The tensors of a model, which a test then spoils. */
typedef struct model_tensor_list {
    moda_tensor items[16];
    size_t count;
} model_tensor_list;
model_tensor_list model_tensors(const moda_model *model);
/* To model_path. */
void model_write(const model_tensor_list *t, const moda_metadata *metadata, size_t count);

#endif
