#include "decompose/sweep_check.h"
#include "decompose/subtasks.h"
#include "decompose/test_data.h"
#include "engine/method.h"
#include "engine/model.h"
#include <stdlib.h>

/* Of the model that will be trained. */
static moda_status open_model(const moda_sweep_subject *s, const moda_dataset *data,
                              moda_model **model)
{
    moda_status st = MODA_OK;
    const moda_images *x = &data->train;
    const moda_net_defaults defaults = {{x->channels, x->height, x->width}, data->classes};
    moda_net *net;
    MODA_TRY(moda_method_net(MODA_METHOD_MODA, s->network, defaults, &net));
    MODA_TRY(moda_model_create(net, model));
    MODA_TRY(moda_model_describe_data(*model, data));
out:
    return st;
}

static moda_status check_sub_tasks(const moda_sweep_subject *s, const moda_dataset *data,
                                   const moda_model *model)
{
    moda_status st = MODA_OK;
    const bool some = s->data->classes.n && !s->data->relabel;
    const size_t n = some ? s->data->classes.n : data->classes;
    moda_subtasks *subtasks = NULL;
    size_t *outputs = NULL;
    MODA_ALLOC(outputs, n * sizeof *outputs);
    for (size_t i = 0; i < n; i++) outputs[i] = some ? s->data->classes.values[i] : i;
    const moda_subtask_choice choice = {outputs, n, s->sizes, s->sample, s->seed};
    MODA_TRY(moda_subtasks_open(s->sub_tasks, model, &choice, &subtasks));
out:
    moda_subtasks_destroy(subtasks);
    free(outputs);
    return st;
}

moda_status moda_sweep_check(const moda_sweep_subject *s)
{
    moda_status st = MODA_OK;
    moda_dataset *data = NULL;
    moda_model *model = NULL, *standard = NULL;
    MODA_TRY(moda_data_options_open(s->data, s->seed, &data));
    MODA_CHECK(data->test.n > 0, MODA_ERR_ARG,
               "%s has no test images (of these classes): name data that has", s->data->spec);
    MODA_TRY(open_model(s, data, &model));
    MODA_TRY(check_sub_tasks(s, data, model));
    const moda_test_data test = {.spec = s->data->spec, .data = data};
    MODA_TRY(moda_test_data_standard(s->standard, model, &test, &standard));
out:
    moda_model_destroy(standard);
    moda_model_destroy(model);
    moda_dataset_destroy(data);
    return st;
}
