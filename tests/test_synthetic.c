/* tests/test_synthetic.c - made-up data: shapes, that they can be learned, wrong SPECs. */
#include "datasets/dataset.h"
#include "tests/data_files.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

TestSuite(synthetic, .timeout = 60);

static size_t stride_of(const moda_images *m)
{
    return m->channels * m->height * m->width;
}

Test(synthetic, defaults_are_as_documented)
{
    static const char *const specs[] = {"synthetic", "synthetic:",
                                        "synthetic:classes=10,channels=3,size=32,train=512,"
                                        "test=128,seed=0"};
    moda_dataset *first = must_open(specs[0], NULL);
    cr_assert(first->train.n == 512 && first->test.n == 128 && first->classes == 10);
    cr_assert(first->train.channels == 3 && first->train.height == 32 && first->train.width == 32);
    cr_assert(eq(str, first->class_names[9], "9"));
    cr_assert(first->flip);
    for (size_t k = 1; k < 3; k++) {
        moda_dataset *same = must_open(specs[k], &(moda_dataset_options){.seed = k});
        cr_assert(zero(int, memcmp(first->train.pixels, same->train.pixels, 512 * 3072)),
                  "%s: the data depend on the SPEC alone", specs[k]);
        moda_dataset_destroy(same);
    }
    moda_dataset_destroy(first);
}

Test(synthetic, keys_are_obeyed)
{
    size_t counts[3];
    moda_dataset *d = must_open("synthetic:test=0,size=8,train=7,channels=1,classes=3", NULL);
    cr_assert(d->train.n == 7 && d->test.n == 0 && d->classes == 3);
    cr_assert(d->train.channels == 1 && d->train.height == 8 && d->train.width == 8);
    moda_images_count(&d->train, 3, counts);
    cr_assert(counts[0] == 3 && counts[1] == 2 && counts[2] == 2);
    moda_dataset_destroy(d);
}

Test(synthetic, seeds_samples_and_splits_differ)
{
    moda_dataset *a = must_open("synthetic:train=20,test=20", NULL);
    moda_dataset *b = must_open("synthetic:train=20,test=20,seed=1", NULL);
    const uint8_t *p = a->train.pixels;
    cr_assert(ne(int, memcmp(p, b->train.pixels, 3072), 0), "seed");
    cr_assert(ne(int, memcmp(p, p + 10 * 3072, 3072), 0), "two samples of one class");
    cr_assert(ne(int, memcmp(p, a->test.pixels, 3072), 0), "training and test");
    moda_dataset_destroy(a);
    moda_dataset_destroy(b);
}

Test(synthetic, same_for_any_thread_count)
{
    omp_set_num_threads(1);
    moda_dataset *one = must_open("synthetic:size=9,train=50", NULL);
    omp_set_num_threads(3);
    moda_dataset *three = must_open("synthetic:size=9,train=50", NULL);
    cr_assert(zero(int, memcmp(one->train.pixels, three->train.pixels, 50 * 243)));
    moda_dataset_destroy(one);
    moda_dataset_destroy(three);
}

/* Which class mean of the training split is nearest to a test image? */
static double nearest_mean_accuracy(const moda_dataset *d)
{
    const size_t stride = stride_of(&d->train);
    double *mean = calloc(d->classes * stride, sizeof *mean);
    size_t right = 0, *counts = calloc(d->classes, sizeof *counts);
    moda_images_count(&d->train, d->classes, counts);
    for (size_t i = 0; i < d->train.n; i++)
        for (size_t p = 0; p < stride; p++)
            mean[d->train.labels[i] * stride + p] +=
                (double)d->train.pixels[i * stride + p] / (double)counts[d->train.labels[i]];
    for (size_t i = 0; i < d->test.n; i++) {
        size_t best = 0;
        double least = 1e300;
        for (size_t c = 0; c < d->classes; c++) {
            double distance = 0;
            for (size_t p = 0; p < stride; p++) {
                const double e = d->test.pixels[i * stride + p] - mean[c * stride + p];
                distance += e * e;
            }
            if (distance < least) least = distance, best = c;
        }
        right += best == d->test.labels[i];
    }
    const double accuracy = (double)right / (double)d->test.n;
    free(mean);
    free(counts);
    return accuracy;
}

Test(synthetic, classes_can_be_told_apart)
{
    moda_dataset *d = must_open("synthetic", NULL);
    cr_assert(lt(dbl, 0.98, nearest_mean_accuracy(d)));
    /* With the labels turned by one, the same classifier must fail. */
    for (size_t i = 0; i < d->test.n; i++) d->test.labels[i] = (d->test.labels[i] + 1) % 10;
    cr_assert(lt(dbl, nearest_mean_accuracy(d), 0.02));
    moda_dataset_destroy(d);
}

Test(synthetic, wrong_keys_are_refused)
{
    static const char *const bad[][2] = {{"synthetic:colour=3", "colour"},
                                         {"synthetic:classes", "classes=N"},
                                         {"synthetic:classes=", "classes=N"},
                                         {"synthetic:classes=1", "2..65536"},
                                         {"synthetic:classes=70000", "70000"},
                                         {"synthetic:channels=5", "1..4"},
                                         {"synthetic:size=3", "4..4096"},
                                         {"synthetic:train=0", "train=0"},
                                         {"synthetic:train=-1", "train=N"},
                                         {"synthetic:train=1e3", "1e3"},
                                         {"synthetic:train=99999999999999999999999", "train"},
                                         {"synthetic:test=4,test=4", "twice"},
                                         {"synthetic:size=8;test=2", "8;test=2"},
                                         {"synthetic:size= 8", "size=N"},
                                         {"synthetic:=3", "unknown key"}};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
        must_refuse(bad[k][0], NULL, MODA_ERR_ARG, bad[k][1], NULL);
}
