/* datasets/png.c - PNG through libpng: any colour type, 1 to 16 bits, interlaced or not, becomes
 * 8-bit RGB. Transparency is dropped, gamma is not applied. A wrong checksum in any chunk makes the
 * file a broken one. */
#include "datasets/image_internal.h"
#include <png.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_INFLATION = 1032 }; /* deflate cannot pack better than that */

typedef struct png_decoder {
    png_structp png;
    png_infop info;
    const uint8_t *data;
    size_t size, at;
    char reason[160];
    moda_picture *picture;
    moda_resizer *resizer;
    uint8_t *rows; /* one row, or all of an interlaced picture */
} png_decoder;

static void on_error(png_structp png, png_const_charp text)
{
    png_decoder *d = png_get_error_ptr(png);
    snprintf(d->reason, sizeof d->reason, "%s", text);
    png_longjmp(png, 1);
}

/* libpng warns of things that do not touch the pixels, an odd colour profile say. */
static void on_warning(png_structp png, png_const_charp text)
{
    (void)png, (void)text;
}

static void read_bytes(png_structp png, png_bytep to, size_t count)
{
    png_decoder *d = png_get_io_ptr(png);
    if (count > d->size - d->at) {
        d->at = d->size;
        png_error(png, "the file ends too early");
    }
    memcpy(to, d->data + d->at, count);
    d->at += count;
}

static void ask_for_rgb(png_decoder *d)
{
    png_set_expand(d->png);
    png_set_scale_16(d->png);
    png_set_gray_to_rgb(d->png);
    png_set_strip_alpha(d->png);
}

/* setjmp's frame: all that must survive a jump is in *d. */
static bool decode(png_decoder *d)
{
    if (setjmp(png_jmpbuf(d->png))) return false;
    png_set_read_fn(d->png, d, read_bytes);
    png_set_crc_action(d->png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    png_read_info(d->png, d->info);
    const size_t height = png_get_image_height(d->png, d->info);
    const size_t width = png_get_image_width(d->png, d->info);
    if (png_get_rowbytes(d->png, d->info) * height / MAX_INFLATION > d->size)
        png_error(d->png, "the header claims more pixels than the file can hold");
    ask_for_rgb(d);
    const size_t passes = (size_t)png_set_interlace_handling(d->png);
    png_read_update_info(d->png, d->info);
    if (png_get_rowbytes(d->png, d->info) != width * 3)
        png_error(d->png, "unexpected pixel layout");
    const char *unfit = moda_picture_fit(d->picture, height, width);
    if (unfit) png_error(d->png, unfit);
    const size_t kept = passes > 1 ? height : 1; /* later passes fill in what earlier ones left */
    d->rows = malloc(kept * width * 3);
    d->resizer = moda_resizer_create(height, width, d->picture);
    if (!d->rows || !d->resizer) png_error(d->png, "out of memory");
    for (size_t pass = 0; pass < passes; pass++)
        for (size_t y = 0; y < height; y++) {
            uint8_t *row = d->rows + y % kept * width * 3;
            png_read_row(d->png, row, NULL);
            if (pass + 1 == passes) moda_resizer_row(d->resizer, row);
        }
    png_read_end(d->png, NULL);
    moda_resizer_finish(d->resizer);
    return true;
}

moda_status moda_png_decode(const char *path, const uint8_t *data, size_t size,
                            moda_picture *picture)
{
    moda_status st = MODA_OK;
    png_decoder *d = NULL;
    MODA_ALLOC(d, sizeof *d);
    d->data = data;
    d->size = size;
    d->picture = picture;
    d->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, d, on_error, on_warning);
    MODA_CHECK(d->png != NULL, MODA_ERR_NOMEM, "%s: libpng cannot start: %s", path, d->reason);
    d->info = png_create_info_struct(d->png);
    MODA_CHECK(d->info != NULL, MODA_ERR_NOMEM, "out of memory");
    MODA_CHECK(decode(d), MODA_ERR_FORMAT,
               "%s: broken PNG near byte %zu (%s): replace or remove the file", path, d->at,
               d->reason);
out:
    if (d) {
        if (d->png) png_destroy_read_struct(&d->png, &d->info, NULL);
        moda_resizer_destroy(d->resizer);
        free(d->rows);
    }
    free(d);
    return st;
}
