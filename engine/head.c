/* engine/head.c - the layer alone, as a network of its own that the executor trains. */
#include "engine/head.h"
#include "base/progress.h"
#include "base/rng.h"
#include "engine/head_internal.h"
#include "engine/trainer.h"
#include "losses/cross_entropy.h"
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A layer of less multiply-adds per batch is trained by one thread: waiting for the others would take
 * longer than its work, on a busy machine a thousand times so. */
enum { WORK_FOR_THREADS = 1 << 22 };

typedef struct head {
    const moda_head_source *source;
    const moda_head_options *options;
    moda_model *model; /* one linear layer */
    moda_weights *weights;
    moda_executor *full, *rest; /* rest: an epoch's last smaller batch; either may be NULL */
    moda_workspace *workspace;
    uint32_t *labels;         /* [batch_size] */
    int threads, all_threads; /* for the layer; for what makes its batches */
} head;

/* ---- creation ---- */

static moda_status create_model(moda_shape in, size_t outputs, bool bias, uint64_t seed,
                                moda_model **model)
{
    moda_status st = MODA_OK;
    moda_net *net = NULL;
    char text[160];
    snprintf(text, sizeof text,
             "[net]\ninput = %zu %zu %zu\nlinear_init = normal\n[linear]\nname = head\n"
             "outputs = %zu\nbias = %s\n",
             in.c, in.h, in.w, outputs, bias ? "yes" : "no");
    MODA_TRY(moda_net_parse(text, "the last layer", (moda_net_defaults){{0, 0, 0}, 0}, &net));
    MODA_TRY(moda_model_create(net, model)); /* takes the net, also when it fails */
    moda_model_init(*model, seed);
out:
    return st;
}

static moda_status create(head *h)
{
    moda_status st = MODA_OK;
    const size_t n = h->source->n, size = h->options->batch_size;
    moda_executor_options x = {.batch = size, .training = true};
    moda_executor *all[2];
    size_t count = 0;
    h->all_threads = omp_get_max_threads();
    h->threads = size * h->model->parameters.elements < WORK_FOR_THREADS ? 1 : h->all_threads;
    omp_set_num_threads(h->threads); /* primitives are made for so many */
    MODA_ALLOC(h->labels, size * sizeof *h->labels);
    MODA_TRY(moda_weights_create(h->model->net, &h->weights));
    if (n >= size) {
        MODA_TRY(moda_executor_create(h->weights, &x, &h->full));
        all[count++] = h->full;
    }
    x.batch = n % size;
    if (x.batch) {
        MODA_TRY(moda_executor_create(h->weights, &x, &h->rest));
        all[count++] = h->rest;
    }
    MODA_TRY(moda_workspace_create(all, count, &h->workspace));
    MODA_TRY(moda_weights_load(h->weights, h->model));
out:
    omp_set_num_threads(h->all_threads);
    return st;
}

static void destroy(head *h)
{
    moda_workspace_destroy(h->workspace);
    moda_executor_destroy(h->rest);
    moda_executor_destroy(h->full);
    moda_weights_destroy(h->weights);
    moda_model_destroy(h->model);
    free(h->labels);
}

/* ---- training ---- */

/* sum: over the epoch's samples so far. */
static moda_status run_step(head *h, size_t step, double rate, moda_head_record *sum)
{
    moda_status st = MODA_OK;
    moda_executor *e = step < h->source->n / h->options->batch_size ? h->full : h->rest;
    moda_sgd sgd = h->options->sgd;
    size_t count = 0, correct = 0;
    MODA_TRY(h->source->fill(h->source->user, step, moda_executor_input(e), h->labels, &count));
    omp_set_num_threads(h->threads);
    MODA_TRY(moda_executor_forward(e));
    const double loss = moda_cross_entropy(count, h->model->net->classes, moda_executor_logits(e),
                                           h->labels, moda_executor_d_logits(e), &correct);
    MODA_CHECK(isfinite(loss), MODA_ERR_NUMERIC,
               "the last layer: its loss is not finite (%g): use a smaller learning rate", loss);
    MODA_TRY(moda_executor_backward(e));
    sgd.learning_rate = rate;
    moda_weights_update(h->weights, sgd);
    sum->cross_entropy += loss * (double)count;
    sum->accuracy += (double)correct;
out:
    omp_set_num_threads(h->all_threads);
    return st;
}

static moda_status run(head *h, moda_head_record *last)
{
    moda_status st = MODA_OK;
    const moda_head_options *o = h->options;
    const size_t n = h->source->n, steps = (n - 1) / o->batch_size + 1;
    moda_progress progress;
    char note[48];
    if (o->label) moda_progress_begin(&progress, o->label, "steps", steps * o->epochs);
    for (size_t epoch = 0; epoch < o->epochs; epoch++) {
        const double rate = moda_cosine_rate(o->sgd.learning_rate, epoch, o->epochs);
        *last = (moda_head_record){0, 0};
        h->source->start_epoch(h->source->user, epoch);
        for (size_t step = 0; step < steps; step++) {
            MODA_TRY(run_step(h, step, rate, last));
            if (o->label) moda_progress_update(&progress, epoch * steps + step + 1, NULL);
        }
        last->cross_entropy /= (double)n, last->accuracy /= (double)n;
        snprintf(note, sizeof note, "loss %.4f", last->cross_entropy);
        if (o->label) moda_progress_update(&progress, (epoch + 1) * steps, note);
    }
out:
    if (o->label) moda_progress_end(&progress);
    return st;
}

/* The loss of a step does not see what its own update did. */
static moda_status check_values(const moda_model *model)
{
    moda_status st = MODA_OK;
    for (size_t i = 0; i < model->parameters.elements; i++)
        MODA_CHECK(isfinite(model->values[i]), MODA_ERR_NUMERIC,
                   "the last layer: a weight is not finite: use a smaller learning rate");
out:
    return st;
}

moda_status moda_head_train_source(const moda_head_source *source, moda_shape shape, size_t outputs,
                                   const moda_head_options *options, float *weight, float *bias,
                                   moda_head_record *last)
{
    moda_status st = MODA_OK;
    head h = {.source = source, .options = options};
    moda_head_record record = {0, 0};
    MODA_CHECK(options->epochs && options->batch_size, MODA_ERR_ARG,
               "the last layer: epochs and batch size must be at least 1");
    MODA_TRY(create_model(shape, outputs, bias != NULL, options->seed, &h.model));
    MODA_TRY(create(&h));
    MODA_TRY(run(&h, &record));
    MODA_TRY(moda_weights_store(h.weights, h.model));
    MODA_TRY(check_values(h.model));
    const moda_parameter *p = h.model->parameters.items; /* weight, bias */
    memcpy(weight, h.model->values, p[0].elements * sizeof *weight);
    if (bias) memcpy(bias, h.model->values + p[1].offset, p[1].elements * sizeof *bias);
    if (last) *last = record;
out:
    destroy(&h);
    return st;
}

/* ---- stored features ---- */

typedef struct stored {
    const moda_head_samples *samples;
    const moda_head_options *options;
    uint32_t *order; /* [n] of the epoch */
} stored;

/* The order that moda_batches draws for images. */
static void start_epoch(void *user, size_t epoch)
{
    stored *s = user;
    const moda_rng rng = moda_rng_make(s->options->seed, MODA_RNG_SHUFFLE, (uint32_t)epoch);
    if (s->options->shuffle) moda_rng_permutation(rng, s->samples->n, s->order);
}

static moda_status fill(void *user, size_t step, float *features, uint32_t *labels, size_t *count)
{
    const stored *s = user;
    const moda_shape in = s->samples->shape;
    const size_t size = s->options->batch_size, first = step * size, left = s->samples->n - first;
    const size_t d = in.c * in.h * in.w;
    *count = left < size ? left : size;
    for (size_t i = 0; i < *count; i++) {
        const size_t from = s->order[first + i];
        memcpy(features + i * d, s->samples->features + from * d, d * sizeof *features);
        labels[i] = s->samples->labels[from];
    }
    return MODA_OK;
}

moda_status moda_head_train(const moda_head_samples *samples, size_t outputs,
                            const moda_head_options *options, float *weight, float *bias,
                            moda_head_record *last)
{
    moda_status st = MODA_OK;
    stored s = {.samples = samples, .options = options};
    const moda_head_source source = {&s, samples->n, start_epoch, fill};
    MODA_CHECK(samples->n && samples->n < UINT32_MAX && outputs, MODA_ERR_ARG,
               "the last layer: %zu samples for %zu outputs: give at least one of each", samples->n,
               outputs);
    for (size_t i = 0; i < samples->n; i++)
        MODA_CHECK(samples->labels[i] < outputs, MODA_ERR_ARG,
                   "the last layer: sample %zu has label %u, there are %zu outputs", i,
                   samples->labels[i], outputs);
    MODA_ALLOC(s.order, samples->n * sizeof *s.order);
    for (size_t i = 0; i < samples->n; i++) s.order[i] = (uint32_t)i;
    MODA_TRY(moda_head_train_source(&source, samples->shape, outputs, options, weight, bias, last));
out:
    free(s.order);
    return st;
}
