#include "datasets/crop_internal.h"
#include "datasets/image_internal.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ATTEMPTS = 10, DRAWS_OF_ATTEMPT = 2 };
static const double LEAST_AREA = 0.08, LEAST_RATIO = 3.0 / 4, MOST_RATIO = 4.0 / 3;

size_t moda_shorter_side(size_t input)
{
    return (input * 8 + 3) / 7; /* rounded: 256 for 224, 37 for 32 */
}

size_t moda_middle(size_t have, size_t wanted)
{
    const size_t rest = have - wanted;
    return rest / 2 + (rest % 4 == 3); /* round half to even, as Python's round() */
}

moda_box moda_box_middle(size_t height, size_t width, size_t input)
{
    const size_t h = height < input ? height : input, w = width < input ? width : input;
    return (moda_box){moda_middle(height, h), moda_middle(width, w), h, w};
}

/* The whole image, cut where its ratio is beyond the bounds. */
static moda_box largest_box(size_t height, size_t width)
{
    const double ratio = (double)width / (double)height;
    size_t h = height, w = width;
    if (ratio < LEAST_RATIO)
        h = (size_t)nearbyint((double)width / LEAST_RATIO);
    else if (ratio > MOST_RATIO)
        w = (size_t)nearbyint((double)height * MOST_RATIO);
    return (moda_box){(height - h) / 2, (width - w) / 2, h, w};
}

moda_box moda_box_random(moda_rng rng, uint64_t first, size_t height, size_t width)
{
    const double area = (double)height * (double)width, span = log(MOST_RATIO) - log(LEAST_RATIO);
    const uint64_t place = first + (uint64_t)ATTEMPTS * DRAWS_OF_ATTEMPT;
    for (size_t i = 0; i < ATTEMPTS; i++) {
        const uint64_t at = first + i * DRAWS_OF_ATTEMPT;
        const double share = LEAST_AREA + (1 - LEAST_AREA) * moda_rng_unit(rng, at);
        const double ratio = exp(log(LEAST_RATIO) + span * moda_rng_unit(rng, at + 1));
        const size_t w = (size_t)nearbyint(sqrt(area * share * ratio));
        const size_t h = (size_t)nearbyint(sqrt(area * share / ratio));
        if (w == 0 || h == 0 || w > width || h > height) continue;
        return (moda_box){(size_t)moda_rng_below(rng, place, height - h + 1),
                          (size_t)moda_rng_below(rng, place + 1, width - w + 1), h, w};
    }
    return largest_box(height, width);
}

/* ---- cutting ---- */

struct moda_cutter {
    moda_axis across, down;
    float *line; /* [width] one row of the box, resampled across */
};

/* A slot's arrays, all in one piece of memory behind across.first. */
static bool cutter_init(moda_cutter *c, size_t longest, size_t height, size_t width)
{
    const size_t across = moda_axis_taps(longest, width), down = moda_axis_taps(longest, height);
    size_t *numbers = calloc(2 * (width + height), sizeof *numbers);
    float *reals = calloc(width * across + height * down + width, sizeof *reals);
    c->across = (moda_axis){.outputs = width, .taps = across, .first = numbers, .weight = reals};
    c->down = (moda_axis){.outputs = height, .taps = down};
    if (!numbers || !reals) return false;
    c->across.count = numbers + width;
    c->down.first = numbers + 2 * width, c->down.count = c->down.first + height;
    c->down.weight = reals + width * across;
    c->line = c->down.weight + height * down;
    return true;
}

moda_cutter *moda_cutters_create(size_t count, size_t longest, size_t height, size_t width)
{
    moda_cutter *c = calloc(count + 1, sizeof *c); /* the last one stays empty: the end */
    for (size_t i = 0; c && i < count; i++)
        if (!cutter_init(&c[i], longest, height, width)) {
            moda_cutters_destroy(c);
            c = NULL;
        }
    return c;
}

void moda_cutters_destroy(moda_cutter *cutters)
{
    for (moda_cutter *c = cutters; c && c->across.outputs; c++) {
        free(c->across.first);
        free(c->across.weight);
    }
    free(cutters);
}

/* line [outputs] := row [inputs] resampled, mirrored if flip. */
static void resample_row(const moda_axis *a, const uint8_t *row, bool flip, float *line)
{
    for (size_t x = 0; x < a->outputs; x++) {
        const float *weight = a->weight + x * a->taps;
        const uint8_t *p = row + a->first[x];
        float sum = 0;
        for (size_t t = 0; t < a->count[x]; t++) sum += weight[t] * (float)p[t];
        line[flip ? a->outputs - 1 - x : x] = sum;
    }
}

/* One channel. from: the box's first pixel, stride to the next row; out [h,w] is the accumulator. */
static void cut_plane(const moda_cutter *c, const uint8_t *from, size_t stride, bool flip,
                      const float *value, float *out)
{
    const moda_axis *down = &c->down;
    const size_t width = c->across.outputs, area = width * down->outputs;
    size_t open = 0; /* first output row that still lacks input */
    memset(out, 0, area * sizeof *out);
    for (size_t y = 0; y < down->inputs; y++) {
        resample_row(&c->across, from + y * stride, flip, c->line);
        while (open < down->outputs && down->first[open] + down->count[open] <= y) open++;
        for (size_t o = open; o < down->outputs && down->first[o] <= y; o++) {
            const float weight = down->weight[o * down->taps + y - down->first[o]];
            for (size_t x = 0; x < width; x++) out[o * width + x] += weight * c->line[x];
        }
    }
    for (size_t p = 0; p < area; p++) {
        const float grey = out[p] + 0.5f;
        out[p] = value[(uint8_t)(grey > 255 ? 255 : grey)];
    }
}

/* No resampling: pixels one to one. */
static void copy_plane(moda_box box, const uint8_t *from, size_t stride, bool flip,
                       const float *value, float *out)
{
    for (size_t y = 0; y < box.height; y++, from += stride, out += box.width)
        for (size_t x = 0; x < box.width; x++) out[flip ? box.width - 1 - x : x] = value[from[x]];
}

void moda_cut(moda_cutter *cutters, size_t slot, const moda_own_image *image, size_t channels,
              moda_box box, bool flip, const float (*value)[256], float *out)
{
    moda_cutter *c = &cutters[slot];
    const size_t width = c->across.outputs, height = c->down.outputs;
    const bool same = box.width == width && box.height == height;
    c->across.inputs = box.width, c->down.inputs = box.height;
    if (!same) {
        moda_axis_fill(&c->across);
        moda_axis_fill(&c->down);
    }
    for (size_t k = 0; k < channels; k++, out += width * height) {
        const uint8_t *from =
            image->pixels + (k * image->height + box.top) * image->width + box.left;
        if (same)
            copy_plane(box, from, image->width, flip, value[k], out);
        else
            cut_plane(c, from, image->width, flip, value[k], out);
    }
}
