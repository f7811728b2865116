/* decompose/replace.c - fitting what decides between a weak model and a module, and judging it. */
#include "decompose/replace.h"
#include "decompose/compose.h"
#include "decompose/strip.h"
#include "engine/evaluate.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the scale of min-max splicing ---- */

/* Smallest and largest value of the class's output over the training images. */
static moda_status measure_range(const moda_model *module, const moda_dataset *data,
                                 const moda_replace_options *o, double *minimum, double *maximum)
{
    moda_status st = MODA_OK;
    const size_t n = data->train.n, outputs = module->net->classes;
    const size_t class = moda_model_output_of(module, o->join.class_number);
    moda_runner *runner = NULL;
    moda_evaluation_wish wish = {.label = o->training.label};
    moda_evaluation result;
    MODA_CHECK(n, MODA_ERR_ARG, "%s: no training images to scale the module's output by",
               data->name);
    MODA_ALLOC(wish.logits, n * outputs * sizeof *wish.logits);
    MODA_TRY(moda_runner_create(module, o->training.batch_size, NULL, NULL, &runner));
    MODA_TRY(moda_evaluate(moda_runner_executor(runner), module, &data->train, &wish, &result));
    *minimum = INFINITY, *maximum = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        const double z = (double)wish.logits[i * outputs + class];
        MODA_CHECK(isfinite(z), MODA_ERR_NUMERIC,
                   "the module's output for training image %zu is not finite: its weights are "
                   "broken",
                   i);
        *minimum = fmin(*minimum, z), *maximum = fmax(*maximum, z);
    }
out:
    moda_runner_destroy(runner);
    free(wish.logits);
    return st;
}

/* A module that says the same of every image is scaled to 0. */
static void set_scale(moda_model *joined, double minimum, double maximum)
{
    const double range = maximum - minimum, weight = range > 0 ? 1 / range : 0;
    const moda_parameter *w = moda_model_find(joined, MODA_JOIN_SCALE ".weight");
    const moda_parameter *b = moda_model_find(joined, MODA_JOIN_SCALE ".bias");
    joined->values[w->offset] = (float)weight;
    joined->values[b->offset] = (float)(-minimum * weight);
}

/* Without samples of the class the layer would learn never to say it. */
static moda_status check_samples(const moda_model *joined, const moda_dataset *data,
                                 uint32_t class_number)
{
    moda_status st = MODA_OK;
    const uint32_t label = joined->class_ids[moda_model_output_of(joined, class_number)];
    size_t n = 0;
    while (n < data->train.n && data->train.labels[n] != label) n++;
    MODA_CHECK(n < data->train.n, MODA_ERR_ARG,
               "%s: no training image of class %u, which the calibration has to learn: give data "
               "that have the class",
               data->name, class_number);
out:
    return st;
}

static moda_status fit(const moda_model *module, const moda_dataset *data,
                       const moda_replace_options *o, moda_model *joined,
                       moda_replace_report *report)
{
    moda_status st = MODA_OK;
    report->module_minimum = report->module_maximum = NAN;
    report->calibration = (moda_head_record){NAN, NAN};
    if (o->join.strategy == MODA_JOIN_CALIBRATE) {
        MODA_TRY(check_samples(joined, data, o->join.class_number));
        MODA_TRY(moda_head_train_model(joined, data, &o->training, &report->calibration));
        goto out;
    }
    MODA_TRY(measure_range(module, data, o, &report->module_minimum, &report->module_maximum));
    set_scale(joined, report->module_minimum, report->module_maximum);
out:
    return st;
}

/* ---- accuracy ---- */

/* Outputs of the model that may be predicted: [net->classes] room. */
static void choose_outputs(const moda_model *model, moda_sizes classes, moda_sizes *outputs)
{
    outputs->n = 0;
    for (size_t k = 0; k < model->net->classes; k++)
        for (size_t i = 0; i < classes.n; i++)
            if (classes.values[i] == model->class_ids[k]) outputs->values[outputs->n++] = k;
}

static double share(size_t correct, size_t samples)
{
    return samples ? (double)correct / (double)samples : NAN;
}

/* samples, correct [classes] per output; target: the class's output, or any number beyond. */
static moda_replace_accuracy sum_up(size_t classes, const size_t *samples, const size_t *correct,
                                    size_t target)
{
    moda_replace_accuracy a = {NAN, NAN, NAN};
    size_t all = 0, right = 0, others = 0;
    double sum = 0;
    for (size_t k = 0; k < classes; k++) {
        all += samples[k], right += correct[k];
        if (k == target) a.target = share(correct[k], samples[k]);
        if (k == target || !samples[k]) continue;
        sum += share(correct[k], samples[k]);
        others++;
    }
    if (others) a.others = sum / (double)others;
    a.all = share(right, all);
    return a;
}

static moda_status judge(const moda_model *model, const moda_dataset *data,
                         const moda_replace_options *o, moda_replace_accuracy *accuracy,
                         moda_replace_report *report)
{
    moda_status st = MODA_OK;
    const size_t classes = model->net->classes;
    const size_t target = moda_model_output_of(model, o->join.class_number);
    size_t *samples = NULL, *correct = NULL;
    moda_sizes outputs = {0};
    moda_runner *runner = NULL;
    moda_evaluation result;
    MODA_ALLOC(samples, classes * sizeof *samples);
    MODA_ALLOC(correct, classes * sizeof *correct);
    MODA_ALLOC(outputs.values, classes * sizeof *outputs.values);
    choose_outputs(model, o->classes, &outputs);
    const moda_evaluation_wish wish = {
        .outputs = outputs, .samples = samples, .correct = correct, .label = o->training.label};
    MODA_TRY(moda_runner_create(model, o->training.batch_size, NULL, NULL, &runner));
    MODA_TRY(moda_evaluate(moda_runner_executor(runner), model, &data->test, &wish, &result));
    *accuracy = sum_up(classes, samples, correct, target);
    report->target_samples = target < classes ? samples[target] : 0;
    report->other_samples = result.samples - report->target_samples;
out:
    moda_runner_destroy(runner);
    free(samples);
    free(correct);
    free(outputs.values);
    return st;
}

/* The weak model under the labels of the joined one's data: they differ where renumbered classes got one
 * more. */
static void relabel(const moda_model *weak, const moda_model *joined, uint32_t *ids)
{
    for (size_t k = 0; k < weak->net->classes; k++)
        ids[k] = joined->class_ids[moda_model_output_of(joined, moda_model_class_number(weak, k))];
}

static moda_status compare(const moda_model *weak, const moda_model *joined,
                           const moda_dataset *data, const moda_replace_options *o,
                           moda_replace_report *report)
{
    moda_status st = MODA_OK;
    moda_model before = *weak; /* borrows all but the labels */
    uint32_t *ids = NULL;
    MODA_ALLOC(ids, weak->net->classes * sizeof *ids);
    relabel(weak, joined, ids);
    before.class_ids = ids;
    report->before = report->after = (moda_replace_accuracy){NAN, NAN, NAN};
    if (!data->test.n) goto out;
    MODA_TRY(judge(&before, data, o, &report->before, report));
    MODA_TRY(judge(joined, data, o, &report->after, report));
out:
    free(ids);
    return st;
}

/* Renumbered data must have been renumbered as the model's were. */
static moda_status check_numbers(const moda_model *joined, const moda_dataset *data)
{
    moda_status st = MODA_OK;
    for (size_t k = 0; data->class_numbers && k < joined->net->classes; k++) {
        const uint32_t label = joined->class_ids[k], number = moda_model_class_number(joined, k);
        MODA_CHECK(label < data->classes && data->class_numbers[label] == number, MODA_ERR_ARG,
                   "%s: its class %u is not what output %zu of the model stands for, class %u: "
                   "give the classes that the model has",
                   data->name, label < data->classes ? data->class_numbers[label] : label, k,
                   number);
    }
out:
    return st;
}

moda_status moda_replace(const moda_model *weak, const moda_model *module, const moda_dataset *data,
                         const moda_replace_options *options, moda_model **result,
                         moda_replace_report *report)
{
    moda_status st = MODA_OK;
    moda_replace_report own = {0};
    moda_model *joined = NULL;
    *result = NULL;
    MODA_TRY(moda_join(weak, module, &options->join, &joined));
    MODA_TRY(check_numbers(joined, data));
    MODA_TRY(fit(module, data, options, joined, &own));
    if (report) {
        MODA_TRY(compare(weak, joined, data, options, &own));
        *report = own;
    }
    *result = joined, joined = NULL;
out:
    moda_model_destroy(joined);
    return st;
}

moda_status moda_replace_module(const char *directory, uint32_t class_number, moda_model **module)
{
    moda_status st = MODA_OK;
    moda_model *model = NULL, *plain = NULL;
    moda_masks *masks = NULL;
    *module = NULL;
    MODA_TRY(moda_decomposition_open(directory, &model, &masks));
    const size_t output = moda_model_output_of(model, class_number);
    MODA_CHECK(output < model->net->classes, MODA_ERR_ARG,
               "%s: no module of class %u: its model (network %s) was not trained on that class",
               directory, class_number, model->net->name);
    MODA_TRY(moda_model_strip(model, &plain));
    MODA_TRY(moda_compose(plain ? plain : model, masks, &output, 1, module));
out:
    moda_model_destroy(plain);
    moda_model_destroy(model);
    moda_masks_destroy(masks);
    return st;
}
