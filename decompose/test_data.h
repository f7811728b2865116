/* decompose/test_data.h - the test images on which a decomposition is judged, and the outputs whose
 * classes are asked for. */
#ifndef MODA_DECOMPOSE_TEST_DATA_H
#define MODA_DECOMPOSE_TEST_DATA_H

#include "base/status.h"
#include "datasets/data_options.h"
#include "datasets/dataset.h"
#include "engine/model.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct moda_test_data {
    const char *spec; /* what --data said; borrowed */
    moda_dataset *data;
    moda_images images; /* of the split; borrows its arrays */
    moda_sizes outputs; /* of the model, ascending: those of --classes, or all */
} moda_test_data;

/* Opens the data as moda_model_data_for() does. limit: only so many images, 0: all. Fails: MODA_ERR_ARG
 * (no test images, a class of --classes that the model does not know), and as
 * moda_model_data_for(). */
MODA_MUST_USE moda_status moda_test_data_open(const moda_data_options *options, uint64_t seed,
                                              size_t limit, moda_model *model,
                                              moda_test_data *result);
/* The same of the training split, if so wanted. */
MODA_MUST_USE moda_status moda_split_data_open(const moda_data_options *options, uint64_t seed,
                                               bool train, size_t limit, moda_model *model,
                                               moda_test_data *result);
/* The model that others are compared with on the same images, which both were trained on alike. *standard
 * stays NULL if spec is. Fails: MODA_ERR_ARG (trained with another --crop than model, so that pictures of a
 * folder suit only one of them), and as moda_model_open(). */
MODA_MUST_USE moda_status moda_test_data_standard(const char *spec, const moda_model *model,
                                                  const moda_test_data *data,
                                                  moda_model **standard);
void moda_test_data_close(moda_test_data *data); /* zeroed struct is fine */

#endif
