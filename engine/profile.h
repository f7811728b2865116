/* engine/profile.h - where a training step's time goes: docs/profile.md.
 *
 * A step consists of parts: assembling the batch, each primitive and kernel of the program,
 * losses, optimizer. They are added once; then a step after the other is recorded. The first
 * MODA_PROFILE_WARMUP steps are passed over (pages are touched, caches and clocks settle), the
 * MODA_PROFILE_STEPS after them are kept, later ones cost nothing again.
 *
 *     moda_profile_create((moda_profile_peaks){flops, bytes}, &p);   // engine/peak.h
 *     options.profile = p; // of a trainer, which adds the parts and records
 *     moda_trainer_create(.., &options, &t); moda_trainer_run(t, ..);
 *     moda_profile_print(p); moda_profile_write_trace(p, "trace.json"); */
#ifndef MODA_ENGINE_PROFILE_H
#define MODA_ENGINE_PROFILE_H

#include "base/json.h"
#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>

enum { MODA_PROFILE_WARMUP = 3, MODA_PROFILE_STEPS = 20 };

typedef enum moda_work {
    MODA_WORK_DATA,
    MODA_WORK_CONVOLUTION,
    MODA_WORK_BATCHNORM,
    MODA_WORK_ELEMENTWISE, /* ReLU, sums */
    MODA_WORK_POOLING,
    MODA_WORK_LINEAR,
    MODA_WORK_SELECT,
    MODA_WORK_REORDER, /* copies into another layout */
    MODA_WORK_LOSSES,
    MODA_WORK_OPTIMIZER,
    MODA_WORK_COUNT
} moda_work;
const char *moda_work_name(moda_work work); /* "convolution" */

typedef enum moda_pass {
    MODA_PASS_NONE, /* data, losses, optimizer */
    MODA_PASS_FORWARD,
    MODA_PASS_BACKWARD, /* both of the following in one, or no weights there */
    MODA_PASS_BACKWARD_DATA,
    MODA_PASS_BACKWARD_WEIGHTS
} moda_pass;
const char *moda_pass_name(moda_pass pass); /* "forward"; "" for none */

typedef struct moda_profile_part {
    size_t place; /* in the network: tables have parts by place, then as they were added */
    moda_work work;
    moda_pass pass;
    char layer[64];  /* or tensor */
    char kernel[64]; /* oneDNN's name of its implementation, or ours and the instruction set */
    char shape[96];  /* "128x64x32x32 > 128x128x32x32" */
    double flops;    /* 2 per multiply-add of the direct method, whatever is used; 0: not counted */
    double bytes;    /* of all that it reads and all that it writes, each once */
} moda_profile_part;

typedef struct moda_profile_peaks {
    double flops, bandwidth; /* per second */
} moda_profile_peaks;

typedef struct moda_profile moda_profile;
MODA_MUST_USE moda_status moda_profile_create(moda_profile_peaks peaks, moda_profile **profile);
void moda_profile_destroy(moda_profile *profile);

/* ---- recording ---- */

/* Before the first step. *index: parts are numbered from 0. */
MODA_MUST_USE moda_status moda_profile_add(moda_profile *profile, const moda_profile_part *part,
                                           size_t *index);
/* Times are moda_seconds(). Allocates nothing. */
void moda_profile_begin_step(moda_profile *profile, double now);
/* Whether this step is kept: if not, there is no need to look at the clock. */
bool moda_profile_recording(const moda_profile *profile);
/* Does nothing unless recording. A part that runs twice in a step counts with both. */
void moda_profile_record(moda_profile *profile, size_t index, double begin, double end);
void moda_profile_end_step(moda_profile *profile, double now);

/* ---- figures ---- */

/* seconds: of a part, the median of the kept steps, which what disturbs the machine now and
 * then leaves alone; of several parts, the sum of their medians. share: of the whole step's
 * median. So both add up. 0 without a kept step. */
typedef struct moda_profile_time {
    double seconds, share;
} moda_profile_time;

size_t moda_profile_parts(const moda_profile *profile); /* how many */
const moda_profile_part *moda_profile_part_at(const moda_profile *profile, size_t index);
size_t moda_profile_steps(const moda_profile *profile); /* kept so far */
moda_profile_peaks moda_profile_limits(const moda_profile *profile);
/* Of step `step` (0 the first kept one): when it began, how long it took. */
double moda_profile_step_begin(const moda_profile *profile, size_t step);
double moda_profile_step_seconds(const moda_profile *profile, size_t step);
double moda_profile_begin(const moda_profile *profile, size_t step, size_t index);
double moda_profile_seconds(const moda_profile *profile, size_t step, size_t index);

moda_profile_time moda_profile_part_time(const moda_profile *profile, size_t index);
moda_profile_time moda_profile_work_time(const moda_profile *profile, moda_work work);
moda_profile_time moda_profile_all_parts(const moda_profile *profile);
moda_profile_time moda_profile_whole_step(const moda_profile *profile);
/* What no part accounts for, the difference of the two above: what lies between parts, and
 * interruptions, which hit another part in each step. */
moda_profile_time moda_profile_rest(const moda_profile *profile);

/* ---- output ---- */

/* To stdout: the largest parts, the sums by kind of work, all parts. */
void moda_profile_print(const moda_profile *profile);
/* The same figures. New reference; NULL when out of memory. */
json_t *moda_profile_json(const moda_profile *profile);
/* Every part of every kept step as Chrome's trace format, for ui.perfetto.dev or
 * chrome://tracing; a file appears whole or not at all. title: what was run. Fails:
 * MODA_ERR_IO, MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_profile_write_trace(const moda_profile *profile, const char *title,
                                                   const char *path);

#endif
