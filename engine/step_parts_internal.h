/* engine/step_parts_internal.h - the parts of a training step in its profile: those of the
 * executor, and around them what the trainer does itself. */
#ifndef MODA_ENGINE_STEP_PARTS_INTERNAL_H
#define MODA_ENGINE_STEP_PARTS_INTERNAL_H

#include "engine/trainer.h"

typedef struct moda_step_parts {
    moda_profile *profile;                           /* NULL: nothing is timed */
    size_t batch, cross_entropy, modular, optimizer; /* their numbers in the profile */
} moda_step_parts;

/* Adds them all. executor: the one whose steps are recorded. */
moda_status moda_step_parts_add(moda_profile *profile, const moda_net *net,
                                const moda_train_options *options, moda_executor *executor,
                                moda_step_parts *parts);
/* What the trainer does itself, between these two. begin looks at the clock only if the step is
 * kept. */
double moda_step_part_begin(const moda_step_parts *parts);
void moda_step_part_end(const moda_step_parts *parts, size_t part, double begin);

#endif
