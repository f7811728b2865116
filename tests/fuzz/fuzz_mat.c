/* tests/fuzz/fuzz_mat.c - SVHN's .mat files, by way of matio. */
#include "datasets/dataset.h"
#include "tests/fuzz/fuzz.h"
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char spec[256];
    moda_dataset *d = NULL;
    fuzz_file("train_32x32.mat", data, size);
    fuzz_file("test_32x32.mat", data, size);
    snprintf(spec, sizeof spec, "svhn:%s", fuzz_folder());
    fuzz_judge(moda_dataset_open(spec, NULL, &d));
    moda_dataset_destroy(d);
    return 0;
}
