/* tests/test_crop.c - pictures that keep their proportions: how they are read, where boxes lie, what
 * is cut out of them. The oracle of resizing is the definition, one output pixel at a time. */
#include "base/rng.h"
#include "datasets/batch.h"
#include "datasets/crop_internal.h"
#include "tests/data_files.h"
#include "tests/pictures.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

TestSuite(crop, .init = scratch_begin, .fini = scratch_end, .timeout = 60);

static moda_rng test_rng(uint32_t number)
{
    return moda_rng_make(7, MODA_RNG_TEST, number);
}

/* ---- boxes ---- */

Test(crop, middle_rounds_half_to_even)
{
    const size_t want[] = {0, 0, 1, 2, 2, 2, 3, 4, 4, 4}; /* Python's round(rest / 2.0) */
    for (size_t rest = 0; rest < 10; rest++)
        cr_assert(eq(sz, moda_middle(224 + rest, 224), want[rest]), "%zu over", rest);
    cr_assert(eq(sz, moda_shorter_side(224), 256));
    cr_assert(eq(sz, moda_shorter_side(32), 37));
    const moda_box b = moda_box_middle(256, 341, 224);
    cr_assert(b.top == 16 && b.left == 58 && b.height == 224 && b.width == 224);
}

/* Shares of the area and logarithms of ratios are uniform, as far as boxes of them fit. */
Test(crop, random_boxes_have_the_published_distribution)
{
    enum { DRAWS = 4000, H = 400, W = 400 };
    size_t small = 0, wide = 0, top_half = 0;
    for (uint64_t i = 0; i < DRAWS; i++) {
        const moda_box b = moda_box_random(test_rng(1), i * MODA_BOX_DRAWS, H, W);
        const double share = (double)(b.height * b.width) / (H * W);
        const double ratio = (double)b.width / (double)b.height;
        cr_assert(b.height > 0 && b.top + b.height <= H && b.left + b.width <= W);
        cr_assert(share > 0.079 && share <= 1 && ratio > 0.74 && ratio < 1.345, "%zu x %zu",
                  b.width, b.height);
        small += share < 0.31; /* a quarter of [0.08, 1]; large odd shapes are drawn again */
        wide += ratio > 1;
        top_half += 2 * b.top + b.height < H;
    }
    cr_assert(small > DRAWS / 4 && small < DRAWS / 3, "%zu of %d", small, DRAWS);
    cr_assert(wide > 0.46 * DRAWS && wide < 0.54 * DRAWS, "%zu of %d are wide", wide, DRAWS);
    cr_assert(top_half > 0.42 * DRAWS && top_half < 0.54 * DRAWS, "%zu of %d", top_half, DRAWS);
}

Test(crop, an_image_that_no_box_fits_gives_its_middle)
{
    size_t whole = 0;
    for (uint64_t i = 0; i < 200; i++) {
        const moda_box b = moda_box_random(test_rng(2), i * MODA_BOX_DRAWS, 10, 160);
        cr_assert(b.top + b.height <= 10 && b.left + b.width <= 160 && b.width <= 14);
        whole += b.height == 10 && b.width == 13 && b.left == 73;
    }
    cr_assert(lt(sz, 150, whole), "ten draws of at least 8 %% of 10 x 160 rarely fit: %zu", whole);
}

/* ---- cutting ---- */

static float greys[3][256];

static void fill_greys(void)
{
    for (int c = 0; c < 3; c++)
        for (int g = 0; g < 256; g++) greys[c][g] = (float)(1000 * c + g);
}

/* Weight of input i (of `inputs`) in output o (of `outputs`), before they are made to sum to 1. */
static double triangle(size_t i, size_t o, size_t inputs, size_t outputs)
{
    const double scale = (double)inputs / (double)outputs, half = scale > 1 ? scale : 1;
    return fmax(0, 1 - fabs((double)i + 0.5 - ((double)o + 0.5) * scale) / half);
}

static double resized(const uint8_t *plane, size_t stride, moda_box b, size_t oy, size_t ox,
                      size_t height, size_t width)
{
    double sum = 0, total = 0;
    for (size_t y = 0; y < b.height; y++)
        for (size_t x = 0; x < b.width; x++) {
            const double w = triangle(y, oy, b.height, height) * triangle(x, ox, b.width, width);
            sum += w * plane[(b.top + y) * stride + b.left + x];
            total += w;
        }
    return sum / total;
}

Test(crop, cut_agrees_with_the_definition)
{
    enum { H = 26, W = 40, OH = 9, OW = 7 };
    static const moda_box boxes[] = {{0, 0, H, W},  {3, 5, 18, 27}, {10, 30, 4, 5}, {25, 39, 1, 1},
                                     {1, 2, OH, 3}, {2, 3, OH, OW}, {0, 7, 25, OW}};
    uint8_t pixels[3 * H * W];
    float out[3 * OH * OW];
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(moda_rng_bits(test_rng(3), i / 3) % 256);
    fill_greys();
    const moda_own_image image = {H, W, pixels};
    moda_cutter *cutters = moda_cutters_create(2, W, OH, OW);
    cr_assert(ne(ptr, cutters, NULL));
    for (size_t i = 0; i < 2 * sizeof boxes / sizeof *boxes; i++) {
        const moda_box b = boxes[i / 2];
        const bool flip = i % 2;
        moda_cut(cutters, 1, &image, 3, b, flip, greys, out);
        for (size_t p = 0; p < 3 * OH * OW; p++) {
            const size_t c = p / (OH * OW), y = p / OW % OH, x = p % OW;
            const double want = resized(pixels + c * H * W, W, b, y, flip ? OW - 1 - x : x, OH, OW);
            const double got = out[p] - 1000.0 * (double)c;
            cr_assert(got == floor(got) && fabs(got - want) < 0.5 + 1e-3,
                      "box %zu, (%zu,%zu,%zu): %g, expected %g", i / 2, c, y, x, got, want);
        }
    }
    moda_cutters_destroy(cutters);
    moda_cutters_destroy(NULL);
}

/* ---- folders ---- */

/* Red says which picture it is, green grows with x, blue with y, both by 2 per 1/100 of a side. */
static void write_ramp(const char *path, size_t height, size_t width, uint8_t mark)
{
    uint8_t *rgb = malloc(3 * height * width);
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++) {
            uint8_t *p = rgb + 3 * (y * width + x);
            p[0] = mark;
            p[1] = (uint8_t)(200 * ((double)x + 0.5) / (double)width + 0.5);
            p[2] = (uint8_t)(200 * ((double)y + 0.5) / (double)height + 0.5);
        }
    write_bytes(path, "", 0);
    write_rgb_png(path, height, width, rgb);
    free(rgb);
}

/* Wide, high and square ones, larger and smaller than wanted. */
static const size_t sides[][2] = {{90, 160}, {200, 70}, {64, 64}, {20, 30}, {37, 37}, {41, 37}};
enum { PICTURES = sizeof sides / sizeof *sides };

static moda_dataset *open_ramps(size_t size)
{
    for (size_t i = 0; i < PICTURES; i++)
        for (int split = 0; split < 2; split++)
            write_ramp(scratch("d/%s/%c/%zu.png", split ? "val" : "train", i % 2 ? 'b' : 'a', i),
                       sides[i][0], sides[i][1], (uint8_t)(10 * i + 5));
    return must_open(
        spec_of("folder", "d"),
        &(moda_dataset_options){.height = size, .width = size, .crop = MODA_CROP_RESIZED});
}

static size_t picture_of(uint8_t mark)
{
    cr_assert(mark % 10 == 5 && mark < 10 * PICTURES);
    return mark / 10;
}

Test(crop, training_pictures_keep_their_proportions)
{
    moda_dataset *d = open_ramps(32);
    cr_assert(d->crop_resized && d->train.own && !d->train.pixels);
    cr_assert(d->train.height == 32 && d->train.width == 32 && d->train.channels == 3);
    cr_assert(eq(sz, d->train.n, PICTURES));
    for (size_t i = 0; i < PICTURES; i++) {
        const moda_own_image *m = &d->train.own[i];
        const size_t k = picture_of(m->pixels[0]), h = sides[k][0], w = sides[k][1];
        cr_assert(eq(u32, d->train.labels[i], (uint32_t)(k % 2)));
        cr_assert(eq(sz, m->height, h < w ? 37 : 37 * h / w), "picture %zu", k);
        cr_assert(eq(sz, m->width, h < w ? 37 * w / h : 37), "picture %zu", k);
        const uint8_t *green = m->pixels + m->height * m->width;
        for (size_t x = 0; x < m->width; x++)
            cr_assert(lt(dbl, fabs(green[x] - 200 * ((double)x + 0.5) / (double)m->width), 3.5),
                      "picture %zu, column %zu: %u", k, x, green[x]);
    }
    moda_dataset_destroy(d);
}

/* x [3,32,32] against the box of a ramp that it must be: where it begins and ends, as shares of the
 * picture's width and height. */
static void read_box(const float *x, double *left, double *right, double *top, double *bottom)
{
    const float *green = x + 32 * 32, *blue = green + 32 * 32;
    const double a = green[16 * 32 + 8], b = green[16 * 32 + 23]; /* not the blurred edges */
    const double c = blue[8 * 32 + 16], e = blue[23 * 32 + 16];
    const double dx = (b - a) / 15, dy = (e - c) / 15;
    *left = (a - 8.5 * dx) / 200, *right = (a + 23.5 * dx) / 200;
    *top = (c - 8.5 * dy) / 200, *bottom = (c + 23.5 * dy) / 200;
    for (size_t i = 4; i < 28; i++) /* a box is a linear map: all between lies on the line */
        cr_assert(fabs(green[16 * 32 + i] - (a + ((double)i - 8) * dx)) < 3);
}

static const moda_batch_options as_bytes = {
    .batch_size = 4, .mean = {0}, .std = {1 / 255.f, 1 / 255.f, 1 / 255.f}, .seed = 3};

Test(crop, evaluation_takes_the_middle)
{
    static float x[PICTURES * 3 * 32 * 32];
    uint32_t labels[PICTURES];
    double left, right, top, bottom;
    moda_dataset *d = open_ramps(32);
    moda_batches *b = NULL;
    moda_batch_options o = as_bytes;
    o.batch_size = 16; /* more than there are */
    cr_assert(d->test.pixels && !d->test.own && d->test.height == 32, "test images have one size");
    cr_assert(eq(int, moda_batches_create(&d->train, &o, &b), MODA_OK), "%s", moda_last_error());
    cr_assert(eq(sz, moda_batches_fill(b, 0, x, labels), PICTURES));
    for (size_t i = 0; i < PICTURES; i++) {
        const size_t k = picture_of((uint8_t)nearbyintf(x[i * 3072]));
        const double h = (double)sides[k][0], w = (double)sides[k][1], s = h < w ? h : w;
        read_box(x + i * 3072, &left, &right, &top, &bottom);
        cr_assert(fabs((left + right) / 2 - 0.5) < 0.03 && fabs((top + bottom) / 2 - 0.5) < 0.03);
        cr_assert(fabs((right - left) * w / s - 32.0 / 37) < 0.04, "%g", right - left);
        cr_assert(fabs((bottom - top) * h / s - 32.0 / 37) < 0.04, "%g", bottom - top);
        for (size_t p = 0; p < 3072; p++) /* the same as what the test split holds at once */
            cr_assert(eq(flt, nearbyintf(x[i * 3072 + p]), d->test.pixels[i * 3072 + p]),
                      "picture %zu", k);
    }
    moda_batches_destroy(b);
    moda_dataset_destroy(d);
}

Test(crop, training_draws_boxes_of_all_sizes)
{
    enum { EPOCHS = 60 };
    static float x[4 * 3072];
    uint32_t labels[4];
    size_t mirrored = 0, small = 0, large = 0, different = 0;
    double left, right, top, bottom, before = 0;
    moda_dataset *d = open_ramps(32);
    moda_batches *b = NULL;
    moda_batch_options o = as_bytes;
    o.crop_resized = o.flip = o.shuffle = true;
    cr_assert(eq(int, moda_batches_create(&d->train, &o, &b), MODA_OK), "%s", moda_last_error());
    for (size_t epoch = 0; epoch < EPOCHS; epoch++) {
        moda_batches_start_epoch(b, epoch);
        for (size_t step = 0; step < 2; step++) {
            const size_t n = moda_batches_fill(b, step, x, labels);
            for (size_t i = 0; i < n; i++) {
                picture_of((uint8_t)nearbyintf(x[i * 3072]));
                read_box(x + i * 3072, &left, &right, &top, &bottom);
                mirrored += left > right;
                const double share = fabs(right - left) * (bottom - top);
                cr_assert(fmin(left, right) > -0.05 && fmax(left, right) < 1.05, "%g", left);
                cr_assert(share > 0.06 && share < 1.06, "%g", share);
                small += share<0.3, large += share> 0.6;
                different += fabs(share - before) > 0.01;
                before = share;
            }
        }
    }
    const size_t all = EPOCHS * PICTURES;
    cr_assert(mirrored > 0.38 * (double)all && mirrored < 0.62 * (double)all, "%zu", mirrored);
    cr_assert(small > all / 6 && large > all / 10 && different > all * 8 / 10, "%zu %zu %zu", small,
              large, different);
    moda_batches_destroy(b);
    moda_dataset_destroy(d);
}

static void all_pixels(const moda_images *images, int threads, float *x)
{
    uint32_t labels[PICTURES];
    moda_batches *b = NULL;
    moda_batch_options o = as_bytes;
    omp_set_num_threads(threads);
    o.batch_size = PICTURES;
    o.crop_resized = o.flip = o.shuffle = true;
    cr_assert(eq(int, moda_batches_create(images, &o, &b), MODA_OK));
    moda_batches_start_epoch(b, 5);
    moda_batches_fill(b, 0, x, labels);
    moda_batches_destroy(b);
}

Test(crop, same_for_any_thread_count)
{
    static float one[PICTURES * 3072], many[PICTURES * 3072];
    moda_dataset *d = open_ramps(32);
    all_pixels(&d->train, 1, one);
    for (int threads = 2; threads < 5; threads++) {
        memset(many, 0, sizeof many);
        all_pixels(&d->train, threads, many);
        cr_assert(zero(int, memcmp(one, many, sizeof one)), "%d threads", threads);
    }
    moda_dataset_destroy(d);
}

/* Images of one size can be cut the same way. */
Test(crop, other_data_sets_take_resized_crops_too)
{
    static float x[64 * 3072], plain[64 * 3072];
    uint32_t labels[64];
    const char *spec = "synthetic:classes=4,train=64,test=8,size=32";
    moda_dataset *d = must_open(spec, &(moda_dataset_options){.crop = MODA_CROP_RESIZED});
    cr_assert(d->crop_resized && !d->train.own);
    moda_batch_options o = as_bytes;
    o.batch_size = 64;
    for (int cut = 0; cut < 2; cut++) {
        moda_batches *b = NULL;
        o.crop_resized = cut;
        cr_assert(eq(int, moda_batches_create(&d->train, &o, &b), MODA_OK));
        moda_batches_fill(b, 0, cut ? x : plain, labels);
        moda_batches_destroy(b);
    }
    cr_assert(ne(int, memcmp(x, plain, sizeof x), 0));
    for (size_t i = 0; i < 64 * 3072; i++) cr_assert(x[i] >= 0 && x[i] <= 255.01f);
    moda_dataset_destroy(d);
}

Test(crop, selection_and_statistics_work_on_own_images)
{
    moda_dataset_destroy(open_ramps(32)); /* for the files */
    const moda_dataset_options o = {.height = 32,
                                    .width = 32,
                                    .crop = MODA_CROP_RESIZED,
                                    .per_class = 1,
                                    .classes = {(size_t[]){1}, 1}};
    moda_dataset *d = must_open(spec_of("folder", "d"), &o);
    cr_assert(eq(sz, d->train.n, 1));
    cr_assert(d->train.labels[0] == 1 && picture_of(d->train.own[0].pixels[0]) % 2 == 1);
    cr_assert(d->test.n == 3, "all test images of the class");
    cr_assert(d->mean[0] > 5 / 255. && d->mean[0] < 55 / 255. && d->std[0] > 0.01f);
    cr_assert(epsilon_eq(dbl, d->mean[1], 100 / 255., 0.01), "%g: a ramp's mean", d->mean[1]);
    moda_dataset_destroy(d);
}

Test(crop, wrong_wishes_are_refused)
{
    moda_dataset *d = open_ramps(32);
    moda_batches *b = NULL;
    moda_batch_options o = as_bytes;
    o.crop_padding = 4;
    cr_assert(eq(int, moda_batches_create(&d->train, &o, &b), MODA_ERR_ARG));
    cr_assert(strstr(moda_last_error(), "padding 4") != NULL, "%s", moda_last_error());
    o.crop_resized = true;
    cr_assert(eq(int, moda_batches_create(&d->test, &o, &b), MODA_ERR_ARG));
    moda_dataset_destroy(d);
    must_refuse(spec_of("folder", "d"),
                &(moda_dataset_options){.height = 32, .width = 40, .crop = MODA_CROP_RESIZED},
                MODA_ERR_ARG, "32 x 40", "square", NULL);
    write_ramp(scratch("d/train/a/thin.png"), 4, 90, 5);
    must_refuse(spec_of("folder", "d"), &(moda_dataset_options){.crop = MODA_CROP_RESIZED},
                MODA_ERR_FORMAT, "thin.png", "16 times", NULL);
}
