/* tests/fuzz/fuzz_tables.c - files of masks and of rates, for one small network. */
#include "decompose/masks.h"
#include "decompose/rates.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_subject.h"

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
    return fuzz_mutate_tensors(data, size, most, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const moda_model *model = fuzz_small_model();
    moda_masks *masks = NULL;
    moda_rates *rates = NULL;
    const char *path = fuzz_file("tables.safetensors", data, size);
    moda_status st = moda_masks_load(path, model->net, &masks);
    fuzz_judge(st);
    for (size_t i = 0; st == MODA_OK && i < masks->shape.elements; i++)
        fuzz_hold(masks->values[i] <= 1, "masks hold 0 and 1");
    st = moda_rates_load(path, model->net, &rates);
    fuzz_judge(st);
    for (size_t i = 0; st == MODA_OK && i < rates->shape.elements; i++)
        fuzz_hold(rates->values[i] >= 0 && rates->values[i] <= 1, "rates are in [0,1]");
    moda_rates_destroy(rates);
    moda_masks_destroy(masks);
    return 0;
}
