/* tests/test_experiment_plan.c - what a study plans before it does anything: by how many epochs, of
 * how many sub-tasks, at what cost. */
#include "bench/experiment_internal.h"
#include "engine/net.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(experiment_plan, .timeout = 30);

enum { CLASSES = 4, TRAIN = 80, TEST = 40 };
#define DATA "synthetic:classes=4,channels=3,size=32,train=80,test=40"

static moda_study_plan *make_plan(const char *study, const char *models, size_t epochs,
                                  size_t sample)
{
    static moda_experiment_options o;
    moda_study_plan *p = NULL;
    o = (moda_experiment_options){.study = study,
                                  .directory = "s",
                                  .data = DATA,
                                  .models = models,
                                  .epochs = epochs,
                                  .sample = sample};
    const moda_status st = moda_plan_create(&o, &p);
    cr_assert(eq(int, st, MODA_OK), "%s", moda_last_error());
    return p;
}

/* LeNet-5 alone trains in seconds, and a thousand networks of its modules run in a minute. */
Test(experiment_plan, the_small_setting_knows_every_large_network)
{
    moda_study_plan *p = make_plan("tau", "lenet5", 0, 0);
    cr_assert(eq(sz, moda_plan_epochs(p, "lenet5"), 20));
    cr_assert(eq(sz, moda_plan_sample(p, "lenet5"), 252));
    for (const char *const *name = moda_net_builtin_names(); *name; name++) {
        const size_t epochs = moda_plan_epochs(p, *name), sample = moda_plan_sample(p, *name);
        const int resnet = strncmp(*name, "resnet", 6) == 0;
        if (strcmp(*name, "lenet5") == 0) continue;
        cr_assert(eq(sz, epochs, resnet ? 6 : 8), "%s", *name);
        cr_assert(eq(sz, sample, resnet ? 2 : 5), "%s", *name);
    }
    moda_plan_destroy(p);
}

/* ---- how long trainings are, for people ---- */

static void check_lengths(const char *study, const char *models, size_t epochs, const char *want)
{
    moda_study_plan *p = make_plan(study, models, epochs, 0);
    char *text = moda_plan_lengths(p);
    cr_assert(eq(str, text, (char *)want), "%s", study);
    free(text);
    moda_plan_destroy(p);
}

/* Sub-tasks only where networks are composed; numbers are those of the trainings that are planned. */
Test(experiment_plan, says_what_is_trained_how_long)
{
    check_lengths("accuracy", "vgg16,lenet5", 0,
                  "vgg16: 8 epochs, 5 sub-tasks of each size at most; lenet5: 20 epochs, 252 "
                  "sub-tasks of each size at most");
    check_lengths("tau", "resnet18", 3, "resnet18: 3 epochs, 2 sub-tasks of each size at most");
    check_lengths("lookalike", "vgg16", 0, "vgg16: 8 epochs");
    check_lengths("replacement", "vgg16", 0, "vgg16: 10 epochs; lenet5: 200 epochs");
    check_lengths("replacement", "vgg16", 1, "vgg16: 1 epoch; lenet5: 200 epochs");
    check_lengths("replacement", "lenet5", 0,
                  "lenet5 (moda): 25 epochs; lenet5 (standard): 200 epochs");
    check_lengths("replacement", "lenet5", 200, "lenet5: 200 epochs");
}
