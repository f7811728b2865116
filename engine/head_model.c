/* engine/head_model.c - the trunk of a model, run over images to give what its last layer reads. */
#include "datasets/batch.h"
#include "engine/evaluate.h"
#include "engine/head_internal.h"
#include <stdlib.h>
#include <string.h>

typedef struct trunk {
    moda_model *model;
    moda_runner *runner;
    moda_batches *batches;
    const uint32_t *output_of; /* [classes of the data], NULL: labels stay as they are */
    size_t features;           /* of one sample */
} trunk;

static moda_shape trunk_shape(const moda_net *net)
{
    return net->layers[net->layer_count - 2].shape;
}

/* Parameters stand in the order of the layers, so those of the trunk are a prefix of the model's. */
static moda_status create_trunk(const moda_model *model, size_t batch_size, trunk *t)
{
    moda_status st = MODA_OK;
    moda_net *net = NULL;
    const moda_shape out = trunk_shape(model->net);
    MODA_TRY(moda_net_piece(model->net, 0, model->net->layer_count - 2, &net));
    MODA_TRY(moda_model_create(net, &t->model)); /* takes the net, also when it fails */
    memcpy(t->model->values, model->values,
           t->model->parameters.elements * sizeof *t->model->values);
    MODA_TRY(moda_runner_create(t->model, batch_size, NULL, NULL, &t->runner));
    t->features = out.c * out.h * out.w;
out:
    return st;
}

static moda_status create_batches(const moda_model *model, const moda_images *images,
                                  const moda_batch_options *options, trunk *t)
{
    moda_status st = MODA_OK;
    const moda_shape in = model->net->input;
    moda_batch_options o = *options;
    MODA_CHECK(images->n, MODA_ERR_ARG, "no images to train the last layer on");
    MODA_CHECK(images->channels == in.c && images->height == in.h && images->width == in.w,
               MODA_ERR_ARG, "images are %zux%zux%zu, network %s wants %zux%zux%zu",
               images->channels, images->height, images->width, model->net->name, in.c, in.h, in.w);
    memcpy(o.mean, model->mean, sizeof o.mean);
    memcpy(o.std, model->std, sizeof o.std);
    MODA_TRY(moda_batches_create(images, &o, &t->batches));
out:
    return st;
}

static void destroy_trunk(trunk *t)
{
    moda_batches_destroy(t->batches);
    moda_runner_destroy(t->runner);
    moda_model_destroy(t->model);
}

static void start_epoch(void *user, size_t epoch)
{
    moda_batches_start_epoch(((trunk *)user)->batches, epoch);
}

/* A last smaller batch leaves old samples behind it in the trunk's input; what they give is not
 * looked at. */
static moda_status fill(void *user, size_t step, float *features, uint32_t *labels, size_t *count)
{
    moda_status st = MODA_OK;
    const trunk *t = user;
    moda_executor *e = moda_runner_executor(t->runner);
    const size_t n = moda_batches_fill(t->batches, step, moda_executor_input(e), labels);
    MODA_TRY(moda_executor_forward(e));
    memcpy(features, moda_executor_logits(e), n * t->features * sizeof *features);
    for (size_t i = 0; t->output_of && i < n; i++) labels[i] = t->output_of[labels[i]];
    *count = n;
out:
    return st;
}

moda_status moda_head_features(const moda_model *model, const moda_images *images,
                               size_t batch_size, float *features)
{
    moda_status st = MODA_OK;
    const moda_batch_options options = {.batch_size = batch_size};
    trunk t = {0};
    uint32_t *labels = NULL;
    size_t count;
    MODA_TRY(create_trunk(model, batch_size, &t));
    MODA_TRY(create_batches(model, images, &options, &t));
    MODA_ALLOC(labels, batch_size * sizeof *labels);
    for (size_t step = 0; step < moda_batches_per_epoch(t.batches); step++)
        MODA_TRY(fill(&t, step, features + step * batch_size * t.features, labels, &count));
out:
    free(labels);
    destroy_trunk(&t);
    return st;
}

/* ---- training ---- */

/* output_of [data->classes]: which output has a class; all labels of the training split have one. */
static moda_status map_classes(const moda_model *model, const moda_dataset *data,
                               uint32_t *output_of)
{
    moda_status st = MODA_OK;
    const size_t outputs = model->net->classes;
    for (size_t c = 0; c < data->classes; c++) output_of[c] = UINT32_MAX;
    for (size_t k = 0; k < outputs; k++)
        if (model->class_ids[k] < data->classes) output_of[model->class_ids[k]] = (uint32_t)k;
    for (size_t i = 0; i < data->train.n; i++)
        MODA_CHECK(output_of[data->train.labels[i]] != UINT32_MAX, MODA_ERR_ARG,
                   "%s: network %s has no output for class %u: leave the class out of the data",
                   data->name, model->net->name, data->train.labels[i]);
out:
    return st;
}

static moda_status train_stored(moda_model *model, const moda_dataset *data,
                                const moda_head_options *options, const uint32_t *output_of,
                                float *weight, float *bias, moda_head_record *last)
{
    moda_status st = MODA_OK;
    const moda_shape shape = trunk_shape(model->net);
    const size_t n = data->train.n;
    float *features = NULL;
    uint32_t *labels = NULL;
    MODA_ALLOC(features, n * shape.c * shape.h * shape.w * sizeof *features);
    MODA_ALLOC(labels, n * sizeof *labels);
    for (size_t i = 0; i < n; i++) labels[i] = output_of[data->train.labels[i]];
    MODA_TRY(moda_head_features(model, &data->train, options->batch_size, features));
    const moda_head_samples samples = {n, shape, features, labels};
    MODA_TRY(moda_head_train(&samples, model->net->classes, options, weight, bias, last));
out:
    free(features);
    free(labels);
    return st;
}

static moda_status train_augmented(moda_model *model, const moda_dataset *data,
                                   const moda_head_options *options, const uint32_t *output_of,
                                   float *weight, float *bias, moda_head_record *last)
{
    moda_status st = MODA_OK;
    const moda_batch_options batches = {.batch_size = options->batch_size,
                                        .shuffle = options->shuffle,
                                        .crop_padding =
                                            data->crop_resized ? 0 : options->crop_padding,
                                        .crop_resized = data->crop_resized,
                                        .flip = data->flip,
                                        .seed = options->seed};
    trunk t = {.output_of = output_of};
    const moda_head_source source = {&t, data->train.n, start_epoch, fill};
    MODA_TRY(create_trunk(model, options->batch_size, &t));
    MODA_TRY(create_batches(model, &data->train, &batches, &t));
    MODA_TRY(moda_head_train_source(&source, trunk_shape(model->net), model->net->classes, options,
                                    weight, bias, last));
out:
    destroy_trunk(&t);
    return st;
}

moda_status moda_head_train_model(moda_model *model, const moda_dataset *data,
                                  const moda_head_options *options, moda_head_record *last)
{
    moda_status st = MODA_OK;
    const moda_layer *layer = &model->net->layers[model->net->layer_count - 1];
    uint32_t *output_of = NULL;
    MODA_CHECK(layer->kind == MODA_LAYER_LINEAR, MODA_ERR_ARG,
               "network %s does not end in a linear layer: only that can be trained alone",
               model->net->name);
    MODA_CHECK(options->batch_size, MODA_ERR_ARG, "batch size 0: it must be at least 1");
    MODA_ALLOC(output_of, data->classes * sizeof *output_of);
    MODA_TRY(map_classes(model, data, output_of));
    /* The last parameters of the list: weight and, if there is one, bias. */
    const moda_parameter *p = model->parameters.items + model->parameters.count - 1 - layer->bias;
    float *weight = model->values + p[0].offset;
    float *bias = layer->bias ? model->values + p[1].offset : NULL;
    MODA_TRY((options->augment ? train_augmented : train_stored)(model, data, options, output_of,
                                                                 weight, bias, last));
out:
    free(output_of);
    return st;
}
