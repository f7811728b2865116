/* decompose/reuse_compose.c - running the composed networks of all sub-tasks, class by class. */
#include "base/progress.h"
#include "datasets/batch.h"
#include "decompose/pieces.h"
#include "decompose/reuse_internal.h"
#include "decompose/slice.h"
#include "decompose/widen.h"
#include "numa/memory.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Results of the segments for one part's images: value[s] is what segment s reads; value[depth] are
 * the logits. One for the sub-task that ran last, with whatever it has in common with the next. */
typedef struct machine {
    moda_reuse_work *work;
    moda_pieces *pieces;
    void **value;  /* [depth+1] */
    size_t *bytes; /* [depth+1] */
    moda_progress progress;
    size_t images_done;
} machine;

static moda_status create(moda_reuse_work *w, machine *m)
{
    moda_status st = MODA_OK;
    const size_t depth = w->segments.count;
    /* A batch of which the largest part is a multiple: no run of images that do not count. */
    const size_t batch = w->options->batch_size, runs = (w->largest + batch - 1) / batch;
    m->work = w;
    MODA_TRY(moda_pieces_create((w->largest + runs - 1) / runs, MODA_REUSE_BYTES, &m->pieces));
    MODA_ALLOC(m->value, (depth + 1) * sizeof *m->value);
    MODA_ALLOC(m->bytes, (depth + 1) * sizeof *m->bytes);
    for (size_t s = 0; s <= depth; s++) {
        const moda_shape shape = m->work->wide->net->layers[w->segments.cut[s]].shape;
        m->bytes[s] = w->largest * shape.c * shape.h * shape.w * sizeof(float);
        MODA_TRY(moda_memory_create(m->bytes[s], "results of segments", &m->value[s]));
    }
out:
    return st;
}

static void destroy(machine *m)
{
    moda_pieces_destroy(m->pieces);
    for (size_t s = 0; m->value && m->bytes && s <= m->work->segments.count; s++)
        moda_memory_destroy(m->value[s], m->bytes[s]);
    free(m->value);
    free(m->bytes);
}

/* The part's images, normalised, as what the first segment reads. */
static moda_status load_images(machine *m, const moda_reuse_part *part)
{
    moda_status st = MODA_OK;
    const moda_reuse_options *o = m->work->options;
    const uint32_t *members = m->work->members + m->work->first[part->output] + part->from;
    const size_t stride = o->images->channels * o->images->height * o->images->width;
    moda_images some = *o->images;
    moda_batch_options options = {.batch_size = part->count};
    moda_batches *batches = NULL;
    uint32_t *labels = NULL;
    some.n = part->count, some.pixels = NULL, some.labels = NULL;
    MODA_ALLOC(some.pixels, part->count * stride);
    MODA_ALLOC(some.labels, part->count * sizeof *some.labels);
    MODA_ALLOC(labels, part->count * sizeof *labels);
    for (size_t i = 0; i < part->count; i++)
        memcpy(some.pixels + i * stride, o->images->pixels + members[i] * stride, stride);
    memcpy(options.mean, o->model->mean, sizeof options.mean);
    memcpy(options.std, o->model->std, sizeof options.std);
    MODA_TRY(moda_batches_create(&some, &options, &batches));
    moda_batches_fill(batches, 0, m->value[0], labels);
out:
    moda_batches_destroy(batches);
    free(some.pixels);
    free(some.labels);
    free(labels);
    return st;
}

/* Segments from `shared` on of the sub-task's network, on what the segments before have left. */
static moda_status run_segments(machine *m, const moda_reuse_part *part, size_t subtask,
                                size_t shared)
{
    moda_status st = MODA_OK;
    const moda_reuse_options *o = m->work->options;
    const moda_segments *segments = &m->work->segments;
    moda_segments cuts = {0};
    moda_kept *kept = NULL;
    moda_model *module = NULL;
    if (shared == segments->count) goto out;
    MODA_TRY(moda_kept_of_wide(m->work->wide->net, o->masks,
                               moda_subtask_outputs(o->subtasks, subtask),
                               moda_subtask_size(o->subtasks, subtask), &kept));
    MODA_TRY(moda_slice(m->work->wide, kept, NAN, &module));
    MODA_TRY(moda_segments_in(m->work->wide->net, segments, module->net, &cuts));
    for (size_t s = shared; s < segments->count; s++)
        MODA_TRY(moda_pieces_run(m->pieces, module, cuts.cut[s], cuts.cut[s + 1], part->count,
                                 m->value[s], m->value[s + 1]));
out:
    moda_segments_free(&cuts);
    moda_kept_destroy(kept);
    moda_model_destroy(module);
    return st;
}

static size_t count_correct(const machine *m, const moda_reuse_part *part, size_t subtask)
{
    const moda_reuse_options *o = m->work->options;
    const size_t classes = o->model->net->classes;
    const float *logits = m->value[m->work->segments.count];
    size_t correct = 0;
    for (size_t i = 0; i < part->count; i++)
        correct +=
            moda_reuse_predict(logits + i * classes, moda_subtask_outputs(o->subtasks, subtask),
                               moda_subtask_size(o->subtasks, subtask)) == part->output;
    return correct;
}

static moda_status run_part(machine *m, size_t p, moda_reuse_journal *journal)
{
    moda_status st = MODA_OK;
    moda_reuse_work *w = m->work;
    const moda_reuse_plan *plan = w->plan;
    const moda_reuse_part *part = &w->parts[p];
    size_t shared = 0;
    bool loaded = false;
    for (size_t i = 0; i < plan->count; i++) {
        const size_t t = plan->order[i];
        size_t *correct = &w->correct[p * plan->count + t];
        moda_reuse_plan_step(plan, i, &shared);
        if (!moda_reuse_has(w, t, part)) continue;
        m->images_done += part->count;
        if (*correct != SIZE_MAX) continue;
        if (!loaded) MODA_TRY(load_images(m, part));
        loaded = true;
        MODA_TRY(run_segments(m, part, t, shared));
        shared = plan->depth;
        *correct = count_correct(m, part, t);
        MODA_TRY(moda_reuse_journal_add(journal, part, t, *correct));
        if (w->options->label) moda_progress_update(&m->progress, m->images_done, NULL);
    }
out:
    return st;
}

moda_status moda_reuse_compose_all(moda_reuse_work *w, moda_reuse_journal *journal)
{
    moda_status st = MODA_OK;
    machine m = {.work = w};
    size_t images = 0;
    for (size_t p = 0; p < w->part_count; p++)
        for (size_t t = 0; t < w->plan->count; t++)
            if (moda_reuse_has(w, t, &w->parts[p])) images += w->parts[p].count;
    MODA_TRY(create(w, &m));
    if (w->options->label) moda_progress_begin(&m.progress, w->options->label, "images", images);
    for (size_t p = 0; p < w->part_count; p++) MODA_TRY(run_part(&m, p, journal));
out:
    if (w->options->label && m.value) moda_progress_end(&m.progress);
    destroy(&m);
    return st;
}
