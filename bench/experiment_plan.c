/* bench/experiment_plan.c - what a study wants to be done, as a list. */
#include "base/file.h"
#include "bench/experiment_internal.h"
#include "datasets/dataset.h"
#include "decompose/commands.h"
#include "decompose/subtask_head.h"
#include "engine/commands.h"
#include "engine/net.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEPARATOR '\x1f' /* where a '|' of a format was */

/* ---- settings by network ---- */

/* What a machine with two cores gets done in an evening: epochs of a
 * training, sub-tasks of each size. All 1,013 of ten classes are drawn with 252. */
static const struct usual {
    const char *model;
    size_t epochs, sample;
} usual[] = {{"vgg11", 8, 5},    {"vgg13", 8, 5},    {"vgg16", 8, 5},     {"vgg19", 8, 5},
             {"resnet18", 6, 2}, {"resnet34", 6, 2}, {"mobilenet", 8, 5}, {NULL, 20, 252}};

static const struct usual *usual_of(const char *model)
{
    const struct usual *u = usual;
    while (u->model && strcmp(u->model, model) != 0) u++;
    return u;
}

size_t moda_plan_epochs(const moda_study_plan *p, const char *model)
{
    if (p->options->epochs) return p->options->epochs;
    return p->options->full ? 200 : usual_of(model)->epochs;
}

size_t moda_plan_sample(const moda_study_plan *p, const char *model)
{
    if (p->options->sample) return p->options->sample;
    return p->options->full ? 252 : usual_of(model)->sample;
}

/* ---- items ---- */

static void free_item(moda_study_item *i)
{
    free(i->run);
    free(i->name);
    json_decref(i->words);
    json_decref(i->wish);
    json_decref(i->models);
    json_decref(i->figures);
    free(i->taken);
}

/* The words of a command: what is between the bars of its format. */
static json_t *split_words(const char *format, va_list arguments)
{
    json_t *words = json_array();
    char *text = NULL, *rest, *own = strdup(format);
    for (char *c = own; c && *c; c++)
        if (*c == '|') *c = SEPARATOR;
    if (!own || vasprintf(&text, own, arguments) < 0) text = NULL;
    rest = text;
    for (const char separator[] = {SEPARATOR, 0}; rest && words;) {
        if (json_array_append_new(words, moda_json_text(strsep(&rest, separator))) == 0) continue;
        json_decref(words);
        words = NULL;
    }
    if (!text) json_decref(words), words = NULL;
    free(text);
    free(own);
    return words;
}

moda_study_item *moda_plan_find(const moda_study_plan *p, const char *run, const char *name)
{
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->items[i].run, run) == 0 && strcmp(p->items[i].name, name) == 0)
            return &p->items[i];
    return NULL;
}

/* The network behind a run. */
static const char *network_of(const moda_study_plan *p, const char *run)
{
    const moda_study_item *train = moda_plan_find(p, run, "train");
    return train ? train->model : p->models[0];
}

moda_study_item *moda_plan_add(moda_study_plan *p, const char *run, const char *name,
                               const moda_command *command, json_t *words)
{
    if (p->count == p->capacity) {
        const size_t capacity = p->capacity ? 2 * p->capacity : 16;
        moda_study_item *items = realloc(p->items, capacity * sizeof *items);
        if (items) p->items = items, p->capacity = capacity;
    }
    moda_study_item item = {.run = strdup(run),
                            .name = strdup(name),
                            .command = command,
                            .words = words,
                            .models = json_array(),
                            .model = network_of(p, run)};
    if (p->count == p->capacity || !item.run || !item.name || !words || !item.models) {
        free_item(&item);
        return NULL;
    }
    p->items[p->count] = item;
    return &p->items[p->count++];
}

moda_study_item *moda_plan_step(moda_study_plan *p, const char *run, const char *other,
                                const char *name, const moda_command *command, const char *format,
                                ...)
{
    moda_study_item *item = moda_plan_find(p, run, name);
    if (item) return item;
    va_list arguments;
    va_start(arguments, format);
    json_t *words = split_words(format, arguments);
    va_end(arguments);
    item = moda_plan_add(p, run, name, command, words);
    if (item && moda_plan_find(p, run, "train"))
        (void)json_array_append_new(item->models, json_string(run));
    if (item && other) (void)json_array_append_new(item->models, json_string(other));
    return item;
}

/* ---- what most studies make of a training ---- */

double moda_plan_reuse_images(const moda_study_plan *p, size_t sample, size_t images)
{
    double passes = 0, subsets = (double)p->classes; /* of k classes */
    for (size_t k = 2; k <= p->classes; k++) {
        subsets = subsets * (double)(p->classes - k + 1) / (double)k;
        passes += fmin(subsets, (double)sample) * (double)k / (double)p->classes;
    }
    return passes * (double)images;
}

moda_status moda_plan_modules(moda_study_plan *p, const char *run)
{
    moda_status st = MODA_OK;
    const char *data = p->options->data;
    moda_study_item *item = moda_plan_step(p, run, NULL, "eval", &moda_command_eval,
                                           "@/runs/%s/model.safetensors|--data|%s", run, data);
    MODA_CHECK(item, MODA_ERR_NOMEM, "out of memory: the plan of a study");
    item->passed = (double)p->test_images;
    item =
        moda_plan_step(p, run, NULL, "decompose", &moda_command_decompose,
                       "@/runs/%s/model.safetensors|--data|%s|--tau|%g|--out|@/results/%s/modules",
                       run, data, MODA_STUDY_TAU, run);
    MODA_CHECK(item, MODA_ERR_NOMEM, "out of memory: the plan of a study");
    item->passed = (double)p->train_images;
out:
    return st;
}

moda_status moda_plan_judged(moda_study_plan *p, const moda_study_train *train)
{
    moda_status st = MODA_OK;
    const char *run;
    const size_t sample = moda_plan_sample(p, train->model);
    MODA_TRY(moda_plan_train(p, train, &run));
    MODA_TRY(moda_plan_modules(p, run));
    moda_study_item *item = moda_plan_step(
        p, run, NULL, "reuse", &moda_command_reuse,
        "@/results/%s/modules|--data|%s|--sample|%zu|--seed|%zu|--csv|@/results/%s/reuse.csv", run,
        p->options->data, sample, p->options->seed, run);
    MODA_CHECK(item, MODA_ERR_NOMEM, "out of memory: the plan of a study");
    item->passed = moda_plan_reuse_images(p, sample, p->test_images), item->shared = true;
    if (strcmp(train->method, "mwt") == 0) { /* heads learn what trunks say of training images */
        const double learned = moda_plan_reuse_images(p, sample, p->train_images);
        item->passed += learned, item->headed = learned * MODA_SUBTASK_HEAD_EPOCHS;
    }
out:
    return st;
}

/* ---- the whole ---- */

static moda_status look_at_data(moda_study_plan *p)
{
    moda_status st = MODA_OK;
    moda_dataset *data = NULL;
    const char *spec = p->options->data;
    MODA_CHECK(spec, MODA_ERR_ARG,
               "--data is missing: name data, as in --data fashion-mnist, or cifar10:DIR as "
               "published");
    MODA_TRY(moda_dataset_open(spec, NULL, &data));
    MODA_CHECK(data->test.n, MODA_ERR_ARG, "%s has no test images: name data that has", spec);
    p->train_images = data->train.n, p->test_images = data->test.n, p->classes = data->classes;
    p->channels = data->train.channels, p->image_size = data->train.height;
    p->class_names = data->class_names, data->class_names = NULL;
out:
    moda_dataset_destroy(data);
    return st;
}

static moda_status split_models(moda_study_plan *p)
{
    moda_status st = MODA_OK;
    const char *text = p->options->models;
    if (!text) text = p->options->full ? p->study->models_full : p->study->models;
    MODA_CHECK((p->text = strdup(text)) != NULL, MODA_ERR_NOMEM, "out of memory");
    MODA_ALLOC(p->models, (strlen(text) + 1) * sizeof *p->models);
    for (char *rest = p->text; rest;) {
        const char *word = strsep(&rest, ",");
        MODA_CHECK(*word, MODA_ERR_ARG, "--model %s: an empty name; wanted is a list as a,b", text);
        for (size_t i = 0; i < p->model_count; i++) {
            /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): those so far are words */
            const bool twice = strcmp(p->models[i], word) == 0;
            MODA_CHECK(!twice, MODA_ERR_ARG, "--model: %s is given twice", word);
        }
        p->models[p->model_count++] = word;
    }
out:
    return st;
}

/* Before a folder is made for them: its study.json would keep a misspelt one. Where there is one, its
 * trainings may be done, and a FILE.net gone. */
static moda_status check_models(const moda_study_plan *p)
{
    moda_status st = MODA_OK;
    moda_net *net = NULL;
    char *study = moda_plan_path(p, "@/study.json");
    MODA_CHECK(study, MODA_ERR_NOMEM, "out of memory");
    if (moda_is_file(study)) goto out;
    const moda_net_defaults defaults = {{p->channels, p->image_size, p->image_size}, p->classes};
    for (size_t i = 0; i < p->model_count; i++) {
        moda_net_destroy(net);
        net = NULL;
        MODA_TRY(moda_net_open(p->models[i], defaults, &net));
    }
out:
    free(study);
    moda_net_destroy(net);
    return st;
}

static moda_status settle(moda_study_plan *p)
{
    moda_status st = MODA_OK;
    const moda_experiment_options *o = p->options;
    json_t *models = json_array();
    for (size_t i = 0; i < p->model_count; i++)
        (void)json_array_append_new(models, moda_json_text(p->models[i]));
    p->settings = json_pack("{s:s s:s s:o s:O s:I s:I s:I}", "study", p->study->name, "scale",
                            o->full ? "full" : "small", "data", moda_json_text(o->data), "models",
                            models, "epochs", (json_int_t)o->epochs, "sample",
                            (json_int_t)o->sample, "seed", (json_int_t)o->seed);
    MODA_CHECK(p->settings && (p->checksums = json_object()) != NULL, MODA_ERR_NOMEM,
               "out of memory: the settings of a study");
out:
    json_decref(models);
    return st;
}

moda_status moda_plan_create(const moda_experiment_options *options, moda_study_plan **plan)
{
    moda_status st = MODA_OK;
    moda_study_plan *p = NULL;
    MODA_ALLOC(p, sizeof *p);
    p->options = options;
    MODA_TRY(moda_study_find(options->study, &p->study));
    MODA_TRY(look_at_data(p));
    MODA_TRY(split_models(p));
    MODA_TRY(check_models(p));
    MODA_TRY(settle(p));
    MODA_TRY(p->study->plan(p));
    *plan = p, p = NULL;
out:
    moda_plan_destroy(p);
    return st;
}

void moda_plan_destroy(moda_study_plan *p)
{
    if (!p) return;
    for (size_t i = 0; i < p->count; i++) free_item(&p->items[i]);
    for (size_t k = 0; p->class_names && k < p->classes; k++) free(p->class_names[k]);
    free(p->class_names);
    free(p->items);
    free(p->models);
    free(p->text);
    json_decref(p->settings);
    json_decref(p->checksums);
    free(p);
}

/* ---- what came out ---- */

const json_t *moda_plan_figures(const moda_study_plan *p, const char *run, const char *name)
{
    const moda_study_item *item = moda_plan_find(p, run, name);
    return item ? item->figures : NULL;
}
