/* engine/model_open.c - a model from what the command line calls MODEL: a model file, or a network
 * and a file of bare weights. */
#include "base/file.h"
#include "engine/model_internal.h"
#include "engine/net_internal.h"
#include "engine/quote_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- bare weights: what they tell about the network ---- */

/* Fills what defaults and description both leave open: classes are the rows of the last layer's
 * weights, input channels the columns of the first convolution's; images are 32x32. The probe is
 * the same network for any classes and channels. Where even that does not parse, or tensors are
 * missing, the real attempt will say why. */
static void infer_defaults(const char *description, const moda_tensor_file *file,
                           moda_net_defaults *defaults)
{
    const bool find_channels = defaults->input.c == 0;
    moda_net *probe = NULL;
    moda_parameter_list list = {0};
    if (find_channels) defaults->input = (moda_shape){3, 32, 32};
    moda_net_defaults trial = *defaults;
    bool find_classes = false;
    if (moda_net_parse(description, "", trial, &probe) != MODA_OK && trial.classes == 0) {
        find_classes = true;
        trial.classes = 1;
        if (moda_net_parse(description, "", trial, &probe) != MODA_OK) return;
    }
    if (probe && moda_net_parameters(probe, &list) == MODA_OK)
        for (size_t i = 0; i < list.count; i++) {
            const moda_parameter *p = &list.items[i];
            const moda_layer *l = &probe->layers[p->layer];
            const moda_tensor *t = moda_tensor_file_find(file, p->name);
            if (!t || p->role != MODA_WEIGHT || t->rank != p->rank) continue;
            if (find_classes && p->layer == probe->layer_count - 1) defaults->classes = t->shape[0];
            if (find_channels && l->kind == MODA_LAYER_CONV && l->input[0] == 0 && l->groups == 1)
                defaults->input.c = t->shape[1];
        }
    /* The last layer's tensor is not there: with any number the real attempt gets so far as to say
     * which tensors are missing. */
    if (find_classes && !defaults->classes) defaults->classes = 1;
    moda_parameter_list_free(&list);
    moda_net_destroy(probe);
}

/* ---- a network that is known, a file that is open ---- */

/* Takes the net over. Tensors are compared with the network before anything of its size is
 * allocated: a description of a few bytes can ask for any amount. */
static moda_status create_and_fill(moda_net *net, const moda_tensor_file *file, moda_model **model)
{
    moda_status st = MODA_OK;
    moda_parameter_list list = {0};
    moda_model *m = NULL;
    MODA_TRY(moda_net_parameters(net, &list));
    MODA_TRY(moda_model_check_tensors(net, &list, file));
    st = moda_model_create(net, &m);
    net = NULL;
    if (st != MODA_OK) goto out;
    MODA_TRY(moda_model_read_weights(m, file));
    *model = m, m = NULL;
out:
    moda_parameter_list_free(&list);
    moda_model_destroy(m);
    moda_net_destroy(net);
    return st;
}

static moda_status open_bare(const char *network, const char *path, moda_net_defaults defaults,
                             moda_model **model)
{
    moda_status st = MODA_OK;
    char *description = NULL;
    moda_tensor_file *file = NULL;
    moda_net *net = NULL;
    MODA_TRY(moda_net_text(network, &description));
    MODA_TRY(moda_tensor_file_open(path, &file));
    infer_defaults(description, file, &defaults);
    MODA_TRY(moda_net_parse(description, network, defaults, &net));
    MODA_TRY(create_and_fill(net, file, model));
out:
    free(description);
    moda_tensor_file_close(file);
    return st;
}

/* ---- model files ---- */

static moda_status parse_rest(moda_model *model, const moda_tensor_file *file)
{
    moda_status st = MODA_OK;
    const char *input = moda_tensor_file_metadata(file, MODEL_INPUT);
    const char *classes = moda_tensor_file_metadata(file, MODEL_CLASSES);
    const char *module = moda_tensor_file_metadata(file, MODEL_MODULE);
    if (input) MODA_TRY(moda_model_parse_input(model, input));
    if (classes) MODA_TRY(moda_model_parse_classes(model, classes));
    if (module) MODA_TRY(moda_model_parse_module(model, module));
out:
    return moda_fail_context(st, "%s", moda_tensor_file_path(file));
}

static moda_status open_file(const char *path, moda_model **model)
{
    moda_status st = MODA_OK;
    moda_tensor_file *file = NULL;
    moda_net *net = NULL;
    moda_model *m = NULL;
    char *source = NULL;
    MODA_TRY(moda_tensor_file_open(path, &file));
    const char *text = moda_tensor_file_metadata(file, MODEL_DESCRIPTION);
    MODA_CHECK(text, MODA_ERR_FORMAT,
               "%s: bare weights without a description; name the network, as in 'vgg16:%s'", path,
               path);
    MODA_CHECK((source = moda_format("%s: metadata " MODEL_DESCRIPTION, path)) != NULL,
               MODA_ERR_NOMEM, "out of memory");
    MODA_TRY(moda_net_parse(text, source, (moda_net_defaults){0}, &net));
    MODA_TRY(create_and_fill(net, file, &m));
    MODA_TRY(parse_rest(m, file));
    *model = m, m = NULL;
out:
    free(source);
    moda_model_destroy(m);
    moda_tensor_file_close(file);
    return st;
}

/* The colon of "FILE.net:W" or "NAME:W"; NULL: none. Paths may hold colons as well, names of
 * networks no slash. */
static char *find_colon(char *spec)
{
    char *first = strchr(spec, ':');
    for (char *colon = first; colon; colon = strchr(colon + 1, ':'))
        if (colon - spec > 4 && memcmp(colon - 4, ".net", 4) == 0) return colon;
    return first && !memchr(spec, '/', (size_t)(first - spec)) ? first : NULL;
}

moda_status moda_model_open(const char *spec, moda_net_defaults defaults, moda_model **model)
{
    moda_status st = MODA_OK;
    char *network = strdup(spec);
    MODA_CHECK(network, MODA_ERR_NOMEM, "out of memory");
    char *colon = moda_is_file(spec) ? NULL : find_colon(network);
    if (colon) {
        *colon = 0;
        MODA_TRY(open_bare(network, colon + 1, defaults, model));
    } else
        MODA_TRY(open_file(spec, model));
out:
    free(network);
    return st;
}
