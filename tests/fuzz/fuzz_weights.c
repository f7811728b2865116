/* tests/fuzz/fuzz_weights.c - engine/model.h: any description with any file of bare weights, the
 * one behind the other with a separator. What the description leaves open is taken from the
 * weights. */
#include "engine/model.h"
#include "tests/fuzz/fuzz.h"
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *weights;
    size_t weight_bytes;
    moda_model *model = NULL;
    char spec[600];
    const size_t net_bytes = fuzz_part(data, size, &weights, &weight_bytes);
    const char *net = fuzz_file("n.net", data, net_bytes);
    snprintf(spec, sizeof spec, "%s:%s", net, fuzz_file("w.safetensors", weights, weight_bytes));
    fuzz_judge(moda_model_open(spec, (moda_net_defaults){{0, 0, 0}, 0}, &model));
    moda_model_destroy(model);
    return 0;
}
