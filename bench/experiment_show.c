/* bench/experiment_show.c - what a study would do, and how long that may take. */
#include "base/file.h"
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
    *done = true;
    if (item->taken) return MODA_OK;
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

/* What is shown, as a table and as JSON. */
typedef struct listing {
    moda_table *table;
    json_t *steps;
    double seconds;
    bool at_most; /* some of them are */
} listing;

static moda_status add(const moda_study_plan *p, const moda_study_item *item, bool done,
                       double seconds, listing *l)
{
    moda_status st = MODA_OK;
    char text[32], *line = moda_item_line(p, item);
    MODA_CHECK(line, MODA_ERR_NOMEM, "out of memory: the plan of a study");
    const bool at_most = !done && item->shared;
    l->seconds += seconds, l->at_most |= at_most;
    moda_table_row(l->table, "%s|%s|%s%s|%s", item->run, item->name, at_most ? "<= " : "",
                   done ? "done" : duration(seconds, text), line);
    json_t *step =
        json_pack("{s:o s:o s:b s:o s:b s:o}", "run", moda_json_text(item->run), "step",
                  moda_json_text(item->name), "done", done, "seconds", moda_json_number(seconds),
                  "at_most", at_most, "command", moda_json_text(line));
    MODA_CHECK(json_array_append_new(l->steps, step) == 0, MODA_ERR_NOMEM,
               "out of memory: the plan of a study");
out:
    free(line);
    return st;
}

static moda_status fill(moda_study_plan *p, listing *l)
{
    moda_status st = MODA_OK;
    bool done;
    json_t *costs = json_object();
    for (size_t i = 0; i < p->count; i++) {
        moda_study_item *item = &p->items[i];
        double seconds = 0;
        MODA_TRY(is_done(p, item, &done));
        if (!done) MODA_TRY(estimate(p, item, costs, &seconds));
        MODA_TRY(add(p, item, done, seconds, l));
    }
out:
    json_decref(costs);
    return st;
}

static moda_status write_json(const moda_study_plan *p, const listing *l, const char *path)
{
    moda_status st = MODA_OK;
    json_t *file = json_pack("{s:s s:o s:O s:f s:b}", "title", p->study->title, "settings",
                             moda_plan_settings(p), "steps", l->steps, "seconds", l->seconds,
                             "at_most", l->at_most);
    MODA_CHECK(file && !moda_json_was_short(), MODA_ERR_NOMEM, "%s: out of memory for its steps",
               path);
    MODA_TRY(moda_json_write(path, file));
out:
    json_decref(file);
    return st;
}

moda_status moda_experiment_show(const moda_experiment_options *options, const char *json)
{
    moda_status st = MODA_OK;
    moda_study_plan *p = NULL;
    char text[32];
    listing l = {moda_table_create("run|step|>about|command"), json_array(), 0, false};
    if (json) MODA_TRY(moda_check_writable(json));
    MODA_TRY(moda_plan_create(options, &p));
    p->dry = true;
    MODA_TRY(moda_study_begin(p));
    MODA_TRY(fill(p, &l));
    moda_table_print(l.table);
    printf("%zu steps, %sabout %s with these threads%s\n", p->count, l.at_most ? "at most " : "",
           duration(l.seconds, text),
           l.at_most ? "; <=: less, as far as the sub-tasks' modules are alike and share work"
                     : "");
    if (json) MODA_TRY(write_json(p, &l, json));
out:
    moda_table_destroy(l.table);
    json_decref(l.steps);
    moda_plan_destroy(p);
    return st;
}
