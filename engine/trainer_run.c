/* engine/trainer_run.c - the training loop: epochs, their records, the test after each. */
#include "base/progress.h"
#include "engine/evaluate.h"
#include "engine/trainer_internal.h"
#include <math.h>
#include <stdio.h>

double moda_cosine_rate(double rate, size_t epoch, size_t epochs)
{
    return rate * (1 + cos(acos(-1) * (double)epoch / (double)epochs)) / 2;
}

/* Weighs a step's record by its samples into the epoch's running sums; data_share in seconds. */
static void add_step(moda_train_record *sum, const moda_train_record *r, double samples)
{
    sum->steps = r->steps;
    sum->learning_rate = r->learning_rate;
    sum->loss += r->loss * samples;
    sum->cross_entropy += r->cross_entropy * samples;
    sum->affinity += r->affinity * samples;
    sum->dispersion += r->dispersion * samples;
    sum->compactness += r->compactness * samples;
    sum->train_accuracy += r->train_accuracy * samples;
    sum->data_share += r->data_share * r->seconds;
    sum->batches_without_same += r->batches_without_same;
    sum->batches_without_different += r->batches_without_different;
}

static void finish_means(moda_train_record *sum, double samples, double seconds)
{
    sum->loss /= samples;
    sum->cross_entropy /= samples;
    sum->affinity /= samples;
    sum->dispersion /= samples;
    sum->compactness /= samples;
    sum->train_accuracy /= samples;
    sum->seconds = seconds;
    sum->samples_per_second = samples / seconds;
    sum->data_share /= seconds;
}

static bool finished(const moda_trainer *t)
{
    return t->options.max_steps && t->at.steps >= t->options.max_steps;
}

static moda_status test_accuracy(moda_trainer *t, moda_train_events events, double *accuracy)
{
    moda_status st = MODA_OK;
    moda_evaluation result;
    const moda_evaluation_wish wish = {.stop = events.stop, .stop_user = events.user};
    *accuracy = NAN;
    if (!t->test) goto out;
    MODA_TRY(moda_evaluate(t->test, t->model, &t->data->test, &wish, &result));
    *accuracy = (double)result.correct / (double)result.samples;
out:
    return st;
}

/* The step that is next, into the epoch's sums. */
static moda_status advance(moda_trainer *t, double rate, moda_train_events events,
                           moda_train_record *r)
{
    moda_status st = MODA_OK;
    moda_train_position *at = &t->at;
    size_t samples;
    MODA_CHECK(!events.stop || !events.stop(events.user), MODA_STOPPED, "stopped after %zu steps",
               at->steps);
    MODA_TRY(moda_trainer_step(t, at->step, rate, r, &samples));
    r->epoch = at->epoch + 1;
    add_step(&at->sum, r, (double)samples);
    at->samples += samples;
    at->step++;
out:
    return st;
}

/* The rest of the epoch that the trainer is in, and its test. */
static moda_status run_epoch(moda_trainer *t, moda_train_events events, moda_train_record *record)
{
    moda_status st = MODA_OK;
    moda_train_position *at = &t->at;
    const double rate =
        moda_cosine_rate(t->options.sgd.learning_rate, at->epoch, t->options.epochs);
    const size_t steps = moda_batches_per_epoch(t->batches);
    moda_progress progress;
    char label[48], note[48];
    const double before = at->sum.seconds, start = moda_seconds();
    at->sum.epoch = at->epoch + 1;
    snprintf(label, sizeof label, "epoch %zu/%zu", at->epoch + 1, t->options.epochs);
    moda_batches_start_epoch(t->batches, at->epoch);
    at->sum.data_share += moda_seconds() - start;
    moda_progress_begin(&progress, label, "samples", t->data->train.n);
    while (at->step < steps && !finished(t)) {
        moda_train_record r;
        MODA_TRY(advance(t, rate, events, &r));
        at->sum.seconds = before + moda_seconds() - start;
        snprintf(note, sizeof note, "loss %.4f", at->sum.loss / (double)at->samples);
        moda_progress_update(&progress, at->samples, note);
        if (events.step) MODA_TRY(events.step(events.user, &r));
    }
    *record = at->sum;
    finish_means(record, (double)at->samples, before + moda_seconds() - start);
out:
    moda_progress_end(&progress);
    if (st == MODA_OK) st = test_accuracy(t, events, &record->test_accuracy);
    return st;
}

/* The loss of a step does not see what its own update did. */
static moda_status check_weights(const moda_trainer *t)
{
    moda_status st = MODA_OK;
    const moda_parameter_list *list = &t->model->parameters;
    for (size_t i = 0; i < list->count; i++)
        for (size_t k = 0; k < list->items[i].elements; k++)
            MODA_CHECK(isfinite(t->model->values[list->items[i].offset + k]), MODA_ERR_NUMERIC,
                       "step %zu: %s is not finite after the update: use a smaller learning rate",
                       t->at.steps, list->items[i].name);
out:
    return st;
}

moda_status moda_trainer_run(moda_trainer *t, moda_train_events events)
{
    moda_status st = MODA_OK;
    /* An epoch that has begun is ended in any case: its record is still to come. */
    while (t->at.step || (t->at.epoch < t->options.epochs && !finished(t))) {
        moda_train_record record;
        MODA_TRY(run_epoch(t, events, &record));
        t->at = (moda_train_position){.epoch = t->at.epoch + 1, .steps = t->at.steps};
        if (events.epoch) MODA_TRY(events.epoch(events.user, &record));
    }
    MODA_TRY(moda_trainer_store(t));
    MODA_TRY(check_weights(t));
out:
    return st;
}

/* ---- its state ---- */

moda_status moda_trainer_store(moda_trainer *t)
{
    return moda_weights_store(t->weights, t->model);
}

moda_status moda_trainer_momentum(moda_trainer *t, float *momentum)
{
    return moda_weights_store_momentum(t->weights, momentum);
}

moda_train_position moda_trainer_position(const moda_trainer *t)
{
    return t->at;
}

moda_status moda_trainer_continue(moda_trainer *t, const moda_train_position *at,
                                  const float *momentum)
{
    moda_status st = MODA_OK;
    const size_t all = moda_batches_per_epoch(t->batches), n = t->data->train.n;
    const size_t batch = t->options.batch_size;
    const bool sound = at->step <= all && at->epoch <= t->options.epochs &&
                       (at->step == 0 || at->epoch < t->options.epochs) &&
                       at->samples == (at->step < all ? at->step * batch : n) &&
                       at->steps == at->epoch * all + at->step;
    MODA_CHECK(sound, MODA_ERR_FORMAT,
               "step %zu, epoch %zu and %zu steps of it, %zu samples: this training has %zu epochs "
               "of %zu steps",
               at->steps, at->epoch, at->step, at->samples, t->options.epochs, all);
    MODA_TRY(moda_weights_load(t->weights, t->model));
    MODA_TRY(moda_weights_load_momentum(t->weights, momentum));
    t->at = *at;
out:
    return st;
}
