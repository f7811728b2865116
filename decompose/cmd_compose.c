/* decompose/cmd_compose.c - moda compose: one network for some of the classes. */
#include "base/json.h"
#include "base/log.h"
#include "base/table.h"
#include "datasets/data_options.h"
#include "decompose/commands.h"
#include "decompose/compose.h"
#include "decompose/decomposition.h"
#include "decompose/metrics.h"
#include "decompose/round.h"
#include "decompose/strip.h"
#include "decompose/subtask_head.h"
#include "engine/model_data.h"
#include "numa/threads.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct settings {
    const char *directory, *out, *data;
    size_t head_epochs; /* 0: not given */
    double per_class;   /* the same */
    moda_sizes classes;
    size_t round; /* channels to a multiple of this; 1: as the masks say */
    moda_common_options common;
} settings;

enum { OPTION_COUNT = 8 };

static void options_table(settings *s, moda_option *common, moda_option table[OPTION_COUNT])
{
    *s = (settings){.round = 1};
    moda_common_options_table(&s->common, common);
    const moda_option options[OPTION_COUNT] = {
        {MODA_OPTION_SIZES, "classes", "LIST", "class numbers, in any order: 0,3,5", &s->classes, 0,
         0, NULL},
        {MODA_OPTION_OUTPUT, "out", "FILE", "the composed network, a model file", &s->out, 0, 0,
         NULL},
        {MODA_OPTION_SIZE, "round-channels", "N",
         "fill each layer up to a multiple of N with its next most active channels (default 1)",
         &s->round, 1, 4096, NULL},
        {MODA_OPTION_TEXT, "data", "SPEC",
         "modules of MwT: what the head of the network learns from", &s->data, 0, 0, NULL},
        {MODA_OPTION_REAL, "per-class", "N|SHARE",
         "modules of MwT: training samples per class: a count, or a share below 1 (default: all)",
         &s->per_class, 0, 1e9, NULL},
        {MODA_OPTION_SIZE, "head-epochs", "N", "modules of MwT: epochs of the head (default 10)",
         &s->head_epochs, 1, 1e6, NULL},
        {MODA_OPTION_TABLE, NULL, NULL, NULL, common, 0, 0, NULL},
        {MODA_OPTION_END, NULL, NULL, NULL, NULL, 0, 0, NULL},
    };
    memcpy(table, options, sizeof options);
}

static moda_status check(const settings *s)
{
    moda_status st = MODA_OK;
    MODA_CHECK(s->classes.n > 0, MODA_ERR_ARG,
               "--classes is missing: the classes' numbers, as in 0,3,5");
    MODA_CHECK(s->out, MODA_ERR_ARG, "--out is missing: the file for the network");
    MODA_TRY(moda_check_distinct("out", s->out, s->directory, moda_decomposition_files));
    MODA_TRY(moda_check_distinct("json", s->common.json, s->directory, moda_decomposition_files));
out:
    return st;
}

/* Only networks of MwT modules have a head, and they cannot do without. */
static moda_status check_method(const settings *s, const moda_masks *masks)
{
    moda_status st = MODA_OK;
    MODA_CHECK(!masks->shape.mwt || s->data, MODA_ERR_ARG,
               "%s: networks of MwT modules end in a head that is trained: name the training data "
               "with --data",
               s->directory);
    const char *given = s->data             ? "data"
                        : s->head_epochs    ? "head-epochs"
                        : s->per_class != 0 ? "per-class"
                                            : NULL;
    MODA_CHECK(masks->shape.mwt || !given, MODA_ERR_ARG,
               "%s: --%s is for modules of MwT, these have no head to train: leave it out",
               s->directory, given);
out:
    return st;
}

/* What the composed network costs, on the screen and as JSON. */
typedef struct figures {
    size_t parameters, model_parameters, neurons, model_neurons;
    uint64_t flops, model_flops;
    size_t head; /* of these parameters */
} figures;

static moda_status write_json(const settings *s, const moda_model *module, const figures *f)
{
    moda_status st = MODA_OK;
    json_t *classes = json_array(), *report = json_object();
    int bad = 0;
    for (size_t k = 0; k < module->net->classes; k++)
        bad |= json_array_append_new(classes, json_integer((json_int_t)module->class_ids[k]));
    bad |= json_object_set(report, "classes", classes);
    bad |= json_object_set_new(report, "round_channels", json_integer((json_int_t)s->round));
    bad |= json_object_set_new(report, "neurons", json_integer((json_int_t)f->neurons));
    bad |= json_object_set_new(report, "parameters", json_integer((json_int_t)f->parameters));
    bad |= json_object_set_new(report, "model_parameters",
                               json_integer((json_int_t)f->model_parameters));
    bad |= json_object_set_new(
        report, "size", moda_json_number((double)f->parameters / (double)f->model_parameters));
    bad |= json_object_set_new(report, "flops",
                               moda_json_number((double)f->flops / (double)f->model_flops));
    bad |= json_object_set_new(report, "multiply_adds", json_integer((json_int_t)f->flops));
    if (f->head)
        bad |= json_object_set_new(report, "head_parameters", json_integer((json_int_t)f->head));
    MODA_CHECK(!bad, MODA_ERR_NOMEM, "out of memory: %s", s->common.json);
    MODA_TRY(moda_json_write(s->common.json, report));
out:
    json_decref(classes);
    json_decref(report);
    return st;
}

static void print_figures(const settings *s, const moda_model *module, const figures *f)
{
    char a[32], b[32], c[32];
    moda_table *table = moda_table_create("|>neurons|>parameters|>multiply-adds|>size|>FLOPs");
    moda_table_row(table, "composed|%s|%s|%s|%.4f|%.4f", moda_human_count(f->neurons, a),
                   moda_human_count(f->parameters, b), moda_human_count(f->flops, c),
                   (double)f->parameters / (double)f->model_parameters,
                   (double)f->flops / (double)f->model_flops);
    moda_table_row(table, "model|%s|%s|%s|1|1", moda_human_count(f->model_neurons, a),
                   moda_human_count(f->model_parameters, b), moda_human_count(f->model_flops, c));
    moda_table_print(table);
    printf("classes");
    for (size_t k = 0; k < module->net->classes; k++) {
        char name[256];
        moda_plain_text(module->class_names[k], name, sizeof name);
        printf("%s %u%s%s", k ? "," : "", module->class_ids[k], *name ? " " : "", name);
    }
    printf(": %s\n", s->out);
    moda_table_destroy(table);
}

static moda_status find_kept(const settings *s, const moda_model *model, const moda_net *net,
                             const moda_masks *masks, moda_kept **kept)
{
    moda_status st = MODA_OK;
    moda_rates *rates = NULL;
    if (s->round > 1) {
        MODA_TRY(moda_rates_open(s->directory, model, masks, &rates));
        MODA_TRY(
            moda_kept_rounded(net, masks, rates, s->classes.values, s->classes.n, s->round, kept));
    } else {
        MODA_TRY(moda_kept_of_classes(net, masks, s->classes.values, s->classes.n, kept));
    }
out:
    moda_rates_destroy(rates);
    return st;
}

/* *module, a trunk, gets its head. model: as it was trained. */
static moda_status add_head(const settings *s, moda_model *model, moda_model **module)
{
    moda_status st = MODA_OK;
    moda_option table[MODA_DATA_OPTION_COUNT];
    moda_data_options options;
    moda_dataset *data = NULL;
    moda_subtask_head head = {0};
    moda_model *whole = NULL;
    moda_data_options_table(&options, table); /* for the defaults */
    options.spec = s->data, options.per_class = s->per_class;
    MODA_TRY(moda_model_data_for(s->directory, model, &options, s->common.seed, false, &data));
    MODA_TRY(moda_subtask_head_learn(
        *module, s->classes.values, s->classes.n, &data->train, s->data,
        s->head_epochs ? s->head_epochs : MODA_SUBTASK_HEAD_EPOCHS, s->common.seed, &head));
    MODA_TRY(moda_subtask_head_attach(*module, &head, s->classes.values, &whole));
    moda_model_destroy(*module);
    *module = whole;
out:
    moda_subtask_head_free(&head);
    moda_dataset_destroy(data);
    return st;
}

static moda_status compose(settings *s)
{
    moda_status st = MODA_OK;
    moda_model *model = NULL, *plain = NULL, *module = NULL;
    moda_masks *masks = NULL;
    moda_kept *kept = NULL;
    MODA_TRY(moda_decomposition_open(s->directory, &model, &masks));
    MODA_TRY(check_method(s, masks));
    MODA_TRY(moda_model_outputs(model, "classes", &s->classes));
    MODA_TRY(moda_model_strip(model, &plain));
    const moda_model *cut = plain ? plain : model;
    MODA_TRY(find_kept(s, model, cut->net, masks, &kept));
    MODA_TRY(moda_compose_kept(cut, masks, kept, s->classes.values, s->classes.n, &module));
    figures f = {.parameters = moda_module_parameters(cut->net, kept),
                 .model_parameters = moda_network_parameters(cut->net),
                 .neurons = moda_module_neurons(kept),
                 .model_neurons = moda_class_tables_units(&masks->shape),
                 .flops = moda_module_flops(cut->net, kept),
                 .model_flops = moda_network_flops(cut->net)};
    if (masks->shape.mwt) {
        MODA_TRY(add_head(s, model, &module));
        f.head = moda_subtask_head_parameters(cut->net->classes, s->classes.n);
        f.parameters += f.head;
        f.flops += moda_subtask_head_flops(cut->net->classes, s->classes.n);
    }
    MODA_TRY(moda_model_save(module, s->out));
    if (s->common.json) MODA_TRY(write_json(s, module, &f));
    print_figures(s, module, &f);
out:
    moda_kept_destroy(kept);
    moda_masks_destroy(masks);
    moda_model_destroy(module);
    moda_model_destroy(plain);
    moda_model_destroy(model);
    return st;
}

static moda_status run(const moda_command *self, int argc, char **argv)
{
    moda_status st = MODA_OK;
    settings s;
    moda_option common[MODA_COMMON_OPTION_COUNT], table[OPTION_COUNT];
    char **operands = NULL;
    size_t count = 0, threads = 0;
    bool help = false;
    options_table(&s, common, table);
    MODA_TRY(moda_options_parse(self, table, argc, argv, 1, 1, &operands, &count, &help));
    if (help) goto out;
    s.directory = operands[0];
    MODA_TRY(check(&s));
    if (s.common.quiet) moda_log_set_level(MODA_LOG_WARNING);
    MODA_TRY(s.data ? moda_threads_start(&s.common, &threads)
                    : moda_threads_apply(&s.common, &threads));
    MODA_TRY(compose(&s));
out:
    free(s.classes.values);
    return st;
}

const moda_command moda_command_compose = {
    "compose", "compose modules into one network for some of the classes", "DIR",
    "moda compose runs/a/modules --classes 0,3,5 --out shirts.safetensors", run};
