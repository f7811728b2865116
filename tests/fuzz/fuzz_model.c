/* tests/fuzz/fuzz_model.c - engine/model.h: any bytes as a model file. One that loads is written and
 * loaded again. */
#include "engine/model.h"
#include "tests/fuzz/fuzz.h"
#include <stdio.h>
#include <string.h>

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
    return fuzz_mutate_tensors(data, size, most, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const moda_net_defaults none = {{0, 0, 0}, 0};
    moda_model *model = NULL, *again = NULL;
    char copy[256];
    const moda_status st = moda_model_open(fuzz_file("m.safetensors", data, size), none, &model);
    fuzz_judge(st);
    if (st != MODA_OK) return 0;
    snprintf(copy, sizeof copy, "%s/copy.safetensors", fuzz_folder());
    fuzz_must(moda_model_save(model, copy));
    fuzz_must(moda_model_open(copy, none, &again));
    fuzz_hold(again->parameters.elements == model->parameters.elements &&
                  memcmp(again->values, model->values,
                         model->parameters.elements * sizeof *model->values) == 0,
              "a model that was loaded is the same after writing it");
    moda_model_destroy(again);
    moda_model_destroy(model);
    return 0;
}
