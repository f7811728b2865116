/* bench/experiment_show.c - what a study would do, and how long that may take. */
#include "base/progress.h"
#include "base/table.h"
#include "bench/experiment_internal.h"
#include "bench/step.h"
#include "decompose/subtask_head.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a training step is to a forward pass: that, and two more for the gradients. */
static const double passes_of_a_step = 3;
enum { BATCH = 128 }; /* of the steps that are measured */

/* Seconds for one image forward and backward, from a few steps on made-up images. */
static moda_status measure(const moda_study_plan *p, const char *model, double *seconds)
{
    moda_status st = MODA_OK;
    char spec[128];
    moda_step_bench bench = {.model = model,
                             .data = spec,
                             .batch = BATCH,
                             .steps = 3,
                             .method = MODA_METHOD_STANDARD,
                             .remote = MODA_REMOTE_CLOSED};
    snprintf(spec, sizeof spec, "synthetic:classes=%zu,channels=%zu,size=%zu,train=%d,test=0",
             p->classes, p->channels, p->image_size, 4 * BATCH);
    MODA_TRY(moda_step_bench_run(&bench));
    *seconds = bench.time.median / BATCH;
out:
    moda_step_bench_free(&bench);
    return st;
}

/* Seconds for one made-up image in one epoch of a head, which has half the classes. */
static moda_status measure_head(const moda_study_plan *p, double *seconds)
{
    enum { IMAGES = 32 * BATCH, EPOCHS = 2 };
    moda_status st = MODA_OK;
    const size_t inputs = p->classes, outputs = (p->classes + 1) / 2;
    moda_subtask_head head = {0};
    float *z = NULL;
    uint32_t *labels = NULL;
    MODA_ALLOC(z, IMAGES * inputs * sizeof *z);
    MODA_ALLOC(labels, IMAGES * sizeof *labels);
    for (size_t i = 0; i < IMAGES * inputs; i++) z[i] = (float)(i % 13) / 13;
    for (size_t i = 0; i < IMAGES; i++) labels[i] = (uint32_t)(i % outputs);
    const double before = moda_seconds();
    MODA_TRY(moda_subtask_head_train(IMAGES, inputs, outputs, z, labels, EPOCHS, 0, &head));
    *seconds = (moda_seconds() - before) / (IMAGES * EPOCHS);
out:
    moda_subtask_head_free(&head);
    free(labels);
    free(z);
    return st;
}

/* "2 min", in a buffer of 32 bytes. */
static const char *duration(double seconds, char *text)
{
    if (seconds < 90)
        snprintf(text, 32, "%.0f s", ceil(seconds));
    else if (seconds < 5400)
        snprintf(text, 32, "%.0f min", seconds / 60);
    else
        snprintf(text, 32, "%.1f h", seconds / 3600);
    return text;
}

static moda_status is_done(moda_study_plan *p, moda_study_item *item, bool *done)
{
    return item->wish ? moda_train_done(p, item, done) : moda_step_done(p, item, done);
}

/* Its own seconds, and what its images take. costs: of one image by network, as far as measured. */
static moda_status estimate(const moda_study_plan *p, const moda_study_item *item, json_t *costs,
                            double *seconds)
{
    moda_status st = MODA_OK;
    double cost;
    *seconds = item->seconds;
    if (item->trained + item->passed <= 0) goto out;
    if (!json_object_get(costs, item->model)) {
        MODA_TRY(measure(p, item->model, &cost));
        MODA_CHECK(json_object_set_new(costs, item->model, json_real(cost)) == 0, MODA_ERR_NOMEM,
                   "out of memory");
    }
    cost = json_real_value(json_object_get(costs, item->model));
    *seconds += cost * (item->trained + item->passed / passes_of_a_step);
    if (item->headed <= 0) goto out;
    MODA_TRY(measure_head(p, &cost));
    *seconds += cost * item->headed;
out:
    return st;
}

static moda_status fill(moda_study_plan *p, moda_table *table, double *sum)
{
    moda_status st = MODA_OK;
    char text[32];
    bool done;
    json_t *costs = json_object();
    for (size_t i = 0; i < p->count; i++) {
        moda_study_item *item = &p->items[i];
        double seconds = 0;
        MODA_TRY(is_done(p, item, &done));
        if (!done) MODA_TRY(estimate(p, item, costs, &seconds));
        *sum += seconds;
        char *line = moda_item_line(p, item);
        moda_table_row(table, "%s|%s|%s|%s", item->run, item->name,
                       done ? "done" : duration(seconds, text), line ? line : "");
        free(line);
    }
out:
    json_decref(costs);
    return st;
}

moda_status moda_experiment_show(const moda_experiment_options *options)
{
    moda_status st = MODA_OK;
    moda_study_plan *p = NULL;
    double sum = 0;
    char text[32];
    moda_table *table = moda_table_create("run|step|>about|command");
    MODA_TRY(moda_plan_create(options, &p));
    MODA_TRY(moda_study_check(p));
    MODA_TRY(fill(p, table, &sum));
    moda_table_print(table);
    printf("%zu steps, about %s with these threads; reuse takes less where sub-tasks share work\n",
           p->count, duration(sum, text));
out:
    moda_table_destroy(table);
    moda_plan_destroy(p);
    return st;
}
