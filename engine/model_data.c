/* engine/model_data.c - opening a model and its data in the order that lets one tell the other what
 * it leaves open. */
#include "engine/model_data.h"
#include "base/file.h"
#include <stdlib.h>
#include <string.h>

/* A model file knows its input, bare weights do not. */
static bool is_bare(const char *spec)
{
    return !moda_is_file(spec) && strchr(spec, ':') != NULL;
}

/* Whether the outputs are some of the data's classes, as those of a module: then the data may have
 * others. */
static bool knows_some(const moda_model *model)
{
    const size_t n = model->net->classes;
    return model->module || model->class_ids[n - 1] != n - 1;
}

static moda_status check_shape(const char *spec, const moda_net *net,
                               const moda_data_options *options, const moda_dataset *data)
{
    moda_status st = MODA_OK;
    const moda_images *x = &data->train; /* an empty split has the data's shape, too */
    const moda_shape in = net->input;
    MODA_CHECK(
        x->channels == in.c && x->height == in.h && x->width == in.w, MODA_ERR_ARG,
        "%s: images are %zux%zux%zu, %s wants %zux%zux%zu: give the data (or --image-size) that it "
        "was made for",
        options->spec, x->channels, x->height, x->width, spec, in.c, in.h, in.w);
out:
    return st;
}

static moda_status check_classes(const char *spec, const moda_model *model,
                                 const moda_data_options *options, const moda_dataset *data)
{
    moda_status st = MODA_OK;
    const size_t outputs = model->net->classes;
    MODA_CHECK(knows_some(model) || data->classes == outputs, MODA_ERR_ARG,
               "%s has %zu classes, %s has %zu outputs: give the data (and --classes, --relabel) "
               "that it was "
               "trained with",
               options->spec, data->classes, spec, outputs);
    for (size_t k = 0; k < outputs; k++)
        MODA_CHECK(
            model->class_ids[k] < data->classes, MODA_ERR_ARG,
            "%s knows class %u, %s has %zu classes: give the data that its parent was trained with",
            spec, model->class_ids[k], options->spec, data->classes);
out:
    return st;
}

/* What the model says about the data. classes: room for its own class list. */
static moda_status complete(const char *spec, const moda_model *model, bool own_classes,
                            moda_data_options *options, moda_sizes *classes)
{
    moda_status st = MODA_OK;
    const moda_net *net = model->net;
    const bool folder = options->spec && strncmp(options->spec, "folder:", strlen("folder:")) == 0;
    MODA_CHECK(!knows_some(model) || !options->relabel, MODA_ERR_ARG,
               "--relabel: %s is a module, its outputs are classes of its parent: drop --relabel",
               spec);
    MODA_CHECK(model->std[0] == 0 || options->normalisation == MODA_NORMALISATION_DEFAULT,
               MODA_ERR_ARG, "--normalisation: %s carries its own: leave the option out", spec);
    MODA_CHECK(model->crop == MODA_CROP_DEFAULT || options->crop == MODA_CROP_DEFAULT ||
                   options->crop == (int)model->crop,
               MODA_ERR_ARG, "--crop %s: %s was trained with --crop %s: leave the option out",
               moda_crop_names[options->crop], spec, moda_crop_names[model->crop]);
    MODA_CHECK(!options->image_size ||
                   (options->image_size == net->input.h && options->image_size == net->input.w),
               MODA_ERR_ARG, "--image-size %zu: %s takes images of %zux%zu: leave the option out",
               options->image_size, spec, net->input.h, net->input.w);
    if (options->crop == MODA_CROP_DEFAULT) options->crop = (int)model->crop;
    if (folder && !options->image_size && net->input.h == net->input.w)
        options->image_size = net->input.h;
    if (!knows_some(model) || !own_classes || options->classes.n) goto out;
    MODA_ALLOC(classes->values, net->classes * sizeof *classes->values);
    for (classes->n = 0; classes->n < net->classes; classes->n++)
        classes->values[classes->n] = model->class_ids[classes->n];
    options->classes = *classes;
out:
    return st;
}

/* Checks that they fit; a model that does not know its input's normalisation gets the data's. */
static moda_status join(const char *spec, moda_model *model, const moda_data_options *options,
                        const moda_dataset *data)
{
    moda_status st = MODA_OK;
    MODA_TRY(check_shape(spec, model->net, options, data));
    MODA_TRY(check_classes(spec, model, options, data));
    if (model->std[0] == 0) MODA_TRY(moda_model_describe_data(model, data));
out:
    return st;
}

moda_status moda_model_data_for(const char *spec, moda_model *model,
                                const moda_data_options *options, uint64_t seed, bool own_classes,
                                moda_dataset **data)
{
    moda_status st = MODA_OK;
    moda_data_options o = *options;
    moda_sizes classes = {0};
    moda_dataset *d = NULL;
    *data = NULL;
    MODA_TRY(complete(spec, model, own_classes, &o, &classes));
    MODA_TRY(moda_data_options_open(&o, seed, &d));
    MODA_TRY(join(spec, model, &o, d));
    *data = d, d = NULL;
out:
    free(classes.values);
    moda_dataset_destroy(d);
    return st;
}

/* Bare weights take input and classes from the data. */
static moda_status open_bare(const char *spec, const moda_data_options *options, uint64_t seed,
                             moda_model **model, moda_dataset **data)
{
    moda_status st = MODA_OK;
    moda_model *m = NULL;
    moda_dataset *d = NULL;
    MODA_TRY(moda_data_options_open(options, seed, &d));
    const moda_net_defaults defaults = {{d->train.channels, d->train.height, d->train.width},
                                        d->classes};
    MODA_TRY(moda_model_open(spec, defaults, &m));
    MODA_TRY(join(spec, m, options, d));
    *model = m, *data = d, m = NULL, d = NULL;
out:
    moda_model_destroy(m);
    moda_dataset_destroy(d);
    return st;
}

moda_status moda_model_data_open(const char *spec, const moda_data_options *options, uint64_t seed,
                                 bool own_classes, moda_model **model, moda_dataset **data)
{
    moda_status st = MODA_OK;
    moda_model *m = NULL;
    *model = NULL, *data = NULL;
    if (is_bare(spec)) {
        MODA_TRY(open_bare(spec, options, seed, model, data));
        goto out;
    }
    MODA_TRY(moda_model_open(spec, (moda_net_defaults){0}, &m));
    MODA_TRY(moda_model_data_for(spec, m, options, seed, own_classes, data));
    *model = m, m = NULL;
out:
    moda_model_destroy(m);
    return st;
}

/* ---- outputs ---- */

/* The output that stands for a class number; net->classes when there is none. */
static size_t output_of(const moda_model *model, size_t number)
{
    size_t k = 0;
    while (k < model->net->classes && model->class_ids[k] != number) k++;
    return k;
}

moda_status moda_model_outputs(const moda_model *model, const char *name, moda_sizes *classes)
{
    moda_status st = MODA_OK;
    size_t bound = 0;
    for (size_t k = 0; k < model->net->classes; k++)
        if (model->class_ids[k] >= bound) bound = (size_t)model->class_ids[k] + 1;
    MODA_CHECK(classes->n > 0, MODA_ERR_ARG, "--%s: name at least one class", name);
    MODA_TRY(moda_sizes_sort_unique(name, classes, bound));
    for (size_t i = 0; i < classes->n; i++)
        MODA_CHECK(output_of(model, classes->values[i]) < model->net->classes, MODA_ERR_ARG,
                   "--%s: %s has no class %zu: ask for classes that it knows", name,
                   model->net->name, classes->values[i]);
    for (size_t i = 0; i < classes->n; i++)
        classes->values[i] = output_of(model, classes->values[i]);
    bound = model->net->classes;
    MODA_TRY(moda_sizes_sort_unique(name, classes, bound));
out:
    return st;
}

moda_status moda_model_data_outputs(const moda_model *model, const moda_data_options *options,
                                    moda_sizes *outputs)
{
    moda_status st = MODA_OK;
    const moda_sizes wanted = options->classes;
    const bool some = wanted.n && !options->relabel;
    outputs->n = some ? wanted.n : model->net->classes;
    MODA_ALLOC(outputs->values, outputs->n * sizeof *outputs->values);
    for (size_t i = 0; i < outputs->n; i++) outputs->values[i] = some ? wanted.values[i] : i;
    if (some) MODA_TRY(moda_model_outputs(model, "classes", outputs));
out:
    return st;
}
