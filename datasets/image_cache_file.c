/* datasets/image_cache_file.c - writing and reading one entry of the image cache. */
#include "base/file.h"
#include "datasets/image_cache_file_internal.h"
#include "datasets/reader_internal.h"
#include <string.h>
#include <zlib.h>

/* To be raised with every change of decoding or resizing that changes pixels. */
enum { VERSION = 1, CHANNELS = 3 };
static const char magic[8] = {'M', 'O', 'D', 'A', 'I', 'M', 'G', '\n'};

typedef struct header {
    char magic[8];
    uint32_t version;  /* another byte order looks like another version */
    uint32_t checksum; /* of all behind it, up to the pixels */
    uint64_t key_bytes, images, pixel_bytes;
} header;
enum { CHECKED_FROM = offsetof(header, key_bytes) };

typedef struct record {
    uint32_t height, width, checksum, zero;
} record;

static size_t picture_bytes(size_t height, size_t width)
{
    return CHANNELS * height * width;
}

static uint32_t checksum(uint32_t before, const void *bytes, size_t n)
{
    return (uint32_t)crc32_z(before, bytes, n);
}

static size_t all_pixels(const moda_images *images)
{
    size_t bytes = 0;
    for (size_t i = 0; i < images->n; i++) {
        const moda_own_image p = moda_images_at(images, i);
        bytes += picture_bytes(p.height, p.width);
    }
    return bytes;
}

size_t moda_image_file_bytes(const moda_image_key *key, const moda_images *images)
{
    return sizeof(header) + key->bytes + images->n * sizeof(record) + all_pixels(images);
}

/* ---- writing ---- */

moda_status moda_image_file_write(const moda_image_key *key, const moda_images *images)
{
    moda_status st = MODA_OK;
    moda_writer w = {0};
    record *records = NULL;
    header h = {.version = VERSION,
                .key_bytes = key->bytes,
                .images = images->n,
                .pixel_bytes = all_pixels(images)};
    memcpy(h.magic, magic, sizeof magic);
    MODA_ALLOC(records, images->n * sizeof *records);
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < images->n; i++) {
        const moda_own_image p = moda_images_at(images, i);
        records[i] = (record){(uint32_t)p.height, (uint32_t)p.width,
                              checksum(0, p.pixels, picture_bytes(p.height, p.width)), 0};
    }
    h.checksum = checksum(0, (const uint8_t *)&h + CHECKED_FROM, sizeof h - CHECKED_FROM);
    h.checksum = checksum(h.checksum, key->text, key->bytes);
    h.checksum = checksum(h.checksum, records, images->n * sizeof *records);
    MODA_TRY(moda_writer_open(&w, key->path));
    fwrite(&h, sizeof h, 1, w.stream);
    fwrite(key->text, 1, key->bytes, w.stream);
    fwrite(records, sizeof *records, images->n, w.stream);
    for (size_t i = 0; i < images->n && !ferror(w.stream); i++) {
        const moda_own_image p = moda_images_at(images, i);
        fwrite(p.pixels, 1, picture_bytes(p.height, p.width), w.stream);
    }
    MODA_TRY(moda_writer_commit(&w));
out:
    moda_writer_abort(&w);
    free(records);
    return st;
}

/* ---- reading ---- */

#define CHECK_WHOLE(cond, reason) \
    MODA_CHECK(cond, MODA_ERR_FORMAT, "%s: damaged file of decoded images (" reason ")", key->path)

/* What stands in front of the pixels; *fits: it is of this key. */
static moda_status check_head(const moda_image_key *key, const moda_images *images,
                              const moda_mapped_file *file, bool *fits)
{
    moda_status st = MODA_OK;
    header h = {0};
    *fits = false;
    CHECK_WHOLE(file->size >= sizeof h, "too short");
    memcpy(&h, file->data, sizeof h);
    CHECK_WHOLE(memcmp(h.magic, magic, sizeof magic) == 0, "wrong first bytes");
    if (h.version != VERSION) goto out;
    size_t rest = file->size - sizeof h;
    CHECK_WHOLE(h.key_bytes <= rest, "too short");
    rest -= h.key_bytes;
    CHECK_WHOLE(h.images <= rest / sizeof(record), "too short");
    rest -= h.images * sizeof(record);
    CHECK_WHOLE(checksum(0, file->data + CHECKED_FROM, file->size - rest - CHECKED_FROM) ==
                    h.checksum,
                "wrong checksum of its head");
    CHECK_WHOLE(h.pixel_bytes == rest, "wrong length");
    *fits = h.key_bytes == key->bytes && h.images == images->n &&
            memcmp(file->data + sizeof h, key->text, key->bytes) == 0;
out:
    return st;
}

/* Memory for pictures of sizes of their own; offsets[n] into the file's pixels. */
static moda_status place_pictures(const moda_image_key *key, const record *records, size_t bytes,
                                  moda_images *images, size_t *offsets)
{
    moda_status st = MODA_OK;
    size_t at = 0;
    for (size_t i = 0; i < images->n; i++) {
        const size_t height = records[i].height, width = records[i].width;
        size_t size = 0;
        CHECK_WHOLE(height && width &&
                        !__builtin_mul_overflow(height * width, (size_t)CHANNELS, &size) &&
                        size <= bytes - at,
                    "wrong sizes");
        offsets[i] = at;
        at += size;
        if (images->own) {
            images->own[i] = (moda_own_image){height, width, malloc(size)};
            MODA_CHECK(images->own[i].pixels, MODA_ERR_NOMEM, "out of memory: %zu bytes", size);
        } else {
            CHECK_WHOLE(height == images->height && width == images->width, "wrong sizes");
        }
    }
    CHECK_WHOLE(at == bytes, "wrong sizes");
out:
    return st;
}

/* Takes back what place_pictures() gave: decoding starts from nothing. */
static void clear_pictures(moda_images *images)
{
    for (size_t i = 0; images->own && i < images->n; i++) {
        free(images->own[i].pixels);
        images->own[i] = (moda_own_image){0};
    }
}

/* Images whose pixels are not what their checksums say. */
static size_t copy_pictures(const record *records, const uint8_t *pixels, const size_t *offsets,
                            moda_images *images)
{
    size_t broken = 0;
#pragma omp parallel for schedule(static) reduction(+ : broken)
    for (size_t i = 0; i < images->n; i++) {
        const moda_own_image p = moda_images_at(images, i);
        const size_t size = picture_bytes(p.height, p.width);
        memcpy(p.pixels, pixels + offsets[i], size);
        broken += checksum(0, p.pixels, size) != records[i].checksum;
    }
    return broken;
}

moda_status moda_image_file_read(const moda_image_key *key, moda_images *images, bool *found)
{
    moda_status st = MODA_OK;
    moda_mapped_file file = {0};
    record *records = NULL;
    size_t *offsets = NULL;
    bool fits = false;
    *found = false;
    MODA_TRY(moda_file_map(key->path, &file));
    MODA_TRY(check_head(key, images, &file, &fits));
    if (!fits) goto out;
    const size_t start = sizeof(header) + key->bytes, count = images->n * sizeof *records;
    MODA_ALLOC(records, count);
    MODA_ALLOC(offsets, images->n * sizeof *offsets);
    memcpy(records, file.data + start, count);
    MODA_TRY(place_pictures(key, records, file.size - start - count, images, offsets));
    CHECK_WHOLE(copy_pictures(records, file.data + start + count, offsets, images) == 0,
                "wrong checksum of pixels");
    *found = true;
out:
    if (!*found) clear_pictures(images);
    free(records);
    free(offsets);
    moda_file_unmap(&file);
    return st;
}
