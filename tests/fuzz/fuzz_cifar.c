/* tests/fuzz/fuzz_cifar.c - the binary files of CIFAR-10 and CIFAR-100, as the first byte says. */
#include "datasets/dataset.h"
#include "tests/fuzz/fuzz.h"
#include <stdio.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char spec[256];
    moda_dataset *d = NULL;
    if (size == 0) return 0;
    if (data[0] % 2) {
        fuzz_file("train.bin", data + 1, size - 1);
        fuzz_file("test.bin", data + 1, size - 1);
        snprintf(spec, sizeof spec, "cifar100:%s", fuzz_folder());
    } else {
        fuzz_file("data_batch_1.bin", data + 1, size - 1);
        fuzz_file("test_batch.bin", data + 1, size - 1);
        snprintf(spec, sizeof spec, "cifar10:%s", fuzz_folder());
    }
    fuzz_judge(moda_dataset_open(spec, NULL, &d));
    moda_dataset_destroy(d);
    return 0;
}
