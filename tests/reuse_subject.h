/* tests/reuse_subject.h - something to reuse: a model, masks of it, images and sub-tasks. */
#ifndef MODA_TESTS_REUSE_SUBJECT_H
#define MODA_TESTS_REUSE_SUBJECT_H

#include "decompose/reuse.h"

/* A model, masks of it, images of its classes and the sub-tasks. */
typedef struct reuse_subject {
    moda_model *model;
    moda_masks *masks;
    moda_images images;
    moda_subtasks *subtasks;
    moda_reuse_options options;
} reuse_subject;

/* .init of a suite: a folder, no messages. */
void reuse_prepare(void);
/* Stops the test unless st is MODA_OK. */
void reuse_must(moda_status st);

/* LeNet-5 with everything; sample: sub-tasks per size, 0: all. */
void reuse_lenet(reuse_subject *s, size_t images, size_t sample);
/* The same in steps, for s->model. Pictures differ by class, so that not every network answers the
 * same for all of them. Masks keep `share` of the channels, half of them the same ones for all
 * classes; of the first layer all do. */
void reuse_draw_images(reuse_subject *s, size_t n, uint64_t seed);
void reuse_draw_masks(reuse_subject *s, double share, uint64_t seed);
void reuse_finish(reuse_subject *s, size_t sample);
void reuse_discard(reuse_subject *s);

moda_reuse *reuse_run(const reuse_subject *s);

#endif
