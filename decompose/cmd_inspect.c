/* decompose/cmd_inspect.c - moda inspect: what is in a decomposition. */
#include "base/file.h"
#include "decompose/cmd_frame_internal.h"
#include "decompose/commands.h"
#include "decompose/compose.h"
#include "decompose/decomposition.h"
#include "decompose/diagnosis.h"
#include "decompose/inspect.h"
#include "decompose/round.h"
#include "decompose/similarity.h"
#include "decompose/test_data.h"
#include "engine/model_data.h"
#include <stdio.h>
#include <stdlib.h>

enum { USUAL_LIMIT = 2000, USUAL_BATCH = 128 };

typedef struct settings {
    const char *directory, *csv;
    size_t limit, batch_size; /* 0: not given */
    moda_sizes layers;
    moda_data_options data;
    moda_common_options common;
} settings;

static moda_status check(void *state)
{
    moda_status st = MODA_OK;
    const settings *s = state;
    MODA_CHECK(!s->data.relabel && s->data.per_class == 0 &&
                   s->data.normalisation == MODA_NORMALISATION_DEFAULT,
               MODA_ERR_ARG,
               "--relabel, --per-class and --normalisation change the data, not what is looked at: "
               "leave them out");
    MODA_TRY(moda_check_distinct("csv", s->csv, s->directory, moda_decomposition_files));
    MODA_TRY(moda_check_distinct("json", s->common.json, s->directory, moda_decomposition_files));
out:
    return st;
}

/* *matrix stays NULL without --data. */
static moda_status measure(const settings *s, moda_model *model, double **matrix)
{
    moda_status st = MODA_OK;
    const moda_net *net = model->net;
    const size_t limit = s->limit ? s->limit : USUAL_LIMIT;
    const size_t batch = s->batch_size ? s->batch_size : USUAL_BATCH;
    moda_test_data data = {0};
    if (!s->data.spec) goto out;
    MODA_CHECK(
        net->mask_count == 0, MODA_ERR_UNSUPPORTED,
        "%s: its masks are those of [mask] layers (MwT), whose activations say nothing about "
        "them: leave --data out",
        s->directory);
    MODA_TRY(moda_test_data_open(&s->data, s->common.seed, limit, model, &data));
    MODA_ALLOC(*matrix, net->tracked_count * net->classes * net->classes * sizeof **matrix);
    MODA_TRY(moda_activation_similarity(model, &data.images, batch, *matrix));
out:
    moda_test_data_close(&data);
    return st;
}

/* Of masks that were trained (MwT), a word about their values. */
static moda_status print_diagnosis(const moda_model *model, const moda_rates *rates)
{
    moda_status st = MODA_OK;
    moda_diagnosis *diagnosis = NULL;
    if (!rates->shape.mwt) goto out;
    MODA_TRY(moda_diagnosis_create(&diagnosis));
    MODA_TRY(moda_diagnose_mask_values(diagnosis, model, rates));
    printf("\n");
    moda_diagnosis_print(diagnosis, 1 << MODA_SIGNATURE_MASKS);
out:
    moda_diagnosis_destroy(diagnosis);
    return st;
}

static moda_status inspect(void *state)
{
    moda_status st = MODA_OK;
    settings *s = state;
    moda_model *model = NULL;
    moda_masks *masks = NULL;
    moda_rates *rates = NULL;
    moda_sizes outputs = {0};
    double *activation = NULL;
    json_t *json = NULL;
    MODA_TRY(moda_decomposition_open(s->directory, &model, &masks));
    MODA_TRY(moda_rates_open(s->directory, model, masks, &rates));
    if (s->layers.n) MODA_TRY(moda_sizes_sort_unique("layer", &s->layers, masks->shape.layers));
    MODA_TRY(moda_model_data_outputs(model, &s->data, &outputs));
    MODA_TRY(measure(s, model, &activation));
    const moda_inspect_options o = {model, rates, masks, activation, s->layers, outputs};
    if (s->csv) MODA_TRY(moda_inspect_write_csv(s->csv, &o));
    if (s->common.json) {
        MODA_TRY(moda_inspect_json(&o, &json));
        MODA_TRY(moda_json_write(s->common.json, json));
    }
    moda_inspect_print(&o);
    MODA_TRY(print_diagnosis(model, rates));
out:
    json_decref(json);
    free(activation);
    free(outputs.values);
    moda_rates_destroy(rates);
    moda_masks_destroy(masks);
    moda_model_destroy(model);
    return st;
}

static moda_status run(const moda_command *self, int argc, char **argv)
{
    settings s = {0};
    const moda_option options[] = {
        {MODA_OPTION_SIZES, "layer", "LIST",
         "show these tracked layers in detail, counted from 0: 3,4", &s.layers, 0, 0, NULL},
        {MODA_OPTION_SIZE, "limit", "N", "of --data, the first N test images (default 2000)",
         &s.limit, 1, 1e12, NULL},
        {MODA_OPTION_SIZE, "batch-size", "N", "of --data, images at a time (default 128)",
         &s.batch_size, 1, 1 << 20, NULL},
        {MODA_OPTION_OUTPUT, "csv", "FILE", "a line per layer, class and neuron", &s.csv, 0, 0,
         NULL},
        {MODA_OPTION_END, NULL, NULL, NULL, NULL, 0, 0, NULL},
    };
    const moda_cmd_frame frame = {.state = &s,
                                  .options = options,
                                  .subject = &s.directory,
                                  .data = &s.data,
                                  .limit = &s.limit,
                                  .batch_size = &s.batch_size,
                                  .common = &s.common,
                                  .data_is_extra = true,
                                  .classes_alone = true,
                                  .check = check,
                                  .work = inspect};
    const moda_status st = moda_cmd_frame_run(self, &frame, argc, argv);
    free(s.layers.values);
    return st;
}

const moda_command moda_command_inspect = {
    "inspect", "kept neurons, rates and similar classes of a decomposition", "DIR",
    "moda inspect runs/a/modules --layer 2 --classes 4,6 --data fashion-mnist", run};
