/* tests/naive_net.c */
#include "tests/naive_net.h"
#include "tests/losses_oracle.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must_alloc(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size);
    if (!p) abort();
    return p;
}

static size_t elements(moda_shape s)
{
    return s.c * s.h * s.w;
}

naive_net *naive_create(const moda_model *model, size_t n, bool training)
{
    naive_net *o = must_alloc(1, sizeof *o);
    const size_t layers = model->net->layer_count;
    o->net = model->net, o->n = n, o->training = training;
    if (moda_net_parameters(model->net, &o->list) != MODA_OK) abort();
    o->parameters = must_alloc(o->list.elements, sizeof *o->parameters);
    for (size_t i = 0; i < o->list.elements; i++) o->parameters[i] = (double)model->values[i];
    o->y = must_alloc(layers, sizeof *o->y);
    o->mean = must_alloc(layers, sizeof *o->mean);
    o->variance = must_alloc(layers, sizeof *o->variance);
    for (size_t i = 0; i < layers; i++) {
        const moda_shape s = model->net->layers[i].shape;
        o->y[i] = must_alloc(n * elements(s), sizeof **o->y);
        o->mean[i] = must_alloc(s.c, sizeof **o->mean);
        o->variance[i] = must_alloc(s.c, sizeof **o->variance);
    }
    return o;
}

void naive_destroy(naive_net *o)
{
    if (!o) return;
    for (size_t i = 0; i < o->net->layer_count; i++)
        free(o->y[i]), free(o->mean[i]), free(o->variance[i]);
    free(o->y), free(o->mean), free(o->variance);
    free(o->parameters);
    moda_parameter_list_free(&o->list);
    free(o);
}

/* Layer i's tensor of a role; NULL when it has none. */
static double *tensor(const naive_net *o, size_t layer, moda_parameter_role role)
{
    for (size_t t = 0; t < o->list.count; t++)
        if (o->list.items[t].layer == layer && o->list.items[t].role == role)
            return o->parameters + o->list.items[t].offset;
    return NULL;
}

/* ---- layers: one output element of one sample x ---- */

static bool inside(moda_shape s, long r, long q)
{
    return r >= 0 && q >= 0 && r < (long)s.h && q < (long)s.w;
}

static double convolution(const moda_layer *l, const double *w, const double *x, moda_shape in,
                          size_t o, size_t r, size_t q)
{
    const size_t narrow = in.c / l->groups, first = o / (l->shape.c / l->groups) * narrow;
    double sum = 0;
    for (size_t c = 0; c < narrow; c++)
        for (size_t i = 0; i < l->kernel; i++)
            for (size_t j = 0; j < l->kernel; j++, w++) {
                const long row = (long)(r * l->stride + i) - (long)l->padding;
                const long column = (long)(q * l->stride + j) - (long)l->padding;
                if (inside(in, row, column))
                    sum += *w * x[((first + c) * in.h + (size_t)row) * in.w + (size_t)column];
            }
    return sum;
}

/* Padding is neither a candidate for the maximum nor counted in the mean. */
static double pooling(const moda_layer *l, const double *map, moda_shape in, size_t r, size_t q)
{
    double top = -INFINITY, sum = 0;
    size_t count = 0;
    for (size_t i = 0; i < l->kernel; i++)
        for (size_t j = 0; j < l->kernel; j++) {
            const long row = (long)(r * l->stride + i) - (long)l->padding;
            const long column = (long)(q * l->stride + j) - (long)l->padding;
            if (!inside(in, row, column)) continue;
            const double v = map[(size_t)row * in.w + (size_t)column];
            top = fmax(top, v), sum += v, count++;
        }
    return l->kind == MODA_LAYER_MAXPOOL ? top : sum / (double)count;
}

static double inner_product(const double *w, const double *x, size_t count)
{
    double sum = 0;
    for (size_t k = 0; k < count; k++) sum += w[k] * x[k];
    return sum;
}

static void take_statistics(naive_net *o, size_t layer)
{
    const size_t from = o->net->layers[layer].input[0];
    const moda_shape s = o->net->layers[from].shape;
    const double m = (double)(o->n * s.h * s.w);
    for (size_t c = 0; c < s.c; c++) {
        double sum = 0, squares = 0;
        for (int pass = 0; pass < 2; pass++)
            for (size_t i = 0; i < o->n; i++)
                for (size_t p = 0; p < s.h * s.w; p++) {
                    const double v = o->y[from][(i * s.c + c) * s.h * s.w + p];
                    if (pass == 0)
                        sum += v;
                    else
                        squares += (v - sum / m) * (v - sum / m);
                }
        o->mean[layer][c] = sum / m;
        o->variance[layer][c] = squares / m;
    }
}

static double normalised(const naive_net *o, size_t layer, size_t c, double v)
{
    const double *running_mean = tensor(o, layer, MODA_RUNNING_MEAN);
    const double *running_variance = tensor(o, layer, MODA_RUNNING_VAR);
    const double mean = o->training ? o->mean[layer][c] : running_mean[c];
    const double variance = o->training ? o->variance[layer][c] : running_variance[c];
    return (v - mean) / sqrt(variance + o->net->layers[layer].eps) *
               tensor(o, layer, MODA_WEIGHT)[c] +
           tensor(o, layer, MODA_BIAS)[c];
}

static double element(const naive_net *o, size_t layer, size_t i, size_t c, size_t r, size_t q)
{
    const moda_layer *l = &o->net->layers[layer];
    const moda_shape in = o->net->layers[l->input[0]].shape;
    const double *x = o->y[l->input[0]] + i * elements(in);
    const double *w = tensor(o, layer, MODA_WEIGHT), *b = tensor(o, layer, MODA_BIAS);
    const size_t place = (c * in.h + r) * in.w + q;
    switch (l->kind) {
    case MODA_LAYER_CONV:
        return convolution(l, w + c * (in.c / l->groups) * l->kernel * l->kernel, x, in, c, r, q) +
               (b ? b[c] : 0);
    case MODA_LAYER_LINEAR:
        return inner_product(w + c * elements(in), x, elements(in)) + (b ? b[c] : 0);
    case MODA_LAYER_BATCHNORM: return normalised(o, layer, c, x[place]);
    case MODA_LAYER_RELU: return x[place] > 0 ? x[place] : 0;
    case MODA_LAYER_MAXPOOL:
    case MODA_LAYER_AVGPOOL: return pooling(l, x + c * in.h * in.w, in, r, q);
    case MODA_LAYER_ADD: return x[place] + o->y[l->input[1]][i * elements(in) + place];
    case MODA_LAYER_MASK: return x[place] * fmax(0, tanh(o->y[l->input[1]][i * in.c + c]));
    case MODA_LAYER_SELECT:
        return l->channels[c] == MODA_SELECT_ZERO ? 0 : x[(l->channels[c] * in.h + r) * in.w + q];
    case MODA_LAYER_CONCAT: {
        const moda_shape other = o->net->layers[l->input[1]].shape;
        const double *second = o->y[l->input[1]] + i * elements(other);
        return c < in.c ? x[place] : second[((c - in.c) * in.h + r) * in.w + q];
    }
    case MODA_LAYER_SOFTMAX: {
        double sum = 0;
        for (size_t k = 0; k < in.c; k++) sum += exp(x[(k * in.h + r) * in.w + q] - x[place]);
        return 1 / sum;
    }
    case MODA_LAYER_INPUT: break;
    }
    return NAN;
}

void naive_forward_from(naive_net *o, size_t first)
{
    for (size_t layer = first; layer < o->net->layer_count; layer++) {
        const moda_shape s = o->net->layers[layer].shape;
        if (o->net->layers[layer].kind == MODA_LAYER_BATCHNORM) take_statistics(o, layer);
        for (size_t i = 0; i < o->n; i++)
            for (size_t c = 0; c < s.c; c++)
                for (size_t r = 0; r < s.h; r++)
                    for (size_t q = 0; q < s.w; q++)
                        o->y[layer][((i * s.c + c) * s.h + r) * s.w + q] =
                            element(o, layer, i, c, r, q);
    }
}

void naive_forward(naive_net *o, const float *x)
{
    for (size_t k = 0; k < o->n * elements(o->net->input); k++) o->y[0][k] = (double)x[k];
    naive_forward_from(o, 1);
}

const double *naive_logits(const naive_net *o)
{
    return o->y[o->net->layer_count - 1];
}

void naive_activation(const naive_net *o, size_t l, double *a)
{
    const size_t layer = o->net->tracked[l];
    const moda_shape s = o->net->layers[layer].shape;
    for (size_t row = 0; row < o->n * s.c; row++) {
        a[row] = 0;
        for (size_t p = 0; p < s.h * s.w; p++)
            a[row] += fabs(o->y[layer][row * s.h * s.w + p]) / (double)(s.h * s.w);
    }
}

void naive_mask(const naive_net *o, size_t k, double *m)
{
    const moda_layer *l = &o->net->layers[o->net->masks[k]];
    for (size_t i = 0; i < o->n * l->shape.c; i++) m[i] = fmax(0, tanh(o->y[l->input[1]][i]));
}

void naive_track(naive_net *o)
{
    for (size_t layer = 1; layer < o->net->layer_count; layer++) {
        const moda_layer *l = &o->net->layers[layer];
        const double m = (double)(o->n * l->shape.h * l->shape.w);
        if (l->kind != MODA_LAYER_BATCHNORM) continue;
        double *mean = tensor(o, layer, MODA_RUNNING_MEAN);
        double *variance = tensor(o, layer, MODA_RUNNING_VAR);
        for (size_t c = 0; c < l->shape.c; c++) {
            const double unbiased = o->variance[layer][c] * m / (m - 1);
            mean[c] = (1 - l->momentum) * mean[c] + l->momentum * o->mean[layer][c];
            variance[c] = (1 - l->momentum) * variance[c] + l->momentum * unbiased;
        }
    }
}

/* ---- the loss ---- */

static double cross_entropy(const naive_net *o, const uint32_t *labels)
{
    const size_t k = o->net->classes;
    double sum = 0;
    for (size_t i = 0; i < o->n; i++) {
        const double *z = naive_logits(o) + i * k;
        double top = z[0], total = 0;
        for (size_t c = 0; c < k; c++) top = fmax(top, z[c]);
        for (size_t c = 0; c < k; c++) total += exp(z[c] - top);
        sum -= z[labels[i]] - top - log(total);
    }
    return sum / (double)o->n;
}

/* Takes a layer's terms in. */
static void add_terms(naive_loss *loss, oracle_terms t, double layers)
{
    loss->affinity -= t.affinity / layers;
    loss->dispersion += t.dispersion / layers;
    loss->compactness += t.compactness / layers;
}

static void sum_up(naive_loss *loss, const moda_modular_weights *w)
{
    loss->total = loss->cross_entropy;
    if (w)
        loss->total += w->affinity * loss->affinity + w->dispersion * loss->dispersion +
                       w->compactness * loss->compactness;
}

naive_loss naive_losses(const naive_net *o, const uint32_t *labels,
                        const moda_modular_weights *weights)
{
    naive_loss loss = {.cross_entropy = cross_entropy(o, labels), .affinity = 1};
    for (size_t l = 0; weights && l < o->net->tracked_count; l++) {
        const size_t d = o->net->layers[o->net->tracked[l]].shape.c;
        double *a = must_alloc(o->n * d, sizeof *a);
        naive_activation(o, l, a);
        add_terms(&loss, oracle_values(o->n, d, labels, a), (double)o->net->tracked_count);
        free(a);
    }
    sum_up(&loss, weights);
    return loss;
}

naive_loss naive_mask_losses(const naive_net *o, const uint32_t *labels,
                             const moda_modular_weights *weights)
{
    naive_loss loss = {.cross_entropy = cross_entropy(o, labels), .affinity = 1};
    for (size_t k = 0; weights && k < o->net->mask_count; k++) {
        const size_t d = o->net->layers[o->net->masks[k]].shape.c;
        double *m = must_alloc(o->n * d, sizeof *m);
        naive_mask(o, k, m);
        add_terms(&loss, oracle_values(o->n, d, labels, m), (double)o->net->mask_count);
        free(m);
    }
    sum_up(&loss, weights);
    return loss;
}
