/* engine/evaluate.c - forward passes over a split, and counting. */
#include "engine/evaluate.h"
#include "base/progress.h"
#include "datasets/batch.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct moda_runner {
    moda_weights *weights;
    moda_executor *executor;
    moda_workspace *workspace;
};

moda_status moda_runner_create(const moda_model *model, size_t batch, moda_tap tap, void *tap_user,
                               moda_runner **runner)
{
    moda_status st = MODA_OK;
    const moda_executor_options options = {.batch = batch, .tap = tap, .tap_user = tap_user};
    moda_runner *r = NULL;
    *runner = NULL;
    MODA_ALLOC(r, sizeof *r);
    MODA_TRY(moda_weights_create(model->net, &r->weights));
    MODA_TRY(moda_executor_create(r->weights, &options, &r->executor));
    MODA_TRY(moda_workspace_create(&r->executor, 1, &r->workspace));
    MODA_TRY(moda_weights_load(r->weights, model));
    *runner = r, r = NULL;
out:
    moda_runner_destroy(r);
    return st;
}

void moda_runner_destroy(moda_runner *r)
{
    if (!r) return;
    moda_workspace_destroy(r->workspace);
    moda_executor_destroy(r->executor);
    moda_weights_destroy(r->weights);
    free(r);
}

moda_executor *moda_runner_executor(moda_runner *r)
{
    return r->executor;
}

/* Which outputs count, and which of them stands for a label. */
typedef struct judge {
    const moda_model *model;
    moda_sizes outputs; /* n = 0: all */
    size_t *per_output_samples, *per_output_correct, *confusion;
    moda_evaluation *result;
    double loss;
} judge;

static size_t output_count(const judge *j)
{
    return j->outputs.n ? j->outputs.n : j->model->net->classes;
}

static size_t output_at(const judge *j, size_t i)
{
    return j->outputs.n ? j->outputs.values[i] : i;
}

static void judge_sample(judge *j, const float *z, uint32_t label)
{
    const size_t none = (size_t)-1;
    size_t best = output_at(j, 0), right = none;
    double sum = 0;
    for (size_t i = 0; i < output_count(j); i++) {
        const size_t k = output_at(j, i);
        if (z[k] > z[best]) best = k;
        if (j->model->class_ids[k] == label) right = k;
    }
    if (right == none) return;
    for (size_t i = 0; i < output_count(j); i++) sum += exp((double)z[output_at(j, i)] - z[best]);
    j->loss += log(sum) + z[best] - z[right];
    j->result->samples++;
    j->result->correct += best == right;
    if (j->per_output_samples) j->per_output_samples[right]++;
    if (j->per_output_correct) j->per_output_correct[right] += best == right;
    if (j->confusion) j->confusion[right * j->model->net->classes + best]++;
}

static moda_status check_shape(const moda_images *images, const moda_net *net)
{
    moda_status st = MODA_OK;
    MODA_CHECK(
        images->n, MODA_ERR_ARG,
        "the data has no image in this split (of these classes): choose another split or data");
    MODA_CHECK(images->channels == net->input.c && images->height == net->input.h &&
                   images->width == net->input.w,
               MODA_ERR_ARG,
               "images are %zux%zux%zu, network %s wants %zux%zux%zu: use the data it was made for",
               images->channels, images->height, images->width, net->name, net->input.c,
               net->input.h, net->input.w);
out:
    return st;
}

moda_status moda_evaluate(moda_executor *executor, const moda_model *model,
                          const moda_images *images, const moda_evaluation_wish *wish,
                          moda_evaluation *result)
{
    moda_status st = MODA_OK;
    moda_batches *batches = NULL;
    uint32_t *labels = NULL;
    moda_progress progress;
    const moda_evaluation_wish want = wish ? *wish : (moda_evaluation_wish){0};
    const size_t classes = model->net->classes;
    moda_batch_options options = {.batch_size = moda_executor_batch(executor)};
    judge j = {model, want.outputs, want.samples, want.correct, want.confusion, result, 0};
    *result = (moda_evaluation){0};
    MODA_TRY(check_shape(images, model->net));
    memcpy(options.mean, model->mean, sizeof options.mean);
    memcpy(options.std, model->std, sizeof options.std);
    MODA_TRY(moda_batches_create(images, &options, &batches));
    MODA_ALLOC(labels, options.batch_size * sizeof *labels);
    if (want.samples) memset(want.samples, 0, classes * sizeof *want.samples);
    if (want.correct) memset(want.correct, 0, classes * sizeof *want.correct);
    if (want.confusion) memset(want.confusion, 0, classes * classes * sizeof *want.confusion);
    if (want.label) moda_progress_begin(&progress, want.label, "samples", images->n);
    for (size_t step = 0, done = 0; step < moda_batches_per_epoch(batches); step++) {
        MODA_CHECK(!want.stop || !want.stop(want.stop_user), MODA_STOPPED,
                   "stopped after %zu of %zu images", done, images->n);
        /* a last smaller batch leaves old samples behind it in the input; they are run, not judged */
        const size_t count =
            moda_batches_fill(batches, step, moda_executor_input(executor), labels);
        MODA_TRY(moda_executor_forward(executor));
        const float *z = moda_executor_logits(executor);
        for (size_t i = 0; i < count; i++) judge_sample(&j, z + i * classes, labels[i]);
        if (want.logits) memcpy(want.logits + done * classes, z, count * classes * sizeof *z);
        done += count;
        if (want.label) moda_progress_update(&progress, done, NULL);
    }
    if (want.label) moda_progress_end(&progress);
    MODA_CHECK(
        isfinite(j.loss), MODA_ERR_NUMERIC,
        "network %s: an output is not finite (NaN or infinite): its weights are broken or its "
        "training diverged",
        model->net->name);
    result->cross_entropy = result->samples ? j.loss / (double)result->samples : 0;
out:
    free(labels);
    moda_batches_destroy(batches);
    return st;
}
