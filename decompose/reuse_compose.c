/* decompose/reuse_compose.c - running the composed networks of all sub-tasks, class by class. */
#include "base/progress.h"
#include "datasets/batch.h"
#include "decompose/pick_images.h"
#include "decompose/pieces.h"
#include "decompose/reuse_internal.h"
#include "decompose/reuse_steps_internal.h"
#include "decompose/slice.h"
#include "engine/channel_select.h"
#include "numa/memory.h"
#include <stdlib.h>
#include <string.h>

/* Results of the segments for one part's images, as decompose/reuse_steps_internal.h names
 * them; value[0] are the images, value[depth] the logits. */
typedef struct machine {
    moda_reuse_work *work;
    moda_pieces *pieces;
    void **value, **joint; /* [depth+1]; joint NULL where nothing is ever joined */
    size_t *bytes;         /* [depth+1] of each */
    moda_kept **kept;      /* [depth+1] whose channels are in joint */
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
    MODA_TRY(
        moda_pieces_create((w->largest + runs - 1) / runs, MODA_REUSE_EXECUTOR_BYTES, &m->pieces));
    MODA_ALLOC(m->value, (depth + 1) * sizeof *m->value);
    MODA_ALLOC(m->joint, (depth + 1) * sizeof *m->joint);
    MODA_ALLOC(m->bytes, (depth + 1) * sizeof *m->bytes);
    MODA_ALLOC(m->kept, (depth + 1) * sizeof *m->kept);
    for (size_t s = 0; s <= depth; s++) {
        const moda_shape shape = w->wide->net->layers[w->segments.cut[s]].shape;
        m->bytes[s] = w->largest * shape.c * shape.h * shape.w * sizeof(float);
        MODA_TRY(moda_memory_create(m->bytes[s], "results of segments", &m->value[s]));
        if (s > 0 && moda_segment_by_channel(w->wide->net, &w->segments, s - 1))
            MODA_TRY(moda_memory_create(m->bytes[s], "results of segments", &m->joint[s]));
    }
out:
    return st;
}

static void destroy(machine *m)
{
    moda_pieces_destroy(m->pieces);
    for (size_t s = 0; m->value && m->joint && m->bytes && m->kept && s <= m->work->segments.count;
         s++) {
        moda_memory_destroy(m->value[s], m->bytes[s]);
        moda_memory_destroy(m->joint[s], m->bytes[s]);
        moda_kept_destroy(m->kept[s]);
    }
    free(m->value);
    free(m->joint);
    free(m->bytes);
    free(m->kept);
}

/* The part's images, normalised, as what the first segment reads. */
static moda_status load_images(machine *m, const moda_reuse_part *part)
{
    moda_status st = MODA_OK;
    const moda_reuse_options *o = m->work->options;
    const uint32_t *members = m->work->members + m->work->first[part->output] + part->from;
    moda_images some = {0};
    moda_batch_options options = {.batch_size = part->count};
    moda_batches *batches = NULL;
    uint32_t *labels = NULL;
    MODA_TRY(moda_images_pick(o->images, members, part->count, &some));
    MODA_ALLOC(labels, part->count * sizeof *labels);
    memcpy(options.mean, o->model->mean, sizeof options.mean);
    memcpy(options.std, o->model->std, sizeof options.std);
    MODA_TRY(moda_batches_create(&some, &options, &batches));
    moda_batches_fill(batches, 0, m->value[0], labels);
out:
    moda_batches_destroy(batches);
    moda_images_free_picked(&some);
    free(labels);
    return st;
}

/* A RUN or JOIN: the network is composed, and only its segments of the step get weights. */
static moda_status run_segments(machine *m, const moda_reuse_part *part,
                                const moda_reuse_steps *steps, const moda_reuse_step *step)
{
    moda_status st = MODA_OK;
    const moda_model *wide = m->work->wide;
    const moda_segments *segments = &m->work->segments;
    moda_segments cuts = {0};
    moda_kept *kept = NULL;
    moda_model *module = NULL;
    MODA_TRY(moda_reuse_step_kept(m->work, steps, step, &kept));
    MODA_TRY(moda_slice_part(wide, kept, segments->cut[step->from] + 1, segments->cut[step->to],
                             &module));
    MODA_TRY(moda_segments_in(wide->net, segments, module->net, &cuts));
    for (size_t s = step->from; s < step->to; s++) {
        void *result = step->kind == MODA_REUSE_JOIN ? m->joint[s + 1] : m->value[s + 1];
        MODA_TRY(moda_pieces_run(m->pieces, module, cuts.cut[s], cuts.cut[s + 1], part->count,
                                 m->value[s], result));
    }
    if (step->kind == MODA_REUSE_JOIN) {
        moda_kept_destroy(m->kept[step->to]);
        m->kept[step->to] = kept, kept = NULL;
    }
out:
    moda_segments_free(&cuts);
    moda_kept_destroy(kept);
    moda_model_destroy(module);
    return st;
}

/* Channel maps as a blocked executor leaves them (engine/executor.h); where a map is one pixel both
 * layouts are the same. */
static moda_map_shape map_shape(size_t n, size_t channels, moda_shape s)
{
    return (moda_map_shape){
        .n = n, .c = channels, .hw = s.h * s.w, .block = channels % 16 == 0 ? 16 : 1};
}

/* value[to] := the first sub-task's channels out of joint[to]. Idle ones that are not there: zeros. */
static moda_status select_channels(machine *m, const moda_reuse_part *part, size_t subtask,
                                   size_t to)
{
    moda_status st = MODA_OK;
    const size_t layer = m->work->segments.cut[to];
    const moda_shape shape = m->work->wide->net->layers[layer].shape;
    const moda_channels *have = &m->kept[to]->out[layer];
    const uint64_t *want = moda_reuse_plan_bits(m->work->plan, subtask, layer);
    uint32_t *channels = NULL;
    size_t n = 0, k = 0;
    MODA_ALLOC(channels, shape.c * sizeof *channels);
    for (size_t c = 0; c < shape.c; c++) {
        if (!(want[c / 64] >> c % 64 & 1)) continue;
        while (k < have->count && have->index[k] < c) k++;
        const bool found = k < have->count && have->index[k] == c;
        channels[n++] = found ? (uint32_t)k : MODA_SELECT_ZERO;
    }
    moda_select(map_shape(part->count, have->count, shape), map_shape(part->count, n, shape),
                channels, m->joint[to], m->value[to]);
out:
    free(channels);
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

static void keep_outputs(const machine *m, const moda_reuse_part *part, size_t subtask)
{
    const moda_reuse_work *w = m->work;
    const size_t classes = w->cut->net->classes;
    const float *logits = m->value[w->segments.count];
    float *z = w->keep->z[subtask];
    const size_t at = moda_reuse_place(w, subtask, part->output) + part->from;
    memcpy(z + at * classes, logits, part->count * classes * sizeof *z);
}

/* Sub-tasks whose logits are there. */
static moda_status judge(machine *m, size_t p, const size_t *list, size_t n,
                         moda_reuse_journal *journal)
{
    moda_status st = MODA_OK;
    moda_reuse_work *w = m->work;
    const moda_reuse_part *part = &w->parts[p];
    for (size_t i = 0; i < n && w->keep; i++) keep_outputs(m, part, list[i]);
    for (size_t i = 0; i < n && !w->keep; i++) {
        size_t *correct = &w->correct[p * w->plan->count + list[i]];
        *correct = count_correct(m, part, list[i]);
        MODA_TRY(moda_reuse_journal_add(journal, part, list[i], *correct));
    }
    m->images_done += n * part->count;
    if (w->options->label) moda_progress_update(&m->progress, m->images_done, NULL);
out:
    return st;
}

static moda_status run_part(machine *m, size_t p, moda_reuse_journal *journal)
{
    moda_status st = MODA_OK;
    const moda_reuse_part *part = &m->work->parts[p];
    moda_reuse_steps *steps = NULL;
    MODA_TRY(moda_reuse_steps_create(m->work, p, false, &steps));
    if (steps->list_count) MODA_TRY(load_images(m, part));
    for (size_t i = 0; i < steps->count; i++) {
        const moda_reuse_step *step = &steps->items[i];
        const size_t *list = steps->list + step->first;
        switch (step->kind) {
        case MODA_REUSE_RUN:
        case MODA_REUSE_JOIN: MODA_TRY(run_segments(m, part, steps, step)); break;
        case MODA_REUSE_SELECT: MODA_TRY(select_channels(m, part, *list, step->to)); break;
        case MODA_REUSE_JUDGE: MODA_TRY(judge(m, p, list, step->count, journal)); break;
        }
    }
out:
    moda_reuse_steps_destroy(steps);
    return st;
}

moda_status moda_reuse_compose_all(moda_reuse_work *w, moda_reuse_journal *journal)
{
    moda_status st = MODA_OK;
    machine m = {.work = w};
    size_t images = 0;
    for (size_t p = 0; p < w->part_count; p++)
        for (size_t t = 0; t < w->plan->count; t++) {
            if (!moda_reuse_has(w, t, &w->parts[p])) continue;
            images += w->parts[p].count;
            if (w->correct[p * w->plan->count + t] != SIZE_MAX) m.images_done += w->parts[p].count;
        }
    MODA_TRY(create(w, &m));
    if (w->options->label) moda_progress_begin(&m.progress, w->options->label, "images", images);
    for (size_t p = 0; p < w->part_count; p++) MODA_TRY(run_part(&m, p, journal));
out:
    if (w->options->label && m.value) moda_progress_end(&m.progress);
    destroy(&m);
    return st;
}
