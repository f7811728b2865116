/* datasets/resize.c - separable bilinear resampling of rows as they come out of a decoder. */
#include "datasets/image_internal.h"
#include <math.h>
#include <stdlib.h>

enum { RGB = 3 };

struct moda_resizer {
    moda_axis across, down;
    moda_picture *picture;
    float *line;      /* [width,3] one input row, resampled across */
    float *sum;       /* [height,width,3] */
    size_t row, open; /* next input row; first output row that still lacks input */
};

size_t moda_axis_taps(size_t inputs, size_t outputs)
{
    const double scale = (double)inputs / (double)outputs;
    return (size_t)(2 * (scale > 1 ? scale : 1)) + 3;
}

void moda_axis_fill(moda_axis *a)
{
    const double scale = (double)a->inputs / (double)a->outputs, half = scale > 1 ? scale : 1;
    for (size_t o = 0; o < a->outputs; o++) {
        const double center = ((double)o + 0.5) * scale;
        const double low = fmax(floor(center - half), 0);
        const double high = fmin(ceil(center + half), (double)a->inputs);
        float *weight = a->weight + o * a->taps;
        double total = 0;
        a->first[o] = (size_t)low;
        a->count[o] = (size_t)(high - low);
        for (size_t t = 0; t < a->count[o]; t++)
            total += fmax(0, 1 - fabs(low + (double)t + 0.5 - center) / half);
        for (size_t t = 0; t < a->count[o]; t++)
            weight[t] = (float)(fmax(0, 1 - fabs(low + (double)t + 0.5 - center) / half) / total);
    }
}

static int axis_init(moda_axis *a, size_t inputs, size_t outputs)
{
    *a = (moda_axis){inputs, outputs, moda_axis_taps(inputs, outputs), NULL, NULL, NULL};
    a->first = calloc(outputs, sizeof *a->first);
    a->count = calloc(outputs, sizeof *a->count);
    a->weight = calloc(outputs * a->taps, sizeof *a->weight);
    if (!a->first || !a->count || !a->weight) return 0;
    moda_axis_fill(a);
    return 1;
}

static void axis_free(moda_axis *a)
{
    free(a->first);
    free(a->count);
    free(a->weight);
}

moda_resizer *moda_resizer_create(size_t height, size_t width, moda_picture *picture)
{
    moda_resizer *r = calloc(1, sizeof *r);
    if (!r) return NULL;
    r->picture = picture;
    r->line = calloc(picture->width * RGB, sizeof *r->line);
    r->sum = calloc(picture->height * picture->width * RGB, sizeof *r->sum);
    if (!axis_init(&r->across, width, picture->width) ||
        !axis_init(&r->down, height, picture->height) || !r->line || !r->sum) {
        moda_resizer_destroy(r);
        r = NULL;
    }
    return r;
}

void moda_resizer_destroy(moda_resizer *r)
{
    if (!r) return;
    axis_free(&r->across);
    axis_free(&r->down);
    free(r->line);
    free(r->sum);
    free(r);
}

void moda_resizer_row(moda_resizer *r, const uint8_t *rgb)
{
    const moda_axis *across = &r->across, *down = &r->down;
    const size_t y = r->row++, width = across->outputs;
    if (y >= down->inputs) return;
    for (size_t x = 0; x < width; x++) {
        const float *weight = across->weight + x * across->taps;
        const uint8_t *p = rgb + across->first[x] * RGB;
        float red = 0, green = 0, blue = 0;
        for (size_t t = 0; t < across->count[x]; t++, p += RGB) {
            red += weight[t] * (float)p[0];
            green += weight[t] * (float)p[1];
            blue += weight[t] * (float)p[2];
        }
        r->line[x * RGB] = red, r->line[x * RGB + 1] = green, r->line[x * RGB + 2] = blue;
    }
    while (r->open < down->outputs && down->first[r->open] + down->count[r->open] <= y) r->open++;
    for (size_t o = r->open; o < down->outputs && down->first[o] <= y; o++) {
        const float weight = down->weight[o * down->taps + y - down->first[o]];
        float *sum = r->sum + o * width * RGB;
        for (size_t i = 0; i < width * RGB; i++) sum[i] += weight * r->line[i];
    }
}

void moda_resizer_finish(moda_resizer *r)
{
    const size_t area = r->across.outputs * r->down.outputs;
    for (size_t p = 0; p < area; p++)
        for (size_t c = 0; c < RGB; c++) {
            const float value = r->sum[p * RGB + c] + 0.5f;
            r->picture->pixels[c * area + p] = (uint8_t)(value > 255 ? 255 : value);
        }
}
