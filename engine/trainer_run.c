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
    return t->options.max_steps && t->steps >= t->options.max_steps;
}

static moda_status test_accuracy(moda_trainer *t, double *accuracy)
{
    moda_status st = MODA_OK;
    moda_evaluation result;
    *accuracy = NAN;
    if (!t->test) goto out;
    MODA_TRY(moda_evaluate(t->test, t->model, &t->data->test, NULL, &result));
    *accuracy = (double)result.correct / (double)result.samples;
out:
    return st;
}

static moda_status run_epoch(moda_trainer *t, size_t epoch, moda_train_events events,
                             moda_train_record *sum)
{
    moda_status st = MODA_OK;
    const double rate = moda_cosine_rate(t->options.sgd.learning_rate, epoch, t->options.epochs);
    const size_t steps = moda_batches_per_epoch(t->batches);
    size_t total = 0, samples = 0;
    moda_progress progress;
    char label[48], note[48];
    const double start = moda_seconds();
    *sum = (moda_train_record){.epoch = epoch + 1};
    snprintf(label, sizeof label, "epoch %zu/%zu", epoch + 1, t->options.epochs);
    moda_batches_start_epoch(t->batches, epoch);
    sum->data_share = moda_seconds() - start;
    moda_progress_begin(&progress, label, "samples", t->data->train.n);
    for (size_t step = 0; step < steps && !finished(t); step++) {
        moda_train_record r;
        MODA_TRY(moda_trainer_step(t, step, rate, &r, &samples));
        r.epoch = epoch + 1;
        add_step(sum, &r, (double)samples);
        total += samples;
        snprintf(note, sizeof note, "loss %.4f", sum->loss / (double)total);
        moda_progress_update(&progress, total, note);
        if (events.step) MODA_TRY(events.step(events.user, &r));
    }
    finish_means(sum, (double)total, moda_seconds() - start);
out:
    moda_progress_end(&progress);
    if (st == MODA_OK) st = test_accuracy(t, &sum->test_accuracy);
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
                       t->steps, list->items[i].name);
out:
    return st;
}

moda_status moda_trainer_store(moda_trainer *t)
{
    return moda_weights_store(t->weights, t->model);
}

moda_status moda_trainer_run(moda_trainer *t, moda_train_events events)
{
    moda_status st = MODA_OK;
    for (size_t epoch = 0; epoch < t->options.epochs && !finished(t); epoch++) {
        moda_train_record record;
        MODA_TRY(run_epoch(t, epoch, events, &record));
        if (events.epoch) MODA_TRY(events.epoch(events.user, &record));
    }
    MODA_TRY(moda_trainer_store(t));
    MODA_TRY(check_weights(t));
out:
    return st;
}
