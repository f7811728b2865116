/* datasets/picture.c - one picture file, whichever format its first bytes say it has. */
#include "base/file.h"
#include "datasets/image_internal.h"
#include <stdbool.h>
#include <string.h>

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
