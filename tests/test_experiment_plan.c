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

static moda_study_plan *make_plan(const char *study, const char *models, size_t epochs)
{
    static moda_experiment_options o;
    moda_study_plan *p = NULL;
    o = (moda_experiment_options){
        .study = study, .directory = "s", .data = DATA, .models = models, .epochs = epochs};
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
    moda_study_plan *p = make_plan("tau", "lenet5", 0);
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
