/* datasets/batch.c - order, augmentation and normalisation of batches.
 *
 * Nothing is remembered between calls but the epoch's order. What an image gets is drawn from
 * (seed, epoch, its index in the split), so neither its place in the batch nor the thread that
 * works on it matters. */
#include "datasets/batch.h"
#include "base/rng.h"
#include "datasets/crop_internal.h"
#include "datasets/reader_internal.h"
#include "numa/replicas.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GREYS = 256 };

struct moda_batches {
    const moda_images *images; /* borrowed */
    moda_batch_options options;
    size_t epoch;
    uint32_t *order;                       /* [n] */
    float value[MODA_MAX_CHANNELS][GREYS]; /* of a pixel, normalised */
    moda_cutter *cutters;                  /* [a batch's images], where boxes are cut; else NULL */
};

/* Where an image's pixels come from: out(y,x) = in(y+top, x+left), mirrored when flip. */
typedef struct augmentation {
    ptrdiff_t top, left;
    bool flip;
} augmentation;

static moda_status check_options(const moda_images *images, const moda_batch_options *o)
{
    moda_status st = MODA_OK;
    MODA_CHECK(images && images->n > 0, MODA_ERR_ARG, "no images to make batches of");
    MODA_CHECK(images->n < UINT32_MAX && images->channels <= MODA_MAX_CHANNELS, MODA_ERR_ARG,
               "batches: %zu images of %zu channels are more than %u of %d", images->n,
               images->channels, UINT32_MAX - 1, MODA_MAX_CHANNELS);
    MODA_CHECK(o->batch_size > 0, MODA_ERR_ARG, "batch size 0: it must be at least 1");
    MODA_CHECK(o->crop_padding <= images->height && o->crop_padding <= images->width, MODA_ERR_ARG,
               "crop padding %zu is larger than the %zu x %zu image: make it smaller",
               o->crop_padding, images->height, images->width);
    MODA_CHECK(!o->crop_padding || !(o->crop_resized || images->own), MODA_ERR_ARG,
               "crop padding %zu: images that are cut out of larger ones have none",
               o->crop_padding);
    for (size_t c = 0; c < images->channels; c++)
        MODA_CHECK(isfinite(o->mean[c]) && isfinite(o->std[c]) && o->std[c] > 0, MODA_ERR_ARG,
                   "normalisation of channel %zu by mean %g, std %g: std must be positive", c,
                   (double)o->mean[c], (double)o->std[c]);
out:
    return st;
}

static moda_status create_cutters(const moda_images *images, moda_batches *b)
{
    moda_status st = MODA_OK;
    const size_t size = b->options.batch_size, count = size < images->n ? size : images->n;
    size_t longest = 1;
    if (!images->own && !b->options.crop_resized) goto out;
    for (size_t i = 0; i < images->n; i++) {
        const moda_own_image image = moda_images_at(images, i);
        if (image.height > longest) longest = image.height;
        if (image.width > longest) longest = image.width;
    }
    b->cutters = moda_cutters_create(count, longest, images->height, images->width);
    MODA_CHECK(b->cutters, MODA_ERR_NOMEM, "out of memory: crops of %zu images at a time", count);
out:
    return st;
}

moda_status moda_batches_create(const moda_images *images, const moda_batch_options *options,
                                moda_batches **batches)
{
    moda_status st = MODA_OK;
    moda_batches *b = NULL;
    *batches = NULL;
    MODA_TRY(check_options(images, options));
    MODA_ALLOC(b, sizeof *b);
    MODA_ALLOC(b->order, images->n * sizeof *b->order);
    b->images = images;
    b->options = *options;
    MODA_TRY(create_cutters(images, b));
    /* In f32 and in this order, so that the values are the same bits as PyTorch's. */
    for (size_t c = 0; c < images->channels; c++)
        for (size_t grey = 0; grey < GREYS; grey++)
            b->value[c][grey] = ((float)grey / 255.0f - options->mean[c]) / options->std[c];
    moda_batches_start_epoch(b, 0);
    *batches = b, b = NULL; /* handed over */
out:
    moda_batches_destroy(b);
    return st;
}

void moda_batches_destroy(moda_batches *b)
{
    if (!b) return;
    moda_cutters_destroy(b->cutters);
    free(b->order);
    free(b);
}

size_t moda_batches_per_epoch(const moda_batches *b)
{
    return (b->images->n - 1) / b->options.batch_size + 1;
}

void moda_batches_start_epoch(moda_batches *b, size_t epoch)
{
    b->epoch = epoch;
    if (b->options.shuffle) {
        const moda_rng rng = moda_rng_make(b->options.seed, MODA_RNG_SHUFFLE, (uint32_t)epoch);
        moda_rng_permutation(rng, b->images->n, b->order);
    } else {
        for (size_t i = 0; i < b->images->n; i++) b->order[i] = (uint32_t)i;
    }
}

/* The step's part of the order: *first .. *first + count-1. */
static size_t step_range(const moda_batches *b, size_t step, size_t *first)
{
    if (step >= moda_batches_per_epoch(b)) return 0;
    const size_t size = b->options.batch_size, left = b->images->n - step * size;
    *first = step * size;
    return left < size ? left : size;
}

size_t moda_batches_indices(const moda_batches *b, size_t step, uint32_t *index)
{
    size_t first = 0;
    const size_t count = step_range(b, step, &first);
    if (count) memcpy(index, b->order + first, count * sizeof *index);
    return count;
}

/* Three numbers of the epoch's stream belong to every image, used or not. */
static augmentation draw_augmentation(const moda_batches *b, uint32_t image)
{
    const moda_rng rng = moda_rng_make(b->options.seed, MODA_RNG_AUGMENT, (uint32_t)b->epoch);
    const uint64_t first = 3 * (uint64_t)image, padding = b->options.crop_padding;
    augmentation a = {0, 0, false};
    if (padding) {
        a.top = (ptrdiff_t)moda_rng_below(rng, first, 2 * padding + 1) - (ptrdiff_t)padding;
        a.left = (ptrdiff_t)moda_rng_below(rng, first + 1, 2 * padding + 1) - (ptrdiff_t)padding;
    }
    if (b->options.flip) a.flip = moda_rng_below(rng, first + 2, 2) != 0;
    return a;
}

/* in, out [h,w]; value: a pixel's normalised value. A table beats arithmetic here: one load per
 * pixel, and the division costs nothing. */
static void fill_plane(size_t height, size_t width, const uint8_t *in, const float *value,
                       augmentation a, float *out)
{
    const ptrdiff_t w = (ptrdiff_t)width;
    const ptrdiff_t begin = a.left < 0 ? -a.left : 0, end = a.left > 0 ? w - a.left : w;
    for (ptrdiff_t y = 0; y < (ptrdiff_t)height; y++, out += w) {
        const ptrdiff_t from_y = y + a.top;
        if (from_y < 0 || from_y >= (ptrdiff_t)height) {
            for (ptrdiff_t x = 0; x < w; x++) out[x] = value[0];
            continue;
        }
        const uint8_t *from = in + from_y * w;
        if (a.flip) {
            for (ptrdiff_t x = 0; x < begin; x++) out[w - 1 - x] = value[0];
            for (ptrdiff_t x = begin; x < end; x++) out[w - 1 - x] = value[from[x + a.left]];
            for (ptrdiff_t x = end; x < w; x++) out[w - 1 - x] = value[0];
        } else {
            for (ptrdiff_t x = 0; x < begin; x++) out[x] = value[0];
            for (ptrdiff_t x = begin; x < end; x++) out[x] = value[from[x + a.left]];
            for (ptrdiff_t x = end; x < w; x++) out[x] = value[0];
        }
    }
}

/* Image i of the batch, cut out of a larger one. Its box and flip have numbers of their own. */
static void fill_cut(const moda_batches *b, uint32_t image, size_t i, float *out)
{
    const moda_images *images = b->images;
    const moda_rng rng = moda_rng_make(b->options.seed, MODA_RNG_AUGMENT, (uint32_t)b->epoch);
    const uint64_t first = (uint64_t)image * (MODA_BOX_DRAWS + 1);
    moda_own_image from = moda_images_at(images, image);
    from.pixels += moda_replicas_shift(images->replicas);
    const moda_box box = b->options.crop_resized
                             ? moda_box_random(rng, first, from.height, from.width)
                             : moda_box_middle(from.height, from.width, images->height);
    const bool flip = b->options.flip && moda_rng_below(rng, first + MODA_BOX_DRAWS, 2) != 0;
    moda_cut(b->cutters, i, &from, images->channels, box, flip, b->value, out);
}

/* Image i of the step that begins at `first` in the order. */
static void fill_image(const moda_batches *b, size_t first, size_t i, float *x, uint32_t *labels)
{
    const moda_images *images = b->images;
    const size_t channels = images->channels, area = images->height * images->width;
    const uint32_t image = b->order[first + i];
    const augmentation a = draw_augmentation(b, image);
    labels[i] = images->labels[image];
    if (b->cutters) {
        fill_cut(b, image, i, x + i * channels * area);
        return;
    }
    const uint8_t *pixels = images->pixels + moda_replicas_shift(images->replicas);
    for (size_t c = 0; c < channels; c++)
        fill_plane(images->height, images->width, pixels + (image * channels + c) * area,
                   b->value[c], a, x + (i * channels + c) * area);
}

/* On several nodes every thread fills the part of x that lies on its own. */
size_t moda_batches_fill(const moda_batches *b, size_t step, float *x, uint32_t *labels)
{
    size_t first = 0;
    const size_t count = step_range(b, step, &first);
    if (moda_placement_current().team->nodes > 1) {
#pragma omp parallel for schedule(static)
        for (size_t i = 0; i < count; i++) fill_image(b, first, i, x, labels);
    } else {
#pragma omp parallel for schedule(dynamic, 4)
        for (size_t i = 0; i < count; i++) fill_image(b, first, i, x, labels);
    }
    return count;
}
