#include "tests/plain.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Layer i's tensor of a role; NULL when it has none. */
static const float *tensor(const moda_model *model, size_t layer, moda_parameter_role role)
{
    for (size_t t = 0; t < model->parameters.count; t++) {
        const moda_parameter *p = &model->parameters.items[t];
        if (p->layer == layer && p->role == role) return model->values + p->offset;
    }
    return NULL;
}

/* x at row r, column q of channel c of a map; 0 in the padding. */
static double at(const double *x, moda_shape s, size_t c, long r, long q)
{
    if (r < 0 || q < 0 || r >= (long)s.h || q >= (long)s.w) return 0;
    return x[(c * s.h + (size_t)r) * s.w + (size_t)q];
}

static double convolve(const moda_layer *l, const float *w, const double *x, moda_shape in,
                       size_t o, size_t r, size_t q)
{
    const size_t per_group = in.c / l->groups, first = o / (l->shape.c / l->groups) * per_group;
    double sum = 0;
    for (size_t c = 0; c < per_group; c++)
        for (size_t i = 0; i < l->kernel; i++)
            for (size_t j = 0; j < l->kernel; j++)
                sum += (double)w[((o * per_group + c) * l->kernel + i) * l->kernel + j] *
                       at(x, in, first + c, (long)(r * l->stride + i) - (long)l->padding,
                          (long)(q * l->stride + j) - (long)l->padding);
    return sum;
}

static double pool(const moda_layer *l, const double *x, moda_shape in, size_t c, size_t r,
                   size_t q)
{
    double top = -INFINITY, sum = 0;
    size_t inside = 0;
    for (size_t i = 0; i < l->kernel; i++)
        for (size_t j = 0; j < l->kernel; j++) {
            const long row = (long)(r * l->stride + i) - (long)l->padding;
            const long column = (long)(q * l->stride + j) - (long)l->padding;
            if (row < 0 || column < 0 || row >= (long)in.h || column >= (long)in.w) continue;
            const double v = at(x, in, c, row, column);
            top = v > top ? v : top;
            sum += v;
            inside++;
        }
    return l->kind == MODA_LAYER_MAXPOOL ? top : sum / (double)inside;
}

static double element(const moda_model *model, size_t i, double *const *y, size_t c, size_t r,
                      size_t q)
{
    const moda_layer *l = &model->net->layers[i];
    const moda_shape in = model->net->layers[l->input[0]].shape;
    const double *x = y[l->input[0]];
    const float *w = tensor(model, i, MODA_WEIGHT), *b = tensor(model, i, MODA_BIAS);
    double sum = 0;
    switch (l->kind) {
    case MODA_LAYER_CONV: return convolve(l, w, x, in, c, r, q) + (b ? b[c] : 0);
    case MODA_LAYER_LINEAR:
        for (size_t k = 0; k < in.c * in.h * in.w; k++)
            sum += (double)w[c * in.c * in.h * in.w + k] * x[k];
        return sum + (b ? b[c] : 0);
    case MODA_LAYER_BATCHNORM:
        return (at(x, in, c, (long)r, (long)q) - tensor(model, i, MODA_RUNNING_MEAN)[c]) /
                   sqrt(tensor(model, i, MODA_RUNNING_VAR)[c] + l->eps) * w[c] +
               b[c];
    case MODA_LAYER_RELU: return fmax(at(x, in, c, (long)r, (long)q), 0);
    case MODA_LAYER_MAXPOOL:
    case MODA_LAYER_AVGPOOL: return pool(l, x, in, c, r, q);
    case MODA_LAYER_ADD:
        return at(x, in, c, (long)r, (long)q) + at(y[l->input[1]], in, c, (long)r, (long)q);
    case MODA_LAYER_SELECT:
        return l->channels[c] == MODA_SELECT_ZERO ? 0 : at(x, in, l->channels[c], (long)r, (long)q);
    case MODA_LAYER_CONCAT:
        return c < in.c ? at(x, in, c, (long)r, (long)q)
                        : at(y[l->input[1]], in, c - in.c, (long)r, (long)q);
    case MODA_LAYER_SOFTMAX:
        for (size_t k = 0; k < in.c; k++)
            sum += exp(at(x, in, k, (long)r, (long)q) - at(x, in, c, (long)r, (long)q));
        return 1 / sum;
    default: return NAN;
    }
}

void plain_forward_layers(const moda_model *model, const float *x, const uint8_t *const *keep,
                          double *logits)
{
    const moda_net *net = model->net;
    double **y = calloc(net->layer_count, sizeof *y);
    for (size_t i = 0; i < net->layer_count; i++) {
        const moda_shape s = net->layers[i].shape;
        y[i] = calloc(s.c * s.h * s.w, sizeof **y);
        for (size_t c = 0; c < s.c; c++)
            for (size_t r = 0; r < s.h; r++)
                for (size_t q = 0; q < s.w; q++) {
                    const size_t k = (c * s.h + r) * s.w + q;
                    y[i][k] = i == 0 ? x[k] : element(model, i, y, c, r, q);
                    if (keep[i] && !keep[i][c]) y[i][k] = 0;
                }
    }
    memcpy(logits, y[net->layer_count - 1], net->classes * sizeof *logits);
    for (size_t i = 0; i < net->layer_count; i++) free(y[i]);
    free(y);
}

void plain_forward(const moda_model *model, const float *x, const uint8_t *const *keep,
                   double *logits)
{
    const moda_net *net = model->net;
    const uint8_t **masks = calloc(net->layer_count, sizeof *masks);
    for (size_t l = 0; keep && l < net->tracked_count; l++) masks[net->tracked[l]] = keep[l];
    plain_forward_layers(model, x, masks, logits);
    free(masks);
}
