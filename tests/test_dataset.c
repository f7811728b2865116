/* tests/test_dataset.c - what does not depend on a format: SPECs, class filter, sampling. */
#include "base/log.h"
#include "datasets/dataset.h"
#include "tests/data_files.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SPEC "synthetic:classes=6,channels=1,size=4,train=63,test=12"
enum { CLASSES = 6, TRAIN = 63, STRIDE = 16 };

TestSuite(dataset, .init = scratch_begin, .fini = scratch_end, .timeout = 60);

static moda_dataset_options with_classes(size_t n, size_t *values)
{
    return (moda_dataset_options){.classes = {.values = values, .n = n}};
}

/* Index in the unfiltered split of each kept image: all images of SPEC differ. */
static void find_origin(const moda_images *all, const moda_images *kept, size_t *origin)
{
    for (size_t i = 0; i < kept->n; i++) {
        origin[i] = SIZE_MAX;
        for (size_t j = 0; j < all->n; j++)
            if (memcmp(all->pixels + j * STRIDE, kept->pixels + i * STRIDE, STRIDE) == 0)
                origin[i] = j;
        cr_assert(ne(sz, origin[i], SIZE_MAX), "image %zu is not one of the data set's", i);
        cr_assert(i == 0 || origin[i] > origin[i - 1], "the order has changed at %zu", i);
    }
}

Test(dataset, unknown_specs_are_refused)
{
    static const char *const bad[] = {"",  "cifar", "cifar1000:x", "Cifar10:x",
                                      ":", "/tmp",  "stl10:/tmp",  "folder /tmp"};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
        must_refuse(bad[k], NULL, MODA_ERR_ARG, "unknown data set", "cifar10:DIR", NULL);
    must_refuse(NULL, NULL, MODA_ERR_ARG, "no data set", NULL);
    must_refuse("folder", NULL, MODA_ERR_ARG, "folder:DIR", NULL);
    must_refuse("cifar100:", NULL, MODA_ERR_ARG, "cifar100:DIR", NULL);
    must_refuse("fashion-mnist:/nowhere", NULL, MODA_ERR_IO, "/nowhere", NULL);
    write_bytes(scratch("file"), "x", 1);
    must_refuse(spec_of("cifar10", "file"), NULL, MODA_ERR_IO, "no such directory", NULL);
    moda_dataset_destroy(NULL);
}

Test(dataset, filter_keeps_numbers)
{
    size_t list[] = {4, 1}, origin[TRAIN], counts[CLASSES];
    const moda_dataset_options o = with_classes(2, list);
    moda_dataset *all = must_open(SPEC, NULL), *d = must_open(SPEC, &o);
    cr_assert(d->classes == CLASSES && d->train.n == 21 && d->test.n == 4);
    find_origin(&all->train, &d->train, origin);
    for (size_t i = 0; i < d->train.n; i++)
        cr_assert(eq(u32, d->train.labels[i], all->train.labels[origin[i]]));
    moda_images_count(&d->train, CLASSES, counts);
    cr_assert(counts[1] == 11 && counts[4] == 10 && counts[0] + counts[2] + counts[3] == 0);
    cr_assert(eq(flt, d->mean[0], all->mean[0]), "measured before the filter");
    moda_dataset_destroy(all);
    moda_dataset_destroy(d);
}

Test(dataset, relabelling_is_ascending_in_any_order)
{
    size_t down[] = {5, 2, 0}, up[] = {0, 2, 5};
    moda_dataset_options a = with_classes(3, down), b = with_classes(3, up);
    a.relabel = b.relabel = true;
    moda_dataset *d = must_open(SPEC, &a), *e = must_open(SPEC, &b);
    moda_dataset *all = must_open(SPEC, NULL);
    size_t origin[TRAIN];
    cr_assert(d->classes == 3 && d->train.n == 32);
    cr_assert(eq(str, d->class_names[1], "2"));
    cr_assert(eq(str, d->class_names[2], "5"));
    for (size_t c = 0; c < 3; c++) cr_assert(eq(u32, d->class_numbers[c], (uint32_t)up[c]));
    cr_assert(eq(ptr, all->class_numbers, NULL));
    find_origin(&all->train, &d->train, origin);
    for (size_t i = 0; i < d->train.n; i++) {
        cr_assert(eq(u32, (uint32_t)up[d->train.labels[i]], all->train.labels[origin[i]]));
        cr_assert(eq(u32, d->train.labels[i], e->train.labels[i]));
    }
    cr_assert(zero(int, memcmp(d->train.pixels, e->train.pixels, d->train.n * STRIDE)));
    cr_assert(eq(sz, down[0], 5), "the caller's list is left alone");
    moda_dataset_destroy(d);
    moda_dataset_destroy(e);
    moda_dataset_destroy(all);
}

Test(dataset, wrong_class_lists_are_refused)
{
    size_t outside[] = {1, 6}, twice[] = {3, 3}, huge[] = {SIZE_MAX}, few[] = {5};
    moda_dataset_options o = with_classes(2, outside);
    must_refuse(SPEC, &o, MODA_ERR_ARG, "class 6", "0 to 5", NULL);
    o = with_classes(2, twice);
    must_refuse(SPEC, &o, MODA_ERR_ARG, "class 3", "twice", NULL);
    o = with_classes(1, huge);
    must_refuse(SPEC, &o, MODA_ERR_ARG, "0 to 5", NULL);
    o = with_classes(1, few); /* four images: classes 4 and 5 have none */
    must_refuse("synthetic:classes=6,train=4,test=0", &o, MODA_ERR_ARG, "no image", NULL);
}

Test(dataset, per_class_counts)
{
    static const struct {
        double per_class;
        size_t kept; /* of the eleven of class 0; the classes from 3 on have ten */
    } cases[] = {{1, 1}, {4, 4}, {11, 11}, {0.5, 6}, {0.1, 1}, {0.001, 1}, {0.9, 10}, {1e9, 11}};
    size_t counts[CLASSES], origin[TRAIN];
    moda_dataset *all = must_open(SPEC, NULL);
    moda_log_set_level(MODA_LOG_ERROR); /* it warns of classes that have too few */
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        moda_dataset *d =
            must_open(SPEC, &(moda_dataset_options){.per_class = cases[k].per_class, .seed = 3});
        moda_images_count(&d->train, CLASSES, counts);
        cr_assert(eq(sz, counts[0], cases[k].kept), "per class %g", cases[k].per_class);
        cr_assert(eq(sz, d->test.n, all->test.n), "only training images are sampled");
        find_origin(&all->train, &d->train, origin);
        moda_dataset_destroy(d);
    }
    moda_dataset_destroy(all);
}

/* A class's sample depends on the seed, and neither on the filter nor on the other classes. */
Test(dataset, sample_is_drawn_per_class)
{
    size_t one[] = {2};
    moda_dataset_options o = {.per_class = 5, .seed = 7}, filtered = with_classes(1, one);
    filtered.per_class = 5, filtered.seed = 7;
    moda_dataset *a = must_open(SPEC, &o), *b = must_open(SPEC, &filtered);
    moda_dataset *again = must_open(SPEC, &o);
    o.seed = 8;
    moda_dataset *other = must_open(SPEC, &o);
    cr_assert(a->train.n == 30 && b->train.n == 5 && other->train.n == 30);
    for (size_t i = 0, k = 0; i < 30; i++) {
        if (a->train.labels[i] != 2) continue;
        cr_assert(zero(
            int, memcmp(a->train.pixels + i * STRIDE, b->train.pixels + k++ * STRIDE, STRIDE)));
    }
    cr_assert(zero(int, memcmp(a->train.pixels, again->train.pixels, 30 * STRIDE)));
    cr_assert(ne(int, memcmp(a->train.pixels, other->train.pixels, 30 * STRIDE), 0));
    moda_dataset_destroy(a);
    moda_dataset_destroy(b);
    moda_dataset_destroy(again);
    moda_dataset_destroy(other);
}

/* Over many seeds every image is chosen about equally often: 5 of 11 (10), 400 times. */
Test(dataset, sample_is_fair)
{
    size_t hits[TRAIN] = {0}, origin[TRAIN];
    moda_dataset *all = must_open(SPEC, NULL);
    for (size_t seed = 0; seed < 400; seed++) {
        moda_dataset *d = must_open(SPEC, &(moda_dataset_options){.per_class = 5, .seed = seed});
        find_origin(&all->train, &d->train, origin);
        for (size_t i = 0; i < d->train.n; i++) hits[origin[i]]++;
        moda_dataset_destroy(d);
    }
    for (size_t i = 0; i < TRAIN; i++) { /* standard deviation 10 */
        const double want = 400 * 5.0 / (all->train.labels[i] < 3 ? 11 : 10);
        cr_assert(lt(dbl, fabs((double)hits[i] - want), 50), "image %zu: %zu times, expected %g", i,
                  hits[i], want);
    }
    moda_dataset_destroy(all);
}

Test(dataset, wrong_shares_are_refused)
{
    const double bad[] = {-1, -0.5, 1.5, 2.0001, NAN, INFINITY};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
        must_refuse(SPEC, &(moda_dataset_options){.per_class = bad[k]}, MODA_ERR_ARG,
                    "images per class", "whole number", NULL);
}
