#include "decompose/slice.h"
#include "base/json.h"
#include "decompose/metrics.h"
#include "decompose/slice_internal.h"
#include <stdlib.h>
#include <string.h>

/* to [rows, columns, run] := from [.., in->of, run], rows and columns by number. in NULL: there is
 * one column, as in vectors and depthwise convolutions. */
static void gather(const float *from, const moda_channels *out, const moda_channels *in, size_t run,
                   float *to)
{
    size_t columns = in ? in->count : 1, stride = (in ? in->of : 1) * run;
    for (size_t r = 0; r < out->count; r++) {
        const float *row = from + out->index[r] * stride;
        float *into = to + r * columns * run;
        if (!in)
            memcpy(into, row, run * sizeof *into);
        else if (run == 1)
            for (size_t c = 0; c < columns; c++) into[c] = row[in->index[c]];
        else
            for (size_t c = 0; c < columns; c++)
                memcpy(into + c * run, row + in->index[c] * run, run * sizeof *into);
    }
}

/* Of layers first .. last. */
static moda_status slice_weights(const moda_model *model, const moda_kept *kept, size_t first,
                                 size_t last, moda_model *module)
{
    moda_status st = MODA_OK;
    const moda_parameter_list *whole = &model->parameters, *part = &module->parameters;
    MODA_CHECK(whole->count == part->count, MODA_ERR_INTERNAL,
               "%s: a module of it has %zu tensors instead of %zu", model->net->name, part->count,
               whole->count);
    for (size_t i = 0; i < whole->count; i++) {
        const moda_parameter *p = &whole->items[i], *q = &part->items[i];
        if (p->layer < first || p->layer > last) continue;
        bool matrix = p->rank > 1;
        const moda_channels *out = &kept->out[p->layer], *in = matrix ? kept->in[p->layer] : NULL;
        size_t run = matrix ? moda_kept_run(model->net, p->layer) : 1;
        MODA_CHECK(q->elements == out->count * (in ? in->count : 1) * run &&
                       !strcmp(p->name, q->name),
                   MODA_ERR_INTERNAL,
                   "%s: tensor '%s' [%zu elements] does not fit the module's "
                   "'%s' [%zu]",
                   model->net->name, p->name, p->elements, q->name, q->elements);
        gather(model->values + p->offset, out, in, run, module->values + q->offset);
    }
out:
    return st;
}

/* What output k of the module stands for. */
static moda_status name_classes(const moda_model *model, const moda_channels *classes,
                                moda_model *module)
{
    moda_status st = MODA_OK;
    if (model->class_numbers)
        MODA_ALLOC(module->class_numbers, classes->count * sizeof *module->class_numbers);
    for (size_t k = 0; k < classes->count; k++) {
        const char *name = model->class_names[classes->index[k]];
        module->class_ids[k] = model->class_ids[classes->index[k]];
        if (model->class_numbers)
            module->class_numbers[k] = model->class_numbers[classes->index[k]];
        free(module->class_names[k]);
        module->class_names[k] = name ? strdup(name) : NULL;
        MODA_CHECK(!name || module->class_names[k], MODA_ERR_NOMEM, "out of memory: a class name");
    }
out:
    return st;
}

static json_t *numbers(const moda_channels *set, const uint32_t *of)
{
    json_t *list = json_array();
    for (size_t i = 0; i < set->count; i++) {
        uint32_t number = of ? of[set->index[i]] : set->index[i];
        if (json_array_append_new(list, json_integer((json_int_t)number)) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static moda_status describe(const moda_model *model, const moda_kept *kept, double tau, char **text)
{
    moda_status st = MODA_OK;
    const moda_net *net = model->net;
    const moda_channels *classes = &kept->out[net->layer_count - 1];
    json_t *module = json_object(), *layers = json_array();
    int bad = json_object_set_new(module, "parent_parameters",
                                  json_integer((json_int_t)moda_network_parameters(net)));
    bad |= json_object_set_new(module, "parent_flops",
                               json_integer((json_int_t)moda_network_flops(net)));
    bad |= json_object_set_new(module, "tau", moda_json_number(tau));
    bad |= json_object_set_new(module, "classes", numbers(classes, model->class_ids));
    for (size_t l = 0; l < kept->site_count; l++)
        bad |= json_array_append_new(layers, numbers(&kept->out[kept->sites[l]], NULL));
    bad |= json_object_set(module, "kept", layers);
    MODA_CHECK(!bad && (*text = moda_json_line(module)) != NULL, MODA_ERR_NOMEM,
               "out of memory: the description of a module");
out:
    json_decref(layers);
    json_decref(module);
    return st;
}

moda_status moda_slice_part(const moda_model *model, const moda_kept *kept, size_t first,
                            size_t last, moda_model **result)
{
    moda_status st = MODA_OK;
    moda_net *net = NULL;
    moda_model *module = NULL;
    MODA_TRY(moda_slice_net(model->net, kept, &net));
    MODA_TRY(moda_model_create(net, &module)); /* takes the net, also when it fails */
    MODA_TRY(slice_weights(model, kept, first, last, module));
    *result = module, module = NULL;
out:
    moda_model_destroy(module);
    return st;
}

moda_status moda_slice(const moda_model *model, const moda_kept *kept, double tau,
                       moda_model **result)
{
    moda_status st = MODA_OK;
    moda_model *module = NULL;
    MODA_TRY(moda_slice_part(model, kept, 0, model->net->layer_count - 1, &module));
    MODA_TRY(name_classes(model, &kept->out[model->net->layer_count - 1], module));
    memcpy(module->mean, model->mean, sizeof module->mean);
    memcpy(module->std, model->std, sizeof module->std);
    module->crop = model->crop;
    MODA_TRY(describe(model, kept, tau, &module->module));
    *result = module, module = NULL;
out:
    moda_model_destroy(module);
    return st;
}
