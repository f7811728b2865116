/* tests/test_trainer.c - engine/trainer.h: what a training does to a model and says about it. The
 * published implementation's steps are in test_trainer_golden.c. */
#include "base/log.h"
#include "engine/trainer.h"
#include "tests/naive_net.h"
#include "tests/small_net.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void quiet(void)
{
    moda_log_set_level(MODA_LOG_WARNING);
}

TestSuite(trainer, .init = quiet, .timeout = 60);

static const char body[] = "[conv];name=a;outputs=12;kernel=3;padding=1;[relu];[maxpool];kernel=2;"
                           "[conv];name=b;outputs=16;kernel=3;[relu];[linear];name=c;outputs=4";
static const moda_train_options usual = {.epochs = 2,
                                         .batch_size = 4,
                                         .sgd = {0.05, 0.9, 0},
                                         .modular = true,
                                         .weights = {1, 1, 0.3},
                                         .seed = 1};

static void must(moda_status st)
{
    cr_assert(eq(int, st, MODA_OK), "%s", moda_last_error());
}

static moda_dataset *open_data(const char *spec)
{
    moda_dataset *data = NULL;
    must(moda_dataset_open(spec, NULL, &data));
    return data;
}

static moda_model *new_model(const moda_dataset *data)
{
    char shape[64];
    snprintf(shape, sizeof shape, "%zu %zu %zu", data->train.channels, data->train.height,
             data->train.width);
    moda_model *model = small_model(shape, body, 4);
    must(moda_model_describe_data(model, data));
    return model;
}

/* ---- what the events said ---- */

enum { MOST = 256 };
typedef struct journal {
    moda_train_record steps[MOST], epochs[MOST];
    size_t step_count, epoch_count;
    size_t stop_after; /* steps, 0: never */
} journal;

static moda_status on_step(void *user, const moda_train_record *r)
{
    moda_status st = MODA_OK;
    journal *j = user;
    cr_assert(lt(sz, j->step_count, MOST));
    j->steps[j->step_count++] = *r;
    MODA_CHECK(j->step_count != j->stop_after, MODA_ERR_IO, "the journal is full");
out:
    return st;
}

static moda_status on_epoch(void *user, const moda_train_record *r)
{
    journal *j = user;
    cr_assert(lt(sz, j->epoch_count, MOST));
    j->epochs[j->epoch_count++] = *r;
    return MODA_OK;
}

static moda_status train(moda_model *model, const moda_dataset *data, moda_train_options o,
                         journal *j)
{
    moda_trainer *t = NULL;
    must(moda_trainer_create(model, data, &o, &t));
    cr_assert(lt(sz, 3 * model->parameters.trainable * sizeof(float), moda_trainer_bytes(t)));
    const moda_status st =
        moda_trainer_run(t, (moda_train_events){.user = j, .step = on_step, .epoch = on_epoch});
    moda_trainer_destroy(t);
    return st;
}

/* ---- schedule ---- */

Test(trainer, cosine_schedule)
{
    /* torch.optim.lr_scheduler.CosineAnnealingLR(T_max = epochs), as it stands in epoch e */
    const struct {
        size_t epoch, epochs;
        double rate;
    } want[] = {{0, 200, 0.05},
                {1, 4, 0.042677669529663687},
                {2, 4, 0.025},
                {3, 4, 0.0073223304703363},
                {100, 200, 0.025},
                {0, 1, 0.05},
                {50, 200, 0.042677669529663687},
                {199, 200, 3.0842e-6}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        cr_assert(epsilon_eq(dbl, moda_cosine_rate(0.05, want[i].epoch, want[i].epochs),
                             want[i].rate, 1e-9),
                  "epoch %zu of %zu", want[i].epoch, want[i].epochs);
}

Test(trainer, the_rate_falls_per_epoch)
{
    moda_dataset *data = open_data("synthetic:classes=4,channels=1,size=8,train=8,test=4");
    moda_model *model = new_model(data);
    journal j = {0};
    moda_train_options o = usual;
    o.epochs = 4;
    must(train(model, data, o, &j));
    cr_assert(eq(sz, j.epoch_count, 4));
    cr_assert(eq(sz, j.step_count, 8));
    for (size_t i = 0; i < 8; i++) {
        cr_assert(eq(dbl, j.steps[i].learning_rate, moda_cosine_rate(0.05, i / 2, 4)), "%zu", i);
        cr_assert(eq(sz, j.steps[i].epoch, i / 2 + 1));
        cr_assert(eq(sz, j.steps[i].steps, i + 1));
    }
    moda_model_destroy(model);
    moda_dataset_destroy(data);
}

/* ---- records ---- */

/* An epoch of 4 + 4 + 2 samples: its means weigh samples alike, and its last batch is what it says. */
Test(trainer, last_smaller_batch)
{
    moda_dataset *data = open_data("synthetic:classes=4,channels=1,size=8,train=10,test=7");
    moda_model *model = new_model(data), *before = new_model(data);
    journal j = {0}, shorter = {0};
    moda_train_options o = usual;
    o.epochs = 1;
    must(train(model, data, o, &j));
    o.max_steps = 2;
    must(train(before, data, o, &shorter)); /* where the last batch starts from */
    cr_assert(eq(sz, j.step_count, 3));
    cr_assert(eq(sz, j.epoch_count, 1));
    cr_assert(eq(sz, shorter.step_count, 2));
    const moda_train_record *s = j.steps, *e = &j.epochs[0];
    cr_assert(
        epsilon_eq(dbl, e->loss, (4 * s[0].loss + 4 * s[1].loss + 2 * s[2].loss) / 10, 1e-12));
    cr_assert(epsilon_eq(dbl, e->compactness,
                         (4 * s[0].compactness + 4 * s[1].compactness + 2 * s[2].compactness) / 10,
                         1e-12));
    cr_assert(ne(dbl, s[1].loss, s[2].loss));

    naive_net *naive = naive_create(before, 2, true);
    float x[2 * 64];
    for (size_t i = 0; i < 2 * 64; i++)
        x[i] = ((float)data->train.pixels[8 * 64 + i] / 255.0f - before->mean[0]) / before->std[0];
    naive_forward(naive, x);
    const naive_loss want = naive_losses(naive, data->train.labels + 8, &o.weights);
    cr_assert(epsilon_eq(dbl, s[2].cross_entropy, want.cross_entropy, 1e-5));
    cr_assert(epsilon_eq(dbl, s[2].affinity, want.affinity, 1e-5));
    cr_assert(epsilon_eq(dbl, s[2].dispersion, want.dispersion, 1e-5));
    cr_assert(epsilon_eq(dbl, s[2].compactness, want.compactness, 1e-5));
    cr_assert(epsilon_eq(dbl, s[2].loss, want.total, 1e-5));
    naive_destroy(naive);
    moda_model_destroy(model), moda_model_destroy(before);
    moda_dataset_destroy(data);
}

/* More asked for than there is. */
Test(trainer, batch_larger_than_the_data)
{
    moda_dataset *data = open_data("synthetic:classes=4,channels=1,size=8,train=6,test=3");
    moda_model *model = new_model(data);
    journal j = {0};
    moda_train_options o = usual;
    o.batch_size = 100;
    must(train(model, data, o, &j));
    cr_assert(eq(sz, j.step_count, 2));
    moda_model_destroy(model);
    moda_dataset_destroy(data);
}

Test(trainer, max_steps)
{
    moda_dataset *data = open_data("synthetic:classes=4,channels=1,size=8,train=12,test=4");
    const size_t limits[] = {1, 3, 4, 6, 7}, epochs[] = {1, 1, 2, 2, 2}, steps[] = {1, 3, 4, 6, 6};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        moda_model *model = new_model(data);
        journal j = {0};
        moda_train_options o = usual;
        o.max_steps = limits[i];
        must(train(model, data, o, &j));
        cr_assert(eq(sz, j.step_count, steps[i]), "max_steps %zu", limits[i]);
        cr_assert(eq(sz, j.epoch_count, epochs[i]), "max_steps %zu", limits[i]);
        cr_assert(eq(sz, j.epochs[j.epoch_count - 1].steps, steps[i]));
        moda_model_destroy(model);
    }
    moda_dataset_destroy(data);
}

Test(trainer, standard_takes_no_modular_terms)
{
    moda_dataset *data = open_data("synthetic:classes=4,channels=1,size=8,train=8,test=4");
    moda_model *model = new_model(data), *zero = new_model(data);
    journal j = {0}, k = {0};
    moda_train_options o = usual;
    o.modular = false;
    must(train(model, data, o, &j));
    cr_assert(isnan(j.epochs[0].affinity) && isnan(j.epochs[0].dispersion) &&
              isnan(j.steps[0].compactness));
    cr_assert(eq(dbl, j.steps[0].loss, j.steps[0].cross_entropy));
    cr_assert(isnan(j.steps[0].test_accuracy));
    cr_assert(isfinite(j.epochs[0].test_accuracy));
    /* alpha = beta = gamma = 0 is standard training, with the terms looked at */
    o.modular = true, o.weights = (moda_modular_weights){0, 0, 0};
    must(train(zero, data, o, &k));
    cr_assert(eq(dbl, k.epochs[1].loss, j.epochs[1].loss));
    cr_assert(lt(dbl, 0.0, k.epochs[1].compactness));
    cr_assert(eq(
        int, memcmp(model->values, zero->values, model->parameters.elements * sizeof(float)), 0));
    moda_model_destroy(model), moda_model_destroy(zero);
    moda_dataset_destroy(data);
}

/* ---- odd batches ---- */

Test(trainer, batches_without_pairs_are_counted)
{
    /* labels are 0 1 2 3 0 1 2 3 ..., in file order */
    moda_dataset *data = open_data("synthetic:classes=4,channels=1,size=8,train=8,test=4");
    moda_model *model = new_model(data);
    journal j = {0};
    must(train(model, data, usual, &j));
    cr_assert(eq(sz, j.steps[0].batches_without_same, 1));
    cr_assert(eq(sz, j.epochs[0].batches_without_same, 2));
    cr_assert(eq(sz, j.epochs[0].batches_without_different, 0));
    cr_assert(eq(dbl, j.epochs[0].affinity, 1.0));
    cr_assert(isfinite(j.epochs[1].loss));
    moda_model_destroy(model);
    for (size_t i = 0; i < 8; i++) data->train.labels[i] = 1;
    model = new_model(data);
    j = (journal){0};
    must(train(model, data, usual, &j));
    cr_assert(eq(sz, j.epochs[1].batches_without_different, 2));
    cr_assert(eq(sz, j.epochs[1].batches_without_same, 0));
    cr_assert(eq(dbl, j.epochs[1].dispersion, 0.0));
    moda_model_destroy(model);
    moda_dataset_destroy(data);
}

Test(trainer, batches_of_one)
{
    moda_dataset *data = open_data("synthetic:classes=4,channels=1,size=8,train=5,test=4");
    moda_model *model = new_model(data);
    journal j = {0};
    moda_train_options o = usual;
    o.batch_size = 1;
    must(train(model, data, o, &j));
    cr_assert(eq(sz, j.step_count, 10));
    cr_assert(eq(sz, j.epochs[0].batches_without_same, 5));
    cr_assert(eq(sz, j.epochs[0].batches_without_different, 5));
    cr_assert(isfinite(j.epochs[1].loss));
    moda_model_destroy(model);
    moda_dataset_destroy(data);
}

/* ---- failures ---- */

Test(trainer, a_loss_that_is_no_number_stops_it)
{
    moda_dataset *data = open_data("synthetic:classes=4,channels=1,size=8,train=40,test=4");
    for (int modular = 0; modular < 2; modular++) {
        moda_model *model = new_model(data);
        journal j = {0};
        moda_train_options o = usual;
        char step[32];
        o.modular = modular, o.sgd.learning_rate = 1e30;
        cr_assert(eq(int, train(model, data, o, &j), MODA_ERR_NUMERIC), "%s", moda_last_error());
        snprintf(step, sizeof step, "step %zu: ", j.step_count + 1);
        cr_assert(strstr(moda_last_error(), step) != NULL, "'%s' is not in: %s", step,
                  moda_last_error());
        cr_assert(strstr(moda_last_error(), "cross entropy") != NULL, "%s", moda_last_error());
        cr_assert(strstr(moda_last_error(), "learning rate") != NULL, "%s", moda_last_error());
        cr_assert(eq(int, strstr(moda_last_error(), "gamma") != NULL, modular));
        cr_assert(eq(sz, j.epoch_count, 0));
        moda_model_destroy(model);
    }
    moda_dataset_destroy(data);
}

/* Every term is a number, their sum is none. */
Test(trainer, a_weighted_sum_that_overflows_stops_it)
{
    moda_dataset *data = open_data("synthetic:classes=4,channels=1,size=8,train=8,test=4");
    moda_model *model = new_model(data);
    journal j = {0};
    moda_train_options o = usual;
    o.batch_size = 8, o.weights = (moda_modular_weights){1, 1.7e308, 1.7e308};
    for (size_t i = 0; i < model->parameters.elements; i++)
        model->values[i] = fabsf(model->values[i]); /* all alike: dispersion near 1 */
    cr_assert(eq(int, train(model, data, o, &j), MODA_ERR_NUMERIC));
    cr_assert(strstr(moda_last_error(), "step 1: ") != NULL, "%s", moda_last_error());
    cr_assert(strstr(moda_last_error(), "weighted sum") != NULL, "%s", moda_last_error());
    moda_model_destroy(model);
    moda_dataset_destroy(data);
}

Test(trainer, a_failing_event_ends_it)
{
    moda_dataset *data = open_data("synthetic:classes=4,channels=1,size=8,train=12,test=4");
    moda_model *model = new_model(data);
    journal j = {.stop_after = 2};
    cr_assert(eq(int, train(model, data, usual, &j), MODA_ERR_IO));
    cr_assert(eq(str, (char *)moda_last_error(), "the journal is full"));
    cr_assert(eq(sz, j.step_count, 2));
    moda_model_destroy(model);
    moda_dataset_destroy(data);
}

static void must_refuse(moda_model *model, const moda_dataset *data, moda_train_options o,
                        const char *word)
{
    moda_trainer *t = (moda_trainer *)&o;
    cr_assert(eq(int, moda_trainer_create(model, data, &o, &t), MODA_ERR_ARG), "%s", word);
    cr_assert(eq(ptr, t, NULL));
    cr_assert(strstr(moda_last_error(), word) != NULL, "'%s' is not in: %s", word,
              moda_last_error());
}

Test(trainer, wrong_calls)
{
    moda_dataset *data = open_data("synthetic:classes=4,channels=1,size=8,train=8,test=4");
    moda_dataset *larger = open_data("synthetic:classes=4,channels=1,size=9,train=8,test=4");
    moda_dataset *more = open_data("synthetic:classes=5,channels=1,size=8,train=8,test=4");
    moda_model *model = new_model(data);
    moda_train_options o = usual;
    must_refuse(model, larger, o, "9x9");
    must_refuse(model, more, o, "5 classes");
    o.epochs = 0;
    must_refuse(model, data, o, "at least 1");
    o = usual, o.batch_size = 0;
    must_refuse(model, data, o, "at least 1");
    moda_trainer_destroy(NULL);
    moda_model_destroy(model);
    moda_dataset_destroy(data), moda_dataset_destroy(larger), moda_dataset_destroy(more);
}

/* The seed decides the order of the samples and the augmentation, nothing else does. */
Test(trainer, the_seed_decides)
{
    moda_dataset *data = open_data("synthetic:classes=4,channels=1,size=8,train=22,test=4");
    moda_model *models[3];
    const uint64_t seeds[3] = {5, 5, 6};
    for (int i = 0; i < 3; i++) {
        journal j = {0};
        moda_train_options o = usual;
        o.seed = seeds[i], o.shuffle = o.augment = true, o.crop_padding = 2;
        models[i] = new_model(data);
        must(train(models[i], data, o, &j));
    }
    const size_t bytes = models[0]->parameters.elements * sizeof(float);
    cr_assert(eq(int, memcmp(models[0]->values, models[1]->values, bytes), 0));
    cr_assert(ne(int, memcmp(models[0]->values, models[2]->values, bytes), 0));
    for (int i = 0; i < 3; i++) moda_model_destroy(models[i]);
    moda_dataset_destroy(data);
}
