/* decompose/reuse_learn.c - reuse of MwT modules: a head for every sub-task, trained on what its
 * trunk says of the training images and judged on what it says of the test images.
 *
 * A trunk's outputs are a few numbers an image, so those of many sub-tasks fit into memory at a
 * time. As in other reuse, the sub-tasks of such a block share what they compute alike. Larger
 * blocks share more, but a run that is cut short loses what it has not finished of a block. */
#include "base/progress.h"
#include "decompose/reuse_internal.h"
#include "decompose/subtask_head.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Adds the images of each output of the model. */
static void count_images(const moda_model *model, const moda_images *images, size_t *counts)
{
    for (size_t i = 0; i < images->n; i++)
        for (size_t k = 0; k < model->net->classes; k++)
            counts[k] += model->class_ids[k] == images->labels[i];
}

static void free_outputs(moda_reuse_outputs *o)
{
    for (size_t t = 0; t < o->count; t++) {
        if (o->z) free(o->z[t]);
        if (o->labels) free(o->labels[t]);
    }
    free(o->n);
    free(o->z);
    free(o->labels);
    *o = (moda_reuse_outputs){0};
}

/* Room for every sub-task of the work, and the labels. */
static moda_status make_outputs(const moda_reuse_work *w, moda_reuse_outputs *o)
{
    moda_status st = MODA_OK;
    const moda_subtasks *s = w->options->subtasks;
    *o = (moda_reuse_outputs){.count = s->count};
    MODA_ALLOC(o->n, s->count * sizeof *o->n);
    MODA_ALLOC(o->z, s->count * sizeof *o->z);
    MODA_ALLOC(o->labels, s->count * sizeof *o->labels);
    for (size_t t = 0; t < s->count; t++) {
        const uint32_t *outputs = moda_subtask_outputs(s, t);
        for (size_t k = 0; k < moda_subtask_size(s, t); k++)
            o->n[t] += w->first[outputs[k] + 1] - w->first[outputs[k]];
        MODA_ALLOC(o->z[t], o->n[t] * w->cut->net->classes * sizeof **o->z);
        MODA_ALLOC(o->labels[t], o->n[t] * sizeof **o->labels);
        for (size_t k = 0, i = 0; k < moda_subtask_size(s, t); k++)
            for (size_t j = w->first[outputs[k]]; j < w->first[outputs[k] + 1]; j++)
                o->labels[t][i++] = (uint32_t)k;
    }
out:
    return st;
}

/* What the trunks of these sub-tasks say of images. */
static moda_status run_trunks(const moda_reuse_options *options, const moda_images *images,
                              const moda_subtasks *subtasks, const char *split,
                              moda_reuse_outputs *outputs)
{
    moda_status st = MODA_OK;
    moda_reuse_options o = *options;
    moda_reuse_work w = {0};
    char label[40];
    snprintf(label, sizeof label, "%s images", split);
    o.images = images, o.subtasks = subtasks, o.journal = NULL;
    if (o.label) o.label = label;
    MODA_TRY(moda_reuse_prepare(&o, split, &w));
    MODA_TRY(make_outputs(&w, outputs));
    w.keep = outputs;
    MODA_TRY(moda_reuse_compose_all(&w, NULL));
out:
    moda_reuse_work_free(&w);
    return st;
}

/* ---- blocks of sub-tasks ---- */

static bool is_known(const moda_reuse_work *w, size_t t)
{
    bool known = true;
    for (size_t p = 0; p < w->part_count; p++)
        known = known && (!moda_reuse_has(w, t, &w->parts[p]) ||
                          w->correct[p * w->plan->count + t] != SIZE_MAX);
    return known;
}

/* Sub-tasks of which something is not known, from *next on, as many as their outputs have room.
 * list [sub-tasks] gets their numbers. */
static void choose_block(const moda_reuse_work *w, const size_t *counts, size_t *next, size_t *list,
                         moda_subtasks *block)
{
    const moda_subtasks *s = w->options->subtasks;
    const size_t given = w->options->training->bytes, most = given ? given : MODA_REUSE_TRUNK_BYTES;
    size_t bytes = 0;
    block->count = 0;
    for (; *next < s->count; ++*next) {
        const uint32_t *outputs = moda_subtask_outputs(s, *next);
        const size_t n = moda_subtask_size(s, *next), first = block->first[block->count];
        size_t images = 0;
        if (is_known(w, *next)) continue;
        for (size_t k = 0; k < n; k++) images += counts[outputs[k]];
        bytes += images * (w->cut->net->classes + 1) * sizeof(float);
        if (block->count && bytes > most) break;
        memcpy(block->output + first, outputs, n * sizeof *outputs);
        block->first[block->count + 1] = first + n;
        list[block->count++] = *next;
    }
}

/* The head on all that is not known of sub-task t; z are the outputs of its test images. */
static moda_status judge(moda_reuse_work *w, size_t t, const moda_subtask_head *head,
                         const float *z, moda_reuse_journal *journal)
{
    moda_status st = MODA_OK;
    const uint32_t *outputs = moda_subtask_outputs(w->options->subtasks, t);
    for (size_t p = 0; p < w->part_count; p++) {
        const moda_reuse_part *part = &w->parts[p];
        size_t *known = &w->correct[p * w->plan->count + t], correct = 0;
        if (!moda_reuse_has(w, t, part) || *known != SIZE_MAX) continue;
        const size_t at = moda_reuse_place(w, t, part->output) + part->from;
        for (size_t i = 0; i < part->count; i++)
            correct += outputs[moda_subtask_head_predict(head, z + (at + i) * head->inputs)] ==
                       part->output;
        *known = correct;
        MODA_TRY(moda_reuse_journal_add(journal, part, t, correct));
    }
out:
    return st;
}

static moda_status learn_block(moda_reuse_work *w, const moda_subtasks *block, const size_t *list,
                               moda_reuse_journal *journal)
{
    moda_status st = MODA_OK;
    const moda_reuse_training *training = w->options->training;
    moda_reuse_outputs train = {0}, test = {0};
    moda_progress progress;
    bool begun = false;
    MODA_TRY(run_trunks(w->options, training->images, block, "training", &train));
    MODA_TRY(run_trunks(w->options, w->options->images, block, "test", &test));
    if (w->options->label) moda_progress_begin(&progress, w->options->label, "heads", block->count);
    begun = w->options->label != NULL;
    for (size_t i = 0; i < block->count; i++) {
        moda_subtask_head head = {0};
        MODA_TRY(moda_subtask_head_train(train.n[i], w->cut->net->classes,
                                         moda_subtask_size(block, i), train.z[i], train.labels[i],
                                         training->epochs, training->seed, &head));
        st = judge(w, list[i], &head, test.z[i], journal);
        moda_subtask_head_free(&head);
        MODA_TRY(st);
        if (begun) moda_progress_update(&progress, i + 1, NULL);
    }
out:
    if (begun) moda_progress_end(&progress);
    free_outputs(&train);
    free_outputs(&test);
    return st;
}

moda_status moda_reuse_learn_all(moda_reuse_work *w, moda_reuse_journal *journal)
{
    moda_status st = MODA_OK;
    const moda_subtasks *s = w->options->subtasks;
    const moda_model *model = w->options->model;
    moda_subtasks block = {0};
    size_t *counts = NULL, *list = NULL, next = 0;
    MODA_ALLOC(counts, model->net->classes * sizeof *counts);
    MODA_ALLOC(list, s->count * sizeof *list);
    MODA_ALLOC(block.first, (s->count + 1) * sizeof *block.first);
    MODA_ALLOC(block.output, s->first[s->count] * sizeof *block.output);
    count_images(model, w->options->images, counts);
    count_images(model, w->options->training->images, counts);
    while (next < s->count) {
        choose_block(w, counts, &next, list, &block);
        if (block.count) MODA_TRY(learn_block(w, &block, list, journal));
    }
out:
    free(counts);
    free(list);
    free(block.first);
    free(block.output);
    return st;
}
