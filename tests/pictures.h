/* tests/pictures.h - writing JPEG and PNG files of any kind, for the tests of datasets/. A file
 * that cannot be written fails the test. The folder must exist. */
#ifndef MODA_TESTS_PICTURES_H
#define MODA_TESTS_PICTURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* pixels [height,width,channels]; 1 channel is grey, 3 rgb, 4 cmyk. */
void write_jpeg(const char *path, size_t height, size_t width, int channels, bool progressive,
                const uint8_t *pixels);

typedef struct png_kind {
    int color_type, depth; /* libpng's */
    bool interlaced;
    size_t row_bytes;
    const uint8_t *palette; /* [palette_size,3] */
    int palette_size;
    const uint8_t *alpha; /* of the palette's colours, [palette_size] or NULL */
} png_kind;
/* rows [height,row_bytes], as PNG stores them. */
void write_png(const char *path, size_t height, size_t width, png_kind kind, const uint8_t *rows);
/* The common case: 8-bit rgb. */
void write_rgb_png(const char *path, size_t height, size_t width, const uint8_t *pixels);

#endif
