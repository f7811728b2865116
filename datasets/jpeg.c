/* datasets/jpeg.c - JPEG through libjpeg-turbo, with its default decoding settings (exact integer
 * DCT, smooth chroma upsampling), which are those of the common Python libraries.
 *
 * libjpeg's own handler prints and exits; here every error ends the decoding with a reason, and so
 * does every warning, because a warning means that pixels were made up. */
#include "datasets/image_internal.h"
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h> /* jpeglib.h needs FILE */
#include <stdlib.h>

#include <jpeglib.h>

/* A Huffman-coded block of 8x8 pixels takes a bit at least: no file holds more pixels per byte. */
enum { MAX_PIXELS_PER_BYTE = 1024 };

typedef struct jpeg_decoder {
    struct jpeg_decompress_struct info;
    struct jpeg_error_mgr errors;
    jmp_buf escape;
    char reason[JMSG_LENGTH_MAX];
    size_t size;
    moda_picture *picture;
    moda_resizer *resizer;
    JSAMPLE *row;
} jpeg_decoder;

static void on_error(j_common_ptr info)
{
    jpeg_decoder *d = info->client_data;
    info->err->format_message(info, d->reason);
    longjmp(d->escape, 1);
}

static void on_message(j_common_ptr info, int level)
{
    if (level < 0) on_error(info); /* 0 and above are traces */
}

static void print_nothing(j_common_ptr info)
{
    (void)info;
}

/* setjmp's frame: all that must survive a jump is in *d. */
static bool decode(jpeg_decoder *d, const uint8_t *data)
{
    if (setjmp(d->escape)) return false;
    jpeg_create_decompress(&d->info);
    jpeg_mem_src(&d->info, data, d->size);
    jpeg_read_header(&d->info, TRUE);
    d->info.out_color_space = JCS_RGB;
    const size_t height = d->info.image_height, width = d->info.image_width;
    if (height * width / MAX_PIXELS_PER_BYTE > d->size + 64) {
        snprintf(d->reason, sizeof d->reason, "%zu x %zu pixels cannot be in %zu bytes", width,
                 height, d->size);
        return false;
    }
    const char *unfit = moda_picture_fit(d->picture, height, width);
    if (unfit) {
        snprintf(d->reason, sizeof d->reason, "%s", unfit);
        return false;
    }
    d->resizer = moda_resizer_create(height, width, d->picture);
    d->row = malloc(width * 3);
    if (!d->resizer || !d->row) {
        snprintf(d->reason, sizeof d->reason, "out of memory");
        return false;
    }
    jpeg_start_decompress(&d->info);
    while (d->info.output_scanline < d->info.output_height) {
        JSAMPROW row = d->row;
        jpeg_read_scanlines(&d->info, &row, 1);
        moda_resizer_row(d->resizer, d->row);
    }
    jpeg_finish_decompress(&d->info);
    moda_resizer_finish(d->resizer);
    return true;
}

moda_status moda_jpeg_decode(const char *path, const uint8_t *data, size_t size,
                             moda_picture *picture)
{
    moda_status st = MODA_OK;
    jpeg_decoder *d = NULL;
    MODA_ALLOC(d, sizeof *d);
    d->info.err = jpeg_std_error(&d->errors);
    d->errors.error_exit = on_error;
    d->errors.emit_message = on_message;
    d->errors.output_message = print_nothing;
    d->info.client_data = d;
    d->size = size;
    d->picture = picture;
    const bool good = decode(d, data);
    const size_t at = d->info.src ? size - d->info.src->bytes_in_buffer : 0;
    MODA_CHECK(good, MODA_ERR_FORMAT,
               "%s: broken JPEG near byte %zu (%s): replace or remove the file", path,
               at > size ? size : at, d->reason);
out:
    if (d) {
        jpeg_destroy_decompress(&d->info);
        moda_resizer_destroy(d->resizer);
        free(d->row);
    }
    free(d);
    return st;
}
