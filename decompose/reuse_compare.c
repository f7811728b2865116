/* decompose/reuse_compare.c - the networks to compare composed ones with, restricted to each
 * sub-task's classes; and the figures of all sub-tasks together. */
#include "decompose/reuse_steps_internal.h"
#include "engine/evaluate.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Logits [images, model's classes] of all test images, fresh memory. */
static moda_status run_whole(const moda_reuse_options *o, const moda_model *model,
                             const char *label, float **logits)
{
    moda_status st = MODA_OK;
    moda_runner *runner = NULL;
    moda_evaluation result;
    float *z = NULL;
    const size_t n = o->images->n, batch = o->batch_size < n ? o->batch_size : n;
    MODA_ALLOC(z, n * model->net->classes * sizeof *z);
    MODA_TRY(moda_runner_create(model, batch, NULL, NULL, &runner));
    const moda_evaluation_wish wish = {.logits = z, .label = o->label ? label : NULL};
    MODA_TRY(moda_evaluate(moda_runner_executor(runner), model, o->images, &wish, &result));
    *logits = z, z = NULL;
out:
    moda_runner_destroy(runner);
    free(z);
    return st;
}

moda_status moda_reuse_match(const moda_model *model, const moda_subtasks *s,
                             const moda_model *other, uint32_t *map)
{
    moda_status st = MODA_OK;
    for (size_t k = 0; k < model->net->classes; k++) {
        map[k] = UINT32_MAX;
        for (size_t j = 0; j < other->net->classes; j++)
            if (other->class_ids[j] == model->class_ids[k]) map[k] = (uint32_t)j;
    }
    for (size_t i = 0; i < s->first[s->count]; i++)
        MODA_CHECK(
            map[s->output[i]] != UINT32_MAX, MODA_ERR_ARG,
            "--standard: that model has no output for class %u: give one of the same classes",
            model->class_ids[s->output[i]]);
out:
    return st;
}

/* Right predictions for sub-task t out of logits [images, width] whose column for output k is
 * map[k]. of_class (may be NULL): modular of each class grows by its share of them. */
static size_t count_correct(const moda_reuse_work *w, size_t t, const float *logits, size_t width,
                            const uint32_t *map, moda_reuse_class *of_class)
{
    const moda_subtasks *s = w->options->subtasks;
    const uint32_t *outputs = moda_subtask_outputs(s, t);
    const size_t n = moda_subtask_size(s, t);
    size_t correct = 0;
    for (size_t c = 0; c < n; c++) {
        size_t right = 0;
        for (size_t i = w->first[outputs[c]]; i < w->first[outputs[c] + 1]; i++) {
            const float *z = logits + w->members[i] * width;
            size_t best = 0;
            for (size_t k = 1; k < n; k++)
                if (z[map[outputs[k]]] > z[map[outputs[best]]]) best = k;
            right += best == c;
        }
        correct += right;
        if (!of_class) continue;
#pragma omp atomic
        of_class[outputs[c]].modular += right;
    }
    return correct;
}

moda_status moda_reuse_compare(const moda_reuse_work *w, moda_reuse_row *rows,
                               moda_reuse_class *of_class)
{
    moda_status st = MODA_OK;
    const moda_reuse_options *o = w->options;
    const size_t classes = o->model->net->classes, tasks = o->subtasks->count;
    uint32_t *same = NULL, *map = NULL;
    float *modular = NULL, *standard = NULL;
    MODA_ALLOC(same, classes * sizeof *same);
    MODA_ALLOC(map, classes * sizeof *map);
    for (size_t k = 0; k < classes; k++) same[k] = (uint32_t)k;
    if (o->standard) MODA_TRY(moda_reuse_match(o->model, o->subtasks, o->standard, map));
    MODA_TRY(run_whole(o, o->model, "whole model", &modular));
    if (o->standard) MODA_TRY(run_whole(o, o->standard, "standard model", &standard));
#pragma omp parallel for schedule(dynamic, 4)
    for (size_t t = 0; t < tasks; t++) {
        rows[t].modular = count_correct(w, t, modular, classes, same, of_class);
        if (standard)
            rows[t].standard = count_correct(w, t, standard, o->standard->net->classes, map, NULL);
    }
out:
    free(same);
    free(map);
    free(modular);
    free(standard);
    return st;
}

/* ---- means ---- */

static void add(moda_reuse_mean *sum, const moda_reuse_mean *x)
{
    sum->tasks += x->tasks;
    sum->composed += x->composed, sum->modular += x->modular, sum->standard += x->standard;
    sum->size += x->size, sum->flops += x->flops;
}

static void divide(moda_reuse_mean *sum, size_t n)
{
    const double by = (double)n;
    sum->composed /= by, sum->modular /= by, sum->standard /= by;
    sum->size /= by, sum->flops /= by;
}

static moda_reuse_mean of_row(const moda_reuse *r, const moda_reuse_row *row)
{
    const double samples = (double)row->samples;
    return (moda_reuse_mean){.tasks = 1,
                             .composed = (double)row->composed / samples,
                             .modular = (double)row->modular / samples,
                             .standard = r->has_standard ? (double)row->standard / samples : NAN,
                             .size = (double)row->parameters / (double)r->model_parameters,
                             .flops = (double)row->flops / (double)r->model_flops};
}

/* Counts what moda_reuse_compose_all() does, for the whole plan: what came out of a journal was saved
 * by an earlier run, not by sharing. */
static moda_status count_sharing(const moda_reuse_work *w, moda_reuse_sharing *sharing)
{
    moda_status st = MODA_OK;
    const moda_reuse_plan *plan = w->plan;
    moda_reuse_steps *steps = NULL;
    for (size_t p = 0; p < w->part_count; p++) {
        const double images = (double)w->parts[p].count;
        MODA_TRY(moda_reuse_steps_create(w, p, true, &steps));
        sharing->segments += steps->segments;
        sharing->segments_plain += steps->list_count * plan->depth;
        sharing->flops += steps->flops * images;
        for (size_t i = 0; i < steps->list_count; i++)
            for (size_t s = 0; s < plan->depth; s++)
                sharing->flops_plain +=
                    plan->segment_flops[steps->list[i] * plan->depth + s] * images;
        moda_reuse_steps_destroy(steps);
        steps = NULL;
    }
out:
    return st;
}

moda_status moda_reuse_summarise(const moda_reuse_work *w, moda_reuse *r)
{
    moda_status st = MODA_OK;
    const moda_subtasks *s = w->options->subtasks;
    MODA_ALLOC(r->sizes, r->count * sizeof *r->sizes);
    for (size_t t = 0; t < r->count; t++) { /* sub-tasks stand in the order of their sizes */
        const moda_reuse_mean mean = of_row(r, &r->rows[t]);
        const size_t classes = moda_subtask_size(s, t);
        if (r->size_count == 0 || r->sizes[r->size_count - 1].classes != classes)
            r->sizes[r->size_count++].classes = classes;
        add(&r->sizes[r->size_count - 1], &mean);
        add(&r->by_task, &mean);
    }
    divide(&r->by_task, r->count);
    for (size_t i = 0; i < r->size_count; i++) {
        divide(&r->sizes[i], r->sizes[i].tasks);
        add(&r->by_size, &r->sizes[i]);
    }
    divide(&r->by_size, r->size_count);
    MODA_TRY(count_sharing(w, &r->sharing));
out:
    return st;
}
