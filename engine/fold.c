#include "engine/fold.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Whether layer i is a batch norm that its input can take in. */
static bool folds(const moda_net *net, size_t i)
{
    const moda_layer *layer = &net->layers[i];
    if (layer->kind != MODA_LAYER_BATCHNORM) return false;
    const moda_layer_kind before = net->layers[layer->input[0]].kind;
    return (before == MODA_LAYER_CONV || before == MODA_LAYER_LINEAR) &&
           moda_net_consumers(net, layer->input[0]) == 1;
}

/* Takes folded layers out of a net of its own; place [layer_count] is scratch. */
static void drop_layers(moda_net *net, size_t *place)
{
    size_t count = 0;
    const size_t all = net->layer_count;
    for (size_t i = 0; i < all; i++) { /* from the old array: readers are counted in it */
        const size_t input = net->layers[i].input[0];
        place[i] = folds(net, i) ? (size_t)-1 : count++;
        if (place[i] == (size_t)-1) net->layers[input].bias = true;
    }
    for (size_t i = 0; i < all; i++) /* whoever read the batch norm reads what is before it */
        if (place[i] == (size_t)-1) place[i] = place[net->layers[i].input[0]];
    for (size_t i = 0, to = 0; i < all; i++) {
        moda_layer layer = net->layers[i];
        if (place[i] != to) {
            free(layer.name);
            free(layer.channels);
            continue;
        }
        for (size_t k = 0; k < 2; k++) layer.input[k] = place[layer.input[k]];
        net->layers[to++] = layer;
    }
    net->layer_count = count;
}

/* It goes through its description twice: once for a copy to change, once so that the parser checks
 * what was changed. */
static moda_status fold_net(const moda_net *net, moda_net **folded)
{
    moda_status st = MODA_OK;
    moda_net *changed = NULL;
    size_t *place = NULL;
    MODA_ALLOC(place, net->layer_count * sizeof *place);
    MODA_TRY(moda_net_copy(net, &changed));
    drop_layers(changed, place);
    MODA_TRY(moda_net_copy(changed, folded));
out:
    moda_net_destroy(changed);
    free(place);
    return st;
}

/* Values of a layer's parameter, NULL if it has none of that role. */
static float *values_of(const moda_model *model, size_t layer, moda_parameter_role role,
                        size_t *elements)
{
    for (size_t i = 0; i < model->parameters.count; i++) {
        const moda_parameter *p = &model->parameters.items[i];
        if (p->layer != layer || p->role != role) continue;
        *elements = p->elements;
        return model->values + p->offset;
    }
    return NULL;
}

static size_t layer_called(const moda_net *net, const char *name)
{
    size_t i = 0;
    while (i < net->layer_count && strcmp(net->layers[i].name, name) != 0) i++;
    return i;
}

/* Batch norm `norm` of model into its layer of folded. In f64: rounded once. */
static void fold_values(const moda_model *model, size_t norm, moda_model *folded)
{
    const moda_layer *layer = &model->net->layers[norm];
    const char *name = model->net->layers[layer->input[0]].name;
    const size_t target = layer_called(folded->net, name);
    size_t channels = 1, elements = 0;
    const float *scale = values_of(model, norm, MODA_WEIGHT, &channels);
    const float *shift = values_of(model, norm, MODA_BIAS, &channels);
    const float *mean = values_of(model, norm, MODA_RUNNING_MEAN, &channels);
    const float *variance = values_of(model, norm, MODA_RUNNING_VAR, &channels);
    float *weight = values_of(folded, target, MODA_WEIGHT, &elements);
    float *bias = values_of(folded, target, MODA_BIAS, &channels);
    const size_t row = elements / channels;
    for (size_t o = 0; o < channels; o++) {
        const double s = (double)scale[o] / sqrt((double)variance[o] + layer->eps);
        for (size_t k = o * row; k < (o + 1) * row; k++) weight[k] = (float)(s * (double)weight[k]);
        bias[o] = (float)(s * ((double)bias[o] - (double)mean[o]) + (double)shift[o]);
    }
}

static moda_status copy_rest(const moda_model *model, moda_model *folded)
{
    moda_status st = MODA_OK;
    memcpy(folded->mean, model->mean, sizeof folded->mean);
    memcpy(folded->std, model->std, sizeof folded->std);
    folded->crop = model->crop;
    for (size_t k = 0; k < model->net->classes; k++) {
        const char *name = model->class_names[k];
        folded->class_ids[k] = model->class_ids[k];
        folded->class_names[k] = name ? strdup(name) : NULL;
        MODA_CHECK(!name || folded->class_names[k], MODA_ERR_NOMEM, "out of memory: a class name");
    }
    if (model->class_numbers) {
        const size_t bytes = model->net->classes * sizeof *model->class_numbers;
        MODA_ALLOC(folded->class_numbers, bytes);
        memcpy(folded->class_numbers, model->class_numbers, bytes);
    }
    if (model->module)
        MODA_CHECK((folded->module = strdup(model->module)) != NULL, MODA_ERR_NOMEM,
                   "out of memory: the description of a module");
out:
    return st;
}

/* Batch norms that follow a convolution or linear layer; of several in a row the first. */
static moda_status fold_once(const moda_model *model, moda_model **result)
{
    moda_status st = MODA_OK;
    moda_net *net = NULL;
    moda_model *folded = NULL;
    MODA_TRY(fold_net(model->net, &net));
    MODA_TRY(moda_model_create(net, &folded)); /* takes the net, also when it fails */
    for (size_t i = 0; i < folded->parameters.count; i++) {
        const moda_parameter *to = &folded->parameters.items[i];
        const moda_parameter *from = moda_model_find(model, to->name);
        if (!from) continue; /* a bias that there was none of: zero */
        memcpy(folded->values + to->offset, model->values + from->offset,
               to->elements * sizeof *folded->values);
    }
    for (size_t i = 0; i < model->net->layer_count; i++)
        if (folds(model->net, i)) fold_values(model, i, folded);
    MODA_TRY(copy_rest(model, folded));
    *result = folded, folded = NULL;
out:
    moda_model_destroy(folded);
    return st;
}

static bool has_more(const moda_net *net)
{
    bool found = false;
    for (size_t i = 0; i < net->layer_count; i++) found |= folds(net, i);
    return found;
}

moda_status moda_fold(const moda_model *model, moda_model **result)
{
    moda_status st = MODA_OK;
    moda_model *folded = NULL, *next = NULL;
    MODA_TRY(fold_once(model, &folded));
    while (has_more(folded->net)) {
        MODA_TRY(fold_once(folded, &next));
        moda_model_destroy(folded);
        folded = next;
    }
    *result = folded, folded = NULL;
out:
    moda_model_destroy(folded);
    return st;
}
