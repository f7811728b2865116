/* datasets/picture.c - one picture file, whichever format its first bytes say it has. */
#include "base/file.h"
#include "datasets/image_internal.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_RATIO = 16 }; /* long side to short one: beyond it a crop shows nothing */

const char *moda_picture_fit(moda_picture *p, size_t height, size_t width)
{
    const size_t shorter = height < width ? height : width;
    if (!p->shorter) return NULL;
    if (height / MAX_RATIO > width || width / MAX_RATIO > height)
        return "one side is more than 16 times as long as the other";
    /* The long side is cut to a whole pixel, as everyone does. */
    p->height = shorter == height ? p->shorter : p->shorter * height / width;
    p->width = shorter == width ? p->shorter : p->shorter * width / height;
    p->pixels = malloc(3 * p->height * p->width);
    return p->pixels ? NULL : "out of memory";
}

moda_status moda_picture_read(const char *path, moda_picture *picture)
{
    static const uint8_t jpeg[] = {0xff, 0xd8}, png[] = {0x89, 'P', 'N', 'G'};
    moda_status st = MODA_OK;
    moda_mapped_file file = {0};
    MODA_TRY(moda_file_map(path, &file));
    MODA_CHECK(file.size > 0, MODA_ERR_FORMAT, "%s: empty file: replace or remove it", path);
    if (file.size >= sizeof jpeg && memcmp(file.data, jpeg, sizeof jpeg) == 0) {
        MODA_TRY(moda_jpeg_decode(path, file.data, file.size, picture));
    } else if (file.size >= sizeof png && memcmp(file.data, png, sizeof png) == 0) {
        MODA_TRY(moda_png_decode(path, file.data, file.size, picture));
    } else {
        MODA_CHECK(false, MODA_ERR_FORMAT,
                   "%s: broken picture: byte 0 starts neither a JPEG nor a PNG file: replace or "
                   "remove it",
                   path);
    }
out:
    moda_file_unmap(&file);
    return st;
}
