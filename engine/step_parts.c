/* engine/step_parts.c - what the trainer does itself in a step, as parts of a profile. */
#include "base/isa.h"
#include "base/progress.h"
#include "engine/step_losses_internal.h"
#include "engine/step_parts_internal.h"
#include <stdio.h>

/* name: shown where other parts have their layer. */
static moda_status add(moda_profile *profile, moda_profile_part part, const char *name,
                       const char *kernel, size_t *index)
{
    snprintf(part.layer, sizeof part.layer, "%s", name);
    snprintf(part.kernel, sizeof part.kernel, "%s", kernel);
    return moda_profile_add(profile, &part, index);
}

/* With the instruction set, for what has one kernel per set. */
static const char *with_isa(const char *kernel, char *text, size_t size)
{
    snprintf(text, size, "%s, %s", kernel, moda_isa_name(moda_isa_best()));
    return text;
}

/* Vectors of all those layers, in f32. */
static double vector_bytes(const moda_net *net, moda_step_layers layers, size_t n)
{
    double bytes = 0;
    for (size_t l = 0; l < layers.count; l++)
        bytes += (double)(n * net->layers[layers.index[l]].shape.c * sizeof(float));
    return bytes;
}

moda_status moda_step_parts_add(moda_profile *profile, const moda_net *net,
                                const moda_train_options *options, moda_executor *executor,
                                moda_step_parts *parts)
{
    moda_status st = MODA_OK;
    const size_t n = moda_executor_batch(executor), behind = net->layer_count;
    const moda_shape in = net->input;
    const moda_step_layers layers = moda_step_layers_of(net, options->masked);
    const double pixels = (double)(n * in.c * in.h * in.w);
    moda_profile_part batch = {.work = MODA_WORK_DATA, .bytes = pixels * (1 + sizeof(float))};
    moda_profile_part loss = {.place = behind, .work = MODA_WORK_LOSSES};
    moda_profile_part update = {.place = behind + 1, .work = MODA_WORK_OPTIMIZER};
    moda_parameter_list list = {0};
    char text[64];
    MODA_TRY(moda_net_parameters(net, &list));
    snprintf(batch.shape, sizeof batch.shape, "%zux%zux%zux%zu", n, in.c, in.h, in.w);
    MODA_TRY(add(profile, batch, "batch", options->augment ? "augment, normalise" : "normalise",
                 &parts->batch));
    MODA_TRY(moda_executor_profile(executor, profile));
    snprintf(loss.shape, sizeof loss.shape, "%zux%zu", n, net->classes);
    loss.bytes = 2 * (double)(n * net->classes * sizeof(float));
    MODA_TRY(add(profile, loss, "cross entropy", "softmax", &parts->cross_entropy));
    snprintf(loss.shape, sizeof loss.shape, "%zu layers", layers.count);
    loss.bytes = 2 * vector_bytes(net, layers, n);
    if (options->modular || options->masked)
        MODA_TRY(add(profile, loss, "modular losses", with_isa("class sums", text, sizeof text),
                     &parts->modular));
    snprintf(update.shape, sizeof update.shape, "%zu", list.trainable);
    update.bytes = 5 * (double)(list.trainable * sizeof(float)); /* 3 reads, 2 writes */
    MODA_TRY(
        add(profile, update, "optimizer", with_isa("SGD", text, sizeof text), &parts->optimizer));
    parts->profile = profile;
out:
    moda_parameter_list_free(&list);
    return st;
}

static bool kept(const moda_step_parts *parts)
{
    return parts->profile && moda_profile_recording(parts->profile);
}

double moda_step_part_begin(const moda_step_parts *parts)
{
    return kept(parts) ? moda_seconds() : 0;
}

void moda_step_part_end(const moda_step_parts *parts, size_t part, double begin)
{
    if (kept(parts)) moda_profile_record(parts->profile, part, begin, moda_seconds());
}
