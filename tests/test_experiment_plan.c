/* tests/test_experiment_plan.c - what a study plans before it does anything: by how many epochs, of
 * how many sub-tasks, at what cost. */
#include "bench/experiment_internal.h"
#include "engine/net.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(experiment_plan, .timeout = 60);

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

static const moda_study_item *item_of(const moda_study_plan *p, const char *run, const char *name)
{
    const moda_study_item *item = moda_plan_find(p, run, name);
    cr_assert(ne(ptr, (void *)item, NULL), "%s, %s", run, name);
    return item;
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

/* ---- what reuse costs ---- */

/* Images of so many, of equally large classes, that all sub-tasks have: each is counted. */
static double images_of_all(size_t images)
{
    size_t sum = 0;
    for (unsigned set = 0; set < 1u << CLASSES; set++) {
        const size_t classes = (size_t)__builtin_popcount(set);
        if (classes >= 2) sum += classes * (images / CLASSES);
    }
    return (double)sum;
}

/* Heads of MwT's networks learn from training images, which their trunks have to run on first. */
Test(experiment_plan, reuse_of_mwt_counts_what_heads_learn_from)
{
    moda_study_plan *p = make_plan("accuracy", "vgg16", 0, 252);
    const moda_study_item *moda = item_of(p, "vgg16-moda", "reuse"),
                          *mwt = item_of(p, "vgg16-mwt", "reuse"),
                          *eval = item_of(p, "vgg16-mwt", "eval");
    const double tests = images_of_all(TEST), trains = images_of_all(TRAIN);
    cr_assert(eq(dbl, tests, 280)); /* 6 pairs, 4 of three, 1 of four; 10 images each */
    cr_assert(epsilon_eq(dbl, moda->passed, tests, 1e-9));
    cr_assert(eq(dbl, moda->headed, 0));
    cr_assert(epsilon_eq(dbl, mwt->passed, tests + trains, 1e-9));
    cr_assert(epsilon_eq(dbl, mwt->headed, 10 * trains, 1e-9));
    cr_assert(eq(dbl, eval->passed, TEST));
    cr_assert(eq(dbl, eval->headed, 0));
    moda_plan_destroy(p);
}
