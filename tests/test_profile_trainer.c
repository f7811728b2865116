/* tests/test_profile_trainer.c - the profile of a training, and what a training says about its
 * time. */
#include "base/log.h"
#include "engine/profile.h"
#include "engine/trainer.h"
#include "tests/small_net.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void quiet(void)
{
    moda_log_set_level(MODA_LOG_WARNING);
}

TestSuite(profile_trainer, .init = quiet, .timeout = 60);

static const char body[] =
    "[conv];name=a;outputs=12;kernel=3;padding=1;bias=no;[batchnorm];name=n;[relu];"
    "[maxpool];kernel=2;[conv];name=b;outputs=16;kernel=3;[relu];"
    "[linear];name=c;outputs=4";

static void must(moda_status st)
{
    cr_assert(eq(int, st, MODA_OK), "%s", moda_last_error());
}

static moda_dataset *ten_images(void)
{
    moda_dataset *data = NULL;
    must(moda_dataset_open("synthetic:classes=4,channels=3,size=8,train=10,test=4", NULL, &data));
    return data;
}

static moda_train_options options(size_t epochs, size_t batch, moda_profile *profile)
{
    return (moda_train_options){.epochs = epochs,
                                .batch_size = batch,
                                .sgd = {0.05, 0.9, 0},
                                .modular = true,
                                .weights = {1, 1, 0.3},
                                .augment = true,
                                .crop_padding = 4,
                                .shuffle = true,
                                .profile = profile};
}

static moda_profile *create(void)
{
    moda_profile *p = NULL;
    must(moda_profile_create((moda_profile_peaks){1e11, 1e10}, &p));
    return p;
}

/* ---- the time of steps and epochs ---- */

typedef struct journal {
    double step_seconds, data_seconds; /* of the epoch's steps so far */
    size_t steps, epochs;
} journal;

static moda_status on_step(void *user, const moda_train_record *r)
{
    journal *j = user;
    cr_assert(r->seconds > 0 && r->data_share > 0 && r->data_share < 1, "%g of %g s", r->data_share,
              r->seconds);
    j->step_seconds += r->seconds, j->data_seconds += r->data_share * r->seconds;
    j->steps++;
    return MODA_OK;
}

/* An epoch holds its steps and the drawing of its order, and is as long as its rate says. */
static moda_status on_epoch(void *user, const moda_train_record *r)
{
    journal *j = user;
    cr_assert(j->steps == 3, "%zu steps", j->steps);
    cr_assert(r->seconds > j->step_seconds, "%g s, its steps %g s", r->seconds, j->step_seconds);
    cr_assert(r->data_share * r->seconds > j->data_seconds * (1 - 1e-9), "%g s of data, not %g",
              r->data_share * r->seconds, j->data_seconds);
    cr_assert(r->data_share < 1, "%g", r->data_share);
    cr_assert(fabs(r->samples_per_second * r->seconds - 10) < 1e-9, "%g samples a second in %g s",
              r->samples_per_second, r->seconds);
    *j = (journal){.epochs = j->epochs + 1};
    return MODA_OK;
}

static float *train(moda_train_options o, journal *j)
{
    moda_dataset *data = ten_images();
    moda_model *model = small_model("3 8 8", body, 4);
    moda_trainer *trainer = NULL;
    must(moda_model_describe_data(model, data));
    must(moda_trainer_create(model, data, &o, &trainer));
    must(moda_trainer_run(trainer,
                          j ? (moda_train_events){.user = j, .step = on_step, .epoch = on_epoch}
                            : (moda_train_events){0}));
    moda_trainer_destroy(trainer);
    const size_t bytes = model->parameters.elements * sizeof(float);
    float *values = malloc(bytes);
    cr_assert(values != NULL);
    memcpy(values, model->values, bytes);
    moda_model_destroy(model);
    moda_dataset_destroy(data);
    return values;
}

Test(profile_trainer, epochs_hold_their_steps)
{
    journal j = {0};
    free(train(options(4, 4, NULL), &j));
    cr_assert(j.epochs == 4);
}

/* ---- the profile ---- */

static const moda_profile_part *part(const moda_profile *p, size_t index)
{
    return moda_profile_part_at(p, index);
}

static double part_end(const moda_profile *p, size_t s, size_t i)
{
    return moda_profile_begin(p, s, i) + moda_profile_seconds(p, s, i);
}

/* Parts lie within their step, no two at the same time; all have taken some. */
static void check_steps(const moda_profile *p)
{
    for (size_t s = 0; s < moda_profile_steps(p); s++) {
        const double begin = moda_profile_step_begin(p, s);
        const double end = begin + moda_profile_step_seconds(p, s);
        for (size_t i = 0; i < moda_profile_parts(p); i++) {
            const double from = moda_profile_begin(p, s, i), to = part_end(p, s, i);
            cr_assert(from >= begin && from < to && to <= end + 1e-9,
                      "step %zu, %g to %g: part %zu takes from %g to %g", s, begin, end, i, from,
                      to);
            for (size_t j = 0; j < i; j++)
                cr_assert(part_end(p, s, j) <= from + 1e-9 ||
                              to <= moda_profile_begin(p, s, j) + 1e-9,
                          "step %zu: parts %zu and %zu at the same time", s, j, i);
        }
    }
}

static void check_shares(const moda_profile *p)
{
    const double rest = moda_profile_rest(p).share;
    double parts = 0, kinds = 0;
    for (size_t i = 0; i < moda_profile_parts(p); i++) parts += moda_profile_part_time(p, i).share;
    for (moda_work w = 0; w < MODA_WORK_COUNT; w++) kinds += moda_profile_work_time(p, w).share;
    cr_assert(isfinite(rest) && parts > 0, "rest %g, parts %g", rest, parts);
    cr_assert(fabs(parts + rest - 1) < 1e-9, "parts %g, rest %g", parts, rest);
    cr_assert(fabs(kinds + rest - 1) < 1e-9, "kinds %g, rest %g", kinds, rest);
}

/* Batches of 4, 4 and 2: only full ones count. */
Test(profile_trainer, every_part_of_every_kept_step)
{
    moda_profile *p = create();
    free(train(options(5, 4, p), NULL));
    cr_assert(moda_profile_steps(p) == 5 * 2 - MODA_PROFILE_WARMUP, "%zu steps",
              moda_profile_steps(p));
    const size_t n = moda_profile_parts(p);
    cr_assert(n > 12, "%zu parts", n);
    cr_assert(part(p, 0)->work == MODA_WORK_DATA && strcmp(part(p, 0)->layer, "batch") == 0);
    cr_assert(strcmp(part(p, 0)->shape, "4x3x8x8") == 0, "%s", part(p, 0)->shape);
    cr_assert(part(p, 0)->bytes == 4 * 3 * 64 * 5, "%g bytes", part(p, 0)->bytes);
    cr_assert(part(p, n - 1)->work == MODA_WORK_OPTIMIZER);
    const double weights = 12 * 3 * 9 + 2 * 12 + 16 * 12 * 9 + 16 + 4 * 16 * 4 + 4;
    cr_assert(part(p, n - 1)->bytes == weights * 5 * 4, "%g bytes", part(p, n - 1)->bytes);
    size_t losses = 0, backward = 0;
    for (size_t i = 0; i < n; i++) {
        cr_assert(part(p, i)->layer[0] && part(p, i)->kernel[0] && part(p, i)->shape[0], "part %zu",
                  i);
        cr_assert(part(p, i)->bytes > 0, "part %zu", i);
        losses += part(p, i)->work == MODA_WORK_LOSSES;
        backward += part(p, i)->pass == MODA_PASS_BACKWARD_WEIGHTS;
    }
    cr_assert(losses == 2 + 2, "%zu parts of the losses: terms, and b's ReLU twice", losses);
    cr_assert(backward == 3, "%zu weights' gradients", backward);
    check_steps(p);
    check_shares(p);
    moda_profile_destroy(p);
}

Test(profile_trainer, data_that_fill_no_batch)
{
    moda_profile *p = create();
    free(train(options(MODA_PROFILE_WARMUP + 2, 16, p), NULL));
    cr_assert(moda_profile_steps(p) == 2, "%zu steps", moda_profile_steps(p));
    cr_assert(strcmp(part(p, 0)->shape, "10x3x8x8") == 0, "%s", part(p, 0)->shape);
    check_steps(p);
    moda_profile_destroy(p);
}

Test(profile_trainer, a_profile_changes_no_bit)
{
    moda_profile *p = create();
    float *with = train(options(3, 4, p), NULL), *without = train(options(3, 4, NULL), NULL);
    cr_assert(moda_profile_steps(p) > 0);
    cr_assert(with[0] != 0 && memcmp(with, without, 12 * 3 * 9 * sizeof *with) == 0);
    free(with), free(without);
    moda_profile_destroy(p);
}

/* 2 full batches an epoch: steps 1, 2, 4, 5, 7, .. of the training. */
Test(profile_trainer, a_training_too_short_is_refused)
{
    static const struct {
        size_t epochs, max_steps, kept;
    } cases[] = {{1, 0, 0}, {2, 0, 1}, {9, 3, 0}, {9, 4, 0}, {9, 5, 1}, {9, 6, 1}, {9, 8, 3}};
    moda_dataset *data = ten_images();
    moda_model *model = small_model("3 8 8", body, 4);
    must(moda_model_describe_data(model, data));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        moda_profile *p = create();
        moda_trainer *trainer = NULL;
        moda_train_options o = options(cases[i].epochs, 4, p);
        o.max_steps = cases[i].max_steps;
        const moda_status st = moda_trainer_create(model, data, &o, &trainer);
        cr_assert(st == (cases[i].kept ? MODA_OK : MODA_ERR_ARG), "case %zu: %s", i,
                  moda_status_name(st));
        if (trainer) must(moda_trainer_run(trainer, (moda_train_events){0}));
        cr_assert(moda_profile_steps(p) == cases[i].kept, "case %zu: %zu steps", i,
                  moda_profile_steps(p));
        moda_trainer_destroy(trainer);
        moda_profile_destroy(p);
    }
    moda_model_destroy(model);
    moda_dataset_destroy(data);
}
