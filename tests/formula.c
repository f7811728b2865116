#include "tests/formula.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t hash_name(const char *name)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (; *name; name++) h = (h ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
    return h;
}

/* Element i, in [-1, 1), exact in f32. */
static float unit(uint64_t h, size_t i)
{
    uint64_t z = (h + i + 1) * UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    z ^= z >> 31;
    return (float)(z >> 40) * 0x1p-23f - 1;
}

void formula_fill(moda_model *model)
{
    for (size_t t = 0; t < model->parameters.count; t++) {
        const moda_parameter *p = &model->parameters.items[t];
        const bool norm = model->net->layers[p->layer].kind == MODA_LAYER_BATCHNORM;
        const uint64_t h = hash_name(p->name);
        float from = 0, times = 0.05f; /* biases */
        if (p->role == MODA_RUNNING_MEAN) times = 0.1f;
        if (p->role == MODA_RUNNING_VAR) from = 1, times = 0.5f;
        if (p->role == MODA_WEIGHT && norm) from = 1, times = 0.1f;
        if (p->role == MODA_BIAS && norm) from = -0.3f, times = 0.8f;
        if (p->role == MODA_WEIGHT && !norm)
            times = (float)sqrt(6.0 / ((double)p->elements / (double)p->shape[0]));
        float *values = model->values + p->offset;
#pragma omp parallel for
        for (size_t i = 0; i < p->elements; i++) values[i] = from + times * unit(h, i);
    }
}

moda_model *formula_model(const char *name, size_t classes)
{
    const float mean[] = {0.4914f, 0.4822f, 0.4465f}, std[] = {0.2471f, 0.2435f, 0.2616f};
    moda_net *net = NULL;
    moda_model *model = NULL;
    moda_net_defaults defaults = {{3, 32, 32}, classes};
    if (moda_net_open(name, defaults, &net) != MODA_OK ||
        moda_model_create(net, &model) != MODA_OK) {
        fprintf(stderr, "%s: %s\n", name, moda_last_error());
        abort();
    }
    for (size_t c = 0; c < 3; c++) model->mean[c] = mean[c], model->std[c] = std[c];
    formula_fill(model);
    return model;
}
