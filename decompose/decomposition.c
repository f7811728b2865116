#include "decompose/decomposition.h"
#include "decompose/compose.h"
#include "decompose/diagnosis.h"
#include "decompose/metrics.h"
#include "decompose/strip.h"
#include <stdlib.h>

static void measure_modules(const moda_model *model, const moda_net *net, moda_kept *const *kept,
                            moda_decomposition *d)
{
    for (size_t k = 0; k < d->classes; k++) {
        moda_module_figures *m = &d->modules[k];
        m->class_number = model->class_ids[k];
        m->name = model->class_names[k];
        m->neurons = moda_module_neurons(kept[k]);
        m->parameters = moda_module_parameters(net, kept[k]);
        m->flops = moda_module_flops(net, kept[k]);
        d->mean_size += (double)m->parameters / (double)d->model_parameters / (double)d->classes;
        d->mean_flops += (double)m->flops / (double)d->model_flops / (double)d->classes;
    }
}

static void measure_pairs(const moda_net *net, moda_kept *const *kept, moda_decomposition *d)
{
    size_t k = d->classes;
    double sum = 0;
#pragma omp parallel for schedule(dynamic, 1)
    for (size_t i = 0; i < k; i++)
        for (size_t j = i; j < k; j++) {
            double share = (double)moda_module_shared(net, kept[i], kept[j]);
            d->overlap[i * k + j] = d->overlap[j * k + i] = share / (double)d->model_parameters;
        }
    for (size_t i = 0; i < k; i++)
        for (size_t j = i + 1; j < k; j++) sum += d->overlap[i * k + j];
    d->mean_overlap = k > 1 ? sum / ((double)k * (double)(k - 1) / 2) : 0;
}

moda_status moda_decomposition_measure(const moda_model *model, const moda_masks *masks,
                                       moda_decomposition **result)
{
    moda_status st = MODA_OK;
    moda_model *plain = NULL;
    moda_decomposition *d = NULL;
    moda_kept **kept = NULL;
    MODA_TRY(moda_model_strip(model, &plain));
    const moda_net *net = plain ? plain->net : model->net;
    MODA_ALLOC(d, sizeof *d);
    *d = (moda_decomposition){.mwt = masks->shape.mwt,
                              .tau = masks->tau,
                              .min_active = masks->min_active,
                              .rule = masks->rule,
                              .model_neurons = moda_class_tables_units(&masks->shape),
                              .model_parameters = moda_network_parameters(net),
                              .model_flops = moda_network_flops(net),
                              .classes = net->classes};
    MODA_ALLOC(d->modules, d->classes * sizeof *d->modules);
    MODA_ALLOC(d->overlap, d->classes * d->classes * sizeof *d->overlap);
    MODA_ALLOC(kept, d->classes * sizeof *kept);
    for (size_t k = 0; k < d->classes; k++) {
        st = moda_kept_of_classes(net, masks, &k, 1, &kept[k]);
        if (st != MODA_OK) st = moda_fail_context(st, "class %u", model->class_ids[k]);
        MODA_TRY(st);
    }
    measure_modules(model, net, kept, d);
    measure_pairs(net, kept, d);
    *result = d, d = NULL;
out:
    for (size_t k = 0; kept && k < model->net->classes; k++) moda_kept_destroy(kept[k]);
    free(kept);
    moda_model_destroy(plain);
    moda_decomposition_destroy(d);
    return st;
}

void moda_decomposition_destroy(moda_decomposition *d)
{
    if (!d) return;
    free(d->modules);
    free(d->overlap);
    free(d);
}

static json_t *module_json(const moda_decomposition *d, const moda_module_figures *m)
{
    json_t *object = json_object();
    int bad = json_object_set_new(object, "class", json_integer((json_int_t)m->class_number));
    bad |= json_object_set_new(object, "name", moda_json_text(m->name));
    bad |= json_object_set_new(object, "neurons", json_integer((json_int_t)m->neurons));
    bad |= json_object_set_new(object, "parameters", json_integer((json_int_t)m->parameters));
    bad |= json_object_set_new(
        object, "size", moda_json_number((double)m->parameters / (double)d->model_parameters));
    bad |= json_object_set_new(object, "flops",
                               moda_json_number((double)m->flops / (double)d->model_flops));
    bad |= json_object_set_new(object, "multiply_adds", json_integer((json_int_t)m->flops));
    if (bad) json_decref(object);
    return bad ? NULL : object;
}

moda_status moda_decomposition_json(const moda_decomposition *d, json_t **result)
{
    moda_status st = MODA_OK;
    json_t *report = json_object(), *modules = json_array(), *overlap = json_array();
    char rule[MODA_ACTIVITY_TEXT];
    int bad = d->mwt ? json_object_set_new(report, "method", json_string("mwt")) : 0;
    bad |= json_object_set_new(report, "tau", moda_json_number(d->tau));
    moda_activity_rule_print(d->rule, rule);
    if (!d->mwt) {
        bad |= json_object_set_new(report, "min_active", moda_json_number(d->min_active));
        bad |= json_object_set_new(report, "activity", json_string(rule));
    }
    bad |= json_object_set_new(report, "model_parameters",
                               json_integer((json_int_t)d->model_parameters));
    bad |= json_object_set_new(report, "model_multiply_adds",
                               json_integer((json_int_t)d->model_flops));
    bad |= json_object_set_new(report, "model_neurons", json_integer((json_int_t)d->model_neurons));
    for (size_t i = 0; i < d->classes; i++) {
        json_t *row = json_array();
        for (size_t j = 0; j < d->classes; j++)
            bad |= json_array_append_new(row, moda_json_number(d->overlap[i * d->classes + j]));
        bad |= json_array_append_new(overlap, row);
        bad |= json_array_append_new(modules, module_json(d, &d->modules[i]));
    }
    bad |= json_object_set(report, "modules", modules);
    bad |= json_object_set_new(report, "mean_size", moda_json_number(d->mean_size));
    bad |= json_object_set_new(report, "mean_flops", moda_json_number(d->mean_flops));
    bad |= json_object_set_new(report, "mean_overlap", moda_json_number(d->mean_overlap));
    bad |= json_object_set(report, "overlap", overlap);
    if (d->diagnosis)
        bad |= json_object_set_new(report, "diagnosis", moda_diagnosis_json(d->diagnosis));
    MODA_CHECK(!bad, MODA_ERR_NOMEM, "out of memory: the report of a decomposition");
    *result = json_incref(report);
out:
    json_decref(modules);
    json_decref(overlap);
    json_decref(report);
    return st;
}
