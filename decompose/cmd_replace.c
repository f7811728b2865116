/* decompose/cmd_replace.c - moda replace and moda add-class: a module into another model. */
#include "base/file.h"
#include "base/log.h"
#include "datasets/data_options.h"
#include "decompose/cmd_replace_internal.h"
#include "decompose/commands.h"
#include "decompose/decomposition.h"
#include "engine/model_data.h"
#include "numa/threads.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const moda_replace_strategies[] = {"calibrate", "minmax", NULL};

enum { NO_CLASS = -1, OPTION_COUNT = 16 };

static void options_table(moda_replace_command *c, moda_option *data, moda_option *common,
                          moda_option table[OPTION_COUNT])
{
    c->class_number = (size_t)NO_CLASS;
    c->rate = c->momentum = c->weight_decay = NAN;
    c->options.training.batch_size = 128;
    moda_data_options_table(&c->data_options, data);
    moda_common_options_table(&c->common, common);
    const moda_option options[OPTION_COUNT] = {
        {MODA_OPTION_TEXT, "weak", "MODEL", "the model that gets the module", &c->weak_spec, 0, 0,
         NULL},
        {MODA_OPTION_TEXT, "modules", "DIR", "the module's folder, as `moda decompose` wrote it",
         &c->directory, 0, 0, NULL},
        {MODA_OPTION_TEXT, "module", "F.safetensors",
         "instead: a module's file, or any model that has the class", &c->module_path, 0, 0, NULL},
        {MODA_OPTION_SIZE, "class", "C", "the class's number in the data set", &c->class_number, 0,
         UINT32_MAX, NULL},
        {MODA_OPTION_TABLE, NULL, NULL, NULL, data, 0, 0, NULL},
        {MODA_OPTION_CHOICE, "strategy", "S",
         "calibrate: train a layer over both; minmax: scale the module (default calibrate)",
         &c->strategy, 0, 0, moda_replace_strategies},
        {MODA_OPTION_OUTPUT, "out", "F.safetensors", "the result, a model file", &c->out, 0, 0,
         NULL},
        {MODA_OPTION_SIZE, "epochs", "N", "passes over the training data (default 20)", &c->epochs,
         1, 1e6, NULL},
        {MODA_OPTION_SIZE, "batch-size", "N", "samples per step (default 128)",
         &c->options.training.batch_size, 1, 1 << 20, NULL},
        {MODA_OPTION_REAL, "lr", "X", "learning rate of the first epoch (default 0.05)", &c->rate,
         0, 1e6, NULL},
        {MODA_OPTION_REAL, "momentum", "X", "Nesterov momentum (default 0.9)", &c->momentum, 0,
         0.9999, NULL},
        {MODA_OPTION_REAL, "weight-decay", "X", "L2 decay (default 0)", &c->weight_decay, 0, 1e3,
         NULL},
        {MODA_OPTION_FLAG, "no-augment", NULL, "no random crops and flips", &c->no_augment, 0, 0,
         NULL},
        {MODA_OPTION_FLAG, "no-shuffle", NULL, "samples in file order", &c->no_shuffle, 0, 0, NULL},
        {MODA_OPTION_TABLE, NULL, NULL, NULL, common, 0, 0, NULL},
        {MODA_OPTION_END, NULL, NULL, NULL, NULL, 0, 0, NULL},
    };
    memcpy(table, options, sizeof options);
}

static moda_status check(const moda_replace_command *c)
{
    moda_status st = MODA_OK;
    MODA_CHECK(c->weak_spec, MODA_ERR_ARG, "--weak is missing: the model that gets the module");
    MODA_CHECK(!c->directory != !c->module_path, MODA_ERR_ARG,
               "give the module either by --modules DIR or by --module F.safetensors");
    MODA_CHECK(c->class_number != (size_t)NO_CLASS, MODA_ERR_ARG,
               "--class is missing: the number of the class that the module knows");
    MODA_CHECK(c->data_options.spec, MODA_ERR_ARG,
               "--data is missing: the data that the weak model was trained on");
    MODA_CHECK(c->out, MODA_ERR_ARG, "--out is missing: the file for the result");
    MODA_CHECK(c->strategy == MODA_JOIN_CALIBRATE ||
                   (!c->epochs && isnan(c->rate) && isnan(c->momentum) && isnan(c->weight_decay) &&
                    !c->no_augment && !c->no_shuffle),
               MODA_ERR_ARG,
               "--strategy minmax trains nothing: drop --epochs, --lr, --momentum, --weight-decay, "
               "--no-augment and --no-shuffle");
    if (c->directory) {
        MODA_TRY(moda_check_distinct("out", c->out, c->directory, moda_decomposition_files));
        MODA_TRY(
            moda_check_distinct("json", c->common.json, c->directory, moda_decomposition_files));
    }
out:
    return st;
}

static void settle(moda_replace_command *c, bool add)
{
    moda_head_options *t = &c->options.training;
    c->options.join = (moda_join_options){.class_number = (uint32_t)c->class_number,
                                          .add = add,
                                          .strategy = (moda_join_strategy)c->strategy};
    t->epochs = c->epochs ? c->epochs : 20;
    t->sgd = (moda_sgd){isnan(c->rate) ? 0.05 : c->rate, isnan(c->momentum) ? 0.9 : c->momentum,
                        isnan(c->weight_decay) ? 0 : c->weight_decay};
    t->augment = !c->no_augment, t->shuffle = !c->no_shuffle;
    t->crop_padding = 4;
    t->seed = c->common.seed;
    t->label = c->common.quiet ? NULL : "replacing";
    if (!c->data_options.relabel) c->options.classes = c->data_options.classes;
}

static moda_status open_module(moda_replace_command *c)
{
    return c->directory ? moda_replace_module(c->directory, (uint32_t)c->class_number, &c->module)
                        : moda_model_open(c->module_path, (moda_net_defaults){0}, &c->module);
}

/* The data of the result, which has a class more than the weak model. */
static moda_status open_to_add(moda_replace_command *c)
{
    moda_status st = MODA_OK;
    moda_model *joined = NULL;
    char *name = moda_format("%s with class %zu", c->weak_spec, c->class_number);
    MODA_CHECK(name, MODA_ERR_NOMEM, "out of memory: a name");
    MODA_TRY(moda_model_open(c->weak_spec, (moda_net_defaults){0}, &c->weak));
    MODA_TRY(open_module(c));
    MODA_TRY(moda_join(c->weak, c->module, &c->options.join, &joined));
    MODA_TRY(moda_model_data_for(name, joined, &c->data_options, c->common.seed, true, &c->data));
out:
    free(name);
    moda_model_destroy(joined);
    return st;
}

static moda_status open_to_replace(moda_replace_command *c)
{
    moda_status st = MODA_OK;
    MODA_TRY(open_module(c)); /* before what takes time */
    MODA_TRY(moda_model_data_open(c->weak_spec, &c->data_options, c->common.seed, true, &c->weak,
                                  &c->data));
out:
    return st;
}

static moda_status replace(const moda_command *self, int argc, char **argv, bool add)
{
    moda_status st = MODA_OK;
    moda_replace_command c = {0};
    moda_option data[MODA_DATA_OPTION_COUNT], common[MODA_COMMON_OPTION_COUNT];
    moda_option table[OPTION_COUNT];
    char **operands = NULL;
    size_t count = 0, threads = 0;
    bool help = false;
    options_table(&c, data, common, table);
    MODA_TRY(moda_options_parse(self, table, argc, argv, 0, 0, &operands, &count, &help));
    if (help) goto out;
    MODA_TRY(check(&c));
    settle(&c, add);
    if (c.common.quiet) moda_log_set_level(MODA_LOG_WARNING);
    MODA_TRY(moda_threads_start(&c.common, &threads));
    MODA_TRY(add ? open_to_add(&c) : open_to_replace(&c));
    MODA_TRY(moda_replace(c.weak, c.module, c.data, &c.options, &c.result, &c.report));
    MODA_TRY(moda_model_save(c.result, c.out));
    if (c.common.json) MODA_TRY(moda_replace_write_json(&c));
    moda_replace_print(&c);
out:
    moda_model_destroy(c.result);
    moda_model_destroy(c.module);
    moda_model_destroy(c.weak);
    moda_dataset_destroy(c.data);
    moda_data_options_free(&c.data_options);
    return st;
}

static moda_status run_replace(const moda_command *self, int argc, char **argv)
{
    return replace(self, argc, argv, false);
}

static moda_status run_add(const moda_command *self, int argc, char **argv)
{
    return replace(self, argc, argv, true);
}

const moda_command moda_command_replace = {
    "replace", "put another model's module in the place of one of a model's classes", "",
    "moda replace --weak runs/weak/model.safetensors --modules runs/strong/modules --class 2 "
    "--data fashion-mnist --out repaired.safetensors",
    run_replace};

const moda_command moda_command_add_class = {
    "add-class", "give a model a class that it never had, from another model's module", "",
    "moda add-class --weak runs/weak/model.safetensors --modules runs/strong/modules --class 2 "
    "--data fashion-mnist --classes 2,5,6,7 --relabel --out more.safetensors",
    run_add};
