/* bench/nightly_subject.h - what a nightly run measures, and measuring one of it in this process.
 *
 * A subject is a piece of work with one or more figures (bench/nightly_figure.h). Timed ones are
 * cut into slices of some 1 ms, or of one training step, with probes of the machine
 * (bench/probe.h) between them. A slice in which threads had to wait for a CPU
 * (/proc/self/task/N/schedstat) says nothing of the build and does not count. docs/nightly.md. */
#ifndef MODA_BENCH_NIGHTLY_SUBJECT_H
#define MODA_BENCH_NIGHTLY_SUBJECT_H

#include "base/json.h"
#include "base/status.h"
#include "bench/kernels.h"
#include "bench/probe.h"
#include "engine/tuning.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum moda_nightly_job {
    MODA_NIGHTLY_STEP,   /* training steps: time, planned and peak bytes */
    MODA_NIGHTLY_LAYER,  /* a pass of a convolution or linear layer */
    MODA_NIGHTLY_KERNEL, /* one of bench/kernels.h */
    MODA_NIGHTLY_INFER,  /* a forward pass */
    MODA_NIGHTLY_BATCH,  /* random crops, flips, normalisation */
    MODA_NIGHTLY_LEARN   /* a small training, taken apart: accuracy and sizes; several processes */
} moda_nightly_job;

typedef struct moda_nightly_subject {
    const char *name; /* "step.vgg16.moda.f32" */
    moda_nightly_job job;
    bool in_long; /* only in the long form */
    bool bf16;
    const char *method; /* STEP: a name of engine/method.h */
    const char *what;   /* a network; a shape (bench/shapes.h); a kernel's name; a SPEC */
    size_t batch;       /* STEP, INFER, BATCH */
    size_t slices;      /* of a turn */
    moda_conv_pass pass;
    const moda_kernel_suite *suite;
    size_t sizes[MODA_KERNEL_SIZES];
} moda_nightly_subject;

extern const moda_nightly_subject moda_nightly_subjects[];
size_t moda_nightly_subject_count(void);
/* NULL: there is none of that name. */
const moda_nightly_subject *moda_nightly_subject_find(const char *name);
/* Whether this machine can: NULL, or why not (no bf16, no such data). */
const char *moda_nightly_subject_lacks(const moda_nightly_subject *subject);

typedef struct moda_nightly_slices {
    double patience;      /* seconds after which a turn ends, however few slices are undisturbed */
    moda_timings quiet;   /* of each undisturbed slice, its median call */
    moda_probe probe;     /* before each slice */
    size_t count;         /* of slices, disturbed ones too */
    size_t planned, peak; /* STEP: bytes, else 0 */
    double began, before; /* for the measuring itself */
} moda_nightly_slices;

/* Measures it once, with the threads that are set: a turn. Any job but LEARN. The peak is the
 * process's: measure nothing else in it before. Fails: as the work itself. */
MODA_MUST_USE moda_status moda_nightly_measure(const moda_nightly_subject *subject, uint64_t seed,
                                               moda_nightly_slices *slices);
/* What a turn has measured: lower deciles, as what disturbs a slice or a probe makes it slower. */
enum { MODA_NIGHTLY_QUIET = 5 };
typedef struct moda_nightly_time {
    double seconds;  /* of the undisturbed slices; NaN without any */
    double clock;    /* of the probes */
    double handover; /* likewise */
    double ratio; /* seconds over clock; NaN with less than MODA_NIGHTLY_QUIET undisturbed slices */
} moda_nightly_time;
/* Fails: MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_nightly_summarise(const moda_nightly_slices *slices,
                                                 moda_nightly_time *time);
void moda_nightly_slices_free(moda_nightly_slices *slices); /* zeroed struct is fine */
/* {"subject", "ratio", "seconds", "clock_seconds", "handover_seconds" (moda_nightly_time), "slices"
 * (how many), "quiet", "clocks", "handovers" ([seconds]), "planned", "peak"}. New reference. */
MODA_MUST_USE moda_status moda_nightly_slices_json(const moda_nightly_subject *subject,
                                                   const moda_nightly_slices *slices,
                                                   json_t **json);

#endif
