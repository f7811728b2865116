#include "decompose/reuse.h"
#include "decompose/metrics.h"
#include "decompose/reuse_internal.h"
#include "decompose/strip.h"
#include "decompose/subtask_head.h"
#include "decompose/widen.h"
#include <stdlib.h>
#include <string.h>

bool moda_reuse_has(const moda_reuse_work *w, size_t subtask, const moda_reuse_part *part)
{
    const moda_subtasks *s = w->options->subtasks;
    const uint32_t *outputs = moda_subtask_outputs(s, subtask);
    for (size_t i = 0; i < moda_subtask_size(s, subtask); i++)
        if (outputs[i] == part->output) return true;
    return false;
}

size_t moda_reuse_predict(const float *z, const uint32_t *outputs, size_t n)
{
    size_t best = outputs[0];
    for (size_t i = 1; i < n; i++)
        if (z[outputs[i]] > z[best]) best = outputs[i];
    return best;
}

size_t moda_reuse_place(const moda_reuse_work *w, size_t subtask, size_t output)
{
    const uint32_t *outputs = moda_subtask_outputs(w->options->subtasks, subtask);
    size_t n = 0;
    for (size_t i = 0; outputs[i] != output; i++)
        n += w->first[outputs[i] + 1] - w->first[outputs[i]];
    return n;
}

static moda_status check_images(const moda_reuse_work *w)
{
    moda_status st = MODA_OK;
    const moda_reuse_options *o = w->options;
    const moda_shape in = o->model->net->input;
    MODA_CHECK(o->images->n, MODA_ERR_ARG,
               "%s: no %s image: name data that has a %s split, or has these classes", o->source,
               w->split, w->split);
    MODA_CHECK(o->images->channels == in.c && o->images->height == in.h && o->images->width == in.w,
               MODA_ERR_ARG,
               "%s: images are %zux%zux%zu, network %s wants %zux%zux%zu: use the "
               "data it was made for",
               o->source, o->images->channels, o->images->height, o->images->width,
               o->model->net->name, in.c, in.h, in.w);
    MODA_CHECK(o->model->std[0] > 0, MODA_ERR_ARG,
               "the model does not say how its input is normalised: decompose it with --data");
out:
    return st;
}

/* Images by the output that stands for their class; counting sort, so the data's order stays. */
static moda_status group_images(moda_reuse_work *w)
{
    moda_status st = MODA_OK;
    const moda_reuse_options *o = w->options;
    const size_t classes = o->model->net->classes;
    uint32_t *output = NULL, highest = 0;
    size_t *at = NULL;
    MODA_ALLOC(w->first, (classes + 1) * sizeof *w->first);
    MODA_ALLOC(w->members, o->images->n * sizeof *w->members);
    MODA_ALLOC(at, classes * sizeof *at);
    for (size_t i = 0; i < o->images->n; i++)
        if (o->images->labels[i] > highest) highest = o->images->labels[i];
    for (size_t k = 0; k < classes; k++)
        if (o->model->class_ids[k] > highest) highest = o->model->class_ids[k];
    MODA_ALLOC(output, ((size_t)highest + 1) * sizeof *output); /* of a class number */
    for (size_t i = 0; i <= highest; i++) output[i] = UINT32_MAX;
    for (size_t k = 0; k < classes; k++) output[o->model->class_ids[k]] = (uint32_t)k;
    for (size_t i = 0; i < o->images->n; i++) {
        const uint32_t k = output[o->images->labels[i]];
        if (k != UINT32_MAX) w->first[k + 1]++;
    }
    for (size_t k = 0; k < classes; k++) w->first[k + 1] += w->first[k], at[k] = w->first[k];
    for (size_t i = 0; i < o->images->n; i++) {
        const uint32_t k = output[o->images->labels[i]];
        if (k != UINT32_MAX) w->members[at[k]++] = (uint32_t)i;
    }
out:
    free(output);
    free(at);
    return st;
}

static moda_status check_classes(const moda_reuse_work *w, bool *used)
{
    moda_status st = MODA_OK;
    const moda_reuse_options *o = w->options;
    const moda_model *m = o->model;
    const moda_subtasks *s = o->subtasks;
    for (size_t i = 0; i < s->first[s->count]; i++) used[s->output[i]] = true;
    for (size_t k = 0; k < m->net->classes; k++)
        MODA_CHECK(!used[k] || w->first[k + 1] > w->first[k], MODA_ERR_ARG,
                   "%s: class %u%s%s has no %s image, so no sub-task with it can be judged: name "
                   "the classes that have with --classes",
                   o->source, m->class_ids[k], m->class_names[k] ? " " : "",
                   m->class_names[k] ? m->class_names[k] : "", w->split);
out:
    return st;
}

/* Images whose results of all segments fit into MODA_REUSE_BYTES. */
static size_t images_at_once(const moda_reuse_work *w)
{
    const moda_net *net = w->cut->net;
    double floats = 0;
    for (size_t s = 0; s <= w->segments.count; s++) {
        const moda_shape shape = net->layers[w->segments.cut[s]].shape;
        const bool joint = s > 0 && moda_segment_by_channel(net, &w->segments, s - 1);
        const double channels = (double)shape.c + 16; /* decompose/widen.h */
        floats += (joint ? 2 : 1) * channels * (double)shape.h * (double)shape.w;
    }
    const double n = (double)MODA_REUSE_BYTES / sizeof(float) / floats;
    return n < 1 ? 1 : (size_t)n;
}

/* Every class of any sub-task, in equal parts that are small enough. */
static moda_status make_parts(moda_reuse_work *w)
{
    moda_status st = MODA_OK;
    const size_t classes = w->options->model->net->classes, most = images_at_once(w);
    bool *used = NULL;
    size_t count = 0;
    MODA_ALLOC(used, classes * sizeof *used);
    MODA_TRY(check_classes(w, used));
    for (size_t k = 0; k < classes; k++) count += (w->first[k + 1] - w->first[k]) / most + 1;
    MODA_ALLOC(w->parts, count * sizeof *w->parts);
    for (size_t k = 0; k < classes; k++) {
        const size_t n = w->first[k + 1] - w->first[k], pieces = (n + most - 1) / most;
        for (size_t i = 0; used[k] && i < pieces; i++) {
            const size_t from = n * i / pieces, to = n * (i + 1) / pieces;
            w->parts[w->part_count++] = (moda_reuse_part){k, from, to - from};
            if (to - from > w->largest) w->largest = to - from;
        }
    }
out:
    free(used);
    return st;
}

moda_status moda_reuse_prepare(const moda_reuse_options *o, const char *split, moda_reuse_work *w)
{
    moda_status st = MODA_OK;
    *w = (moda_reuse_work){.options = o, .split = split};
    MODA_TRY(moda_model_strip(o->model, &w->stripped));
    w->cut = w->stripped ? w->stripped : o->model;
    MODA_TRY(check_images(w));
    MODA_TRY(group_images(w));
    MODA_TRY(moda_segments_find(w->cut->net, &w->segments));
    MODA_TRY(make_parts(w));
    MODA_TRY(moda_widen(w->cut, moda_class_tables_sites(&o->masks->shape), &w->wide));
    MODA_TRY(moda_reuse_plan_create(w->cut->net, w->wide->net, o->model->class_ids, o->masks,
                                    &w->segments, o->subtasks, &w->plan));
    const size_t results = w->part_count * o->subtasks->count;
    MODA_ALLOC(w->correct, results * sizeof *w->correct);
    for (size_t i = 0; i < results; i++) w->correct[i] = SIZE_MAX;
out:
    return st;
}

void moda_reuse_work_free(moda_reuse_work *w)
{
    moda_model_destroy(w->stripped);
    moda_segments_free(&w->segments);
    moda_model_destroy(w->wide);
    moda_reuse_plan_destroy(w->plan);
    free(w->members);
    free(w->first);
    free(w->parts);
    free(w->correct);
}

static void count_resumed(const moda_reuse_work *w, moda_reuse *r)
{
    for (size_t p = 0; p < w->part_count; p++)
        for (size_t t = 0; t < r->count; t++) {
            if (!moda_reuse_has(w, t, &w->parts[p])) continue;
            r->total++;
            r->resumed += w->correct[p * r->count + t] != SIZE_MAX;
        }
}

static void fill_rows(const moda_reuse_work *w, moda_reuse *r)
{
    const size_t outputs = w->cut->net->classes;
    for (size_t t = 0; t < r->count; t++) {
        moda_reuse_row *row = &r->rows[t];
        row->parameters = w->plan->parameters[t], row->flops = w->plan->flops[t];
        if (w->options->training) {
            const size_t classes = moda_subtask_size(w->options->subtasks, t);
            row->parameters += moda_subtask_head_parameters(outputs, classes);
            row->flops += moda_subtask_head_flops(outputs, classes);
        }
        for (size_t p = 0; p < w->part_count; p++) {
            if (!moda_reuse_has(w, t, &w->parts[p])) continue;
            row->samples += w->parts[p].count;
            row->composed += w->correct[p * r->count + t];
            moda_reuse_class *of_class = &r->classes[w->parts[p].output];
            of_class->samples += w->parts[p].count;
            of_class->composed += w->correct[p * r->count + t];
        }
    }
}

moda_status moda_reuse_run(const moda_reuse_options *o, moda_reuse **reuse)
{
    moda_status st = MODA_OK;
    moda_reuse_work w = {0};
    moda_reuse *r = NULL;
    moda_reuse_journal *journal = NULL;
    MODA_CHECK((o->training != NULL) == o->masks->shape.mwt, MODA_ERR_ARG,
               "%s: networks composed of it %s", o->model->net->name,
               o->training ? "have no heads to train"
                           : "have heads (MwT) that need training images");
    MODA_TRY(moda_reuse_prepare(o, "test", &w));
    MODA_ALLOC(r, sizeof *r);
    r->count = o->subtasks->count, r->has_standard = o->standard != NULL;
    r->model_parameters = moda_network_parameters(w.cut->net);
    r->model_flops = moda_network_flops(w.cut->net);
    MODA_ALLOC(r->rows, r->count * sizeof *r->rows);
    MODA_ALLOC(r->classes, o->model->net->classes * sizeof *r->classes);
    if (o->journal)
        MODA_TRY(
            moda_reuse_journal_open(o->journal, o, w.parts, w.part_count, w.correct, &journal));
    count_resumed(&w, r);
    MODA_TRY(moda_reuse_compare(
        &w, r->rows, r->classes)); /* first: it finds a standard model that does not fit */
    MODA_TRY(o->training ? moda_reuse_learn_all(&w, journal) : moda_reuse_compose_all(&w, journal));
    fill_rows(&w, r);
    MODA_TRY(moda_reuse_summarise(&w, r));
    *reuse = r, r = NULL;
out:
    moda_reuse_journal_close(journal);
    moda_reuse_destroy(r);
    moda_reuse_work_free(&w);
    return st;
}

void moda_reuse_destroy(moda_reuse *r)
{
    if (!r) return;
    free(r->rows);
    free(r->classes);
    free(r->sizes);
    free(r);
}
