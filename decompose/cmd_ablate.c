/* decompose/cmd_ablate.c - moda ablate: what neurons are worth that a class's mask dropped. */
#include "base/file.h"
#include "base/log.h"
#include "decompose/ablate.h"
#include "decompose/cmd_frame_internal.h"
#include "decompose/commands.h"
#include "decompose/compose.h"
#include "decompose/decomposition.h"
#include "decompose/test_data.h"
#include <stdio.h>
#include <stdlib.h>

enum { BY_NEURON, BY_LAYER };
static const char *const ways[] = {"neuron", "layer", NULL};
static const char *const choices[] = {"dropped", "kept", "all", NULL};
enum { TRAIN, TEST };
static const char *const splits[] = {"train", "test", NULL};

typedef struct settings {
    const char *subject, *csv;
    int by, choice, split;
    size_t limit, batch_size;
    moda_sizes layers;
    moda_data_options data;
    moda_common_options common;
} settings;

static moda_status check(void *state)
{
    moda_status st = MODA_OK;
    const settings *s = state;
    MODA_CHECK(s->data.spec, MODA_ERR_ARG,
               "--data is missing: the data whose images are to be classified");
    MODA_CHECK(s->data.per_class == 0 || s->split == TRAIN, MODA_ERR_ARG,
               "--per-class takes training samples: add --split train");
    MODA_CHECK(s->data.normalisation == MODA_NORMALISATION_DEFAULT, MODA_ERR_ARG,
               "--normalisation is the model's own: leave it out");
out:
    return st;
}

/* A folder of moda decompose, or a model alone, whose neurons then all count as dropped. */
static moda_status open_subject(const settings *s, moda_model **model, moda_masks **masks)
{
    moda_status st = MODA_OK;
    if (moda_is_directory(s->subject)) {
        MODA_TRY(moda_decomposition_open(s->subject, model, masks));
        MODA_TRY(moda_check_distinct("csv", s->csv, s->subject, moda_decomposition_files));
        MODA_TRY(moda_check_distinct("json", s->common.json, s->subject, moda_decomposition_files));
        goto out;
    }
    MODA_CHECK(s->choice == MODA_ABLATE_DROPPED || s->choice == MODA_ABLATE_ALL, MODA_ERR_ARG,
               "--neurons kept: %s has no masks: name the folder of a decomposition", s->subject);
    MODA_TRY(moda_model_open(s->subject, (moda_net_defaults){0}, model));
    MODA_TRY(moda_masks_create((*model)->net, masks));
    moda_log(MODA_LOG_INFO, "%s: a model without masks: every neuron is switched off once",
             s->subject);
out:
    return st;
}

static moda_status report(const settings *s, const moda_ablate_options *o, const moda_ablate *r)
{
    moda_status st = MODA_OK;
    json_t *json = NULL;
    if (s->csv) MODA_TRY(moda_ablate_write_csv(s->csv, o, r));
    if (s->common.json) {
        MODA_TRY(moda_ablate_json(o, r, &json));
        MODA_TRY(moda_json_write(s->common.json, json));
    }
    moda_ablate_print(o, r);
out:
    json_decref(json);
    return st;
}

static moda_status ablate(void *state)
{
    moda_status st = MODA_OK;
    settings *s = state;
    moda_model *model = NULL;
    moda_masks *masks = NULL;
    moda_test_data data = {0};
    moda_ablate *r = NULL;
    MODA_TRY(open_subject(s, &model, &masks));
    if (s->layers.n) MODA_TRY(moda_sizes_sort_unique("layer", &s->layers, masks->shape.layers));
    MODA_TRY(
        moda_split_data_open(&s->data, s->common.seed, s->split == TRAIN, s->limit, model, &data));
    const moda_ablate_options options = {.model = model,
                                         .masks = masks,
                                         .images = &data.images,
                                         .source = s->data.spec,
                                         .outputs = data.outputs,
                                         .layers = s->layers,
                                         .choice = (moda_ablate_choice)s->choice,
                                         .by_layer = s->by == BY_LAYER,
                                         .batch_size = s->batch_size,
                                         .label = "ablations"};
    MODA_TRY(moda_ablate_run(&options, &r));
    MODA_TRY(report(s, &options, r));
out:
    moda_ablate_destroy(r);
    moda_test_data_close(&data);
    moda_masks_destroy(masks);
    moda_model_destroy(model);
    return st;
}

static moda_status run(const moda_command *self, int argc, char **argv)
{
    settings s = {.split = TEST, .batch_size = 128};
    const moda_option options[] = {
        {MODA_OPTION_SIZES, "layer", "LIST",
         "only these tracked layers, counted from 0: 3,4 (default: all)", &s.layers, 0, 0, NULL},
        {MODA_OPTION_CHOICE, "by", "WAY",
         "neuron: one after the other, layer: all of a layer (default neuron)", &s.by, 0, 0, ways},
        {MODA_OPTION_CHOICE, "neurons", "WHICH",
         "dropped or kept by the class's mask, or all (default dropped)", &s.choice, 0, 0, choices},
        {MODA_OPTION_CHOICE, "split", "S", "train or test (default test)", &s.split, 0, 0, splits},
        {MODA_OPTION_SIZE, "limit", "N", "only the first N images", &s.limit, 1, 1e12, NULL},
        {MODA_OPTION_SIZE, "batch-size", "N", "images at a time (default 128)", &s.batch_size, 1,
         1 << 16, NULL},
        {MODA_OPTION_OUTPUT, "csv", "FILE", "a line per ablation", &s.csv, 0, 0, NULL},
        {MODA_OPTION_END, NULL, NULL, NULL, NULL, 0, 0, NULL},
    };
    const moda_cmd_frame frame = {.state = &s,
                                  .options = options,
                                  .subject = &s.subject,
                                  .data = &s.data,
                                  .common = &s.common,
                                  .check = check,
                                  .work = ablate};
    const moda_status st = moda_cmd_frame_run(self, &frame, argc, argv);
    free(s.layers.values);
    return st;
}

const moda_command moda_command_ablate = {
    "ablate", "what neurons are worth that a class's mask dropped", "DIR|MODEL",
    "moda ablate runs/a/modules --data fashion-mnist --classes 6 --limit 2000", run};
