/* tests/fuzz/fuzz_picture.c - JPEG and PNG pictures, resized to 8 x 8 or, as the first byte says, to a shorter
 * side of 8 that keeps the proportions. */
#include "datasets/image_internal.h"
#include "tests/fuzz/fuzz.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t pixels[3 * 8 * 8];
    if (size == 0) return 0;
    const int keep = data[0] % 2;
    moda_picture picture = {8, 8, keep ? NULL : pixels, keep ? 8 : 0};
    fuzz_judge(moda_picture_read(fuzz_file("picture", data + 1, size - 1), &picture));
    if (keep) free(picture.pixels);
    return 0;
}
