/* datasets/replicate.c - images in the memory of every node that reads them. */
#include "datasets/reader_internal.h"
#include "numa/memory.h"
#include "numa/replicas.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static size_t pixel_bytes(const moda_images *images)
{
    size_t sum = images->own ? 0 : images->n * moda_images_stride(images);
    for (size_t i = 0; images->own && i < images->n; i++)
        sum += images->channels * images->own[i].height * images->own[i].width;
    return sum;
}

/* Where there are no copies: what is one block follows the user's wish, or is spread over the nodes.
 * Pictures of their own sizes were decoded by all threads and lie everywhere as it is. */
static void place_block(const moda_images *images, const moda_placement *placement, size_t bytes)
{
    const uintptr_t page = moda_page_bytes(), first = (uintptr_t)images->pixels;
    const uintptr_t begin = (first + page - 1) / page * page, end = (first + bytes) / page * page;
    if (images->pixels && end > begin)
        moda_place_again(placement, (void *)begin, end - begin, MODA_PLACE_INTERLEAVED);
}

/* Moves all pixels to the first copy. */
static void move_in(moda_images *images, uint8_t *to, size_t bytes)
{
    if (!images->own) {
        memcpy(to, images->pixels, bytes);
        free(images->pixels);
        images->pixels = to;
    }
    for (size_t i = 0; images->own && i < images->n; i++) {
        moda_own_image *image = &images->own[i];
        const size_t size = images->channels * image->height * image->width;
        memcpy(to, image->pixels, size);
        free(image->pixels);
        image->pixels = to;
        to += size;
    }
}

moda_status moda_images_replicate(moda_images *images, const moda_placement *placement)
{
    moda_status st = MODA_OK;
    const size_t bytes = pixel_bytes(images);
    MODA_TRY(moda_replicas_create(placement, bytes, "images", &images->replicas));
    if (images->replicas) {
        move_in(images, moda_replicas_at(images->replicas, 0), bytes);
        moda_replicas_spread(images->replicas);
    } else
        place_block(images, placement, bytes);
out:
    return st;
}
