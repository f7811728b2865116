#include "decompose/pick_images.h"
#include <stdlib.h>
#include <string.h>

moda_status moda_images_pick(const moda_images *images, const uint32_t *list, size_t n,
                             moda_images *picked)
{
    moda_status st = MODA_OK;
    const size_t stride = images->channels * images->height * images->width;
    moda_images some = *images;
    some.n = n, some.pixels = NULL, some.own = NULL, some.labels = NULL, some.replicas = NULL;
    MODA_ALLOC(some.labels, n * sizeof *some.labels);
    if (images->own)
        MODA_ALLOC(some.own, n * sizeof *some.own);
    else
        MODA_ALLOC(some.pixels, n * stride);
    for (size_t i = 0; i < n; i++) {
        some.labels[i] = images->labels[list[i]];
        if (images->own)
            some.own[i] = images->own[list[i]];
        else
            memcpy(some.pixels + i * stride, images->pixels + list[i] * stride, stride);
    }
    *picked = some, some = (moda_images){0};
out:
    moda_images_free_picked(&some);
    return st;
}

void moda_images_free_picked(moda_images *picked)
{
    free(picked->pixels);
    free(picked->own);
    free(picked->labels);
    *picked = (moda_images){0};
}
