/* tests/test_trainer_learns.c - engine/trainer.h on data that can be learned: accuracy rises, and each
 * term of the loss falls when it is weighed. */
#include "base/log.h"
#include "engine/trainer.h"
#include "tests/small_net.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static void quiet(void)
{
    moda_log_set_level(MODA_LOG_WARNING);
}

TestSuite(trainer_learns, .init = quiet, .timeout = 120);

enum { EPOCHS = 6 };
static const char body[] = "[conv];name=a;outputs=12;kernel=3;padding=1;[relu];[maxpool];kernel=2;"
                           "[conv];name=b;outputs=16;kernel=3;[relu];[linear];name=c;outputs=4";
static const moda_train_options usual = {.epochs = EPOCHS,
                                         .batch_size = 16,
                                         .sgd = {0.05, 0.9, 0},
                                         .modular = true,
                                         .weights = {1, 1, 0.3},
                                         .shuffle = true,
                                         .seed = 1};

static void must(moda_status st)
{
    cr_assert(eq(int, st, MODA_OK), "%s", moda_last_error());
}

typedef struct journal {
    moda_train_record first, epochs[EPOCHS];
} journal;

static moda_status on_step(void *user, const moda_train_record *r)
{
    if (r->steps == 1) ((journal *)user)->first = *r;
    return MODA_OK;
}

static moda_status on_epoch(void *user, const moda_train_record *r)
{
    ((journal *)user)->epochs[r->epoch - 1] = *r;
    return MODA_OK;
}

static journal learn(moda_train_options o)
{
    moda_dataset *data = NULL;
    journal j = {0};
    must(
        moda_dataset_open("synthetic:classes=4,channels=1,size=12,train=192,test=96", NULL, &data));
    moda_model *model = small_model("1 12 12", body, 4);
    must(moda_model_describe_data(model, data));
    moda_trainer *t = NULL;
    must(moda_trainer_create(model, data, &o, &t));
    must(moda_trainer_run(t, (moda_train_events){.user = &j, .step = on_step, .epoch = on_epoch}));
    moda_trainer_destroy(t);
    const moda_train_record *first = &j.epochs[0], *last = &j.epochs[EPOCHS - 1];
    cr_assert(lt(dbl, 0.95, last->test_accuracy), "modular %d", o.modular);
    cr_assert(lt(dbl, 0.95, last->train_accuracy), "modular %d", o.modular);
    cr_assert(lt(dbl, j.first.train_accuracy, 0.9), "it knew it all at the start");
    cr_assert(lt(dbl, last->cross_entropy, first->cross_entropy));
    moda_model_destroy(model);
    moda_dataset_destroy(data);
    return j;
}

/* Patterns with noise are learned in a few epochs, by both methods. */
Test(trainer_learns, both_methods)
{
    moda_train_options standard = usual, watched = usual;
    standard.modular = false;
    watched.weights = (moda_modular_weights){0, 0, 0}; /* standard, with the terms looked at */
    const journal plain = learn(standard), seen = learn(watched), moda = learn(usual);
    cr_assert(eq(dbl, plain.epochs[EPOCHS - 1].loss, seen.epochs[EPOCHS - 1].loss));
    cr_assert(lt(dbl, moda.epochs[EPOCHS - 1].loss, 0.5 * moda.epochs[0].loss));
    cr_assert(
        lt(dbl, moda.epochs[EPOCHS - 1].dispersion, 0.9 * seen.epochs[EPOCHS - 1].dispersion));
    cr_assert(lt(dbl, moda.epochs[EPOCHS - 1].affinity, 0.8 * moda.epochs[1].affinity));
}

/* Each term, weighed alone, ends lower than where nothing weighs it. */
Test(trainer_learns, each_term_is_lowered)
{
    moda_train_options o = usual;
    o.weights = (moda_modular_weights){0, 0, 0};
    const journal none = learn(o);
    o.weights = (moda_modular_weights){3, 0, 0};
    const journal affinity = learn(o);
    o.weights = (moda_modular_weights){0, 1, 0};
    const journal dispersion = learn(o);
    o.weights = (moda_modular_weights){0, 0, 1};
    const journal compactness = learn(o);
    cr_assert(
        lt(dbl, affinity.epochs[EPOCHS - 1].affinity, 0.9 * none.epochs[EPOCHS - 1].affinity));
    cr_assert(lt(dbl, dispersion.epochs[EPOCHS - 1].dispersion,
                 0.9 * none.epochs[EPOCHS - 1].dispersion));
    cr_assert(lt(dbl, compactness.epochs[EPOCHS - 1].compactness,
                 0.8 * none.epochs[EPOCHS - 1].compactness));
}
