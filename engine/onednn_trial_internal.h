/* engine/onednn_trial_internal.h - one pass of a layer and its candidates, between what makes them
 * (onednn_trial.c, onednn_conv_trial.c, onednn_linear_trial.c) and what runs them (onednn_tuner.c). */
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
    uint64_t seed;       /* of the operands' values */
    char *memory;
    size_t bytes;
};

typedef struct moda_contender {
    const char *algorithm; /* "direct", "matmul" */
    moda_choice choice;
    moda_program program;
    double times[MODA_TRIAL_RUNS];
    size_t runs;
    bool out;
} moda_contender;

/* One pass on its way. */
struct moda_trial {
    moda_tuner *tuner;
    size_t layer;
    moda_conv_pass pass;
    bool has_bias, placed;
    dnnl_primitive_desc_t first; /* the first forward: the layouts of all tensors, and the hint */
    dnnl_memory_desc_t layout[MODA_TENSORS];
    moda_contender *contenders; /* [MODA_CANDIDATES] */
    size_t count;
};

/* What a pass reads, and, last, what it writes. */
typedef struct moda_operand {
    int id; /* DNNL_ARG_... */
    dnnl_query_t layout;
    size_t tensor;
} moda_operand;
extern const moda_operand moda_operands[MODA_CONV_PASSES][3];

/* Sets everything but tuner, layer and pass, which are set; the caller clears, also after a failure. */
moda_status moda_conv_trial(moda_trial *t, moda_tune_effort effort);
moda_status moda_linear_trial(moda_trial *t, moda_tune_effort effort);

/* ---- helpers for those ---- */

/* A kind of candidates: what they are called, and how their programs are made. */
typedef struct moda_candidate_kind {
    const char *name;
    moda_algorithm algorithm;         /* of convolutions */
    const_dnnl_primitive_desc_t hint; /* NULL for forward */
    /* NULL: operands as moda_operands says, copied where they stand in another layout */
    moda_status (*build)(const moda_trial *t, const_dnnl_primitive_desc_t desc, moda_program *p);
} moda_candidate_kind;
/* All that oneDNN has for an operation, and that is worth a run; nothing, if it has none. */
moda_status moda_trial_add(moda_trial *t, const moda_candidate_kind *kind,
                           const_dnnl_op_desc_t operation, moda_tune_effort effort);
moda_dtype moda_trial_type(const moda_trial *t);
/* The first buffers of every program: the tensors as they stand. */
moda_status moda_trial_tensors(const moda_trial *t, moda_program *p);
/* Where a pass finds an operand in the layout that it wants: as it stands, or in a buffer of its own,
 * with a copy if it is read. */
moda_status moda_trial_bring(const moda_trial *t, moda_program *p, const moda_operand *o,
                             const dnnl_memory_desc_t *want, bool read, size_t *buffer);
/* What was written goes where it has to stand. */
moda_status moda_trial_take_back(const moda_trial *t, moda_program *p, const moda_operand *o,
                                 size_t buffer, const dnnl_memory_desc_t *written);

#endif
