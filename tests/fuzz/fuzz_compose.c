/* tests/fuzz/fuzz_compose.c - any bytes as a model file that is taken apart: what loads has masks
 * drawn for it, its modules are measured, one is cut out, and that is a model file again. */
#include "decompose/compose.h"
#include "decompose/decomposition.h"
#include "tests/fuzz/fuzz.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { MOST_CLASSES = 32 }; /* a module of each is measured, and each pair of them */

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
    return fuzz_mutate_tensors(data, size, most, seed);
}

/* All zero, sparse or dense, by the bytes. */
static void draw(moda_masks *masks, uint64_t state)
{
    const unsigned density = state % 4 * 5;
    for (size_t i = 0; i < masks->shape.elements; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        masks->values[i] = state >> 60 < density;
    }
}

static void measure(const moda_model *model, const moda_masks *masks)
{
    moda_decomposition *d = NULL;
    json_t *json = NULL;
    const moda_status st = moda_decomposition_measure(model, masks, &d);
    fuzz_judge(st);
    if (st != MODA_OK) return;
    for (size_t c = 0; c < d->classes; c++)
        fuzz_hold(d->modules[c].parameters <= d->model_parameters,
                  "a module is a part of the model");
    fuzz_must(moda_decomposition_json(d, &json));
    json_decref(json);
    moda_decomposition_destroy(d);
}

static void compose(const moda_model *model, const moda_masks *masks)
{
    moda_model *module = NULL, *again = NULL;
    char path[256];
    const size_t last = model->net->classes - 1;
    const moda_status st = moda_compose(model, masks, &last, 1, &module);
    fuzz_judge(st);
    if (st != MODA_OK) return;
    snprintf(path, sizeof path, "%s/module.safetensors", fuzz_folder());
    fuzz_must(moda_model_save(module, path));
    fuzz_must(moda_model_open(path, (moda_net_defaults){{0, 0, 0}, 0}, &again));
    fuzz_hold(again->parameters.elements == module->parameters.elements,
              "a module is read as it was written");
    moda_model_destroy(again);
    moda_model_destroy(module);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    moda_model *model = NULL;
    moda_masks *masks = NULL;
    moda_status st = moda_model_open(fuzz_file("m.safetensors", data, size),
                                     (moda_net_defaults){{0, 0, 0}, 0}, &model);
    fuzz_judge(st);
    if (st != MODA_OK || model->net->classes > MOST_CLASSES) goto out;
    fuzz_judge(st = moda_masks_create(model->net, &masks));
    if (st != MODA_OK) goto out;
    draw(masks, crc32_z(0, data, size));
    measure(model, masks);
    compose(model, masks);
out:
    moda_masks_destroy(masks);
    moda_model_destroy(model);
    return 0;
}
