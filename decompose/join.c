/* decompose/join.c - the graph of both networks, and what each of its layers holds. */
#include "decompose/join.h"
#include "base/file.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Layers that a join adds at most: input's batch norm, the class's output, softmax, the others' outputs,
 * scale, concatenation, decision. */
enum { ADDED_LAYERS = 7 };

typedef struct joiner {
    const moda_model *weak, *module;
    const moda_join_options *options;
    size_t weak_output, module_output; /* of the class; weak_output: where it is to be, with add */
    moda_net *net;                     /* grows in running order */
} joiner;

size_t moda_model_output_of(const moda_model *model, uint32_t class_number)
{
    size_t k = 0;
    while (k < model->net->classes && moda_model_class_number(model, k) != class_number) k++;
    return k;
}

/* ---- checks ---- */

static moda_status check_classes(joiner *j)
{
    moda_status st = MODA_OK;
    const moda_net *weak = j->weak->net, *module = j->module->net;
    const uint32_t c = j->options->class_number;
    j->weak_output = moda_model_output_of(j->weak, c);
    j->module_output = moda_model_output_of(j->module, c);
    MODA_CHECK(j->module_output < module->classes, MODA_ERR_ARG,
               "the module (network %s) has no output for class %u: give a module of that class",
               module->name, c);
    if (j->options->add) {
        MODA_CHECK(j->weak_output == weak->classes, MODA_ERR_ARG,
                   "class %u is an output of the weak model (network %s) already: replace it", c,
                   weak->name);
        while (j->weak_output > 0 && moda_model_class_number(j->weak, j->weak_output - 1) > c)
            j->weak_output--;
        goto out;
    }
    MODA_CHECK(
        j->weak_output < weak->classes, MODA_ERR_ARG,
        "class %u is no output of the weak model (network %s): choose one of its classes, or "
        "add the class",
        c, weak->name);
    MODA_CHECK(weak->classes > 1, MODA_ERR_ARG,
               "class %u is the weak model's only output: nothing would be left of it", c);
out:
    return st;
}

static moda_status check_inputs(const joiner *j)
{
    moda_status st = MODA_OK;
    const moda_shape a = j->weak->net->input, b = j->module->net->input;
    MODA_CHECK(a.c == b.c && a.h == b.h && a.w == b.w, MODA_ERR_ARG,
               "the weak model takes images of %zux%zux%zu, the module of %zux%zux%zu: both must "
               "take the same",
               a.c, a.h, a.w, b.c, b.h, b.w);
    MODA_CHECK(a.c <= MODA_MAX_CHANNELS, MODA_ERR_ARG,
               "inputs of %zu channels are no images: at most %d", a.c, MODA_MAX_CHANNELS);
    for (size_t c = 0; c < a.c; c++)
        MODA_CHECK(j->weak->std[c] > 0 && j->module->std[c] > 0, MODA_ERR_ARG,
                   "how the %s wants its images normalised is not known: use a model file that "
                   "moda trained",
                   j->weak->std[c] > 0 ? "module" : "weak model");
out:
    return st;
}

/* ---- layers ---- */

/* Appends a copy of a network that reads layer `input`; its last layer is then the last of all. */
static moda_status append_net(joiner *j, const moda_net *net, const char *prefix, size_t input)
{
    moda_status st = MODA_OK;
    moda_net *copy = NULL;
    const size_t before = j->net->layer_count - 1; /* its layer i becomes layer before + i */
    MODA_TRY(moda_net_piece(net, 0, net->layer_count - 1, &copy));
    for (size_t i = 1; i < copy->layer_count; i++) {
        moda_layer *l = &copy->layers[i];
        char *name = moda_format("%s%s", prefix, l->name);
        MODA_CHECK(name, MODA_ERR_NOMEM, "out of memory: a layer");
        free(l->name);
        l->name = name;
        for (size_t k = 0; k < moda_layer_inputs(l); k++)
            l->input[k] = l->input[k] == 0 ? input : before + l->input[k];
        j->net->layers[j->net->layer_count++] = *l;
        l->name = NULL, l->channels = NULL; /* moved */
    }
out:
    moda_net_destroy(copy);
    return st;
}

static size_t last(const joiner *j)
{
    return j->net->layer_count - 1;
}

/* Appends a layer of its own that gives vectors of c elements, read from layer a, and from b if it has
 * two inputs. */
static moda_status append(joiner *j, moda_layer_kind kind, const char *name, size_t c, size_t a,
                          size_t b)
{
    moda_status st = MODA_OK;
    moda_layer *l = &j->net->layers[j->net->layer_count];
    *l = (moda_layer){.kind = kind,
                      .input = {a, b},
                      .shape = {c, 1, 1},
                      .bias = kind == MODA_LAYER_LINEAR,
                      .init = MODA_INIT_NORMAL,
                      .bias_init = NAN};
    MODA_CHECK((l->name = strdup(name)) != NULL, MODA_ERR_NOMEM, "out of memory: a layer");
    j->net->layer_count++;
out:
    return st;
}

/* Appends a [select] of layer a: channel number of(c) at place c. */
static moda_status append_select(joiner *j, const char *name, size_t c, size_t a, uint32_t **list)
{
    moda_status st = MODA_OK;
    MODA_TRY(append(j, MODA_LAYER_SELECT, name, c, a, 0));
    MODA_ALLOC(*list, c * sizeof **list);
    j->net->layers[last(j)].channels = *list;
out:
    return st;
}

/* The same preparation of images leaves nothing to do. */
static moda_status append_input(joiner *j, size_t *input)
{
    moda_status st = MODA_OK;
    const moda_model *a = j->weak, *b = j->module;
    const moda_shape in = a->net->input;
    bool same = true;
    *input = 0;
    for (size_t c = 0; c < in.c; c++)
        same = same && a->mean[c] == b->mean[c] && a->std[c] == b->std[c];
    if (same) goto out;
    MODA_TRY(append(j, MODA_LAYER_BATCHNORM, MODA_JOIN_INPUT, in.c, 0, 0));
    *input = last(j);
    moda_layer *l = &j->net->layers[*input];
    l->shape = in;
    l->eps = 1e-30, l->momentum = 0.1; /* nothing is added to a variance that is exact */
out:
    return st;
}

/* The module, down to the one output that is wanted. */
static moda_status append_module(joiner *j)
{
    moda_status st = MODA_OK;
    size_t input;
    uint32_t *list;
    MODA_TRY(append_input(j, &input));
    MODA_TRY(append_net(j, j->module->net, MODA_JOIN_MODULE, input));
    if (j->module->net->classes == 1) goto out;
    MODA_TRY(append_select(j, "module_class", 1, last(j), &list));
    list[0] = (uint32_t)j->module_output;
out:
    return st;
}

/* The weak model's outputs but the one that is replaced, of layer `from`. */
static moda_status append_others(joiner *j, size_t from, size_t *others)
{
    moda_status st = MODA_OK;
    const size_t outputs = j->weak->net->classes;
    uint32_t *list;
    *others = from;
    if (j->options->add) goto out;
    MODA_TRY(append_select(j, "weak_others", outputs - 1, from, &list));
    for (size_t k = 0, n = 0; k < outputs; k++)
        if (k != j->weak_output) list[n++] = (uint32_t)k;
    *others = last(j);
out:
    return st;
}

/* The class's output stands behind the others; it belongs where its number is in their order. */
static moda_status append_order(joiner *j, size_t others)
{
    moda_status st = MODA_OK;
    uint32_t *list;
    if (j->weak_output == others) goto out;
    MODA_TRY(append_select(j, "outputs", others + 1, last(j), &list));
    for (size_t k = 0, n = 0; k <= others; k++)
        list[k] = (uint32_t)(k == j->weak_output ? others : n++);
out:
    return st;
}

static moda_status append_decision(joiner *j, size_t weak, size_t module)
{
    moda_status st = MODA_OK;
    const size_t outputs = j->weak->net->classes, count = outputs - !j->options->add;
    const bool minmax = j->options->strategy == MODA_JOIN_MINMAX;
    size_t others;
    if (minmax) {
        MODA_TRY(append(j, MODA_LAYER_SOFTMAX, "weak_softmax", outputs, weak, 0));
        weak = last(j);
        MODA_TRY(append(j, MODA_LAYER_LINEAR, MODA_JOIN_SCALE, 1, module, 0));
        module = last(j);
    }
    MODA_TRY(append_others(j, weak, &others));
    MODA_TRY(append(j, MODA_LAYER_CONCAT, "side_by_side", count + 1, others, module));
    if (minmax)
        MODA_TRY(append_order(j, count));
    else
        MODA_TRY(append(j, MODA_LAYER_LINEAR, "calibration", count + 1, last(j), 0));
out:
    return st;
}

/* The network, through a description, so that the parser checks it as it will when the file is read. */
static moda_status make_net(joiner *j, moda_net **net)
{
    moda_status st = MODA_OK;
    const moda_net *weak = j->weak->net, *module = j->module->net;
    char *text = NULL;
    MODA_ALLOC(j->net, sizeof *j->net);
    MODA_CHECK((j->net->name = strdup("joined")) != NULL, MODA_ERR_NOMEM, "out of memory: a name");
    MODA_ALLOC(j->net->layers,
               (weak->layer_count + module->layer_count + ADDED_LAYERS) * sizeof *j->net->layers);
    j->net->input = weak->input;
    j->net->conv_init = weak->conv_init, j->net->linear_init = MODA_INIT_NORMAL;
    j->net->layers[j->net->layer_count++] = (moda_layer){.shape = weak->input};
    MODA_CHECK((j->net->layers[0].name = strdup("input")) != NULL, MODA_ERR_NOMEM,
               "out of memory: a layer");
    MODA_TRY(append_net(j, weak, MODA_JOIN_WEAK, 0));
    const size_t weak_end = last(j);
    MODA_TRY(append_module(j));
    MODA_TRY(append_decision(j, weak_end, last(j)));
    j->net->classes = j->net->layers[last(j)].shape.c;
    MODA_TRY(moda_net_print(j->net, &text));
    MODA_TRY(moda_net_parse(text, "the joined network", (moda_net_defaults){{0, 0, 0}, 0}, net));
out:
    free(text);
    return st;
}

/* ---- values ---- */

static moda_status copy_values(const moda_model *from, const char *prefix, moda_model *to)
{
    moda_status st = MODA_OK;
    for (size_t i = 0; i < from->parameters.count; i++) {
        const moda_parameter *p = &from->parameters.items[i];
        char *name = moda_format("%s%s", prefix, p->name);
        MODA_CHECK(name, MODA_ERR_NOMEM, "out of memory: a name");
        const moda_parameter *q = moda_model_find(to, name);
        free(name);
        MODA_CHECK(q && q->elements == p->elements, MODA_ERR_INTERNAL,
                   "the joined network has no tensor %s%s", prefix, p->name);
        memcpy(to->values + q->offset, from->values + p->offset, p->elements * sizeof *to->values);
    }
out:
    return st;
}

/* With x = (pixel - mean_w)/std_w the module wants (pixel - mean_m)/std_m
 * = (x - (mean_m - mean_w)/std_w) / (std_m/std_w): running statistics of a batch norm. */
static void set_input(const joiner *j, moda_model *joined)
{
    const moda_model *w = j->weak, *m = j->module;
    const moda_parameter *mean = moda_model_find(joined, MODA_JOIN_INPUT ".running_mean");
    const moda_parameter *variance = moda_model_find(joined, MODA_JOIN_INPUT ".running_var");
    for (size_t c = 0; mean && variance && c < mean->elements; c++) {
        const double scale = (double)m->std[c] / (double)w->std[c];
        joined->values[mean->offset + c] =
            (float)(((double)m->mean[c] - (double)w->mean[c]) / (double)w->std[c]);
        joined->values[variance->offset + c] = (float)(scale * scale);
    }
}

/* ---- classes ---- */

static moda_status copy_name(const char *name, char **copy)
{
    moda_status st = MODA_OK;
    *copy = name ? strdup(name) : NULL;
    MODA_CHECK(*copy || !name, MODA_ERR_NOMEM, "out of memory: a class name");
out:
    return st;
}

/* Where classes were renumbered and one is added, they are so again with it among them. */
static moda_status name_classes(const joiner *j, moda_model *joined)
{
    moda_status st = MODA_OK;
    const moda_model *weak = j->weak;
    const size_t n = joined->net->classes;
    if (weak->class_numbers) MODA_ALLOC(joined->class_numbers, n * sizeof *joined->class_numbers);
    for (size_t k = 0; k < n; k++) {
        const bool fresh = j->options->add && k == j->weak_output;
        const size_t from = k - (j->options->add && k > j->weak_output); /* in the weak model */
        const char *name =
            fresh ? j->module->class_names[j->module_output] : weak->class_names[from];
        const uint32_t number =
            fresh ? j->options->class_number : moda_model_class_number(weak, from);
        if (joined->class_numbers) joined->class_numbers[k] = number;
        if (!j->options->add)
            joined->class_ids[k] = weak->class_ids[k];
        else
            joined->class_ids[k] = joined->class_numbers ? (uint32_t)k : number;
        MODA_TRY(copy_name(name, &joined->class_names[k]));
    }
out:
    return st;
}

moda_status moda_join(const moda_model *weak, const moda_model *module,
                      const moda_join_options *options, moda_model **joined)
{
    moda_status st = MODA_OK;
    joiner j = {.weak = weak, .module = module, .options = options};
    moda_net *net = NULL;
    moda_model *m = NULL;
    *joined = NULL;
    MODA_TRY(check_classes(&j));
    MODA_TRY(check_inputs(&j));
    MODA_TRY(make_net(&j, &net));
    MODA_TRY(moda_model_create(net, &m)); /* takes the net, also when it fails */
    MODA_TRY(copy_values(weak, MODA_JOIN_WEAK, m));
    MODA_TRY(copy_values(module, MODA_JOIN_MODULE, m));
    set_input(&j, m);
    MODA_TRY(name_classes(&j, m));
    memcpy(m->mean, weak->mean, sizeof m->mean);
    memcpy(m->std, weak->std, sizeof m->std);
    m->crop = weak->crop;
    *joined = m, m = NULL;
out:
    moda_net_destroy(j.net);
    moda_model_destroy(m);
    return st;
}
