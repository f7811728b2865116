/* tests/test_picture.c - JPEG and PNG decoding and resizing, and broken pictures. */
#include "datasets/image_internal.h"
#include "tests/data_files.h"
#include "tests/pictures.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

TestSuite(picture, .init = scratch_begin, .fini = scratch_end, .timeout = 300);

enum { H = 24, W = 40, MAX_BYTES = 4096 * 3 };
static uint8_t rgb[H * W * 3], out[MAX_BYTES];

static void fill_rgb(void)
{
    for (size_t i = 0; i < sizeof rgb; i++) rgb[i] = (uint8_t)(i * 7 + i / 120 * 31 + i % 11 * 9);
}

static const char *picture_file(void)
{
    return scratch("picture");
}

static void must_read(size_t height, size_t width)
{
    moda_picture p = {height, width, out, 0};
    memset(out, 0xee, sizeof out);
    cr_assert(eq(int, moda_picture_read(picture_file(), &p), MODA_OK), "%s", moda_last_error());
}

static void must_not_read(const char *word)
{
    moda_picture p = {8, 8, out, 0};
    const moda_status st = moda_picture_read(picture_file(), &p);
    cr_assert(eq(int, st, MODA_ERR_FORMAT), "status %d", (int)st);
    cr_assert(strstr(moda_last_error(), word) && strstr(moda_last_error(), picture_file()) &&
                  strstr(moda_last_error(), "remove") && !strchr(moda_last_error(), '\n'),
              "'%s' or the path is not in: %s", word, moda_last_error());
}

/* out [3,h,w] against interleaved pixels, each within the tolerance. */
static void check_pixels(size_t height, size_t width, const uint8_t *want, int tolerance)
{
    const size_t area = height * width;
    for (size_t p = 0; p < area; p++)
        for (size_t c = 0; c < 3; c++) {
            const int got = out[c * area + p], expected = want[3 * p + c];
            cr_assert(le(int, abs(got - expected), tolerance), "(%zu,%zu,%zu): %d, expected %d", c,
                      p / width, p % width, got, expected);
        }
}

/* ---- JPEG ---- */

/* photo.rgb was decoded by Pillow 9.4 from photo.jpg (4:2:0, quality 85). */
Test(picture, jpeg_is_decoded_like_everywhere)
{
    size_t size;
    uint8_t *photo = read_bytes(MODA_TEST_DATA "/data/photo.jpg", &size);
    write_bytes(picture_file(), photo, size);
    free(photo);
    photo = read_bytes(MODA_TEST_DATA "/data/photo.rgb", &size);
    cr_assert(eq(sz, size, sizeof rgb));
    must_read(H, W);
    check_pixels(H, W, photo, 0);
    free(photo);
}

/* Pillow rounds between its two passes, so it may be one grey step off. */
Test(picture, shrinking_agrees_with_pillow)
{
    size_t size;
    uint8_t *bytes = read_bytes(MODA_TEST_DATA "/data/photo.jpg", &size);
    write_bytes(picture_file(), bytes, size);
    free(bytes);
    bytes = read_bytes(MODA_TEST_DATA "/data/photo-16x9.rgb", &size);
    cr_assert(eq(sz, size, 16 * 9 * 3));
    must_read(9, 16);
    check_pixels(9, 16, bytes, 1);
    free(bytes);
}

/* Smooth, so that quality 95 stays near it. */
static void fill_smooth(uint8_t *to, size_t channels)
{
    for (size_t y = 0; y < H; y++)
        for (size_t x = 0; x < W; x++)
            for (size_t c = 0; c < channels; c++)
                to[(y * W + x) * channels + c] = (uint8_t)(30 + 4 * x + 2 * y);
}

Test(picture, grey_and_progressive_jpeg_become_rgb)
{
    uint8_t grey[H * W];
    fill_smooth(grey, 1);
    fill_smooth(rgb, 3);
    for (int progressive = 0; progressive < 2; progressive++) {
        write_jpeg(picture_file(), H, W, 1, progressive, grey);
        must_read(H, W);
        check_pixels(H, W, rgb, 6);
        cr_assert(zero(int, memcmp(out, out + H * W, H * W)), "grey must stay grey");
        write_jpeg(picture_file(), H, W, 3, progressive, rgb);
        must_read(H, W);
        check_pixels(H, W, rgb, 6);
    }
}

Test(picture, cmyk_jpeg_is_refused)
{
    uint8_t *cmyk = calloc(H * W, 4);
    write_jpeg(picture_file(), H, W, 4, false, cmyk);
    must_not_read("color conversion");
    free(cmyk);
}

static void check_every_cut(const char *word)
{
    size_t size;
    uint8_t *bytes = read_bytes(picture_file(), &size);
    cr_assert(lt(sz, 100, size));
    for (size_t cut = 1; cut < size; cut++) {
        write_bytes(picture_file(), bytes, cut);
        must_not_read(cut < 4 ? "JPEG" : word);
    }
    write_bytes(picture_file(), "", 0);
    must_not_read("empty");
    free(bytes);
}

Test(picture, every_cut_of_a_jpeg_is_refused)
{
    fill_rgb();
    for (int progressive = 0; progressive < 2; progressive++) {
        write_jpeg(picture_file(), 8, 8, 3, progressive, rgb);
        check_every_cut("broken JPEG");
    }
}

/* Entropy-coded data has no checksum: a flip may go unnoticed, but nothing worse may happen. */
Test(picture, flipped_bits_of_a_jpeg_do_no_harm)
{
    size_t size, refused = 0;
    fill_rgb();
    write_jpeg(picture_file(), 16, 16, 3, true, rgb);
    uint8_t *bytes = read_bytes(picture_file(), &size);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        moda_picture p = {8, 8, out, 0};
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        write_bytes(picture_file(), bytes, size);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        const moda_status st = moda_picture_read(picture_file(), &p);
        cr_assert(st == MODA_OK || st == MODA_ERR_FORMAT, "bit %zu: %s", bit, moda_last_error());
        refused += st != MODA_OK;
    }
    cr_assert(lt(sz, size, refused), "only %zu of %zu flips noticed", refused, 8 * size);
    free(bytes);
}

Test(picture, lying_jpeg_size_is_refused)
{
    size_t size, at = 0;
    fill_rgb();
    write_jpeg(picture_file(), 16, 16, 3, false, rgb);
    uint8_t *bytes = read_bytes(picture_file(), &size);
    for (size_t i = 0; i + 1 < size && !at; i++)
        if (bytes[i] == 0xff && bytes[i + 1] == 0xc0) at = i; /* SOF0: length, precision, h, w */
    cr_assert(lt(sz, 0, at));
    memcpy(bytes + at + 5, "\xff\xdc\xff\xdc", 4);
    write_bytes(picture_file(), bytes, size);
    must_not_read("65500 x 65500 pixels cannot be");
    memcpy(bytes + at + 5, "\0\0\0\0", 4);
    write_bytes(picture_file(), bytes, size);
    must_not_read("broken JPEG");
    free(bytes);
}

/* ---- PNG ---- */

Test(picture, rgb_png_is_exact)
{
    fill_rgb();
    for (int interlaced = 0; interlaced < 2; interlaced++) {
        const png_kind kind = {.color_type = PNG_COLOR_TYPE_RGB,
                               .depth = 8,
                               .interlaced = interlaced,
                               .row_bytes = 3 * W};
        write_png(picture_file(), H, W, kind, rgb);
        must_read(H, W);
        check_pixels(H, W, rgb, 0);
    }
}

/* Each other kind is written from values whose rgb is known. */
Test(picture, grey_png_of_any_depth_is_exact)
{
    static const int depths[] = {1, 2, 4, 8, 16};
    for (size_t k = 0; k < 5; k++) {
        uint8_t rows[8 * 16] = {0}, want[8 * 8 * 3];
        const int depth = depths[k], levels = depth == 16 ? 256 : 1 << depth;
        const size_t row_bytes = (size_t)depth;
        for (size_t p = 0; p < 64; p++) {
            const int level = (int)(p * 37 + p / 8) % levels;
            const size_t bit = p % 8 * (size_t)depth;
            uint8_t *byte = rows + p / 8 * row_bytes + bit / 8;
            if (depth == 16)
                byte[0] = byte[1] = (uint8_t)level; /* 257*level is level/255 */
            else
                *byte |= (uint8_t)(level << (8 - depth - (int)(bit % 8)));
            memset(want + 3 * p, level * 255 / (levels - 1), 3);
        }
        write_png(
            picture_file(), 8, 8,
            (png_kind){.color_type = PNG_COLOR_TYPE_GRAY, .depth = depth, .row_bytes = row_bytes},
            rows);
        must_read(8, 8);
        check_pixels(8, 8, want, 0);
    }
}

Test(picture, palette_png_is_exact)
{
    static const uint8_t palette[] = {10, 20, 30, 200, 100, 0, 255, 255, 255, 1, 2, 3};
    static const uint8_t alpha[] = {0, 128, 255, 7};
    uint8_t rows[64], want[64 * 3];
    for (size_t p = 0; p < 64; p++) {
        rows[p] = (uint8_t)((p + p / 8) % 4);
        memcpy(want + 3 * p, palette + 3 * rows[p], 3);
    }
    for (int transparent = 0; transparent < 2; transparent++) {
        write_png(picture_file(), 8, 8,
                  (png_kind){.color_type = PNG_COLOR_TYPE_PALETTE,
                             .depth = 8,
                             .row_bytes = 8,
                             .palette = palette,
                             .palette_size = 4,
                             .alpha = transparent ? alpha : NULL},
                  rows);
        must_read(8, 8);
        check_pixels(8, 8, want, 0);
    }
}

Test(picture, alpha_is_dropped_and_16_bits_rounded)
{
    uint8_t rgba[64 * 4], grey_alpha[64 * 2], deep[64 * 6], want[64 * 3], grey[64 * 3];
    fill_rgb();
    memcpy(want, rgb, sizeof want);
    for (size_t p = 0; p < 64; p++) {
        for (size_t c = 0; c < 3; c++) {
            rgba[4 * p + c] = deep[6 * p + 2 * c] = deep[6 * p + 2 * c + 1] = want[3 * p + c];
            grey[3 * p + c] = want[3 * p];
        }
        rgba[4 * p + 3] = grey_alpha[2 * p + 1] = (uint8_t)(p * 4);
        grey_alpha[2 * p] = want[3 * p];
    }
    write_png(picture_file(), 8, 8,
              (png_kind){.color_type = PNG_COLOR_TYPE_RGB_ALPHA, .depth = 8, .row_bytes = 32},
              rgba);
    must_read(8, 8);
    check_pixels(8, 8, want, 0);
    write_png(picture_file(), 8, 8,
              (png_kind){.color_type = PNG_COLOR_TYPE_RGB, .depth = 16, .row_bytes = 48}, deep);
    must_read(8, 8);
    check_pixels(8, 8, want, 0);
    write_png(picture_file(), 8, 8,
              (png_kind){.color_type = PNG_COLOR_TYPE_GRAY_ALPHA, .depth = 8, .row_bytes = 16},
              grey_alpha);
    must_read(8, 8);
    check_pixels(8, 8, grey, 0);
}

Test(picture, every_cut_of_a_png_is_refused)
{
    fill_rgb();
    write_rgb_png(picture_file(), 8, 8, rgb);
    check_every_cut("broken PNG");
}

/* Puts a comment chunk behind the header, which is 33 bytes long: it carries no pixels, but a file
 * whose comment is damaged is damaged. */
static uint8_t *with_comment(uint8_t *bytes, size_t *size)
{
    uint8_t chunk[17] = "\0\0\0\5tEXta\0bcd";
    const uint32_t checksum = (uint32_t)crc32(0, chunk + 4, 9);
    for (int i = 0; i < 4; i++) chunk[13 + i] = (uint8_t)(checksum >> (24 - 8 * i));
    uint8_t *more = malloc(*size + sizeof chunk);
    memcpy(more, bytes, 33);
    memcpy(more + 33, chunk, sizeof chunk);
    memcpy(more + 33 + sizeof chunk, bytes + 33, *size - 33);
    free(bytes);
    *size += sizeof chunk;
    return more;
}

Test(picture, every_flipped_bit_of_a_png_is_noticed)
{
    size_t size;
    fill_rgb();
    write_rgb_png(picture_file(), 8, 8, rgb);
    uint8_t *bytes = with_comment(read_bytes(picture_file(), &size), &size);
    write_bytes(picture_file(), bytes, size);
    must_read(8, 8);
    check_pixels(8, 8, rgb, 0);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        write_bytes(picture_file(), bytes, size);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        must_not_read("PNG");
    }
    free(bytes);
}

/* A header with a right checksum that claims 10^12 pixels. */
Test(picture, lying_png_size_is_refused)
{
    size_t size;
    fill_rgb();
    write_rgb_png(picture_file(), 8, 8, rgb);
    uint8_t *bytes = read_bytes(picture_file(), &size);
    for (uint32_t side = 1000; side <= 1000000; side *= 1000) {
        uint8_t *header = bytes + 8 + 4; /* type, width, height, 5 bytes, checksum */
        for (int i = 0; i < 4; i++) header[4 + i] = header[8 + i] = (uint8_t)(side >> (24 - 8 * i));
        const uint32_t checksum = (uint32_t)crc32(0, header, 17);
        for (int i = 0; i < 4; i++) header[17 + i] = (uint8_t)(checksum >> (24 - 8 * i));
        write_bytes(picture_file(), bytes, size);
        must_not_read("more pixels than the file can hold");
    }
    free(bytes);
}

/* ---- either ---- */

Test(picture, other_files_are_refused)
{
    write_bytes(picture_file(), "GIF89a..............", 20);
    must_not_read("neither a JPEG nor a PNG");
    moda_picture p = {8, 8, out, 0};
    cr_assert(eq(int, moda_picture_read(scratch("nothing.png"), &p), MODA_ERR_IO));
}

/* Weight of input k in output o, from the definition: a triangle around the output's centre. */
static double triangle(size_t o, size_t k, size_t inputs, size_t outputs)
{
    const double scale = (double)inputs / (double)outputs, half = scale > 1 ? scale : 1;
    return fmax(0, 1 - fabs((double)k + 0.5 - ((double)o + 0.5) * scale) / half);
}

Test(picture, resizing_agrees_with_the_definition)
{
    static const size_t sizes[][2] = {{32, 32}, {7, 5}, {24, 10}, {50, 60}, {1, 1}, {24, 40}};
    fill_rgb();
    write_rgb_png(picture_file(), H, W, rgb);
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        const size_t h = sizes[k][0], w = sizes[k][1];
        must_read(h, w);
        for (size_t i = 0; i < 3 * h * w; i++) {
            const size_t c = i / (h * w), oy = i / w % h, ox = i % w;
            double sum = 0, total = 0;
            for (size_t j = 0; j < H * W; j++) {
                const double t = triangle(oy, j / W, H, h) * triangle(ox, j % W, W, w);
                sum += t * rgb[3 * j + c], total += t;
            }
            cr_assert(le(dbl, fabs(sum / total - out[i]), 0.5001), "%zux%zu (%zu,%zu,%zu)", h, w, c,
                      oy, ox);
        }
    }
    check_pixels(H, W, rgb, 0); /* the last size is the picture's own */
}

Test(picture, flat_pictures_stay_flat)
{
    memset(rgb, 255, sizeof rgb);
    write_rgb_png(picture_file(), H, W, rgb);
    for (size_t side = 1; side < 64; side++) {
        must_read(side, side);
        for (size_t i = 0; i < 3 * side * side; i++) cr_assert(eq(u8, out[i], 255));
    }
}
