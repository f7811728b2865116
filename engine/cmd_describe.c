/* engine/cmd_describe.c - `moda describe`: what a network consists of and what it costs. */
#include "base/json.h"
#include "base/options.h"
#include "base/table.h"
#include "engine/commands.h"
#include "engine/executor.h"
#include "engine/model.h"
#include "engine/net.h"
#include "numa/threads.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct describe_options {
    moda_common_options common;
    const char *input; /* "3x32x32" */
    size_t classes, batch_size;
    bool text;
} describe_options;

/* One row of the table. */
typedef struct layer_cost {
    size_t parameters; /* with the running statistics */
    uint64_t flops;    /* per sample */
    size_t bytes;      /* of the output, for the batch */
} layer_cost;

typedef struct description {
    const moda_net *net;
    size_t batch_size;
    moda_parameter_list list;
    layer_cost *costs; /* [net->layer_count] */
    uint64_t flops;    /* multiply-adds of one sample's forward pass */
    size_t activation_bytes, weights_bytes, training_bytes, unshared_bytes;
} description;

/* Values, and for what is trained its gradient and momentum. */
static size_t weights_bytes(const moda_parameter_list *list)
{
    return list->elements * sizeof(float) + list->trainable * 2 * sizeof(float);
}

/* What a training step's plan needs besides the weights, and what it would need if no two buffers
 * shared memory. The plan is made, not the memory. */
static moda_status plan_training(description *d)
{
    moda_status st = MODA_OK;
    const moda_executor_options options = {.batch = d->batch_size,
                                           .training = true,
                                           .modular = !d->net->mask_count,
                                           .masked = d->net->mask_count > 0};
    moda_weights *weights = NULL;
    moda_executor *executor = NULL;
    MODA_TRY(moda_weights_create(d->net, &weights));
    MODA_TRY(moda_executor_create(weights, &options, &executor));
    d->training_bytes = moda_executor_bytes(executor);
    d->unshared_bytes = moda_executor_bytes_unshared(executor);
out:
    moda_executor_destroy(executor);
    moda_weights_destroy(weights);
    return st;
}

/* ---- figures ---- */

static moda_status compute(const moda_net *net, size_t batch_size, description *d)
{
    moda_status st = MODA_OK;
    d->net = net, d->batch_size = batch_size;
    MODA_TRY(moda_net_parameters(net, &d->list));
    MODA_ALLOC(d->costs, net->layer_count * sizeof *d->costs);
    for (size_t i = 0; i < d->list.count; i++)
        d->costs[d->list.items[i].layer].parameters += d->list.items[i].elements;
    for (size_t i = 0; i < net->layer_count; i++) {
        const moda_shape s = net->layers[i].shape;
        layer_cost *c = &d->costs[i];
        size_t sum = 0;
        c->flops = moda_layer_flops(net, i);
        d->flops += c->flops;
        MODA_CHECK(
            !__builtin_mul_overflow(s.c * s.h * s.w * sizeof(float), batch_size, &c->bytes) &&
                !__builtin_add_overflow(d->activation_bytes, c->bytes, &sum) && sum < SIZE_MAX / 4,
            MODA_ERR_ARG, "--batch-size %zu: more memory than can be addressed; use less",
            batch_size);
        d->activation_bytes = sum;
    }
    d->weights_bytes = weights_bytes(&d->list);
    MODA_TRY(plan_training(d));
out:
    return st;
}

static void description_free(description *d)
{
    moda_parameter_list_free(&d->list);
    free(d->costs);
}

/* ---- screen ---- */

static void print_layers(const description *d)
{
    const moda_net *net = d->net;
    moda_table *t =
        moda_table_create("layer|kind|from|>output|>parameters|>multiply-adds|>activation");
    for (size_t i = 0; i < net->layer_count; i++) {
        const moda_layer *l = &net->layers[i];
        const bool two = moda_layer_inputs(l) == 2;
        char parameters[32], flops[32], bytes[16];
        moda_table_row(t, "%s|%s|%s%s%s|%zux%zux%zu|%s|%s|%s", l->name,
                       moda_layer_kind_name(l->kind), i ? net->layers[l->input[0]].name : "",
                       two ? ", " : "", two ? net->layers[l->input[1]].name : "", l->shape.c,
                       l->shape.h, l->shape.w, moda_human_count(d->costs[i].parameters, parameters),
                       moda_human_count(d->costs[i].flops, flops),
                       moda_human_bytes((double)d->costs[i].bytes, bytes));
    }
    moda_table_print(t);
    moda_table_destroy(t);
}

static void print_totals(const description *d)
{
    char count[32], trainable[32], bytes[16], unshared[16];
    printf("\n%s: input %zux%zux%zu, %zu classes, %zu layers, %zu tracked", d->net->name,
           d->net->input.c, d->net->input.h, d->net->input.w, d->net->classes,
           d->net->layer_count - 1, d->net->tracked_count);
    if (d->net->mask_count) printf(", %zu masked", d->net->mask_count);
    printf("\n");
    printf("parameters      %s, of them trainable %s\n", moda_human_count(d->list.elements, count),
           moda_human_count(d->list.trainable, trainable));
    printf("multiply-adds   %s per sample, forward\n", moda_human_count(d->flops, count));
    printf("weights         %s (values, gradients, momentum)\n",
           moda_human_bytes((double)d->weights_bytes, bytes));
    printf("activations     %s at batch size %zu\n",
           moda_human_bytes((double)d->activation_bytes, bytes), d->batch_size);
    printf("training step   %s planned at batch size %zu, %s if no buffers shared memory\n",
           moda_human_bytes((double)d->training_bytes, bytes), d->batch_size,
           moda_human_bytes((double)d->unshared_bytes, unshared));
}

/* ---- --json ---- */

/* NULL: memory was short. */
static json_t *layer_json(const description *d, size_t i)
{
    const moda_layer *l = &d->net->layers[i];
    json_t *from = json_array(), *result = NULL;
    int bad = 0;
    for (size_t k = 0; k < moda_layer_inputs(l); k++)
        bad |= json_array_append_new(from, json_string(d->net->layers[l->input[k]].name));
    const size_t shape[3] = {l->shape.c, l->shape.h, l->shape.w};
    if (!bad)
        result = json_pack(
            "{s:s, s:s, s:O, s:o, s:I, s:I, s:I}", "name", l->name, "kind",
            moda_layer_kind_name(l->kind), "from", from, "shape", moda_json_sizes(shape, 3),
            "parameters", (json_int_t)d->costs[i].parameters, "flops",
            (json_int_t)d->costs[i].flops, "activation_bytes", (json_int_t)d->costs[i].bytes);
    json_decref(from);
    return result;
}

static moda_status write_json(const description *d, const char *path)
{
    moda_status st = MODA_OK;
    const moda_net *net = d->net;
    const size_t input[3] = {net->input.c, net->input.h, net->input.w};
    json_t *layers = json_array(), *object = NULL;
    int bad = 0;
    for (size_t i = 0; i < net->layer_count; i++)
        bad |= json_array_append_new(layers, layer_json(d, i));
    MODA_CHECK(!bad, MODA_ERR_NOMEM, "out of memory");
    object = json_pack("{s:s, s:o, s:I, s:I, s:O, s:I, s:I, s:I, s:I, s:I, s:I}", "name", net->name,
                       "input", moda_json_sizes(input, 3), "classes", (json_int_t)net->classes,
                       "batch_size", (json_int_t)d->batch_size, "layers", layers, "parameters",
                       (json_int_t)d->list.elements, "trainable", (json_int_t)d->list.trainable,
                       "flops", (json_int_t)d->flops, "weights_bytes", (json_int_t)d->weights_bytes,
                       "activation_bytes", (json_int_t)d->activation_bytes, "training_bytes",
                       (json_int_t)d->training_bytes, "training_bytes_unshared",
                       (json_int_t)d->unshared_bytes);
    MODA_CHECK(object, MODA_ERR_NOMEM, "out of memory");
    MODA_TRY(moda_json_write(path, object));
out:
    json_decref(layers);
    json_decref(object);
    return st;
}

/* ---- the command ---- */

static moda_status parse_input(const char *text, moda_shape *shape)
{
    moda_status st = MODA_OK;
    size_t value[3] = {0};
    const char *at = text;
    bool good = true;
    for (int k = 0; good && k < 3; k++) {
        const size_t digits = strspn(at, "0123456789");
        good = digits > 0 && digits <= 9 && at[digits] == (k < 2 ? 'x' : 0);
        value[k] = good ? strtoul(at, NULL, 10) : 0;
        good = good && value[k] > 0;
        at += digits + 1;
    }
    MODA_CHECK(good, MODA_ERR_ARG,
               "--input '%s': give channels, height and width, as in --input 3x32x32", text);
    *shape = (moda_shape){value[0], value[1], value[2]};
out:
    return st;
}

/* Exactly one of net and model is set. */
static moda_status open_any(const char *what, const describe_options *o, moda_net **net,
                            moda_model **model)
{
    moda_status st = MODA_OK;
    moda_net_defaults defaults = {.classes = o->classes};
    if (o->input) MODA_TRY(parse_input(o->input, &defaults.input));
    if (moda_net_is_meant(what)) {
        const moda_net_defaults usual = {o->input ? defaults.input : (moda_shape){3, 32, 32},
                                         o->classes};
        st = moda_net_open(what, usual, net);
        /* Ten classes only where nobody says how many: a description may well do so itself. */
        if (st == MODA_ERR_FORMAT && !o->classes)
            st = moda_net_open(what, (moda_net_defaults){usual.input, 10}, net);
        if (st != MODA_OK) goto out;
    } else
        MODA_TRY(moda_model_open(what, defaults, model));
    const moda_net *opened = *model ? (*model)->net : *net;
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): one of them is set */
    const moda_shape in = opened->input;
    MODA_CHECK(!o->input || (in.c == defaults.input.c && in.h == defaults.input.h &&
                             in.w == defaults.input.w),
               MODA_ERR_ARG, "--input %s: %s is made for %zux%zux%zu; leave the option out",
               o->input, what, in.c, in.h, in.w);
    MODA_CHECK(!o->classes || opened->classes == o->classes, MODA_ERR_ARG,
               "--classes %zu: %s is made for %zu; leave the option out", o->classes, what,
               opened->classes);
out:
    return st;
}

static moda_status describe(const char *what, const describe_options *o)
{
    moda_status st = MODA_OK;
    moda_net *net = NULL;
    moda_model *model = NULL;
    description d = {0};
    char *text = NULL;
    MODA_TRY(open_any(what, o, &net, &model));
    MODA_TRY(compute(model ? model->net : net, o->batch_size, &d));
    if (o->text) {
        MODA_TRY(moda_net_print(d.net, &text));
        fputs(text, stdout);
    } else {
        print_layers(&d);
        print_totals(&d);
    }
    if (o->common.json) MODA_TRY(write_json(&d, o->common.json));
out:
    free(text);
    description_free(&d);
    moda_model_destroy(model);
    moda_net_destroy(net);
    return st;
}

static moda_status run(const moda_command *self, int argc, char **argv)
{
    moda_status st = MODA_OK;
    describe_options o = {.batch_size = 128};
    moda_option common[MODA_COMMON_OPTION_COUNT];
    moda_common_options_table(&o.common, common);
    const moda_option table[] = {
        {MODA_OPTION_TEXT, "input", "CxHxW", "input size left open by the network (3x32x32)",
         &o.input, 0, 0, NULL},
        {MODA_OPTION_SIZE, "classes", "N", "outputs left open by the network (10)", &o.classes, 1,
         MODA_MAX_CLASSES, NULL},
        {MODA_OPTION_SIZE, "batch-size", "N", "samples that activations are counted for (128)",
         &o.batch_size, 1, 1e9, NULL},
        {MODA_OPTION_FLAG, "text", NULL, "print the description instead, in full", &o.text, 0, 0,
         NULL},
        {MODA_OPTION_TABLE, NULL, NULL, NULL, common, 0, 0, NULL},
        {0},
    };
    char **operands = NULL;
    size_t count = 0, threads;
    bool help = false;
    MODA_TRY(moda_options_parse(self, table, argc, argv, 1, 1, &operands, &count, &help));
    if (help) goto out;
    MODA_TRY(moda_threads_apply(&o.common, &threads)); /* plans depend on it */
    MODA_TRY(describe(operands[0], &o));
out:
    return st;
}

const moda_command moda_command_describe = {
    .name = "describe",
    .summary = "show a network's layers, shapes, parameters, multiply-adds and memory",
    .operands = "NAME|FILE.net|MODEL",
    .example = "moda describe vgg16 --classes 100 --batch-size 256",
    .run = run,
};
