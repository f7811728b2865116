/* tests/test_folder.c - image folders: what the tree means, and trees that are wrong. Decoding and
 * resizing are in test_picture.c. */
#include "tests/data_files.h"
#include "tests/pictures.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SIDE = 32, AREA = SIDE * SIDE };

TestSuite(folder, .init = scratch_begin, .fini = scratch_end, .timeout = 60);

/* A picture that says who it is: every pixel is (mark, x, y). */
static void fill_marked(uint8_t *rgb, uint8_t mark)
{
    for (size_t p = 0; p < AREA; p++) {
        rgb[3 * p] = mark;
        rgb[3 * p + 1] = (uint8_t)(p % SIDE);
        rgb[3 * p + 2] = (uint8_t)(p / SIDE);
    }
}

static void write_marked(const char *path, uint8_t mark)
{
    uint8_t rgb[3 * AREA];
    fill_marked(rgb, mark);
    write_bytes(path, "", 0); /* makes the folders */
    write_rgb_png(path, SIDE, SIDE, rgb);
}

static void check_marks(const moda_images *m, size_t n, const uint8_t *marks,
                        const uint32_t *labels)
{
    cr_assert(eq(sz, m->n, n));
    cr_assert(m->channels == 3 && m->height == SIDE && m->width == SIDE);
    for (size_t i = 0; i < n; i++) {
        const uint8_t *pixels = m->pixels + i * 3 * AREA;
        cr_assert(eq(u32, m->labels[i], labels[i]), "image %zu", i);
        for (size_t p = 0; p < AREA; p++) {
            cr_assert(eq(u8, pixels[p], marks[i]), "image %zu", i);
            cr_assert(eq(u8, pixels[AREA + p], (uint8_t)(p % SIDE)));
            cr_assert(eq(u8, pixels[2 * AREA + p], (uint8_t)(p / SIDE)));
        }
    }
}

/* Two classes with two and one pictures, a test split with one of each. */
static void write_small_tree(void)
{
    write_marked(scratch("d/train/cat/1.png"), 1);
    write_marked(scratch("d/train/cat/2.png"), 2);
    write_marked(scratch("d/train/dog/1.png"), 3);
    write_marked(scratch("d/test/cat/1.png"), 4);
    write_marked(scratch("d/test/dog/1.png"), 5);
}

Test(folder, classes_and_files_are_in_byte_order)
{
    write_marked(scratch("d/train/b/9.png"), 12);
    write_marked(scratch("d/train/b/10.PNG"), 11);
    write_marked(scratch("d/train/Z/x.pNg"), 10);
    write_marked(scratch("d/train/a b/-.png"), 13);
    write_bytes(scratch("d/train/b/Thumbs.db"), "x", 1);
    write_bytes(scratch("d/train/b/.hidden.png"), "x", 1);
    write_bytes(scratch("d/train/b/png"), "x", 1);
    write_bytes(scratch("d/train/b/folder.png/inside"), "x", 1);
    write_bytes(scratch("d/train/.git/x.png"), "x", 1);
    write_bytes(scratch("d/train/README"), "x", 1);
    moda_dataset *d = must_open(spec_of("folder", "d"), NULL);
    cr_assert(eq(sz, d->classes, 3));
    cr_assert(eq(str, d->class_names[0], "Z"));
    cr_assert(eq(str, d->class_names[1], "a b"));
    cr_assert(eq(str, d->class_names[2], "b"));
    check_marks(&d->train, 4, (uint8_t[]){10, 13, 11, 12}, (uint32_t[]){0, 1, 2, 2});
    cr_assert(eq(sz, d->test.n, 0));
    cr_assert(d->flip);
    moda_dataset_destroy(d);
}

Test(folder, test_goes_before_val)
{
    write_small_tree();
    write_marked(scratch("d/val/cat/1.png"), 6);
    write_marked(scratch("d/val/dog/1.png"), 7);
    moda_dataset *d = must_open(spec_of("folder", "d"), NULL);
    check_marks(&d->test, 2, (uint8_t[]){4, 5}, (uint32_t[]){0, 1});
    moda_dataset_destroy(d);
    cr_assert(zero(int, rename(scratch("d/test"), scratch("d/later"))));
    d = must_open(spec_of("folder", "d/"), NULL); /* a slash at the end does no harm */
    check_marks(&d->train, 3, (uint8_t[]){1, 2, 3}, (uint32_t[]){0, 0, 1});
    check_marks(&d->test, 2, (uint8_t[]){6, 7}, (uint32_t[]){0, 1});
    moda_dataset_destroy(d);
}

/* Red is mark/255 everywhere: mean of 1,2,3 is 2, of their squares' distances 2/3. */
Test(folder, normalisation_is_measured)
{
    write_small_tree();
    moda_dataset *d = must_open(spec_of("folder", "d"), NULL);
    cr_assert(epsilon_eq(dbl, d->mean[0], 2 / 255.0, 1e-7));
    cr_assert(epsilon_eq(dbl, d->std[0], 0.816496580927726 / 255, 1e-7));
    cr_assert(epsilon_eq(dbl, d->mean[1], 15.5 / 255, 1e-7));
    moda_dataset_destroy(d);
}

Test(folder, same_for_any_thread_count)
{
    for (int i = 0; i < 60; i++)
        write_marked(scratch("d/train/%c/%02d.png", i % 2 ? 'a' : 'b', i), (uint8_t)(3 * i));
    omp_set_num_threads(1);
    moda_dataset *one = must_open(spec_of("folder", "d"), NULL), *many;
    for (int threads = 2; threads < 5; threads++) {
        omp_set_num_threads(threads);
        many = must_open(spec_of("folder", "d"), NULL);
        cr_assert(zero(int, memcmp(one->train.pixels, many->train.pixels, 60 * 3 * AREA)));
        moda_dataset_destroy(many);
    }
    moda_dataset_destroy(one);
}

Test(folder, wanted_size_is_given)
{
    write_small_tree();
    moda_dataset *d =
        must_open(spec_of("folder", "d"), &(moda_dataset_options){.height = 24, .width = 40});
    cr_assert(d->train.height == 24 && d->train.width == 40 && d->test.width == 40);
    cr_assert(eq(u8, d->train.pixels[24 * 40 * 3], 2), "second picture's red");
    moda_dataset_destroy(d);
    must_refuse(spec_of("folder", "d"), &(moda_dataset_options){.height = 24}, MODA_ERR_ARG,
                "24 x 0", NULL);
    must_refuse(spec_of("folder", "d"), &(moda_dataset_options){.height = 5000, .width = 32},
                MODA_ERR_ARG, "5000", NULL);
}

Test(folder, missing_train_is_refused)
{
    must_refuse(spec_of("folder", "d"), NULL, MODA_ERR_IO, "/d", "no such directory", NULL);
    write_marked(scratch("d/cat/1.png"), 1);
    write_marked(scratch("d/dog/1.png"), 1);
    must_refuse(spec_of("folder", "d"), NULL, MODA_ERR_IO, "d/train", "one folder per class", NULL);
    write_bytes(scratch("d/train/readme"), "", 0);
    must_refuse(spec_of("folder", "d"), NULL, MODA_ERR_FORMAT, "d/train", "no class folder", NULL);
}

Test(folder, single_class_is_refused)
{
    write_marked(scratch("d/train/cat/1.png"), 1);
    must_refuse(spec_of("folder", "d"), NULL, MODA_ERR_FORMAT, "d/train", "single class folder",
                "at least two", NULL);
}

Test(folder, empty_class_is_refused)
{
    write_small_tree();
    write_bytes(scratch("d/train/eel/notes.txt"), "x", 1);
    write_marked(scratch("d/test/eel/1.png"), 1);
    must_refuse(spec_of("folder", "d"), NULL, MODA_ERR_FORMAT, "d/train/eel", "empty class",
                "remove the folder", NULL);
    write_marked(scratch("d/train/eel/1.png"), 1);
    unlink(scratch("d/test/eel/1.png"));
    must_refuse(spec_of("folder", "d"), NULL, MODA_ERR_FORMAT, "d/test/eel", "empty class", NULL);
}

Test(folder, splits_must_have_the_same_classes)
{
    write_small_tree();
    write_marked(scratch("d/test/ant/1.png"), 1);
    must_refuse(spec_of("folder", "d"), NULL, MODA_ERR_FORMAT, "d/test", "'ant'", "not in train/",
                NULL);
    write_marked(scratch("d/train/ant/1.png"), 1);
    write_marked(scratch("d/test/zebra/1.png"), 1);
    must_refuse(spec_of("folder", "d"), NULL, MODA_ERR_FORMAT, "d/test", "'zebra'", "not in train/",
                NULL);
    write_marked(scratch("d/train/zebra/1.png"), 1);
    write_marked(scratch("d/train/bee/1.png"), 1);
    must_refuse(spec_of("folder", "d"), NULL, MODA_ERR_FORMAT, "d/test", "lacks", "'bee'", NULL);
}

/* Whichever thread meets which file first, the first one in order is the one that is named. */
Test(folder, first_broken_picture_is_named)
{
    for (int i = 0; i < 64; i++) write_marked(scratch("d/train/%c/%02d.png", "ab"[i / 32], i), 1);
    write_bytes(scratch("d/train/a/21.png"), "not a picture", 13);
    write_bytes(scratch("d/train/a/22.png"), "", 0);
    write_bytes(scratch("d/train/b/33.png"), "", 0);
    write_bytes(scratch("d/train/b/63.png"), "", 0);
    for (int threads = 1; threads < 5; threads++) {
        omp_set_num_threads(threads);
        for (int again = 0; again < 5; again++)
            must_refuse(spec_of("folder", "d"), NULL, MODA_ERR_FORMAT, "d/train/a/21.png",
                        "neither a JPEG nor a PNG", "remove", NULL);
    }
    write_marked(scratch("d/train/a/21.png"), 1);
    must_refuse(spec_of("folder", "d"), NULL, MODA_ERR_FORMAT, "d/train/a/22.png", "empty file",
                NULL);
}

Test(folder, links_are_followed_and_dangling_ones_named)
{
    write_small_tree();
    write_marked(scratch("elsewhere/1.png"), 9);
    cr_assert(zero(int, symlink(scratch("elsewhere"), scratch("d/train/eel"))));
    cr_assert(zero(int, symlink(scratch("elsewhere"), scratch("d/test/eel"))));
    moda_dataset *d = must_open(spec_of("folder", "d"), NULL);
    check_marks(&d->train, 4, (uint8_t[]){1, 2, 3, 9}, (uint32_t[]){0, 0, 1, 2});
    moda_dataset_destroy(d);
    cr_assert(zero(int, symlink("nowhere.png", scratch("d/train/dog/9.png"))));
    must_refuse(spec_of("folder", "d"), NULL, MODA_ERR_IO, "d/train/dog/9.png", NULL);
}

/* The same pictures as a CIFAR file: byte for byte the same data in the same order. */
Test(folder, equals_the_binary_version_of_the_same_pictures)
{
    enum { RECORD = 1 + 3 * AREA, COUNT = 6 };
    uint8_t *file = malloc(COUNT * RECORD), rgb[3 * AREA];
    for (size_t i = 0; i < COUNT; i++) {
        const char *path = scratch("d/train/class%zu/%zu.png", i / 2, i);
        fill_marked(rgb, (uint8_t)(40 * i));
        write_bytes(path, "", 0);
        write_rgb_png(path, SIDE, SIDE, rgb);
        file[i * RECORD] = (uint8_t)(i / 2);
        for (size_t c = 0; c < 3; c++)
            for (size_t p = 0; p < AREA; p++) file[i * RECORD + 1 + c * AREA + p] = rgb[3 * p + c];
    }
    write_bytes(scratch("bin/data_batch_1.bin"), file, COUNT * RECORD);
    moda_dataset *a = must_open(spec_of("folder", "d"), NULL);
    moda_dataset *b = must_open(spec_of("cifar10", "bin"), NULL);
    cr_assert(a->train.n == COUNT && b->train.n == COUNT);
    cr_assert(zero(int, memcmp(a->train.pixels, b->train.pixels, COUNT * 3 * AREA)));
    cr_assert(zero(int, memcmp(a->train.labels, b->train.labels, COUNT * sizeof(uint32_t))));
    free(file);
    moda_dataset_destroy(a);
    moda_dataset_destroy(b);
}
