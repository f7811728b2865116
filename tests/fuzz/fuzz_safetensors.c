/* tests/fuzz/fuzz_safetensors.c - engine/safetensors.h: any bytes as a file. */
#include "engine/safetensors.h"
#include "tests/fuzz/fuzz.h"
#include <string.h>

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
    return fuzz_mutate_tensors(data, size, most, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    moda_tensor_file *file = NULL;
    static volatile uint8_t sum; /* every byte is looked at, so that none lies outside the file */
    const moda_status st = moda_tensor_file_open(fuzz_file("t.safetensors", data, size), &file);
    fuzz_judge(st);
    if (st != MODA_OK) return 0;
    for (size_t i = 0; i < moda_tensor_file_count(file); i++) {
        const moda_tensor *t = moda_tensor_file_at(file, i);
        for (size_t k = 0; k < t->bytes; k++) sum = sum + ((const uint8_t *)t->data)[k];
        fuzz_hold(moda_tensor_file_find(file, t->name) == t, "a tensor is found by its name");
    }
    moda_tensor_file_metadata(file, "moda.description");
    moda_tensor_file_close(file);
    return 0;
}
