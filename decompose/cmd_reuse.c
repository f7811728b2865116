/* decompose/cmd_reuse.c - moda reuse: accuracy of all the networks that modules compose to. */
#include "base/file.h"
#include "decompose/cmd_frame_internal.h"
#include "decompose/commands.h"
#include "decompose/compose.h"
#include "decompose/decomposition.h"
#include "decompose/diagnosis.h"
#include "decompose/reuse.h"
#include "decompose/subtask_head.h"
#include "decompose/test_data.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct settings {
    const char *directory, *standard, *subtasks, *csv;
    size_t sample, limit, batch_size, head_epochs;
    moda_sizes sizes;
    moda_data_options data;
    moda_common_options common;
} settings;

static moda_status check(void *state)
{
    moda_status st = MODA_OK;
    const settings *s = state;
    MODA_CHECK(s->data.spec, MODA_ERR_ARG,
               "--data is missing: the data whose test images are to be classified");
    MODA_CHECK(!s->subtasks || (!s->sample && !s->sizes.n), MODA_ERR_ARG,
               "--subtasks names the sub-tasks: leave out --sample and --sizes");
    MODA_CHECK(s->data.normalisation == MODA_NORMALISATION_DEFAULT, MODA_ERR_ARG,
               "--normalisation is the model's own: leave it out");
out:
    return st;
}

/* DIR/reuse.csv, unless named, and what is kept beside it. */
static moda_status find_paths(const settings *s, char **csv, char **journal)
{
    moda_status st = MODA_OK;
    MODA_CHECK((*csv = s->csv ? strdup(s->csv) : moda_format("%s/reuse.csv", s->directory)) != NULL,
               MODA_ERR_NOMEM, "out of memory: %s", s->directory);
    const size_t n = strlen(*csv), stem = n > 4 && strcmp(*csv + n - 4, ".csv") == 0 ? n - 4 : n;
    MODA_CHECK((*journal = moda_format("%.*s.jsonl", (int)stem, *csv)) != NULL, MODA_ERR_NOMEM,
               "out of memory: %s", *csv);
    MODA_TRY(moda_check_distinct("csv", s->csv, s->directory, moda_decomposition_files));
    MODA_TRY(moda_check_distinct("json", s->common.json, s->directory, moda_decomposition_files));
    MODA_TRY(moda_check_apart("json", s->common.json, *csv));
    MODA_TRY(moda_check_apart("json", s->common.json, *journal));
    MODA_TRY(moda_check_writable(*csv)); /* before the work, not after it */
out:
    return st;
}

static moda_status report(const settings *s, const moda_reuse_options *o, const moda_reuse *r,
                          const char *csv)
{
    moda_status st = MODA_OK;
    json_t *json = NULL;
    moda_diagnosis *diagnosis = NULL;
    MODA_TRY(moda_diagnosis_create(&diagnosis));
    MODA_TRY(moda_diagnose_reuse(diagnosis, o->model, o->masks, r));
    MODA_TRY(moda_reuse_write_csv(csv, o, r));
    if (s->common.json) {
        MODA_TRY(moda_reuse_json(o, r, &json));
        MODA_CHECK(json_object_set_new(json, "diagnosis", moda_diagnosis_json(diagnosis)) == 0,
                   MODA_ERR_NOMEM, "out of memory: %s", s->common.json);
        MODA_TRY(moda_json_write(s->common.json, json));
    }
    moda_reuse_print(r);
    if (r->resumed)
        printf("resumed: %zu of %zu results were there already\n", r->resumed, r->total);
    printf("%zu sub-tasks in %s\n", r->count, csv);
    moda_diagnosis_print(diagnosis, 1 << MODA_SIGNATURE_REUSE);
out:
    moda_diagnosis_destroy(diagnosis);
    json_decref(json);
    return st;
}

static moda_status reuse(void *state)
{
    moda_status st = MODA_OK;
    const settings *s = state;
    moda_model *model = NULL, *standard = NULL;
    moda_masks *masks = NULL;
    moda_test_data data = {0};
    moda_subtasks *subtasks = NULL;
    moda_reuse *r = NULL;
    char *csv = NULL, *journal = NULL;
    MODA_TRY(moda_decomposition_open(s->directory, &model, &masks));
    MODA_CHECK(masks->shape.mwt || !s->head_epochs, MODA_ERR_ARG,
               "%s: --head-epochs is for modules of MwT, these have no head to train: leave it out",
               s->directory);
    MODA_CHECK(
        masks->shape.mwt || s->data.per_class == 0, MODA_ERR_ARG,
        "--per-class takes training samples, of which these modules need none: leave it out");
    MODA_TRY(find_paths(s, &csv, &journal));
    MODA_TRY(moda_test_data_open(&s->data, s->common.seed, s->limit, model, &data));
    const moda_subtask_choice choice = {data.outputs.values, data.outputs.n, s->sizes, s->sample,
                                        s->common.seed};
    MODA_TRY(moda_subtasks_open(s->subtasks, model, &choice, &subtasks));
    MODA_TRY(moda_test_data_standard(s->standard, model, &data, &standard));
    const moda_reuse_training training = {.images = &data.data->train,
                                          .epochs = s->head_epochs ? s->head_epochs
                                                                   : MODA_SUBTASK_HEAD_EPOCHS,
                                          .seed = s->common.seed};
    const moda_reuse_options options = {.model = model,
                                        .masks = masks,
                                        .training = masks->shape.mwt ? &training : NULL,
                                        .standard = standard,
                                        .images = &data.images,
                                        .source = s->data.spec,
                                        .subtasks = subtasks,
                                        .batch_size = s->batch_size,
                                        .journal = journal,
                                        .label = "sub-tasks"};
    MODA_TRY(moda_reuse_run(&options, &r));
    MODA_TRY(report(s, &options, r, csv));
out:
    moda_reuse_destroy(r);
    moda_subtasks_destroy(subtasks);
    moda_test_data_close(&data);
    moda_masks_destroy(masks);
    moda_model_destroy(standard);
    moda_model_destroy(model);
    free(csv);
    free(journal);
    return st;
}

static moda_status run(const moda_command *self, int argc, char **argv)
{
    settings s = {.batch_size = 128};
    const moda_option options[] = {
        {MODA_OPTION_TEXT, "standard", "MODEL", "a model of standard training, to compare with",
         &s.standard, 0, 0, NULL},
        {MODA_OPTION_SIZE, "sample", "N",
         "N sub-tasks per number of classes, drawn from the seed (default: all)", &s.sample, 1,
         MODA_SUBTASKS_MOST, NULL},
        {MODA_OPTION_SIZES, "sizes", "LIST",
         "only sub-tasks of so many classes: 2,3,5 (default: all)", &s.sizes, 0, 0, NULL},
        {MODA_OPTION_TEXT, "subtasks", "FILE",
         "only these sub-tasks: a list of class numbers, as 0,3,5, on each line", &s.subtasks, 0, 0,
         NULL},
        {MODA_OPTION_SIZE, "limit", "N", "only the first N test images", &s.limit, 1, 1e12, NULL},
        {MODA_OPTION_SIZE, "batch-size", "N", "images at a time, at most (default 128)",
         &s.batch_size, 1, 1 << 20, NULL},
        {MODA_OPTION_SIZE, "head-epochs", "N", "modules of MwT: epochs of each head (default 10)",
         &s.head_epochs, 1, 1e6, NULL},
        {MODA_OPTION_OUTPUT, "csv", "FILE",
         "a line per sub-task (default DIR/reuse.csv); a .jsonl beside it serves to resume", &s.csv,
         0, 0, NULL},
        {MODA_OPTION_END, NULL, NULL, NULL, NULL, 0, 0, NULL},
    };
    const moda_cmd_frame frame = {.state = &s,
                                  .options = options,
                                  .subject = &s.directory,
                                  .data = &s.data,
                                  .common = &s.common,
                                  .check = check,
                                  .work = reuse};
    const moda_status st = moda_cmd_frame_run(self, &frame, argc, argv);
    free(s.sizes.values);
    return st;
}

const moda_command moda_command_reuse = {
    "reuse", "accuracy of the networks for all sets of classes", "DIR",
    "moda reuse runs/a/modules --data fashion-mnist --standard runs/b/model.safetensors", run};
