/* engine/model_init.c - start values, docs/networks.md. Parameter i draws from random stream i and
 * its element e uses number e, so that values depend on nothing but the seed and the network. */
#include "base/rng.h"
#include "engine/model.h"

#include <math.h>

/* Products summed into one output. */
static double fan_in(const moda_net *net, const moda_layer *l)
{
    const moda_shape in = net->layers[l->input[0]].shape;
    if (l->kind == MODA_LAYER_LINEAR) return (double)in.c * (double)in.h * (double)in.w;
    const size_t inputs = in.c / l->groups;
    return (double)inputs * (double)(l->kernel * l->kernel);
}

/* As PyTorch counts it: groups do not matter. */
static double fan_out(const moda_layer *l)
{
    const size_t window = l->kind == MODA_LAYER_CONV ? l->kernel * l->kernel : 1;
    return (double)l->shape.c * (double)window;
}

static void draw_normal(moda_rng rng, double std, size_t n, float *values)
{
#pragma omp parallel for schedule(static)
    for (size_t e = 0; e < n; e++) values[e] = (float)(std * moda_rng_normal(rng, e));
}

static void draw_uniform(moda_rng rng, double bound, size_t n, float *values)
{
#pragma omp parallel for schedule(static)
    for (size_t e = 0; e < n; e++) values[e] = (float)(bound * (2 * moda_rng_unit(rng, e) - 1));
}

static void fill(size_t n, float value, float *values)
{
    for (size_t e = 0; e < n; e++) values[e] = value;
}

/* Of the rules that draw normal numbers. */
static double deviation(const moda_net *net, const moda_layer *l)
{
    if (l->init == MODA_INIT_NORMAL) return 0.01;
    return sqrt(2 / (l->init == MODA_INIT_KAIMING_FAN_IN ? fan_in(net, l) : fan_out(l)));
}

void moda_model_init(moda_model *model, uint64_t seed)
{
    const moda_net *net = model->net;
    for (size_t i = 0; i < model->parameters.count; i++) {
        const moda_parameter *p = &model->parameters.items[i];
        const moda_layer *l = &net->layers[p->layer];
        const moda_rng rng = moda_rng_make(seed, MODA_RNG_INIT, (uint32_t)i);
        float *values = model->values + p->offset;
        if (l->kind == MODA_LAYER_BATCHNORM)
            fill(p->elements, p->role == MODA_WEIGHT || p->role == MODA_RUNNING_VAR, values);
        else if (p->role == MODA_BIAS && !isnan(l->bias_init))
            fill(p->elements, (float)l->bias_init, values);
        else if (l->init == MODA_INIT_UNIFORM_FAN_IN)
            draw_uniform(rng, 1 / sqrt(fan_in(net, l)), p->elements, values);
        else if (p->role == MODA_BIAS)
            fill(p->elements, 0, values);
        else
            draw_normal(rng, deviation(net, l), p->elements, values);
    }
}
