/* engine/tuner.h - measuring which algorithm is fastest, pass by pass, on the shapes, batch size and
 * threads that training will have. docs/tuning.md.
 *
 * A time is that of the primitive with its inputs in place, plus the copies that it would cause: maps
 * and weights stand in the layouts of oneDNN's first direct implementation (blocks of 16 channels on
 * AVX-512), and what a candidate wants or gives otherwise is reordered and counted. */
#ifndef MODA_ENGINE_TUNER_H
#define MODA_ENGINE_TUNER_H

#include "base/status.h"
#include "engine/executor.h"
#include "engine/net.h"
#include "engine/tuning.h"
#include <stddef.h>
#include <stdint.h>

typedef enum moda_tune_effort {
    MODA_TUNE_OFF,   /* the rule by shape */
    MODA_TUNE_QUICK, /* what the cache knows; the rest is measured, a twentieth of a second each */
    MODA_TUNE_FULL /* all is measured, half a second each, more candidates; replaces the cache's */
} moda_tune_effort;
extern const char *const moda_tune_efforts[]; /* "off", "quick", "full", NULL: words of --tune */

enum { MODA_CANDIDATES = 8 };

typedef struct moda_candidate {
    moda_choice choice;
    double seconds; /* the fastest run: what disturbs a run on a shared machine only adds to it */
    double median;
    size_t runs;   /* timed; less than others': it was dropped as hopeless */
    size_t copies; /* reorders in each run */
} moda_candidate;

typedef struct moda_measurement {
    moda_tuning_key key;
    moda_candidate candidates[MODA_CANDIDATES]; /* [0]: oneDNN's first direct one */
    size_t count;
    size_t best; /* the fastest, but [0] where that is less than 2 % slower */
} moda_measurement;

typedef struct moda_tuner moda_tuner;
/* precision: F32 or BF16, of the training to come; each layer is measured in the type that it will
 * have there. net
 * is borrowed. Fails: MODA_ERR_ARG (a batch as executors refuse it), MODA_ERR_NOMEM, MODA_ERR_INTERNAL. */
MODA_MUST_USE moda_status moda_tuner_create(const moda_net *net, size_t batch,
                                            moda_precision precision, moda_tuner **tuner);
void moda_tuner_destroy(moda_tuner *tuner);
/* Operands' values are drawn from this seed from now on. Without, trainings measure with the same ones,
 * whatever their own seed. */
void moda_tuner_draw(moda_tuner *tuner, uint64_t seed);
/* The key under which a CONV layer's pass is measured. */
moda_tuning_key moda_tuner_key(const moda_tuner *tuner, size_t layer, moda_conv_pass pass);
/* Measures a CONV layer's pass; layer and pass must be such that training runs it. QUICK times
 * nothing where there is one candidate, unless `always`: then seconds and median are NaN. Fails: MODA_ERR_NOMEM,
 * MODA_ERR_INTERNAL (oneDNN's status and the layer). */
MODA_MUST_USE moda_status moda_tuner_measure(moda_tuner *tuner, size_t layer, moda_conv_pass pass,
                                             moda_tune_effort effort, bool always,
                                             moda_measurement *m);

/* ---- one pass by itself, for benchmarks ---- */

/* All candidates of a pass of a CONV, or of a LINEAR layer (oneDNN's inner products, and the same product of
 * plain matrices), ready to be run; any pass, whether training runs it or not. One trial of a tuner at a
 * time: they share its memory. Fails: MODA_ERR_NOMEM, MODA_ERR_INTERNAL. */
typedef struct moda_trial moda_trial;
MODA_MUST_USE moda_status moda_trial_open(moda_tuner *tuner, size_t layer, moda_conv_pass pass,
                                          moda_trial **trial);
void moda_trial_close(moda_trial *trial);

typedef struct moda_trial_way {
    const char *algorithm;      /* "direct", "winograd", "narrow"; "inner_product", "matmul" */
    const char *implementation; /* oneDNN's name, or our instruction set; until close */
    moda_dtype type;
    size_t copies;
    size_t operands; /* bytes of what the pass reads and writes, as it stands */
    size_t scratch;  /* bytes beside them: copies, and what oneDNN wants */
} moda_trial_way;
size_t moda_trial_count(const moda_trial *trial);
moda_trial_way moda_trial_describe(const moda_trial *trial, size_t i);
/* Runs candidate i once. The first run of a trial makes and fills memory for all. */
MODA_MUST_USE moda_status moda_trial_run(moda_trial *trial, size_t i);

/* Whether training runs this pass: a CONV, and the gradient by its input if that is not the network's. */
bool moda_tuner_has(const moda_net *net, size_t layer, moda_conv_pass pass);
/* oneDNN's version and instruction set: "2.6.3 isa 0x1ef"; the buffer is returned. */
char *moda_tuner_library(char *buffer, size_t size);

/* What moda_tune() did: passes of convolutions with more than one candidate (AUTO: all), shapes that several layers
 * share counted once. */
typedef struct moda_tune_summary {
    size_t cached, measured, winograd;
    double seconds;
} moda_tune_summary;

/* A network's choices at batch size n on `threads` threads, which are set already. The user's cache
 * gives and keeps them; what is wrong with it costs a warning. Shows progress. tuning is zeroed before;
 * moda_tuning_free() it. OFF leaves it empty. AUTO measures both types, if the CPU has bf16. Fails: as
 * the tuner. */
MODA_MUST_USE moda_status moda_tune(const moda_net *net, size_t n, size_t threads,
                                    moda_precision precision, moda_tune_effort effort,
                                    moda_tuning *tuning, moda_tune_summary *summary);

#endif
