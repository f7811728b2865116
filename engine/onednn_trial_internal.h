/* engine/onednn_trial_internal.h - one pass of a convolution and its candidates, between what makes them
 * (onednn_trial.c) and what runs them (onednn_tuner.c). */
#ifndef MODA_ENGINE_ONEDNN_TRIAL_INTERNAL_H
#define MODA_ENGINE_ONEDNN_TRIAL_INTERNAL_H

#include "engine/onednn_conv_internal.h"
#include "engine/tuner.h"

/* A pass's operands: maps or the gradients by them, and so on. */
enum { MODA_TENSOR_SRC, MODA_TENSOR_WEIGHTS, MODA_TENSOR_DST, MODA_TENSOR_BIAS, MODA_TENSORS };
enum { MODA_TRIAL_RUNS = 24 };

struct moda_tuner {
    moda_weights *weights;
    moda_executor shell; /* net, options, weights, types for moda_conv_describe(): never compiled */
    char *memory;
    size_t bytes;
};

typedef struct moda_contender {
    moda_choice choice;
    moda_program program;
    double times[MODA_TRIAL_RUNS];
    size_t runs;
    bool out;
} moda_contender;

/* One pass on its way. */
typedef struct moda_trial {
    moda_tuner *tuner;
    size_t layer;
    moda_conv conv;
    dnnl_primitive_desc_t first; /* direct forward: the layouts of all tensors, and the hint */
    dnnl_memory_desc_t layout[MODA_TENSORS];
    moda_contender *contenders; /* [MODA_CANDIDATES] */
    size_t count;
} moda_trial;

/* Sets everything but tuner and layer, which the caller sets; the caller frees, also after a failure. */
moda_status moda_trial_prepare(moda_trial *t, moda_conv_pass pass, moda_tune_effort effort);

#endif
