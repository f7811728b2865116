/* tests/test_cifar.c - the binary CIFAR versions: records, file order, names, bad files. */
#include "tests/data_files.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIXELS = 3072, MAX_RECORDS = 8 };

TestSuite(cifar, .init = scratch_begin, .fini = scratch_end, .timeout = 60);

static uint8_t file[MAX_RECORDS * (2 + PIXELS)];

/* Record i of a file: label(s), then pixels that differ by file, record and place. */
static size_t make_records(size_t n, size_t label_bytes, unsigned number)
{
    uint8_t *p = file;
    for (size_t i = 0; i < n; i++) {
        if (label_bytes == 2) *p++ = (uint8_t)((i + 5) % 20);
        *p++ = (uint8_t)((i + number) % 10);
        for (size_t k = 0; k < PIXELS; k++) *p++ = (uint8_t)(number * 50 + i * 11 + k * 5 + k / 64);
    }
    return (size_t)(p - file);
}

static void write_records(const char *name, size_t n, size_t label_bytes, unsigned number)
{
    write_bytes(scratch("d/%s", name), file, make_records(n, label_bytes, number));
}

static void check_record(const moda_images *m, size_t at, unsigned number, size_t i)
{
    cr_assert(eq(u32, m->labels[at], (uint32_t)((i + number) % 10)), "image %zu", at);
    for (size_t k = 0; k < PIXELS; k++)
        cr_assert(
            eq(u8, m->pixels[at * PIXELS + k], (uint8_t)(number * 50 + i * 11 + k * 5 + k / 64)),
            "image %zu byte %zu", at, k);
}

Test(cifar, files_are_read_in_numerical_order)
{
    write_records("data_batch_10.bin", 1, 1, 4);
    write_records("data_batch_2.bin", 3, 1, 2);
    write_records("data_batch_1.bin", 2, 1, 1);
    write_records("test_batch.bin", 2, 1, 7);
    write_bytes(scratch("d/readme.html"), "x", 1);
    moda_dataset *d = must_open(spec_of("cifar10", "d"), NULL);
    cr_assert(d->train.n == 6 && d->test.n == 2 && d->classes == 10);
    cr_assert(d->train.channels == 3 && d->train.height == 32 && d->train.width == 32);
    check_record(&d->train, 0, 1, 0);
    check_record(&d->train, 1, 1, 1);
    check_record(&d->train, 2, 2, 0);
    check_record(&d->train, 4, 2, 2);
    check_record(&d->train, 5, 4, 0);
    check_record(&d->test, 1, 7, 1);
    cr_assert(eq(str, d->class_names[9], "truck"));
    cr_assert(d->flip);
    cr_assert(eq(flt, d->mean[2], 0.4465f));
    cr_assert(eq(flt, d->std[0], 0.2471f));
    moda_dataset_destroy(d);
}

Test(cifar, one_split_is_enough)
{
    write_records("test_batch.bin", 3, 1, 0);
    moda_dataset *d = must_open(spec_of("cifar10", "d"), NULL);
    cr_assert(d->train.n == 0 && d->test.n == 3);
    moda_dataset_destroy(d);
}

Test(cifar, hundred_takes_the_fine_label)
{
    write_records("train.bin", 3, 2, 1);
    write_records("test.bin", 2, 2, 3);
    file[1] = 99;
    write_bytes(scratch("d/test.bin"), file, 2 * (2 + PIXELS));
    moda_dataset *d = must_open(spec_of("cifar100", "d"), NULL);
    cr_assert(d->classes == 100 && d->train.n == 3);
    check_record(&d->train, 2, 1, 2);
    cr_assert(eq(u32, d->test.labels[0], 99));
    cr_assert(eq(str, d->class_names[99], "99"));
    cr_assert(eq(flt, d->mean[0], 0.5071f));
    cr_assert(eq(flt, d->std[2], 0.2761f));
    moda_dataset_destroy(d);
}

Test(cifar, names_come_from_the_file)
{
    const char names[] = "a\nb\r\nc\nd\ne\nf\ng\nh\ni\nlast one\n\n";
    write_records("test_batch.bin", 1, 1, 0);
    write_bytes(scratch("d/batches.meta.txt"), names, strlen(names));
    moda_dataset *d = must_open(spec_of("cifar10", "d"), NULL);
    cr_assert(eq(str, d->class_names[1], "b"));
    cr_assert(eq(str, d->class_names[9], "last one"));
    moda_dataset_destroy(d);
    static const char *const bad[] = {"", "a\nb\n", "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n"};
    for (size_t k = 0; k < 3; k++) {
        write_bytes(scratch("d/batches.meta.txt"), bad[k], strlen(bad[k]));
        must_refuse(spec_of("cifar10", "d"), NULL, MODA_ERR_FORMAT, "batches.meta.txt",
                    "10 class names", NULL);
    }
    write_bytes(scratch("d/batches.meta.txt"), "a\0b", 3);
    must_refuse(spec_of("cifar10", "d"), NULL, MODA_ERR_FORMAT, "batches.meta.txt", NULL);
}

Test(cifar, missing_things_are_named)
{
    must_refuse(spec_of("cifar10", "d"), NULL, MODA_ERR_IO, "no such directory", "test_batch.bin",
                NULL);
    write_bytes(scratch("d/other"), "", 0);
    must_refuse(spec_of("cifar10", "d"), NULL, MODA_ERR_IO, "data_batch_*.bin", "test_batch.bin",
                NULL);
    must_refuse(spec_of("cifar100", "d"), NULL, MODA_ERR_IO, "train.bin", NULL);
}

Test(cifar, cut_and_empty_files_are_refused)
{
    static const size_t cuts[] = {1, PIXELS, PIXELS + 2, 2 * (1 + PIXELS) - 1};
    write_records("data_batch_1.bin", 2, 1, 0);
    const size_t size = make_records(2, 1, 0);
    for (size_t k = 0; k < sizeof cuts / sizeof *cuts; k++) {
        cr_assert(lt(sz, cuts[k], size));
        write_bytes(scratch("d/test_batch.bin"), file, cuts[k]);
        must_refuse(spec_of("cifar10", "d"), NULL, MODA_ERR_FORMAT, "d/test_batch.bin", "truncated",
                    "record", "3073", NULL);
    }
    write_bytes(scratch("d/test_batch.bin"), "", 0);
    must_refuse(spec_of("cifar10", "d"), NULL, MODA_ERR_FORMAT, "d/test_batch.bin", "empty", NULL);
    unlink(scratch("d/test_batch.bin"));
    mkdir(scratch("d/test_batch.bin"), 0777);
    must_refuse(spec_of("cifar10", "d"), NULL, MODA_ERR_IO, "test_batch.bin", "directory", NULL);
}

Test(cifar, labels_out_of_range_are_refused)
{
    const size_t size = make_records(3, 1, 0);
    file[2 * (1 + PIXELS)] = 10;
    write_bytes(scratch("d/data_batch_3.bin"), file, size);
    must_refuse(spec_of("cifar10", "d"), NULL, MODA_ERR_FORMAT, "data_batch_3.bin", "label 10",
                "record 2", "byte 6146", NULL);
    const size_t size100 = make_records(2, 2, 0);
    file[2 + PIXELS + 1] = 100;
    write_bytes(scratch("d/train.bin"), file, size100);
    must_refuse(spec_of("cifar100", "d"), NULL, MODA_ERR_FORMAT, "label 100", "record 1",
                "byte 3075", NULL);
    make_records(2, 2, 0);
    file[0] = 20;
    write_bytes(scratch("d/train.bin"), file, size100);
    must_refuse(spec_of("cifar100", "d"), NULL, MODA_ERR_FORMAT, "coarse label 20", "record 0",
                NULL);
}

Test(cifar, a_size_cannot_be_asked_for)
{
    write_records("test_batch.bin", 1, 1, 0);
    must_refuse(spec_of("cifar10", "d"), &(moda_dataset_options){.height = 64, .width = 64},
                MODA_ERR_ARG, "64 x 64", "folder:DIR", NULL);
}
