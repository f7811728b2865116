/* tests/fuzz/fuzz_image_cache.c - an entry of the cache of decoded pictures. The first byte says whether its
 * checksum is made true, so that what lies behind that check is reached. */
#include "datasets/image_cache_file_internal.h"
#include "datasets/reader_internal.h"
#include "tests/fuzz/fuzz.h"
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* Offsets of image_cache_internal.h. */
enum { CHECKSUM = 12, KEY_BYTES = 16, IMAGES = 24, PIXEL_BYTES = 32, HEADER = 40, RECORD = 16 };

static void sign(uint8_t *data, size_t size)
{
    uint64_t key, images;
    if (size < HEADER) return;
    memcpy(&key, data + KEY_BYTES, sizeof key);
    memcpy(&images, data + IMAGES, sizeof images);
    if (key > size || images > size || HEADER + key + images * RECORD > size) return;
    const uint32_t sum =
        (uint32_t)crc32_z(0, data + KEY_BYTES, HEADER - KEY_BYTES + key + images * RECORD);
    memcpy(data + CHECKSUM, &sum, sizeof sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    moda_images images = {0};
    bool found = false;
    moda_image_key key = {NULL, "key", 3};
    uint8_t *bytes = malloc(size + 1);
    if (size == 0 || !bytes) {
        free(bytes);
        return 0;
    }
    memcpy(bytes, data + 1, size - 1);
    if (data[0] % 2) sign(bytes, size - 1);
    key.path = (char *)fuzz_file("entry", bytes, size - 1);
    free(bytes);
    fuzz_must(moda_images_alloc(&images, 2, 3, 4, 4));
    fuzz_judge(moda_image_file_read(&key, &images, &found));
    moda_images_free(&images);
    fuzz_must(moda_images_alloc_own(&images, 2, 3, 4, 4));
    fuzz_judge(moda_image_file_read(&key, &images, &found));
    moda_images_free(&images);
    return 0;
}
