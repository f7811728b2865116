/* decompose/rates_measure.c - the pass over the data behind moda_rates_measure(). */
#include "base/progress.h"
#include "datasets/batch.h"
#include "decompose/checksum.h"
#include "decompose/rate_counter.h"
#include "decompose/rates.h"
#include "engine/executor.h"
#include <stdlib.h>
#include <string.h>

/* Everything that one pass needs; all of it made before the first batch. */
typedef struct pass {
    const moda_model *model;
    const moda_images *images;
    size_t batch, outputs;
    moda_batches *batches;
    moda_weights *weights;
    moda_executor *executor[2]; /* of whole batches, of the last one (NULL if it is whole too) */
    moda_workspace *workspace;
    /* Row of counts for a label; `outputs` is a row of its own for samples that do not count. */
    uint32_t *row_of_label, *labels; /* [label_bound], [batch] */
    size_t label_bound;
    moda_rate_counter *counter;
} pass;

static moda_status check_input(const pass *p, const char *source)
{
    moda_status st = MODA_OK;
    moda_shape want = p->model->net->input;
    const moda_images *images = p->images;
    MODA_CHECK(images->channels == want.c && images->height == want.h && images->width == want.w,
               MODA_ERR_ARG, "%s: images of %zux%zux%zu, but %s takes %zux%zux%zu", source,
               images->channels, images->height, images->width, p->model->net->name, want.c, want.h,
               want.w);
    MODA_CHECK(p->batch > 0, MODA_ERR_ARG, "a batch of 0 samples");
    for (size_t c = 0; c < want.c && c < MODA_MAX_CHANNELS; c++)
        MODA_CHECK(p->model->std[c] > 0, MODA_ERR_ARG,
                   "%s: its input normalisation is not known, so it cannot be run",
                   p->model->net->name);
out:
    return st;
}

/* Samples per output, and that each has some. */
static moda_status count_samples(pass *p, const char *source, uint64_t *samples)
{
    moda_status st = MODA_OK;
    const moda_model *model = p->model;
    for (size_t k = 0; k < p->outputs; k++)
        if (model->class_ids[k] >= p->label_bound) p->label_bound = (size_t)model->class_ids[k] + 1;
    MODA_ALLOC(p->row_of_label, p->label_bound * sizeof *p->row_of_label);
    for (size_t i = 0; i < p->label_bound; i++) p->row_of_label[i] = (uint32_t)p->outputs;
    for (size_t k = 0; k < p->outputs; k++) p->row_of_label[model->class_ids[k]] = (uint32_t)k;
    for (size_t i = 0; i < p->images->n; i++) {
        uint32_t label = p->images->labels[i];
        size_t row = label < p->label_bound ? p->row_of_label[label] : p->outputs;
        if (row < p->outputs) samples[row]++;
    }
    for (size_t k = 0; k < p->outputs; k++)
        MODA_CHECK(samples[k] > 0, MODA_ERR_FORMAT,
                   "%s: no training sample of class %u%s%s%s, so its neurons cannot be found: "
                   "decompose with data that holds every class of the model",
                   source, model->class_ids[k], model->class_names[k] ? " (" : "",
                   model->class_names[k] ? model->class_names[k] : "",
                   model->class_names[k] ? ")" : "");
out:
    return st;
}

static moda_status prepare_engine(pass *p)
{
    moda_status st = MODA_OK;
    const moda_model *model = p->model;
    size_t rest = p->images->n % p->batch;
    moda_batch_options order = {.batch_size = p->batch};
    moda_executor_options options = {.batch = p->batch};
    if (model->net->mask_count)
        options.masked = true;
    else
        options.tap = moda_rate_counter_tap, options.tap_user = p->counter;
    memcpy(order.mean, model->mean, sizeof order.mean);
    memcpy(order.std, model->std, sizeof order.std);
    MODA_TRY(moda_batches_create(p->images, &order, &p->batches));
    MODA_TRY(moda_weights_create(model->net, &p->weights));
    MODA_TRY(moda_executor_create(p->weights, &options, &p->executor[0]));
    options.batch = rest;
    if (rest) MODA_TRY(moda_executor_create(p->weights, &options, &p->executor[1]));
    MODA_TRY(moda_workspace_create(p->executor, rest ? 2 : 1, &p->workspace));
    MODA_TRY(moda_weights_load(p->weights, model));
out:
    return st;
}

static moda_status run(pass *p)
{
    moda_status st = MODA_OK;
    size_t steps = moda_batches_per_epoch(p->batches), done = 0;
    moda_progress progress;
    moda_progress_begin(&progress, "activation rates", "samples", p->images->n);
    for (size_t step = 0; step < steps; step++) {
        size_t left = p->images->n - done;
        moda_executor *executor = p->executor[left < p->batch];
        size_t n = moda_batches_fill(p->batches, step, moda_executor_input(executor), p->labels);
        for (size_t i = 0; i < n; i++)
            p->counter->row[i] = p->labels[i] < p->label_bound ? p->row_of_label[p->labels[i]]
                                                               : (uint32_t)p->outputs;
        MODA_TRY(moda_executor_forward(executor));
        for (size_t l = 0; l < p->model->net->mask_count; l++)
            moda_rate_counter_mask(p->counter, l, n, moda_executor_mask(executor, l));
        moda_progress_update(&progress, done += n, NULL);
    }
out:
    moda_progress_end(&progress);
    return st;
}

static void divide(const pass *p, moda_rates *rates)
{
    for (size_t l = 0; l < rates->shape.layers; l++) {
        size_t units = rates->shape.units[l];
        float *table = rates->values + rates->shape.offset[l];
        for (size_t i = 0; i < p->outputs * units; i++) {
            const uint64_t samples = rates->samples[i / units];
            table[i] = (float)p->counter->counts[l][i] / (float)samples;
        }
    }
}

static moda_status average_masks(const pass *p, moda_rates *rates)
{
    moda_status st = MODA_OK;
    const moda_rate_counter *c = p->counter;
    if (!rates->shape.mwt) goto out;
    MODA_ALLOC(rates->mask_means, rates->shape.layers * sizeof *rates->mask_means);
    for (size_t l = 0; l < rates->shape.layers; l++)
        if (c->masks_on[l]) rates->mask_means[l] = c->mask_sum[l] / (double)c->masks_on[l];
out:
    return st;
}

static void release(pass *p)
{
    moda_workspace_destroy(p->workspace);
    moda_executor_destroy(p->executor[1]);
    moda_executor_destroy(p->executor[0]);
    moda_weights_destroy(p->weights);
    moda_batches_destroy(p->batches);
    moda_rate_counter_destroy(p->counter);
    free(p->labels);
    free(p->row_of_label);
}

moda_status moda_rates_measure(const moda_model *model, const moda_images *images,
                               size_t batch_size, const char *source, moda_rates **result)
{
    const moda_activity_rule published = {MODA_ACTIVITY_ANY, 0};
    return moda_rates_measure_by(model, images, batch_size, published, source, result);
}

moda_status moda_rates_measure_by(const moda_model *model, const moda_images *images,
                                  size_t batch_size, moda_activity_rule rule, const char *source,
                                  moda_rates **result)
{
    moda_status st = MODA_OK;
    moda_rates *rates = NULL;
    pass p = {.model = model,
              .images = images,
              .batch = batch_size < images->n ? batch_size : images->n,
              .outputs = model->net->classes};
    MODA_CHECK(images->n > 0, MODA_ERR_FORMAT, "%s: no training images", source);
    MODA_CHECK(model->net->mask_count == 0 || rule.kind == MODA_ACTIVITY_ANY, MODA_ERR_ARG,
               "%s has masks of its own (MwT): they know no other activity rule than above 0",
               model->net->name);
    MODA_TRY(check_input(&p, source));
    MODA_TRY(moda_rates_create(model->net, &rates));
    MODA_TRY(count_samples(&p, source, rates->samples));
    MODA_TRY(moda_rate_counter_create(model->net, p.batch, rule, &p.counter));
    MODA_ALLOC(p.labels, p.batch * sizeof *p.labels);
    MODA_TRY(prepare_engine(&p));
    MODA_TRY(run(&p));
    divide(&p, rates);
    MODA_TRY(average_masks(&p, rates));
    rates->weights = moda_model_checksum(model);
    rates->rule = rule;
    *result = rates, rates = NULL;
out:
    release(&p);
    moda_rates_destroy(rates);
    return st;
}
