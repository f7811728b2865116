/* engine/cmd_eval.c - moda eval: accuracy of a model, a module or a composed network. */
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/table.h"
#include "datasets/data_options.h"
#include "engine/commands.h"
#include "engine/confusion.h"
#include "engine/evaluate.h"
#include "engine/fold.h"
#include "engine/model_data.h"
#include "numa/threads.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TRAIN, TEST };
static const char *const splits[] = {"train", "test", NULL};

typedef struct eval_command {
    const char *spec, *logits_path;
    int split;
    size_t limit, batch_size;
    bool fold, confused;
    moda_data_options data_options;
    moda_common_options common;
    moda_model *model;
    moda_dataset *data;
    moda_images images; /* the wanted part of the split; borrows its arrays */
    moda_sizes outputs; /* that count, ascending */
    moda_runner *runner;
    moda_evaluation result;
    size_t *samples, *correct; /* per output */
    size_t *confusion;         /* [outputs, outputs] */
    float *logits;
} eval_command;

static moda_status parse(const moda_command *self, int argc, char **argv, eval_command *c,
                         bool *help)
{
    moda_status st = MODA_OK;
    char **operands;
    size_t count;
    moda_option data[MODA_DATA_OPTION_COUNT], common[MODA_COMMON_OPTION_COUNT];
    c->split = TEST, c->batch_size = 128;
    moda_data_options_table(&c->data_options, data);
    moda_common_options_table(&c->common, common);
    const moda_option table[] = {
        {MODA_OPTION_TABLE, NULL, NULL, NULL, data, 0, 0, NULL},
        {MODA_OPTION_CHOICE, "split", "S", "train or test (default test)", &c->split, 0, 0, splits},
        {MODA_OPTION_SIZE, "limit", "N", "only the first N images", &c->limit, 1, 1e12, NULL},
        {MODA_OPTION_SIZE, "batch-size", "N", "images at a time (default 128)", &c->batch_size, 1,
         1 << 20, NULL},
        {MODA_OPTION_FLAG, "fold", NULL, "fold batch norms into the layers before them", &c->fold,
         0, 0, NULL},
        {MODA_OPTION_FLAG, "confusion", NULL, "print which classes are taken for which",
         &c->confused, 0, 0, NULL},
        {MODA_OPTION_OUTPUT, "logits", "F.safetensors", "write logits [images,outputs] and labels",
         &c->logits_path, 0, 0, NULL},
        {MODA_OPTION_TABLE, NULL, NULL, NULL, common, 0, 0, NULL},
        {MODA_OPTION_END, NULL, NULL, NULL, NULL, 0, 0, NULL},
    };
    MODA_TRY(moda_options_parse(self, table, argc, argv, 1, 1, &operands, &count, help));
    if (*help) goto out;
    if (c->common.quiet) moda_log_set_level(MODA_LOG_WARNING);
    c->spec = operands[0];
out:
    return st;
}

static moda_status fold(eval_command *c)
{
    moda_status st = MODA_OK;
    moda_model *folded = NULL;
    MODA_TRY(moda_fold(c->model, &folded));
    moda_model_destroy(c->model);
    c->model = folded;
out:
    return st;
}

static moda_status prepare(eval_command *c)
{
    moda_status st = MODA_OK;
    size_t threads;
    MODA_CHECK(c->data_options.per_class == 0 || c->split == TRAIN, MODA_ERR_ARG,
               "--per-class takes training samples: add --split train");
    MODA_TRY(moda_threads_start(&c->common, &threads));
    MODA_TRY(
        moda_model_data_open(c->spec, &c->data_options, c->common.seed, true, &c->model, &c->data));
    if (c->fold) MODA_TRY(fold(c));
    c->images = c->split == TEST ? c->data->test : c->data->train;
    if (c->limit && c->limit < c->images.n) c->images.n = c->limit;
    if (c->batch_size > c->images.n && c->images.n) c->batch_size = c->images.n;
    MODA_TRY(moda_model_data_outputs(c->model, &c->data_options, &c->outputs));
    MODA_ALLOC(c->samples, c->model->net->classes * sizeof *c->samples);
    MODA_ALLOC(c->correct, c->model->net->classes * sizeof *c->correct);
    const size_t k = c->model->net->classes;
    MODA_CHECK(k <= MODA_CONFUSION_CLASSES || !c->confused, MODA_ERR_ARG,
               "--confusion: %s has %zu outputs, more than %d: leave it out", c->spec, k,
               MODA_CONFUSION_CLASSES);
    if (k <= MODA_CONFUSION_CLASSES) MODA_ALLOC(c->confusion, k * k * sizeof *c->confusion);
    if (c->logits_path)
        MODA_ALLOC(c->logits, c->images.n * c->model->net->classes * sizeof *c->logits);
    MODA_TRY(moda_runner_create(c->model, c->batch_size, NULL, NULL, &c->runner));
out:
    return st;
}

static moda_status write_logits(const eval_command *c)
{
    moda_status st = MODA_OK;
    int64_t *labels = NULL;
    const size_t n = c->images.n, k = c->model->net->classes;
    MODA_ALLOC(labels, n * sizeof *labels);
    for (size_t i = 0; i < n; i++) labels[i] = c->images.labels[i];
    const moda_tensor tensors[] = {moda_tensor_f32("logits", c->logits, 2, n, k, 0, 0),
                                   {.name = "labels",
                                    .dtype = MODA_DTYPE_I64,
                                    .rank = 1,
                                    .shape = {n},
                                    .bytes = n * sizeof *labels,
                                    .data = labels}};
    MODA_TRY(moda_tensor_file_write(c->logits_path, tensors, 2, NULL, 0));
out:
    free(labels);
    return st;
}

static double accuracy(size_t correct, size_t samples)
{
    return (double)correct / (double)samples;
}

static json_t *class_json(const eval_command *c, size_t k)
{
    return json_pack("{s:I s:o s:I s:I s:f}", "class", (json_int_t)c->model->class_ids[k], "name",
                     moda_json_text(c->model->class_names[k]), "samples", (json_int_t)c->samples[k],
                     "correct", (json_int_t)c->correct[k], "accuracy",
                     accuracy(c->correct[k], c->samples[k]));
}

static moda_status write_json(const eval_command *c)
{
    moda_status st = MODA_OK;
    json_t *classes = json_array();
    json_t *json = NULL;
    for (size_t k = 0; k < c->model->net->classes; k++)
        if (c->samples[k])
            MODA_CHECK(json_array_append_new(classes, class_json(c, k)) == 0, MODA_ERR_NOMEM,
                       "out of memory");
    json =
        json_pack("{s:o s:o s:s s:I s:I s:f s:f s:O s:o}", "model", moda_json_text(c->spec), "data",
                  moda_json_text(c->data_options.spec), "split", splits[c->split], "samples",
                  (json_int_t)c->result.samples, "correct", (json_int_t)c->result.correct,
                  "accuracy", accuracy(c->result.correct, c->result.samples), "cross_entropy",
                  c->result.cross_entropy, "classes", classes, "confusion",
                  c->confusion ? moda_confusion_json(c->model, c->confusion) : json_null());
    MODA_CHECK(json, MODA_ERR_NOMEM, "out of memory");
    MODA_TRY(moda_json_write(c->common.json, json));
out:
    json_decref(json);
    json_decref(classes);
    return st;
}

static void print_result(const eval_command *c)
{
    moda_table *t = moda_table_create(">class|name|>samples|>correct|>accuracy");
    for (size_t k = 0; k < c->model->net->classes; k++)
        if (c->samples[k])
            moda_table_row(t, "%u|%s|%zu|%zu|%.4f", c->model->class_ids[k],
                           c->model->class_names[k] ? c->model->class_names[k] : "", c->samples[k],
                           c->correct[k], (double)c->correct[k] / (double)c->samples[k]);
    moda_table_row(t, "all||%zu|%zu|%.4f", c->result.samples, c->result.correct,
                   (double)c->result.correct / (double)c->result.samples);
    moda_table_print(t);
    moda_table_destroy(t);
}

static moda_status run(const moda_command *self, int argc, char **argv)
{
    moda_status st = MODA_OK;
    bool help = false;
    eval_command c = {0};
    MODA_TRY(parse(self, argc, argv, &c, &help));
    if (help) goto out;
    MODA_TRY(prepare(&c));
    const moda_evaluation_wish wish = {.outputs = c.outputs,
                                       .logits = c.logits,
                                       .samples = c.samples,
                                       .correct = c.correct,
                                       .label = c.common.quiet ? NULL : "eval",
                                       .confusion = c.confusion};
    MODA_TRY(moda_evaluate(moda_runner_executor(c.runner), c.model, &c.images, &wish, &c.result));
    MODA_CHECK(c.result.samples, MODA_ERR_ARG, "%s: no image of a class that %s has an output for",
               c.data_options.spec, c.spec);
    if (c.logits_path) MODA_TRY(write_logits(&c));
    if (c.common.json) MODA_TRY(write_json(&c));
    print_result(&c);
    if (c.confused) moda_confusion_print(c.model, c.confusion);
out:
    free(c.logits);
    free(c.samples);
    free(c.correct);
    free(c.confusion);
    free(c.outputs.values);
    moda_runner_destroy(c.runner);
    moda_dataset_destroy(c.data);
    moda_model_destroy(c.model);
    moda_data_options_free(&c.data_options);
    return st;
}

const moda_command moda_command_eval = {
    .name = "eval",
    .summary = "accuracy of a model, a module or a composed network",
    .operands = "MODEL",
    .example = "moda eval runs/lenet5/model.safetensors --data fashion-mnist --classes 0,3,5",
    .run = run,
};
