/* tests/pictures.c - JPEG and PNG files for the tests of datasets/. */
#include "tests/pictures.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

void write_jpeg(const char *path, size_t height, size_t width, int channels, bool progressive,
                const uint8_t *pixels)
{
    struct jpeg_compress_struct info;
    struct jpeg_error_mgr errors;
    FILE *f = fopen(path, "wb");
    cr_assert(ne(ptr, f, NULL), "%s", path);
    info.err = jpeg_std_error(&errors);
    jpeg_create_compress(&info);
    jpeg_stdio_dest(&info, f);
    info.image_width = (JDIMENSION)width;
    info.image_height = (JDIMENSION)height;
    info.input_components = channels;
    info.in_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&info);
    jpeg_set_quality(&info, 95, TRUE);
    if (progressive) jpeg_simple_progression(&info);
    jpeg_start_compress(&info, TRUE);
    for (size_t y = 0; y < height; y++) {
        JSAMPROW row = (JSAMPROW)(pixels + y * width * (size_t)channels);
        jpeg_write_scanlines(&info, &row, 1);
    }
    jpeg_finish_compress(&info);
    jpeg_destroy_compress(&info);
    cr_assert(eq(int, fclose(f), 0), "%s", path);
}

void write_png(const char *path, size_t height, size_t width, png_kind kind, const uint8_t *rows)
{
    FILE *f = fopen(path, "wb");
    png_color palette[256];
    png_bytep *row = malloc(height * sizeof *row);
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    cr_assert(f && row && info, "%s", path);
    if (setjmp(png_jmpbuf(png))) cr_fatal("%s: libpng", path);
    png_init_io(png, f);
    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, kind.depth, kind.color_type,
                 kind.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    for (int i = 0; i < kind.palette_size; i++)
        palette[i] =
            (png_color){kind.palette[3 * i], kind.palette[3 * i + 1], kind.palette[3 * i + 2]};
    if (kind.palette) png_set_PLTE(png, info, palette, kind.palette_size);
    if (kind.alpha) png_set_tRNS(png, info, kind.alpha, kind.palette_size, NULL);
    for (size_t y = 0; y < height; y++) row[y] = (png_bytep)(rows + y * kind.row_bytes);
    png_set_rows(png, info, row);
    png_write_png(png, info, PNG_TRANSFORM_IDENTITY, NULL);
    png_destroy_write_struct(&png, &info);
    free(row);
    cr_assert(eq(int, fclose(f), 0), "%s", path);
}

void write_rgb_png(const char *path, size_t height, size_t width, const uint8_t *pixels)
{
    const png_kind kind = {.color_type = PNG_COLOR_TYPE_RGB, .depth = 8, .row_bytes = 3 * width};
    write_png(path, height, width, kind, pixels);
}
