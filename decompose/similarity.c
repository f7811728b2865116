#include "decompose/similarity.h"
#include "engine/evaluate.h"
#include "losses/pairwise.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

double moda_rates_similarity(const moda_rates *rates, size_t l, size_t a, size_t b)
{
    const size_t units = rates->shape.units[l];
    const float *x = rates->values + rates->shape.offset[l] + a * units;
    const float *y = rates->values + rates->shape.offset[l] + b * units;
    double xy = 0, xx = 0, yy = 0;
    for (size_t k = 0; k < units; k++) {
        xy += (double)x[k] * y[k];
        xx += (double)x[k] * x[k];
        yy += (double)y[k] * y[k];
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : 0;
}

/* Activation vectors of all images: one batch after the other, as the executor's tap brings
 * them. */
typedef struct collector {
    const moda_net *net;
    size_t images, at; /* samples of the batch go to at, at+1, ... */
    float **vectors;   /* [layers] -> [images, units] */
    float *batch;      /* [batch, units of the widest layer] */
} collector;

static void collect(void *user, size_t l, moda_map_shape s, const float *x)
{
    collector *c = user;
    const size_t left = c->images - c->at, count = left < s.n ? left : s.n;
    moda_channel_means(s, x, c->batch);
    memcpy(c->vectors[l] + c->at * s.c, c->batch, count * s.c * sizeof *c->batch);
    if (l + 1 == c->net->tracked_count) c->at += count;
}

static moda_status allocate(collector *c, size_t batch)
{
    moda_status st = MODA_OK;
    size_t widest = 0;
    MODA_ALLOC(c->vectors, c->net->tracked_count * sizeof *c->vectors);
    for (size_t l = 0; l < c->net->tracked_count; l++) {
        const size_t units = c->net->layers[c->net->tracked[l]].shape.c;
        MODA_ALLOC(c->vectors[l], c->images * units * sizeof **c->vectors);
        if (units > widest) widest = units;
    }
    MODA_ALLOC(c->batch, batch * widest * sizeof *c->batch);
out:
    return st;
}

/* Outputs for labels; samples of other classes go into a class of their own behind the last. */
static moda_status find_outputs(const moda_model *model, const moda_images *images,
                                uint32_t **outputs)
{
    moda_status st = MODA_OK;
    MODA_ALLOC(*outputs, images->n * sizeof **outputs);
    for (size_t i = 0; i < images->n; i++) {
        uint32_t k = 0;
        while (k < model->net->classes && model->class_ids[k] != images->labels[i]) k++;
        (*outputs)[i] = k;
    }
out:
    return st;
}

moda_status moda_activation_similarity(const moda_model *model, const moda_images *images,
                                       size_t batch_size, double *matrix)
{
    moda_status st = MODA_OK;
    const size_t classes = model->net->classes, all = classes + 1;
    const size_t batch = batch_size < images->n ? batch_size : images->n;
    collector c = {.net = model->net, .images = images->n};
    moda_runner *runner = NULL;
    moda_evaluation unused;
    uint32_t *outputs = NULL;
    double *square = NULL;
    MODA_CHECK(images->n, MODA_ERR_ARG, "no image in this split: name another");
    MODA_TRY(allocate(&c, batch));
    MODA_ALLOC(square, all * all * sizeof *square);
    MODA_TRY(find_outputs(model, images, &outputs));
    MODA_TRY(moda_runner_create(model, batch, collect, &c, &runner));
    MODA_TRY(moda_evaluate(moda_runner_executor(runner), model, images, NULL, &unused));
    for (size_t l = 0; l < model->net->tracked_count; l++) {
        const size_t units = model->net->layers[model->net->tracked[l]].shape.c;
        MODA_TRY(moda_pairwise_similarity(images->n, units, all, c.vectors[l], outputs, square,
                                          NULL, NULL, NULL));
        for (size_t i = 0; i < classes; i++)
            memcpy(matrix + (l * classes + i) * classes, square + i * all,
                   classes * sizeof *matrix);
    }
out:
    moda_runner_destroy(runner);
    for (size_t l = 0; c.vectors && l < model->net->tracked_count; l++) free(c.vectors[l]);
    free(c.vectors);
    free(c.batch);
    free(outputs);
    free(square);
    return st;
}
