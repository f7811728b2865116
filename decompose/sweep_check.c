#include "decompose/sweep_check.h"
#include "decompose/reuse.h"
#include "decompose/subtasks.h"
#include "decompose/test_data.h"
#include "engine/method.h"
#include "engine/model.h"
#include "engine/model_data.h"
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

/* As moda reuse opens them. */
static moda_status open_sub_tasks(const moda_sweep_subject *s, const moda_model *model,
                                  moda_subtasks **subtasks)
{
    moda_status st = MODA_OK;
    moda_sizes outputs = {0};
    MODA_TRY(moda_model_data_outputs(model, s->data, &outputs));
    const moda_subtask_choice choice = {outputs.values, outputs.n, s->sizes, s->sample, s->seed};
    MODA_TRY(moda_subtasks_open(s->sub_tasks, model, &choice, subtasks));
out:
    free(outputs.values);
    return st;
}

static moda_status check_standard(const moda_sweep_subject *s, moda_dataset *data,
                                  const moda_model *model, const moda_subtasks *subtasks)
{
    moda_status st = MODA_OK;
    const moda_test_data test = {.spec = s->data->spec, .data = data};
    moda_model *standard = NULL;
    uint32_t *map = NULL;
    if (!s->standard) goto out;
    MODA_ALLOC(map, model->net->classes * sizeof *map);
    MODA_TRY(moda_test_data_standard(s->standard, model, &test, &standard));
    MODA_TRY(moda_reuse_match(model, subtasks, standard, map));
out:
    moda_model_destroy(standard);
    free(map);
    return st;
}

moda_status moda_sweep_check(const moda_sweep_subject *s)
{
    moda_status st = MODA_OK;
    moda_dataset *data = NULL;
    moda_model *model = NULL;
    moda_subtasks *subtasks = NULL;
    MODA_TRY(moda_data_options_open(s->data, s->seed, &data));
    MODA_CHECK(data->test.n > 0, MODA_ERR_ARG,
               "%s has no test images (of these classes): name data that has", s->data->spec);
    MODA_TRY(open_model(s, data, &model));
    MODA_TRY(open_sub_tasks(s, model, &subtasks));
    MODA_TRY(check_standard(s, data, model, subtasks));
out:
    moda_subtasks_destroy(subtasks);
    moda_model_destroy(model);
    moda_dataset_destroy(data);
    return st;
}
