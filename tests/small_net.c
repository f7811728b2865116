/* tests/small_net.c */
#include "tests/small_net.h"
#include "base/rng.h"
#include "losses/cross_entropy.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(moda_status st)
{
    cr_assert(eq(int, st, MODA_OK), "%s", moda_last_error());
}

float *small_values(size_t n, uint64_t seed)
{
    float *x = malloc((n ? n : 1) * sizeof *x);
    cr_assert(ne(ptr, x, NULL));
    for (size_t i = 0; i < n; i++)
        x[i] = (float)moda_rng_normal(moda_rng_make(seed, MODA_RNG_TEST, 77), i);
    return x;
}

uint32_t *small_labels(size_t n, size_t k)
{
    uint32_t *labels = malloc((n ? n : 1) * sizeof *labels);
    cr_assert(ne(ptr, labels, NULL));
    for (size_t i = 0; i < n; i++) labels[i] = i < 2 ? 0 : (uint32_t)((i * i + i / 3) % k);
    if (n > 2) labels[2] = 1 % (uint32_t)k;
    return labels;
}

/* Values about as large as in a network that trains: outputs of every layer are of order 1. */
static void fill(moda_model *model, uint64_t seed)
{
    for (size_t t = 0; t < model->parameters.count; t++) {
        const moda_parameter *p = &model->parameters.items[t];
        const bool norm = model->net->layers[p->layer].kind == MODA_LAYER_BATCHNORM;
        const moda_rng rng = moda_rng_make(seed, MODA_RNG_TEST, (uint32_t)t);
        double scale = 0.3, shift = 0;
        if (p->role == MODA_WEIGHT && norm) shift = 1;
        if (p->role == MODA_WEIGHT && !norm)
            scale = 1.5 / sqrt((double)p->elements / (double)p->shape[0]);
        for (size_t i = 0; i < p->elements; i++) {
            const double v = shift + scale * moda_rng_normal(rng, i);
            model->values[p->offset + i] =
                (float)(p->role == MODA_RUNNING_VAR ? 0.2 + 2 * moda_rng_unit(rng, i) : v);
        }
    }
}

moda_model *small_model(const char *input, const char *body, uint64_t seed)
{
    char text[4096];
    moda_net *net = NULL;
    moda_model *model = NULL;
    const int length = snprintf(text, sizeof text, "[net];name=small;input=%s;%s", input, body);
    cr_assert(lt(int, length, (int)sizeof text));
    for (char *c = text; *c; c++)
        if (*c == ';') *c = '\n';
    must(moda_net_parse(text, "small.net", (moda_net_defaults){{0, 0, 0}, 0}, &net));
    must(moda_model_create(net, &model));
    fill(model, seed);
    return model;
}

small_net small_create(moda_model *model, moda_executor_options options)
{
    small_net s = {.model = model};
    must(moda_weights_create(model->net, &s.weights));
    must(moda_executor_create(s.weights, &options, &s.executor));
    must(moda_workspace_create(&s.executor, 1, &s.workspace));
    must(moda_weights_load(s.weights, model));
    return s;
}

void small_destroy(small_net *s)
{
    moda_workspace_destroy(s->workspace);
    moda_executor_destroy(s->executor);
    moda_weights_destroy(s->weights);
    *s = (small_net){0};
}

const float *small_forward(const small_net *s, const float *x)
{
    const moda_shape in = s->model->net->input;
    const size_t n = moda_executor_batch(s->executor) * in.c * in.h * in.w;
    memcpy(moda_executor_input(s->executor), x, n * sizeof *x);
    must(moda_executor_forward(s->executor));
    return moda_executor_logits(s->executor);
}

/* One layer's term: its vectors [n,d] and where the gradient by them goes. */
static void modular_gradient(const small_net *s, const uint32_t *labels, moda_modular_weights w,
                             size_t d, size_t layers, const float *a, float *d_a)
{
    const size_t n = moda_executor_batch(s->executor);
    moda_modular_scratch *scratch = NULL;
    moda_modular_terms terms;
    must(moda_modular_scratch_create(n, d, s->model->net->classes, &scratch));
    moda_modular_layer(scratch, n, d, labels, a, moda_modular_pairs(scratch, n, labels), w, layers,
                       d_a, &terms);
    moda_modular_scratch_destroy(scratch);
}

static void entropy_gradient(const small_net *s, const uint32_t *labels)
{
    moda_cross_entropy(moda_executor_batch(s->executor), s->model->net->classes,
                       moda_executor_logits(s->executor), labels,
                       moda_executor_d_logits(s->executor), NULL);
}

void small_backward(const small_net *s, const uint32_t *labels, const moda_modular_weights *weights)
{
    const moda_net *net = s->model->net;
    entropy_gradient(s, labels);
    for (size_t l = 0; weights && l < net->tracked_count; l++)
        modular_gradient(s, labels, *weights, net->layers[net->tracked[l]].shape.c,
                         net->tracked_count, moda_executor_activation(s->executor, l),
                         moda_executor_d_activation(s->executor, l));
    must(moda_executor_backward(s->executor));
}

void small_backward_masked(const small_net *s, const uint32_t *labels, moda_modular_weights weights)
{
    const moda_net *net = s->model->net;
    entropy_gradient(s, labels);
    for (size_t k = 0; k < net->mask_count; k++)
        modular_gradient(s, labels, weights, net->layers[net->masks[k]].shape.c, net->mask_count,
                         moda_executor_mask(s->executor, k), moda_executor_d_mask(s->executor, k));
    must(moda_executor_backward(s->executor));
}

void small_gradients(const small_net *s, float *g)
{
    /* So large a step that the old values vanish behind it: w - 2^20 g keeps g to 24 bits. */
    const double rate = 1 << 20;
    moda_model *m = s->model;
    float *old = malloc(m->parameters.elements * sizeof *old);
    cr_assert(ne(ptr, old, NULL));
    memcpy(old, m->values, m->parameters.elements * sizeof *old);
    must(moda_weights_load(s->weights, m));
    moda_weights_update(s->weights, (moda_sgd){rate, 0, 0});
    must(moda_weights_store(s->weights, m));
    for (size_t t = 0; t < m->parameters.count; t++) {
        const moda_parameter *p = &m->parameters.items[t];
        const bool trained = p->role == MODA_WEIGHT || p->role == MODA_BIAS;
        for (size_t i = p->offset; i < p->offset + p->elements; i++) {
            g[i] = trained ? (float)(((double)old[i] - (double)m->values[i]) / rate) : 0;
            if (!trained) cr_assert(eq(flt, old[i], m->values[i]), "%s was trained", p->name);
        }
    }
    memcpy(m->values, old, m->parameters.elements * sizeof *old);
    must(moda_weights_load(s->weights, m));
    free(old);
}

double small_distance(size_t n, const float *got, const double *want)
{
    const double largest = small_largest(n, want);
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        const double off = fabs((double)got[i] - want[i]);
        if (isnan(off)) return INFINITY;
        worst = fmax(worst, off);
    }
    return largest > 0 ? worst / largest : worst;
}

double small_largest(size_t n, const double *x)
{
    double largest = 0;
    for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs(x[i]));
    return largest;
}
