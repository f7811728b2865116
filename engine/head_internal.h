/* engine/head_internal.h - where a head's batches come from: features that are stored, or a trunk that
 * runs over augmented images. */
#ifndef MODA_ENGINE_HEAD_INTERNAL_H
#define MODA_ENGINE_HEAD_INTERNAL_H

#include "engine/head.h"

typedef struct moda_head_source {
    void *user;
    size_t n; /* samples of an epoch */
    void (*start_epoch)(void *user, size_t epoch);
    /* Writes step's features and its labels, which are outputs; *count is batch_size but for the last
     * step of an epoch. */
    moda_status (*fill)(void *user, size_t step, float *features, uint32_t *labels, size_t *count);
} moda_head_source;

/* moda_head_train() on any source. */
MODA_MUST_USE moda_status moda_head_train_source(const moda_head_source *source, moda_shape shape,
                                                 size_t outputs, const moda_head_options *options,
                                                 float *weight, float *bias,
                                                 moda_head_record *last);

#endif
