/* tests/fuzz/fuzz_idx.c - MNIST's format, plain and gzipped: the first byte says which, the rest is the
 * images' file and, behind a separator, the labels'. Gzipped, bytes are taken as they are or packed here, so
 * that both what unpacks them and what reads them gets its share. */
#include "datasets/dataset.h"
#include "tests/fuzz/fuzz.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { PLAIN, GZIPPED_AS_IT_IS, GZIPPED_HERE, WAYS };

static void put(const char *split, const char *kind, int way, const uint8_t *data, size_t size)
{
    char name[64], path[256];
    snprintf(name, sizeof name, "%s-%s%s", split, kind, way == PLAIN ? "" : ".gz");
    if (way != GZIPPED_HERE) {
        fuzz_file(name, data, size);
        return;
    }
    snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
    gzFile f = gzopen(path, "wb1");
    fuzz_hold(f && (size == 0 || gzwrite(f, data, (unsigned)size) == (int)size), path);
    gzclose(f);
}

static void take_away(void)
{
    static const char *const names[] = {"train-images-idx3-ubyte",    "train-labels-idx1-ubyte",
                                        "t10k-images-idx3-ubyte",     "t10k-labels-idx1-ubyte",
                                        "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz",
                                        "t10k-images-idx3-ubyte.gz",  "t10k-labels-idx1-ubyte.gz"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/%s", fuzz_folder(), names[i]);
        unlink(path);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *labels;
    size_t label_bytes;
    char spec[256];
    moda_dataset *d = NULL;
    if (size == 0) return 0;
    const int way = data[0] % WAYS;
    const size_t image_bytes = fuzz_part(data + 1, size - 1, &labels, &label_bytes);
    take_away();
    for (size_t i = 0; i < 2; i++) {
        put(i ? "t10k" : "train", "images-idx3-ubyte", way, data + 1, image_bytes);
        put(i ? "t10k" : "train", "labels-idx1-ubyte", way, labels, label_bytes);
    }
    snprintf(spec, sizeof spec, "mnist:%s", fuzz_folder());
    fuzz_judge(moda_dataset_open(spec, NULL, &d));
    moda_dataset_destroy(d);
    return 0;
}
