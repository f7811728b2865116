/* engine/net_parameters.c - the tensors of a network's state dict, with PyTorch's names, shapes. */
#include "engine/net_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const role_names[] = {
    [MODA_WEIGHT] = "weight",
    [MODA_BIAS] = "bias",
    [MODA_RUNNING_MEAN] = "running_mean",
    [MODA_RUNNING_VAR] = "running_var",
};

/* Appends one tensor; the list has room. */
static moda_status append(moda_parameter_list *list, const moda_net *net, size_t layer,
                          moda_parameter_role role, size_t rank, const size_t *shape)
{
    moda_status st = MODA_OK;
    const char *prefix = net->layers[layer].name;
    moda_parameter p = {.layer = layer, .role = role, .rank = rank, .elements = 1};
    const size_t bytes = strlen(prefix) + sizeof "running_mean" + 1;
    MODA_ALLOC(p.name, bytes);
    snprintf(p.name, bytes, "%s.%s", prefix, role_names[role]);
    for (size_t k = 0; k < rank; k++) p.shape[k] = shape[k], p.elements *= shape[k];
    p.offset = list->elements;
    list->elements += p.elements;
    if (role == MODA_WEIGHT || role == MODA_BIAS) list->trainable += p.elements;
    list->items[list->count++] = p;
out:
    return st;
}

static moda_status append_layer(moda_parameter_list *list, const moda_net *net, size_t i)
{
    moda_status st = MODA_OK;
    const moda_layer *l = &net->layers[i];
    const moda_shape in = net->layers[l->input[0]].shape;
    const size_t outputs[1] = {l->shape.c};
    switch (l->kind) {
    case MODA_LAYER_CONV:
        MODA_TRY(append(list, net, i, MODA_WEIGHT, 4,
                        (size_t[]){l->shape.c, in.c / l->groups, l->kernel, l->kernel}));
        if (l->bias) MODA_TRY(append(list, net, i, MODA_BIAS, 1, outputs));
        break;
    case MODA_LAYER_LINEAR:
        MODA_TRY(append(list, net, i, MODA_WEIGHT, 2, (size_t[]){l->shape.c, in.c * in.h * in.w}));
        if (l->bias) MODA_TRY(append(list, net, i, MODA_BIAS, 1, outputs));
        break;
    case MODA_LAYER_BATCHNORM:
        for (int role = MODA_WEIGHT; role <= MODA_RUNNING_VAR; role++)
            MODA_TRY(append(list, net, i, (moda_parameter_role)role, 1, outputs));
        break;
    default: break;
    }
out:
    return st;
}

moda_status moda_net_parameters(const moda_net *net, moda_parameter_list *list)
{
    moda_status st = MODA_OK;
    moda_parameter_list made = {0};
    MODA_ALLOC(made.items, net->layer_count * 4 * sizeof *made.items);
    for (size_t i = 1; i < net->layer_count; i++) MODA_TRY(append_layer(&made, net, i));
    *list = made, made = (moda_parameter_list){0};
out:
    moda_parameter_list_free(&made);
    return st;
}

void moda_parameter_list_free(moda_parameter_list *list)
{
    for (size_t i = 0; i < list->count; i++) free(list->items[i].name);
    free(list->items);
    *list = (moda_parameter_list){0};
}
