/* tests/test_batch.c - order, augmentation and normalisation of batches. The oracle knows no random
 * numbers: it looks for the one crop and flip that explains the pixels. */
#include "datasets/batch.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum {
    N = 50,
    C = 3,
    H = 10,
    W = 12,
    AREA = H * W,
    STRIDE = C * AREA,
    PAD = 4,
    SHIFTS = 2 * PAD + 1
};

static uint8_t pixels[N * STRIDE];
static uint32_t labels[N];
static const moda_images images = {
    .n = N, .channels = C, .height = H, .width = W, .pixels = pixels, .labels = labels};
static float x[N * STRIDE];
static uint32_t y[N], indices[N];

static void fill_images(void)
{
    uint32_t state = 12345;
    for (size_t i = 0; i < sizeof pixels; i++) {
        state = state * 1664525 + 1013904223;
        pixels[i] = (uint8_t)(state >> 24);
    }
    for (size_t i = 0; i < N; i++) labels[i] = (uint32_t)(i * 7 % 10);
}

TestSuite(batch, .init = fill_images, .timeout = 60);

static const moda_batch_options plain = {
    .batch_size = 16, .mean = {.4f, .5f, .3f}, .std = {.2f, .25f, .3f}};
static const moda_batch_options augmented = {.batch_size = 16,
                                             .shuffle = true,
                                             .crop_padding = PAD,
                                             .flip = true,
                                             .seed = 5,
                                             .mean = {.4f, .5f, .3f},
                                             .std = {.2f, .25f, .3f}};

static moda_batches *create(moda_batch_options o)
{
    moda_batches *b = NULL;
    cr_assert(eq(int, moda_batches_create(&images, &o, &b), MODA_OK), "%s", moda_last_error());
    return b;
}

/* What one image becomes in epoch, found in whichever batch it is: out [c,h,w]. */
static void image_in_epoch(moda_batch_options o, size_t epoch, uint32_t image, float *out)
{
    moda_batches *b = create(o);
    moda_batches_start_epoch(b, epoch);
    for (size_t step = 0; step < moda_batches_per_epoch(b); step++) {
        const size_t count = moda_batches_fill(b, step, x, y);
        cr_assert(eq(sz, moda_batches_indices(b, step, indices), count));
        for (size_t i = 0; i < count; i++)
            if (indices[i] == image) memcpy(out, x + i * STRIDE, STRIDE * sizeof *out);
    }
    moda_batches_destroy(b);
}

Test(batch, without_options_it_is_the_formula)
{
    moda_batches *b = create(plain);
    cr_assert(eq(sz, moda_batches_per_epoch(b), 4));
    for (size_t step = 0, i = 0; step < 4; step++) {
        const size_t count = moda_batches_fill(b, step, x, y);
        cr_assert(eq(sz, count, step < 3 ? 16 : 2));
        for (size_t k = 0; k < count; k++, i++) {
            cr_assert(eq(u32, y[k], labels[i]));
            for (size_t p = 0; p < STRIDE; p++) {
                const double want =
                    (pixels[i * STRIDE + p] / 255.0 - plain.mean[p / AREA]) / plain.std[p / AREA];
                cr_assert(epsilon_eq(dbl, x[k * STRIDE + p], want, 1e-6), "image %zu", i);
            }
        }
    }
    cr_assert(eq(sz, moda_batches_fill(b, 4, x, y), 0), "there is no fifth batch");
    cr_assert(eq(sz, moda_batches_indices(b, SIZE_MAX, indices), 0));
    moda_batches_destroy(b);
}

Test(batch, every_epoch_is_a_permutation_of_its_own)
{
    uint32_t order[4][N];
    moda_batch_options o = plain;
    o.shuffle = true;
    for (size_t k = 0; k < 4; k++) { /* epochs 0,1,2 of seed 0, epoch 0 of seed 1 */
        o.seed = k == 3;
        moda_batches *b = create(o);
        if (k < 3) moda_batches_start_epoch(b, k);
        bool seen[N] = {false};
        for (size_t step = 0, at = 0; step < 4; step++) {
            const size_t count = moda_batches_indices(b, step, order[k] + at);
            moda_batches_fill(b, step, x, y);
            for (size_t i = 0; i < count; i++, at++) {
                cr_assert(lt(u32, order[k][at], N));
                cr_assert(not(seen[order[k][at]]), "image %u twice", order[k][at]);
                seen[order[k][at]] = true;
                cr_assert(eq(u32, y[i], labels[order[k][at]]));
            }
        }
        for (size_t j = 0; j < k; j++)
            cr_assert(ne(int, memcmp(order[j], order[k], sizeof order[0]), 0), "%zu and %zu", j, k);
        moda_batches_destroy(b);
    }
}

/* The augmented image is in((y+top), (x+left)) of the image with zeros around it. */
static bool explains(const float *got, uint32_t image, int top, int left, bool flip)
{
    for (int c = 0; c < C; c++)
        for (int row = 0; row < H; row++)
            for (int column = 0; column < W; column++) {
                const int iy = row + top, ix = (flip ? W - 1 - column : column) + left;
                const bool inside = iy >= 0 && iy < H && ix >= 0 && ix < W;
                const int pixel = inside ? pixels[((image * C + c) * H + iy) * W + ix] : 0;
                const double want = (pixel / 255.0 - augmented.mean[c]) / augmented.std[c];
                if (fabs(got[(c * H + row) * W + column] - want) > 1e-5) return false;
            }
    return true;
}

Test(batch, augmentation_is_a_crop_and_a_flip)
{
    size_t flips = 0, total = 0, tops[SHIFTS] = {0}, lefts[SHIFTS] = {0};
    size_t left_and_flip = 0, left_and_top = 0, top_and_flip = 0;
    moda_batches *b = create(augmented);
    for (size_t epoch = 0; epoch < 20; epoch++) {
        moda_batches_start_epoch(b, epoch);
        for (size_t step = 0; step < 4; step++) {
            const size_t count = moda_batches_fill(b, step, x, y);
            moda_batches_indices(b, step, indices);
            for (size_t i = 0; i < count; i++) {
                int found = 0;
                for (int k = 0; k < 2 * SHIFTS * SHIFTS; k++) {
                    const int top = k / 2 % SHIFTS, left = k / 2 / SHIFTS;
                    if (!explains(x + i * STRIDE, indices[i], top - PAD, left - PAD, k % 2))
                        continue;
                    found++, flips += (size_t)(k % 2), tops[top]++, lefts[left]++;
                    left_and_flip += left < PAD && k % 2;
                    left_and_top += left < PAD && top < PAD;
                    top_and_flip += top < PAD && k % 2;
                }
                cr_assert(eq(int, found, 1), "epoch %zu image %u", epoch, indices[i]);
                total++;
            }
        }
    }
    cr_assert(eq(sz, total, 1000));
    cr_assert(flips > 420 && flips < 580, "%zu flips of 1000 (standard deviation 16)", flips);
    for (size_t k = 0; k < SHIFTS; k++) /* 111 expected, standard deviation 10 */
        cr_assert(tops[k] > 60 && tops[k] < 165 && lefts[k] > 60 && lefts[k] < 165,
                  "shift %zu: %zu down, %zu across", k, tops[k], lefts[k]);
    /* Independent of each other: 4/9*1/2 and (4/9)^2 of 1000, standard deviation 13. */
    cr_assert(left_and_flip > 157 && left_and_flip < 287, "%zu", left_and_flip);
    cr_assert(top_and_flip > 157 && top_and_flip < 287, "%zu", top_and_flip);
    cr_assert(left_and_top > 132 && left_and_top < 262, "%zu", left_and_top);
    moda_batches_destroy(b);
}

Test(batch, crop_and_flip_are_separate_wishes)
{
    moda_batch_options o = augmented;
    float out[STRIDE];
    o.flip = false;
    for (uint32_t i = 0; i < N; i++) {
        size_t found = 0;
        image_in_epoch(o, 1, i, out);
        for (int k = 0; k < SHIFTS * SHIFTS; k++)
            found += explains(out, i, k % SHIFTS - PAD, k / SHIFTS - PAD, false);
        cr_assert(eq(sz, found, 1), "image %u is flipped", i);
    }
    o.flip = true, o.crop_padding = 0;
    for (uint32_t i = 0; i < N; i++) {
        image_in_epoch(o, 1, i, out);
        cr_assert(explains(out, i, 0, 0, false) || explains(out, i, 0, 0, true), "%u is cut", i);
    }
}

/* An image's draws belong to (seed, epoch, image), whatever batch it comes in. */
Test(batch, place_in_the_batch_does_not_matter)
{
    float a[STRIDE], b[STRIDE];
    size_t differ = 0;
    moda_batch_options small = augmented, seeded = augmented;
    small.batch_size = 7, small.shuffle = false;
    seeded.seed = 6;
    for (uint32_t i = 0; i < N; i++) {
        image_in_epoch(augmented, 2, i, a);
        image_in_epoch(small, 2, i, b);
        cr_assert(zero(int, memcmp(a, b, sizeof a)), "image %u", i);
        image_in_epoch(augmented, 3, i, b);
        differ += memcmp(a, b, sizeof a) != 0;
        image_in_epoch(seeded, 2, i, b);
        differ += memcmp(a, b, sizeof a) != 0;
    }
    cr_assert(lt(sz, 90, differ), "epochs or seeds augment alike: only %zu of 100 differ", differ);
}

Test(batch, same_for_any_thread_count)
{
    static float one[N * STRIDE];
    uint32_t one_y[N];
    moda_batch_options o = augmented;
    o.batch_size = N;
    moda_batches *b = create(o);
    omp_set_num_threads(1);
    moda_batches_fill(b, 0, one, one_y);
    for (int threads = 2; threads < 5; threads++) {
        omp_set_num_threads(threads);
        memset(x, 0, sizeof x);
        moda_batches_fill(b, 0, x, y);
        cr_assert(zero(int, memcmp(one, x, sizeof one)), "%d threads", threads);
        cr_assert(zero(int, memcmp(one_y, y, sizeof one_y)), "%d threads", threads);
    }
    moda_batches_destroy(b);
}

/* A resumed run starts at its epoch and needs to know nothing of those before. */
Test(batch, epochs_need_no_history)
{
    static float late[N * STRIDE];
    moda_batches *walked = create(augmented), *fresh = create(augmented);
    for (size_t epoch = 0; epoch < 6; epoch++) {
        moda_batches_start_epoch(walked, epoch);
        moda_batches_fill(walked, 1, x, y);
    }
    moda_batches_start_epoch(fresh, 5);
    moda_batches_fill(fresh, 1, late, indices);
    cr_assert(zero(int, memcmp(x, late, 16 * STRIDE * sizeof *x)));
    cr_assert(zero(int, memcmp(y, indices, 16 * sizeof *y)));
    moda_batches_destroy(walked);
    moda_batches_destroy(fresh);
}

static void must_refuse_options(const moda_images *m, moda_batch_options o, const char *word)
{
    moda_batches *b = (moda_batches *)&o;
    cr_assert(eq(int, moda_batches_create(m, &o, &b), MODA_ERR_ARG));
    cr_assert(eq(ptr, b, NULL));
    cr_assert(ne(ptr, strstr(moda_last_error(), word), NULL), "'%s' is not in: %s", word,
              moda_last_error());
}

Test(batch, wrong_options_are_refused)
{
    const float bad[] = {0, -1, NAN, INFINITY};
    const moda_images none = {.channels = 1, .height = 4, .width = 4};
    moda_batch_options o = plain;
    must_refuse_options(&none, plain, "no images");
    o.batch_size = 0;
    must_refuse_options(&images, o, "batch size 0");
    for (size_t k = 0; k < 4; k++) {
        o = plain;
        o.std[2] = bad[k];
        must_refuse_options(&images, o, "channel 2");
    }
    o = plain;
    o.mean[0] = NAN;
    must_refuse_options(&images, o, "channel 0");
    o = plain;
    o.crop_padding = 11;
    must_refuse_options(&images, o, "crop padding 11");
    moda_batches_destroy(NULL);
}
