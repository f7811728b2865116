/* tests/test_idx.c - IDX files: what is read, and every way in which they can be wrong. */
#include "tests/data_files.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { TRAIN = 7, TEST = 3, H = 28, W = 27, IMAGE_HEADER = 16, LABEL_HEADER = 8 };

TestSuite(idx, .init = scratch_begin, .fini = scratch_end, .timeout = 60);

static void put_u32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* Pixel (y,x) of image i: no two images, rows or columns are alike. */
static uint8_t pixel(size_t i, size_t y, size_t x)
{
    return (uint8_t)(31 * i + 7 * y + 3 * x + x * y / 5 + 1);
}

static size_t make_images(uint8_t *bytes, size_t n, size_t h, size_t w)
{
    put_u32(bytes, 0x803), put_u32(bytes + 4, (uint32_t)n);
    put_u32(bytes + 8, (uint32_t)h), put_u32(bytes + 12, (uint32_t)w);
    for (size_t i = 0; i < n; i++)
        for (size_t y = 0; y < h; y++)
            for (size_t x = 0; x < w; x++)
                bytes[IMAGE_HEADER + (i * h + y) * w + x] = pixel(i, y, x);
    return IMAGE_HEADER + n * h * w;
}

static size_t make_labels(uint8_t *bytes, size_t n)
{
    put_u32(bytes, 0x801), put_u32(bytes + 4, (uint32_t)n);
    for (size_t i = 0; i < n; i++) bytes[LABEL_HEADER + i] = (uint8_t)((3 * i + 9) % 10);
    return LABEL_HEADER + n;
}

static uint8_t images[IMAGE_HEADER + 16 * 64 * 64], labels[64];

static void write_split(const char *dir, const char *split, size_t n, size_t h, size_t w, bool gzip)
{
    void (*write)(const char *, const void *, size_t) = gzip ? write_gzip : write_bytes;
    const char *end = gzip ? ".gz" : "";
    write(scratch("%s/%s-images-idx3-ubyte%s", dir, split, end), images,
          make_images(images, n, h, w));
    write(scratch("%s/%s-labels-idx1-ubyte%s", dir, split, end), labels, make_labels(labels, n));
}

static void write_set(const char *dir, size_t h, size_t w, bool gzip)
{
    write_split(dir, "train", TRAIN, h, w, gzip);
    write_split(dir, "t10k", TEST, h, w, gzip);
}

/* A good set but for one file, which then has the given bytes. */
static const char *spoil(const char *file, const uint8_t *bytes, size_t size)
{
    write_set("d", H, W, false);
    write_bytes(scratch("d/%s", file), bytes, size);
    return spec_of("mnist", "d");
}

static void check_padded(const moda_images *m, size_t n)
{
    const size_t top = 2, left = 2; /* (32-28)/2, (32-27)/2 */
    cr_assert(eq(sz, m->n, n));
    cr_assert(m->channels == 1 && m->height == 32 && m->width == 32);
    for (size_t i = 0; i < n; i++) {
        cr_assert(eq(u32, m->labels[i], (uint32_t)((3 * i + 9) % 10)));
        for (size_t y = 0; y < 32; y++)
            for (size_t x = 0; x < 32; x++) {
                const bool inside = y >= top && y < top + H && x >= left && x < left + W;
                const uint8_t want = inside ? pixel(i, y - top, x - left) : 0;
                const uint8_t got = m->pixels[(i * 32 + y) * 32 + x];
                cr_assert(eq(u8, got, want), "image %zu (%zu,%zu)", i, y, x);
            }
    }
}

Test(idx, plain_files_are_read_and_padded)
{
    write_set("d", H, W, false);
    moda_dataset *d = must_open(spec_of("mnist", "d"), NULL);
    check_padded(&d->train, TRAIN);
    check_padded(&d->test, TEST);
    cr_assert(eq(str, d->name, "mnist"));
    cr_assert(eq(sz, d->classes, 10));
    cr_assert(eq(str, d->class_names[7], "7"));
    cr_assert(not(d->flip), "digits must not be mirrored");
    moda_dataset_destroy(d);
}

Test(idx, gzipped_files_give_the_same)
{
    write_set("d", H, W, true);
    moda_dataset *d = must_open(spec_of("fashion-mnist", "d"), NULL);
    check_padded(&d->train, TRAIN);
    check_padded(&d->test, TEST);
    cr_assert(eq(str, d->class_names[9], "Ankle boot"));
    cr_assert(d->flip);
    moda_dataset_destroy(d);
}

Test(idx, plain_file_goes_before_gzipped)
{
    write_set("d", H, W, true);
    write_set("d", H, W, false);
    write_bytes(scratch("d/train-images-idx3-ubyte.gz"), "junk", 4);
    moda_dataset_destroy(must_open(spec_of("mnist", "d"), NULL));
}

Test(idx, only_sides_below_32_are_padded)
{
    write_set("d", 20, 40, false);
    moda_dataset *d = must_open(spec_of("mnist", "d"), NULL);
    cr_assert(d->train.height == 32 && d->train.width == 40, "%zu x %zu", d->train.height,
              d->train.width);
    cr_assert(eq(u8, d->train.pixels[6 * 40], pixel(0, 0, 0)));
    moda_dataset_destroy(d);
}

/* Two passes over the original pixels, against sums of squares over all. */
Test(idx, normalisation_is_measured_before_padding)
{
    write_set("d", H, W, false);
    moda_dataset *d = must_open(spec_of("mnist", "d"), NULL);
    double mean = 0, variance = 0;
    for (size_t i = 0; i < TRAIN * H * W; i++)
        mean += pixel(i / (H * W), i / W % H, i % W) / 255.0 / (TRAIN * H * W);
    for (size_t i = 0; i < TRAIN * H * W; i++)
        variance += pow(pixel(i / (H * W), i / W % H, i % W) / 255.0 - mean, 2) / (TRAIN * H * W);
    cr_assert(variance > 0.01, "pixels that hardly differ prove nothing");
    cr_assert(epsilon_eq(dbl, d->mean[0], mean, 1e-6));
    cr_assert(epsilon_eq(dbl, d->std[0], sqrt(variance), 1e-6));
    moda_dataset_destroy(d);
}

Test(idx, missing_things_are_named)
{
    must_refuse(spec_of("mnist", "nowhere"), NULL, MODA_ERR_IO, "nowhere", "no such directory",
                "train-images-idx3-ubyte", NULL);
    write_set("d", H, W, false);
    unlink(scratch("d/t10k-labels-idx1-ubyte"));
    must_refuse(spec_of("mnist", "d"), NULL, MODA_ERR_IO, "d/t10k-labels-idx1-ubyte",
                "no such file", NULL);
    must_refuse("mnist", NULL, MODA_ERR_ARG, "mnist:DIR", NULL);
    must_refuse("mnist:", NULL, MODA_ERR_ARG, "mnist:DIR", NULL);
}

Test(idx, every_cut_of_a_plain_file_is_refused)
{
    const size_t size = make_images(images, TEST, H, W);
    uint8_t *whole = malloc(size);
    memcpy(whole, images, size);
    for (size_t cut = 0; cut < size; cut += cut < 40 ? 1 : 97)
        must_refuse(spoil("t10k-images-idx3-ubyte", whole, cut), NULL, MODA_ERR_FORMAT,
                    "d/t10k-images-idx3-ubyte", "truncated", "fetch", NULL);
    char missing[64];
    snprintf(missing, sizeof missing, "%zu bytes are missing", size - 100);
    must_refuse(spoil("t10k-images-idx3-ubyte", whole, 100), NULL, MODA_ERR_FORMAT, "byte 100",
                missing, NULL);
    free(whole);
    const size_t label_size = make_labels(labels, TEST);
    for (size_t cut = 0; cut < label_size; cut++) {
        uint8_t copy[sizeof labels];
        make_labels(labels, TEST);
        memcpy(copy, labels, sizeof copy);
        must_refuse(spoil("t10k-labels-idx1-ubyte", copy, cut), NULL, MODA_ERR_FORMAT,
                    "t10k-labels-idx1-ubyte", "truncated", NULL);
    }
}

Test(idx, every_cut_of_a_gzip_file_is_refused)
{
    size_t size;
    write_set("d", 4, 4, true);
    const char *path = scratch("d/train-images-idx3-ubyte.gz");
    const char *spec = spec_of("mnist", "d");
    uint8_t *whole = read_bytes(path, &size);
    for (size_t cut = 0; cut < size; cut++) {
        write_bytes(path, whole, cut);
        must_refuse(spec, NULL, MODA_ERR_FORMAT, "train-images-idx3-ubyte.gz", "fetch", NULL);
    }
    write_bytes(path, whole, size);
    moda_dataset_destroy(must_open(spec, NULL));
    free(whole);
}

/* A flip may hit a byte that means nothing (the time stamp); whatever is accepted must be right. */
Test(idx, no_flipped_bit_of_a_gzip_file_changes_data)
{
    size_t size, refused = 0;
    write_set("d", 4, 4, true);
    const char *path = scratch("d/train-images-idx3-ubyte.gz");
    const char *spec = spec_of("mnist", "d");
    uint8_t *bytes = read_bytes(path, &size);
    moda_dataset *good = must_open(spec, NULL), *d;
    for (size_t bit = 0; bit < 8 * size; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        write_bytes(path, bytes, size);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        const moda_status st = moda_dataset_open(spec, NULL, &d);
        if (st == MODA_OK)
            cr_assert(zero(int, memcmp(d->train.pixels, good->train.pixels, TRAIN * 1024)),
                      "bit %zu", bit);
        else
            cr_assert(eq(int, st, MODA_ERR_FORMAT), "bit %zu: %s", bit, moda_last_error());
        refused += st != MODA_OK;
        moda_dataset_destroy(d);
    }
    cr_assert(lt(sz, 8 * (size - 10), refused), "only %zu of %zu flips noticed", refused, 8 * size);
    free(bytes);
    moda_dataset_destroy(good);
}

Test(idx, gzip_name_with_plain_content_is_refused)
{
    write_set("d", H, W, true);
    write_bytes(scratch("d/train-images-idx3-ubyte.gz"), images, make_images(images, TRAIN, H, W));
    must_refuse(spec_of("mnist", "d"), NULL, MODA_ERR_FORMAT, "not a gzip file", NULL);
}

Test(idx, wrong_magic_is_refused)
{
    uint8_t other[sizeof labels];
    make_labels(other, TRAIN);
    must_refuse(spoil("train-images-idx3-ubyte", other, sizeof other), NULL, MODA_ERR_FORMAT,
                "train-images-idx3-ubyte", "0x00000801", "0x00000803", NULL);
    const uint8_t text[] = "<html>not found</html>";
    must_refuse(spoil("train-labels-idx1-ubyte", text, sizeof text), NULL, MODA_ERR_FORMAT,
                "train-labels-idx1-ubyte", "0x3c68746d", NULL);
}

/* 256 MiB more than now: a header that lies must not be believed. */
static void limit_memory(void)
{
#ifndef __SANITIZE_ADDRESS__
    size_t pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f) return;
    if (fscanf(f, "%zu", &pages) == 1) {
        const rlim_t bytes = pages * (size_t)sysconf(_SC_PAGESIZE) + (256u << 20);
        setrlimit(RLIMIT_AS, &(struct rlimit){bytes, bytes});
    }
    fclose(f);
#endif
}

Test(idx, lying_dimensions_are_refused_without_memory)
{
    static const uint32_t lies[][3] = {{0xffffffff, 0xffffffff, 0xffffffff},
                                       {60000, 0x7fffffff, 0x7fffffff},
                                       {0xffffffff, 28, 28},
                                       {1000000, 28, 28},
                                       {TRAIN + 1, H, W}};
    uint8_t bytes[IMAGE_HEADER + TRAIN * H * W];
    limit_memory();
    for (size_t k = 0; k < sizeof lies / sizeof *lies; k++)
        for (int gzip = 0; gzip < 2; gzip++) {
            make_images(bytes, TRAIN, H, W);
            for (size_t i = 0; i < 3; i++) put_u32(bytes + 4 + 4 * i, lies[k][i]);
            write_set("d", H, W, gzip);
            (gzip ? write_gzip : write_bytes)(
                scratch("d/train-images-idx3-ubyte%s", gzip ? ".gz" : ""), bytes, sizeof bytes);
            must_refuse(spec_of("mnist", "d"), NULL, MODA_ERR_FORMAT, "train-images-idx3-ubyte",
                        "fetch", NULL);
        }
}

Test(idx, zero_dimensions_are_refused)
{
    uint8_t bytes[IMAGE_HEADER + TRAIN * H * W];
    for (size_t i = 0; i < 3; i++) {
        make_images(bytes, TRAIN, H, W);
        put_u32(bytes + 4 + 4 * i, 0);
        must_refuse(spoil("train-images-idx3-ubyte", bytes, sizeof bytes), NULL, MODA_ERR_FORMAT,
                    "bytes 4 to 15", NULL);
    }
}

Test(idx, more_bytes_than_promised_are_refused)
{
    uint8_t bytes[IMAGE_HEADER + TRAIN * H * W];
    make_images(bytes, TRAIN, H, W);
    put_u32(bytes + 4, TRAIN - 1);
    must_refuse(spoil("train-images-idx3-ubyte", bytes, sizeof bytes), NULL, MODA_ERR_FORMAT,
                "holds more", NULL);
}

Test(idx, counts_must_agree)
{
    uint8_t bytes[sizeof labels];
    const size_t size = make_labels(bytes, TRAIN - 1);
    must_refuse(spoil("train-labels-idx1-ubyte", bytes, size), NULL, MODA_ERR_FORMAT,
                "train-labels-idx1-ubyte", "6 labels", "7 images", NULL);
}

Test(idx, label_out_of_range_is_refused)
{
    uint8_t bytes[sizeof labels];
    const size_t size = make_labels(bytes, TRAIN);
    bytes[LABEL_HEADER + 4] = 10;
    must_refuse(spoil("train-labels-idx1-ubyte", bytes, size), NULL, MODA_ERR_FORMAT, "label 10",
                "image 4", "byte 12", NULL);
}

Test(idx, splits_of_different_size_are_refused)
{
    write_split("d", "train", TRAIN, H, W, false);
    write_split("d", "t10k", TEST, W, H, false);
    must_refuse(spec_of("mnist", "d"), NULL, MODA_ERR_FORMAT, "28 x 27", "27 x 28", NULL);
}

/* The real data: counts and statistics as published. */
Test(idx, fashion_mnist_is_what_it_should_be)
{
    size_t counts[10];
    if (access("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz", R_OK) != 0)
        cr_skip("dataset-fashion-mnist is not installed");
    moda_dataset *d = must_open("fashion-mnist", NULL);
    cr_assert(d->train.n == 60000 && d->test.n == 10000);
    cr_assert(epsilon_eq(dbl, d->mean[0], 0.2860, 5e-5));
    cr_assert(epsilon_eq(dbl, d->std[0], 0.3530, 5e-5));
    moda_images_count(&d->train, 10, counts);
    for (size_t c = 0; c < 10; c++) cr_assert(eq(sz, counts[c], 6000));
    cr_assert(eq(u32, d->train.labels[0], 9), "the first image is an ankle boot");
    moda_dataset_destroy(d);
}
