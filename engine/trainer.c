/* engine/trainer.c - what a training needs, and one step of it; trainer_run.c has the epochs. */
#include "base/progress.h"
#include "engine/step_losses_internal.h"
#include "engine/trainer_internal.h"
#include "losses/cross_entropy.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- creation ---- */

static moda_status check(const moda_model *model, const moda_dataset *data,
                         const moda_train_options *o)
{
    moda_status st = MODA_OK;
    const moda_shape in = model->net->input;
    const moda_images *x = &data->train;
    MODA_CHECK(o->epochs && o->batch_size, MODA_ERR_ARG,
               "epochs and batch size must be at least 1");
    MODA_CHECK(x->n, MODA_ERR_ARG, "%s: no training images", data->name);
    MODA_CHECK(x->channels == in.c && x->height == in.h && x->width == in.w, MODA_ERR_ARG,
               "%s: images are %zux%zux%zu, network %s wants %zux%zux%zu", data->name, x->channels,
               x->height, x->width, model->net->name, in.c, in.h, in.w);
    MODA_CHECK(data->classes == model->net->classes, MODA_ERR_ARG,
               "%s: %zu classes, network %s has %zu outputs", data->name, data->classes,
               model->net->name, model->net->classes);
    MODA_CHECK(!o->masked || model->net->mask_count, MODA_ERR_ARG,
               "network %s has no masks to train: add [mask] layers", model->net->name);
out:
    return st;
}

static moda_status create_batches(moda_trainer *t)
{
    const moda_train_options *o = &t->options;
    moda_batch_options b = {.batch_size = o->batch_size,
                            .shuffle = o->shuffle,
                            .crop_padding =
                                o->augment && !t->data->crop_resized ? o->crop_padding : 0,
                            .crop_resized = o->augment && t->data->crop_resized,
                            .flip = o->augment && t->data->flip,
                            .seed = o->seed};
    memcpy(b.mean, t->model->mean, sizeof b.mean);
    memcpy(b.std, t->model->std, sizeof b.std);
    return moda_batches_create(&t->data->train, &b, &t->batches);
}

/* Sizes: full batches; what an epoch leaves over; the test split, never larger than it is. */
static moda_status create_executors(moda_trainer *t)
{
    moda_status st = MODA_OK;
    const moda_train_options *o = &t->options;
    const size_t n = t->data->train.n, left = n % o->batch_size, tested = t->data->test.n;
    moda_executor_options x = {.training = true,
                               .modular = o->modular,
                               .masked = o->masked,
                               .convolution = o->convolution,
                               .tuning = o->tuning,
                               .precision = o->precision};
    moda_executor *all[3];
    size_t count = 0;
    MODA_TRY(moda_weights_create(t->model->net, &t->weights));
    if (n >= o->batch_size) {
        x.batch = o->batch_size;
        MODA_TRY(moda_executor_create(t->weights, &x, &t->full));
        all[count++] = t->full;
    }
    if (left) {
        x.batch = left;
        MODA_TRY(moda_executor_create(t->weights, &x, &t->rest));
        all[count++] = t->rest;
    }
    if (tested) {
        x.batch = tested < o->batch_size ? tested : o->batch_size;
        x.training = x.modular = x.masked = false;
        x.precision = MODA_PRECISION_F32;
        MODA_TRY(moda_executor_create(t->weights, &x, &t->test));
        all[count++] = t->test;
    }
    MODA_TRY(moda_workspace_create(all, count, &t->workspace));
    MODA_TRY(moda_weights_load(t->weights, t->model));
out:
    return st;
}

/* Smaller batches are another program: only steps of one executor can be compared. */
static moda_status create_profile(moda_trainer *t)
{
    moda_status st = MODA_OK;
    const moda_train_options *o = &t->options;
    const size_t all = moda_batches_per_epoch(t->batches), alike = t->full ? all - !!t->rest : all;
    const size_t most = o->epochs * all, limit = o->max_steps;
    const size_t steps = limit && limit < most ? limit : most;
    const size_t last = steps % all < alike ? steps % all : alike; /* of an epoch cut short */
    const size_t usable = steps / all * alike + last;
    MODA_CHECK(
        usable > MODA_PROFILE_WARMUP, MODA_ERR_ARG,
        "a profile passes over the first %d steps of full batches, this training has only %zu: "
        "train longer or with a smaller batch",
        MODA_PROFILE_WARMUP, usable);
    t->profiled = t->full ? t->full : t->rest;
    MODA_TRY(moda_step_parts_add(o->profile, t->model->net, o, t->profiled, &t->parts));
out:
    return st;
}

moda_status moda_trainer_create(moda_model *model, const moda_dataset *data,
                                const moda_train_options *options, moda_trainer **trainer)
{
    moda_status st = MODA_OK;
    moda_trainer *t = NULL;
    *trainer = NULL;
    MODA_TRY(check(model, data, options));
    MODA_ALLOC(t, sizeof *t);
    t->model = model, t->data = data, t->options = *options;
    MODA_ALLOC(t->labels, options->batch_size * sizeof *t->labels);
    MODA_TRY(create_batches(t));
    if (options->modular || options->masked)
        MODA_TRY(moda_step_losses_scratch(model->net, options, &t->scratch));
    MODA_TRY(create_executors(t));
    if (options->profile) MODA_TRY(create_profile(t));
    *trainer = t, t = NULL;
out:
    moda_trainer_destroy(t);
    return st;
}

void moda_trainer_destroy(moda_trainer *t)
{
    if (!t) return;
    moda_workspace_destroy(t->workspace);
    moda_executor_destroy(t->test);
    moda_executor_destroy(t->rest);
    moda_executor_destroy(t->full);
    moda_weights_destroy(t->weights);
    moda_modular_scratch_destroy(t->scratch);
    moda_batches_destroy(t->batches);
    free(t->labels);
    free(t);
}

size_t moda_trainer_bytes(const moda_trainer *t)
{
    const moda_executor *all[] = {t->full, t->rest, t->test};
    size_t bytes = moda_weights_bytes(t->weights) + moda_workspace_bytes(t->workspace);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i]) bytes += moda_executor_own_bytes(all[i]);
    return bytes;
}

moda_executor *moda_trainer_executor(const moda_trainer *t)
{
    return t->full ? t->full : t->rest;
}

/* ---- one step ---- */

/* The first term that is not finite and its value, for the message; NULL if all are. */
static const char *bad_term(const moda_train_record *r, const moda_train_options *o, double *value)
{
    const bool pairs = o->modular || o->masked;
    const struct {
        const char *name;
        double value;
        bool counts;
    } terms[] = {{"cross entropy", r->cross_entropy, true},
                 {"affinity", r->affinity, pairs},
                 {"dispersion", r->dispersion, pairs},
                 {"compactness", r->compactness, o->modular},
                 {"the weighted sum", r->loss, true}};
    for (size_t i = 0; i < sizeof terms / sizeof *terms; i++) {
        *value = terms[i].value;
        if (terms[i].counts && !isfinite(*value)) return terms[i].name;
    }
    return NULL;
}

/* The batch into the executor; returns its samples. */
static size_t fill_batch(moda_trainer *t, size_t step, moda_executor *e, moda_train_record *r)
{
    const double start = moda_seconds();
    if (e == t->profiled) moda_profile_begin_step(t->options.profile, start);
    const size_t n = moda_batches_fill(t->batches, step, moda_executor_input(e), t->labels);
    moda_step_part_end(&t->parts, t->parts.batch, start);
    r->data_share = moda_seconds() - start; /* of the seconds, once these are known */
    return n;
}

/* All losses and their gradients. */
static void losses(moda_trainer *t, moda_executor *e, size_t n, moda_train_record *r)
{
    double begin = moda_step_part_begin(&t->parts);
    size_t correct;
    r->cross_entropy = moda_cross_entropy(n, t->model->net->classes, moda_executor_logits(e),
                                          t->labels, moda_executor_d_logits(e), &correct);
    r->train_accuracy = (double)correct / (double)n;
    r->loss = r->cross_entropy;
    moda_step_part_end(&t->parts, t->parts.cross_entropy, begin);
    if (!t->scratch) return;
    begin = moda_step_part_begin(&t->parts);
    moda_step_losses(t->model->net, &t->options, t->scratch, e, n, t->labels, r);
    moda_step_part_end(&t->parts, t->parts.modular, begin);
}

moda_status moda_trainer_step(moda_trainer *t, size_t step, double rate, moda_train_record *r,
                              size_t *samples)
{
    moda_status st = MODA_OK;
    const double start = moda_seconds();
    moda_executor *e = step < t->data->train.n / t->options.batch_size ? t->full : t->rest;
    moda_sgd sgd = t->options.sgd;
    double value;
    *r = (moda_train_record){.steps = ++t->at.steps, .test_accuracy = NAN, .learning_rate = rate};
    r->affinity = r->dispersion = r->compactness = NAN;
    const size_t n = fill_batch(t, step, e, r);
    MODA_TRY(moda_executor_forward(e));
    losses(t, e, n, r);
    const char *bad = bad_term(r, &t->options, &value);
    MODA_CHECK(!bad, MODA_ERR_NUMERIC,
               "step %zu: the loss is not finite (%s is %g): use a smaller learning rate%s",
               t->at.steps, bad, value,
               t->options.modular  ? ", alpha, beta or gamma"
               : t->options.masked ? ", alpha or beta"
                                   : "");
    MODA_TRY(moda_executor_backward(e));
    sgd.learning_rate = rate;
    const double begin = moda_step_part_begin(&t->parts);
    moda_weights_update(t->weights, sgd);
    moda_step_part_end(&t->parts, t->parts.optimizer, begin);
    const double end = moda_seconds();
    if (e == t->profiled) moda_profile_end_step(t->options.profile, end);
    r->seconds = end - start;
    r->samples_per_second = (double)n / r->seconds;
    r->data_share /= r->seconds;
    *samples = n;
out:
    return st;
}
