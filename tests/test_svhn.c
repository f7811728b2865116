/* tests/test_svhn.c - SVHN's .mat files, written here through matio, and files that are wrong. */
#include "tests/capture.h"
#include "tests/data_files.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <matio.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIDE = 32, AREA = SIDE * SIDE, IMAGE = 3 * AREA, N = 23 };

TestSuite(svhn, .init = scratch_begin, .fini = scratch_end, .timeout = 60);

/* Pixel (c,y,x) of image i: differs along every direction, and x and y do not swap roles. */
static uint8_t pixel(size_t i, size_t c, size_t y, size_t x)
{
    return (uint8_t)(i * 89 + c * 53 + y * 7 + x * 3 + (x > y) * 101);
}

/* X as MATLAB has it, first dimension fastest: X(y,x,c,i). */
static uint8_t *make_x(size_t n)
{
    uint8_t *x = malloc(n * IMAGE);
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < 3; c++)
            for (size_t column = 0; column < SIDE; column++)
                for (size_t row = 0; row < SIDE; row++)
                    x[((i * 3 + c) * SIDE + column) * SIDE + row] = pixel(i, c, row, column);
    return x;
}

typedef struct variable {
    const char *name;
    enum matio_classes class;
    enum matio_types type;
    int rank;
    size_t dims[4];
    void *data;
} variable;

static const char *train_file(void)
{
    return scratch("d/train_32x32.mat");
}

static void write_mat(const char *path, enum mat_ft version, bool packed, size_t count,
                      const variable *variables)
{
    write_bytes(path, "", 0); /* makes the folders */
    unlink(path);
    mat_t *file = Mat_CreateVer(path, NULL, version);
    cr_assert(ne(ptr, file, NULL), "%s", path);
    for (size_t i = 0; i < count; i++) {
        variable v = variables[i];
        matvar_t *m = Mat_VarCreate(v.name, v.class, v.type, v.rank, v.dims, v.data, 0);
        cr_assert(
            zero(int, Mat_VarWrite(file, m, packed ? MAT_COMPRESSION_ZLIB : MAT_COMPRESSION_NONE)));
        Mat_VarFree(m);
    }
    Mat_Close(file);
}

/* n good images with labels 1, 2, .., 10, 1, ... */
static void write_good(const char *path, size_t n, bool packed)
{
    uint8_t *x = make_x(n), y[N];
    for (size_t i = 0; i < n; i++) y[i] = (uint8_t)(i % 10 + 1);
    const variable both[] = {{"X", MAT_C_UINT8, MAT_T_UINT8, 4, {SIDE, SIDE, 3, n}, x},
                             {"y", MAT_C_UINT8, MAT_T_UINT8, 2, {n, 1}, y}};
    write_mat(path, MAT_FT_MAT5, packed, 2, both);
    free(x);
}

static void check_images(const moda_images *m, size_t n)
{
    cr_assert(eq(sz, m->n, n));
    cr_assert(m->channels == 3 && m->height == SIDE && m->width == SIDE);
    for (size_t i = 0; i < n; i++) {
        cr_assert(eq(u32, m->labels[i], (uint32_t)((i + 1) % 10)), "image %zu", i);
        for (size_t p = 0; p < IMAGE; p++)
            cr_assert(
                eq(u8, m->pixels[i * IMAGE + p], pixel(i, p / AREA, p / SIDE % SIDE, p % SIDE)),
                "image %zu: channel %zu, row %zu, column %zu", i, p / AREA, p / SIDE % SIDE,
                p % SIDE);
    }
}

Test(svhn, images_labels_and_constants)
{
    for (int packed = 0; packed < 2; packed++) {
        write_good(train_file(), N, packed);
        write_good(scratch("d/test_32x32.mat"), 12, packed);
        for (int threads = 1; threads < 4; threads++) {
            omp_set_num_threads(threads);
            moda_dataset *d = must_open(spec_of("svhn", "d"), NULL);
            cr_assert(eq(sz, d->classes, 10));
            cr_assert(eq(str, d->class_names[0], "0"), "label 10 is the digit 0");
            cr_assert(not(d->flip), "a mirrored digit is another sign");
            cr_assert(epsilon_eq(dbl, d->mean[0], .485, 1e-6));
            cr_assert(epsilon_eq(dbl, d->mean[2], .406, 1e-6));
            cr_assert(epsilon_eq(dbl, d->std[1], .224, 1e-6));
            check_images(&d->train, N);
            check_images(&d->test, 12);
            moda_dataset_destroy(d);
        }
    }
}

Test(svhn, one_split_is_enough_none_is_not)
{
    write_good(scratch("d/test_32x32.mat"), 3, true);
    moda_dataset *d = must_open(spec_of("svhn", "d"), NULL);
    cr_assert(eq(sz, d->train.n, 0));
    check_images(&d->test, 3);
    moda_dataset_destroy(d);
    unlink(scratch("d/test_32x32.mat"));
    must_refuse(spec_of("svhn", "d"), NULL, MODA_ERR_IO, "/d", "train_32x32.mat", "cropped", NULL);
}

Test(svhn, labels_may_be_doubles)
{
    uint8_t *x = make_x(3);
    double y[] = {10, 1, 9};
    const variable both[] = {{"y", MAT_C_DOUBLE, MAT_T_DOUBLE, 2, {1, 3}, y},
                             {"X", MAT_C_UINT8, MAT_T_UINT8, 4, {SIDE, SIDE, 3, 3}, x}};
    write_mat(train_file(), MAT_FT_MAT5, true, 2, both);
    moda_dataset *d = must_open(spec_of("svhn", "d"), NULL);
    cr_assert(d->train.labels[0] == 0 && d->train.labels[1] == 1 && d->train.labels[2] == 9);
    moda_dataset_destroy(d);
    y[1] = 1.5;
    write_mat(train_file(), MAT_FT_MAT5, true, 2, both);
    must_refuse(spec_of("svhn", "d"), NULL, MODA_ERR_FORMAT, "label 1.5 of image 1", "1..10", NULL);
    free(x);
}

/* Opening must fail with these words, and nobody else may print. */
static void must_refuse_quietly(const char *word)
{
    test_folder();
    test_capture(1);
    moda_dataset *d = NULL;
    const moda_status out_st = moda_dataset_open(spec_of("svhn", "d"), NULL, &d);
    char *out = test_captured();
    test_capture(2);
    const moda_status err_st = moda_dataset_open(spec_of("svhn", "d"), NULL, &d);
    char *err = test_captured();
    cr_assert(out_st == MODA_ERR_FORMAT && err_st == MODA_ERR_FORMAT, "%s: %s", word,
              moda_last_error());
    cr_assert(eq(str, out, ""), "printed: %s", out);
    cr_assert(eq(str, err, ""), "printed: %s", err);
    free(out);
    free(err);
    test_folder_remove();
    must_refuse(spec_of("svhn", "d"), NULL, MODA_ERR_FORMAT, "train_32x32.mat", word, NULL);
}

Test(svhn, other_variables_are_refused)
{
    uint8_t *x = make_x(2), y[2] = {1, 2}, bad[2] = {3, 11};
    double reals[2 * IMAGE] = {0};
    const variable good_x = {"X", MAT_C_UINT8, MAT_T_UINT8, 4, {SIDE, SIDE, 3, 2}, x};
    const variable good_y = {"y", MAT_C_UINT8, MAT_T_UINT8, 2, {2, 1}, y};
    const struct {
        variable x, y;
        const char *word;
    } cases[] = {
        {{"Z", MAT_C_UINT8, MAT_T_UINT8, 4, {SIDE, SIDE, 3, 2}, x}, good_y, "no variable 'X'"},
        {good_x, {"Y", MAT_C_UINT8, MAT_T_UINT8, 2, {2, 1}, y}, "no variable 'y'"},
        {{"X", MAT_C_DOUBLE, MAT_T_DOUBLE, 4, {SIDE, SIDE, 3, 2}, reals}, good_y, "no uint8"},
        {{"X", MAT_C_UINT8, MAT_T_UINT8, 2, {SIDE, SIDE}, x}, good_y, "4 dimensions"},
        {{"X", MAT_C_UINT8, MAT_T_UINT8, 4, {SIDE, 16, 3, 4}, x}, good_y, "32 x 16 x 3 x 4"},
        {good_x, {"y", MAT_C_UINT8, MAT_T_UINT8, 2, {1, 1}, y}, "1 labels for the 2 images"},
        {good_x, {"y", MAT_C_SINGLE, MAT_T_SINGLE, 2, {2, 1}, reals}, "neither uint8 nor double"},
        {good_x, {"y", MAT_C_UINT8, MAT_T_UINT8, 2, {2, 1}, bad}, "label 11 of image 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const variable both[] = {cases[i].x, cases[i].y};
        write_mat(train_file(), MAT_FT_MAT5, i % 2, 2, both);
        must_refuse_quietly(cases[i].word);
    }
    free(x);
}

Test(svhn, other_versions_are_refused)
{
    uint8_t *x = make_x(2), y[2] = {1, 2};
    double labels[2] = {1, 2};
    const variable both[] = {{"X", MAT_C_UINT8, MAT_T_UINT8, 4, {SIDE, SIDE, 3, 2}, x},
                             {"y", MAT_C_UINT8, MAT_T_UINT8, 2, {2, 1}, y}};
    const variable old[] = {{"y", MAT_C_DOUBLE, MAT_T_DOUBLE, 2, {2, 1}, labels}};
    write_mat(train_file(), MAT_FT_MAT73, true, 2, both);
    must_refuse_quietly("version 7.3");
    write_mat(train_file(), MAT_FT_MAT4, false, 1, old);
    must_refuse_quietly("not a MATLAB file of version 5");
    write_bytes(train_file(), "", 0);
    must_refuse_quietly("empty file");
    write_bytes(train_file(), x, 2000);
    must_refuse_quietly("not a MATLAB file of version 5");
    free(x);
}

/* A variable's first words say what matio allocates: none may claim more than its bytes. */
Test(svhn, claims_beyond_the_bytes_are_refused)
{
    enum { FIRST = 128, CLASS = 144, RANK = 156, DIMENSION = 160, NAME = 176 };
    static const struct {
        size_t at;
        uint32_t word;
    } claims[] = {
        {FIRST, 13},         {FIRST, 1},          {CLASS, 1},      {CLASS, 2},
        {CLASS, 5},          {CLASS, 17},         {CLASS - 8, 5},  {CLASS - 4, 16},
        {RANK, 0xfffffffc},  {RANK, 0xffffffff},  {RANK, 4},       {RANK, 36},
        {RANK, 18},          {RANK - 4, 6},       {DIMENSION, 33}, {DIMENSION, 0xffffffff},
        {NAME, 5 << 16 | 1}, {NAME, 1 << 16 | 2}, {NAME, 1},       {NAME, 2}};
    size_t size;
    write_good(scratch("whole"), 4, false);
    uint8_t *bytes = read_bytes(scratch("whole"), &size);
    const uint32_t long_name = 64;
    memcpy(bytes + NAME + 4, &long_name, 4); /* read as the name's length where its type is 1 */
    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
        uint32_t word;
        memcpy(&word, bytes + claims[i].at, 4);
        memcpy(bytes + claims[i].at, &claims[i].word, 4);
        write_bytes(train_file(), bytes, size);
        must_refuse_quietly("the variable at byte 128 is no array of numbers that fits");
        memcpy(bytes + claims[i].at, &word, 4);
    }
    free(bytes);
}

Test(svhn, structures_are_refused)
{
    const char *fields[] = {"a", "b"};
    for (int packed = 0; packed < 2; packed++) {
        write_good(train_file(), 2, packed);
        mat_t *file = Mat_Open(train_file(), MAT_ACC_RDWR);
        matvar_t *s = Mat_VarCreateStruct("s", 2, (size_t[]){1, 1}, fields, 2);
        cr_assert(
            zero(int, Mat_VarWrite(file, s, packed ? MAT_COMPRESSION_ZLIB : MAT_COMPRESSION_NONE)));
        Mat_VarFree(s);
        Mat_Close(file);
        must_refuse_quietly("no array of numbers");
    }
}

/* Cut anywhere: in the header, in a tag, in the middle of a variable, between the two. */
Test(svhn, truncated_files_are_refused)
{
    for (int packed = 0; packed < 2; packed++) {
        size_t size;
        write_good(scratch("whole"), 4, packed);
        uint8_t *whole = read_bytes(scratch("whole"), &size);
        cr_assert(lt(sz, 1000, size));
        const size_t cuts[] = {5, 127, 128, 131, 200, size / 2, size - 100, size - 1};
        for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
            write_bytes(train_file(), whole, cuts[i]);
            must_refuse_quietly(cuts[i] > 128   ? "truncated"
                                : cuts[i] < 128 ? "not a MATLAB"
                                                : "no variable");
        }
        uint32_t first; /* bytes of X's element */
        memcpy(&first, whole + 132, 4);
        write_bytes(train_file(), whole, 136 + first);
        must_refuse_quietly("no variable 'y'");
        free(whole);
    }
}

Test(svhn, a_flipped_bit_of_packed_data_is_found)
{
    size_t size;
    write_good(scratch("whole"), N, true);
    uint8_t *bytes = read_bytes(scratch("whole"), &size);
    for (size_t at = 150; at < size; at += size / 40) {
        bytes[at] ^= 0x10;
        write_bytes(train_file(), bytes, size);
        must_refuse_quietly("fetch the file again");
        bytes[at] ^= 0x10;
    }
    free(bytes);
}
