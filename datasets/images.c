/* datasets/images.c - memory, padding and statistics of labelled images. */
#include "datasets/reader_internal.h"
#include "numa/replicas.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

size_t moda_images_stride(const moda_images *images)
{
    return images->channels * images->height * images->width;
}

moda_own_image moda_images_at(const moda_images *images, size_t i)
{
    if (images->own) return images->own[i];
    uint8_t *pixels = images->pixels + i * moda_images_stride(images);
    return (moda_own_image){images->height, images->width, pixels};
}

moda_status moda_images_alloc(moda_images *images, size_t n, size_t channels, size_t height,
                              size_t width)
{
    moda_status st = MODA_OK;
    moda_images fresh = {.n = n, .channels = channels, .height = height, .width = width};
    size_t bytes = channels, label_bytes = 0;
    const bool overflow = __builtin_mul_overflow(bytes, height, &bytes) ||
                          __builtin_mul_overflow(bytes, width, &bytes) ||
                          __builtin_mul_overflow(bytes, n, &bytes) ||
                          __builtin_mul_overflow(n, sizeof *fresh.labels, &label_bytes);
    MODA_CHECK(!overflow, MODA_ERR_NOMEM, "out of memory: %zu images of %zu x %zu x %zu", n,
               channels, height, width);
    MODA_ALLOC(fresh.pixels, bytes);
    MODA_ALLOC(fresh.labels, label_bytes);
    *images = fresh;
    memset(&fresh, 0, sizeof fresh); /* handed over */
out:
    moda_images_free(&fresh);
    return st;
}

moda_status moda_images_alloc_own(moda_images *images, size_t n, size_t channels, size_t height,
                                  size_t width)
{
    moda_status st = MODA_OK;
    moda_images fresh = {.n = n, .channels = channels, .height = height, .width = width};
    MODA_CHECK(n <= SIZE_MAX / sizeof *fresh.own, MODA_ERR_NOMEM, "out of memory: %zu images", n);
    MODA_ALLOC(fresh.own, n * sizeof *fresh.own);
    MODA_ALLOC(fresh.labels, n * sizeof *fresh.labels);
    *images = fresh;
    memset(&fresh, 0, sizeof fresh); /* handed over */
out:
    moda_images_free(&fresh);
    return st;
}

void moda_images_free(moda_images *images)
{
    if (!images) return;
    const bool whole = images->replicas != NULL; /* the pixels are in there */
    for (size_t i = 0; !whole && images->own && i < images->n; i++) free(images->own[i].pixels);
    if (!whole) free(images->pixels);
    free(images->own);
    moda_replicas_destroy(images->replicas);
    free(images->labels);
    memset(images, 0, sizeof *images);
}

moda_status moda_images_pad(moda_images *images, size_t height, size_t width)
{
    moda_status st = MODA_OK;
    moda_images padded = {0};
    const size_t h = images->height, w = images->width;
    const size_t to_h = h < height ? height : h, to_w = w < width ? width : w;
    const size_t top = (to_h - h) / 2, left = (to_w - w) / 2;

    if (images->n == 0 || (to_h == h && to_w == w)) goto out;
    MODA_TRY(moda_images_alloc(&padded, images->n, images->channels, to_h, to_w));
#pragma omp parallel for schedule(static)
    for (size_t plane = 0; plane < images->n * images->channels; plane++) {
        const uint8_t *from = images->pixels + plane * h * w;
        uint8_t *to = padded.pixels + plane * to_h * to_w + top * to_w + left;
        for (size_t y = 0; y < h; y++) memcpy(to + y * to_w, from + y * w, w);
    }
    memcpy(padded.labels, images->labels, images->n * sizeof *images->labels);
    moda_images_free(images);
    *images = padded;
    memset(&padded, 0, sizeof padded);
out:
    moda_images_free(&padded);
    return st;
}

void moda_images_measure(const moda_images *images, float *mean, float *std)
{
    for (size_t c = 0; c < images->channels; c++) {
        uint64_t sum = 0, squares = 0, pixels = 0;
#pragma omp parallel for schedule(static) reduction(+ : sum, squares, pixels)
        for (size_t i = 0; i < images->n; i++) {
            const moda_own_image image = moda_images_at(images, i);
            const size_t area = image.height * image.width;
            const uint8_t *plane = image.pixels + c * area;
            for (size_t p = 0; p < area; p++) {
                sum += plane[p];
                squares += (uint64_t)plane[p] * plane[p];
            }
            pixels += area;
        }
        const double count = (double)pixels;
        const double average = count > 0 ? (double)sum / count : 0;
        const double variance = count > 0 ? (double)squares / count - average * average : 0;
        mean[c] = (float)(average / 255);
        /* Below a hundredth of a grey step there is nothing but rounding. */
        std[c] = variance > 1e-4 ? (float)(sqrt(variance) / 255) : 1;
    }
}

void moda_images_count(const moda_images *images, size_t classes, size_t *counts)
{
    memset(counts, 0, classes * sizeof *counts);
    for (size_t i = 0; i < images->n; i++) counts[images->labels[i]]++;
}
