#include "decompose/subtask_head.h"
#include "decompose/describe_as.h"
#include "decompose/pick_images.h"
#include "engine/evaluate.h"
#include "engine/head.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char relu_name[] = "module_head.0", linear_name[] = "module_head.1";

moda_status moda_subtask_head_train(size_t n, size_t inputs, size_t outputs, float *z,
                                    const uint32_t *labels, size_t epochs, uint64_t seed,
                                    moda_subtask_head *result)
{
    moda_status st = MODA_OK;
    moda_subtask_head head = {.inputs = inputs, .outputs = outputs};
    const moda_head_samples samples = {n, {inputs, 1, 1}, z, labels};
    const moda_head_options options = {
        .epochs = epochs, .batch_size = 128, .sgd = {0.05, 0.9, 0}, .shuffle = true, .seed = seed};
    MODA_ALLOC(head.weight, outputs * inputs * sizeof *head.weight);
    MODA_ALLOC(head.bias, outputs * sizeof *head.bias);
    for (size_t i = 0; i < n * inputs; i++) z[i] = z[i] > 0 ? z[i] : 0;
    MODA_TRY(moda_head_train(&samples, outputs, &options, head.weight, head.bias, NULL));
    *result = head, head = (moda_subtask_head){0};
out:
    moda_subtask_head_free(&head);
    return st;
}

/* Images of the classes, class by class; labels are numbers in the list. */
static moda_status pick_images(const moda_model *trunk, const size_t *classes, size_t count,
                               const moda_images *images, const char *source, moda_images *picked)
{
    moda_status st = MODA_OK;
    moda_images some = {0};
    uint32_t *list = NULL, *labels = NULL;
    size_t n = 0;
    MODA_ALLOC(list, images->n * sizeof *list);
    MODA_ALLOC(labels, images->n * sizeof *labels);
    for (size_t k = 0; k < count; k++) {
        const size_t before = n;
        const uint32_t id = trunk->class_ids[classes[k]];
        for (size_t i = 0; i < images->n; i++)
            if (images->labels[i] == id) list[n] = (uint32_t)i, labels[n++] = (uint32_t)k;
        MODA_CHECK(n > before, MODA_ERR_ARG,
                   "%s: no training image of class %u, so the head cannot learn it: name data that "
                   "has every class",
                   source, id);
    }
    MODA_TRY(moda_images_pick(images, list, n, &some));
    memcpy(some.labels, labels, n * sizeof *labels);
    *picked = some, some = (moda_images){0};
out:
    moda_images_free_picked(&some);
    free(list);
    free(labels);
    return st;
}

moda_status moda_subtask_head_learn(const moda_model *trunk, const size_t *classes, size_t count,
                                    const moda_images *images, const char *source, size_t epochs,
                                    uint64_t seed, moda_subtask_head *head)
{
    enum { BATCH = 128 };
    moda_status st = MODA_OK;
    const size_t inputs = trunk->net->classes;
    moda_images some = {0};
    moda_runner *runner = NULL;
    moda_evaluation result;
    float *z = NULL;
    MODA_TRY(pick_images(trunk, classes, count, images, source, &some));
    MODA_ALLOC(z, some.n * inputs * sizeof *z);
    MODA_TRY(moda_runner_create(trunk, some.n < BATCH ? some.n : BATCH, NULL, NULL, &runner));
    const moda_evaluation_wish wish = {.logits = z, .label = "training images"};
    MODA_TRY(moda_evaluate(moda_runner_executor(runner), trunk, &some, &wish, &result));
    MODA_TRY(moda_subtask_head_train(some.n, inputs, count, z, some.labels, epochs, seed, head));
out:
    moda_runner_destroy(runner);
    moda_images_free_picked(&some);
    free(z);
    return st;
}

void moda_subtask_head_free(moda_subtask_head *head)
{
    free(head->weight);
    free(head->bias);
    *head = (moda_subtask_head){0};
}

size_t moda_subtask_head_predict(const moda_subtask_head *head, const float *z)
{
    size_t best = 0;
    float most = -INFINITY;
    for (size_t k = 0; k < head->outputs; k++) {
        float sum = head->bias[k];
        for (size_t i = 0; i < head->inputs; i++)
            sum += head->weight[k * head->inputs + i] * (z[i] > 0 ? z[i] : 0);
        if (sum > most) most = sum, best = k;
    }
    return best;
}

size_t moda_subtask_head_parameters(size_t inputs, size_t outputs)
{
    return (inputs + 1) * outputs;
}

uint64_t moda_subtask_head_flops(size_t inputs, size_t outputs)
{
    return (uint64_t)inputs * outputs;
}

/* ---- the composed network ---- */

/* A layer at the end of the network, in the place that is left there. */
static moda_status append(moda_net *net, const char *name, moda_layer layer)
{
    moda_status st = MODA_OK;
    layer.input[0] = net->layer_count - 1;
    MODA_CHECK((layer.name = strdup(name)) != NULL, MODA_ERR_NOMEM, "out of memory: a layer");
    net->layers[net->layer_count++] = layer;
out:
    return st;
}

static moda_status extend_net(const moda_net *trunk, size_t outputs, moda_net **result)
{
    moda_status st = MODA_OK;
    moda_net *net = NULL;
    moda_layer *more = NULL;
    MODA_TRY(moda_net_copy(trunk, &net));
    more = realloc(net->layers, (net->layer_count + 2) * sizeof *more);
    MODA_CHECK(more, MODA_ERR_NOMEM, "out of memory: %zu layers", net->layer_count + 2);
    net->layers = more;
    MODA_TRY(append(net, relu_name, (moda_layer){.kind = MODA_LAYER_RELU}));
    MODA_TRY(append(net, linear_name,
                    (moda_layer){.kind = MODA_LAYER_LINEAR,
                                 .shape = {outputs, 1, 1},
                                 .bias = true,
                                 .init = net->linear_init,
                                 .bias_init = NAN}));
    net->classes = outputs;
    MODA_TRY(moda_net_copy(net, result)); /* shapes are inferred, and all is checked */
out:
    moda_net_destroy(net);
    return st;
}

moda_status moda_subtask_head_attach(const moda_model *trunk, const moda_subtask_head *head,
                                     const size_t *classes, moda_model **composed)
{
    moda_status st = MODA_OK;
    moda_net *net = NULL;
    moda_model *model = NULL;
    MODA_TRY(extend_net(trunk->net, head->outputs, &net));
    MODA_TRY(moda_model_create(net, &model)); /* takes the net, also when it fails */
    float *behind = model->values + trunk->parameters.elements;
    memcpy(model->values, trunk->values, trunk->parameters.elements * sizeof *behind);
    memcpy(behind, head->weight, head->outputs * head->inputs * sizeof *behind);
    memcpy(behind + head->outputs * head->inputs, head->bias, head->outputs * sizeof *behind);
    MODA_TRY(moda_model_describe_as(model, trunk, classes));
    MODA_CHECK(!trunk->module || (model->module = strdup(trunk->module)) != NULL, MODA_ERR_NOMEM,
               "out of memory: the description of a module");
    *composed = model, model = NULL;
out:
    moda_model_destroy(model);
    return st;
}
