/* tests/test_replace.c - decompose/replace.h: the fit and the figures, beside plain loops over what both
 * models say alone. */
#include "base/log.h"
#include "datasets/batch.h"
#include "decompose/replace.h"
#include "tests/naive_net.h"
#include "tests/small_net.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void quiet(void)
{
    moda_log_set_level(MODA_LOG_WARNING);
}

TestSuite(replace, .init = quiet, .timeout = 60);

static void must(moda_status st)
{
    cr_assert(eq(int, st, MODA_OK), "%s", moda_last_error());
}

static const char weak_body[] = "[conv];name=a;outputs=5;kernel=3;[relu];[maxpool];kernel=2;"
                                "[linear];name=end;outputs=3";
static const char module_body[] = "[conv];name=a;outputs=7;kernel=3;padding=1;bias=no;[batchnorm];"
                                  "name=n;[relu];[avgpool];kernel=global;[linear];name=end;"
                                  "outputs=1";
/* Samples of classes 1, 3, 4 (and 5) of six, renumbered. */
static moda_dataset *open_data(bool added)
{
    moda_dataset *data = NULL;
    size_t classes[] = {1, 3, 4, 5};
    const moda_dataset_options o = {.classes = {classes, added ? 4 : 3}, .relabel = true};
    must(moda_dataset_open("synthetic:classes=6,channels=2,size=8,train=150,test=120", &o, &data));
    return data;
}

static moda_model *new_model(const char *body, uint64_t seed, const uint32_t *numbers, float mean)
{
    moda_model *m = small_model("2 8 8", body, seed);
    const size_t n = m->net->classes;
    m->class_numbers = calloc(n, sizeof *m->class_numbers);
    memcpy(m->class_numbers, numbers, n * sizeof *numbers);
    for (size_t c = 0; c < 2; c++) m->mean[c] = mean, m->std[c] = 0.3f;
    return m;
}

/* Logits [n,outputs] of a model alone, in double precision. */
static double *alone(const moda_model *m, const moda_images *images)
{
    const size_t n = images->n, outputs = m->net->classes;
    moda_batch_options o = {.batch_size = n};
    moda_batches *batches = NULL;
    float *x = calloc(n * 2 * 8 * 8, sizeof *x);
    uint32_t *labels = calloc(n, sizeof *labels);
    double *z = calloc(n * outputs, sizeof *z);
    memcpy(o.mean, m->mean, sizeof o.mean), memcpy(o.std, m->std, sizeof o.std);
    must(moda_batches_create(images, &o, &batches));
    moda_batches_fill(batches, 0, x, labels);
    naive_net *net = naive_create(m, n, false);
    naive_forward(net, x);
    memcpy(z, naive_logits(net), n * outputs * sizeof *z);
    naive_destroy(net);
    moda_batches_destroy(batches);
    free(x), free(labels);
    return z;
}

static const float *values_of(const moda_model *m, const char *name)
{
    const moda_parameter *p = moda_model_find(m, name);
    cr_assert(p != NULL, "no tensor %s", name);
    return m->values + p->offset;
}

static const moda_replace_options usual = {
    .join = {3, false, MODA_JOIN_CALIBRATE},
    .training = {.epochs = 5, .batch_size = 16, .sgd = {0.05, 0.9, 0}, .shuffle = true, .seed = 4}};

/* Accuracies by counting; of: which output a label has, or outputs (none); target: its output. */
static moda_replace_accuracy count(const moda_images *images, size_t outputs, const double *z,
                                   const size_t *of, size_t target)
{
    double right[8] = {0}, samples[8] = {0}, others = 0, all = 0, total = 0;
    size_t classes = 0;
    for (size_t i = 0; i < images->n; i++) {
        const size_t k = of[images->labels[i]];
        size_t best = 0;
        if (k == outputs) continue;
        for (size_t j = 1; j < outputs; j++)
            if (z[i * outputs + j] > z[i * outputs + best]) best = j;
        samples[k]++, total++;
        right[k] += best == k, all += best == k;
    }
    for (size_t k = 0; k < outputs; k++)
        if (k != target) others += right[k] / samples[k], classes++;
    return (moda_replace_accuracy){target < outputs ? right[target] / samples[target] : NAN,
                                   others / (double)classes, all / total};
}

static void check_accuracy(moda_replace_accuracy got, moda_replace_accuracy want)
{
    if (isnan(want.target))
        cr_expect(ne(int, isnan(got.target), 0));
    else
        cr_expect(epsilon_eq(dbl, got.target, want.target, 1e-9));
    cr_expect(epsilon_eq(dbl, got.others, want.others, 1e-9));
    cr_expect(epsilon_eq(dbl, got.all, want.all, 1e-9));
}

/* What the calibration reads of an image: the weak model's other outputs, then the module's. */
static float *side_by_side(size_t n, const double *weak, size_t dropped, const double *module,
                           size_t *d)
{
    float *x = calloc(n * 4, sizeof *x);
    *d = dropped < 3 ? 3 : 4;
    for (size_t i = 0; i < n; i++) {
        size_t j = 0;
        for (size_t k = 0; k < 3; k++)
            if (k != dropped) x[i * *d + j++] = (float)weak[i * 3 + k];
        x[i * *d + j] = (float)module[i];
    }
    return x;
}

/* Without the graph: features of both models alone, the layer trained on them, its outputs counted. */
static void check_calibrated(bool add)
{
    moda_dataset *data = open_data(add);
    moda_model *weak = new_model(weak_body, 1, (uint32_t[]){1, 3, 4}, 0.4f), *result = NULL;
    moda_model *module = new_model(module_body, 2, (uint32_t[]){add ? 5 : 3}, 0.55f);
    moda_replace_options o = usual;
    moda_replace_report report;
    size_t d;
    o.join.add = add, o.join.class_number = add ? 5 : 3;
    must(moda_replace(weak, module, data, &o, &result, &report));

    double *zw = alone(weak, &data->train), *zm = alone(module, &data->train), z[120 * 4];
    float *x = side_by_side(data->train.n, zw, add ? 3 : 1, zm, &d), weight[16], bias[4];
    const moda_head_samples samples = {data->train.n, {d, 1, 1}, x, data->train.labels};
    moda_head_record last;
    must(moda_head_train(&samples, d, &o.training, weight, bias, &last));
    double wide[16];
    for (size_t i = 0; i < d * d; i++) wide[i] = (double)weight[i];
    cr_assert(eq(sz, result->net->classes, d));
    cr_expect(lt(dbl, small_distance(d * d, values_of(result, "calibration.weight"), wide), 1e-3));
    cr_expect(epsilon_eq(dbl, report.calibration.cross_entropy, last.cross_entropy, 1e-4));
    free(zw), free(zm), free(x);

    zw = alone(weak, &data->test), zm = alone(module, &data->test);
    x = side_by_side(data->test.n, zw, add ? 3 : 1, zm, &d);
    for (size_t i = 0; i < data->test.n; i++)
        for (size_t k = 0; k < d; k++) {
            z[i * d + k] = bias[k];
            for (size_t j = 0; j < d; j++) z[i * d + k] += weight[k * d + j] * x[i * d + j];
        }
    const size_t same[] = {0, 1, 2, 3};
    check_accuracy(report.before, count(&data->test, 3, zw, same, add ? 3 : 1));
    check_accuracy(report.after, count(&data->test, d, z, same, add ? 3 : 1));
    cr_expect(eq(sz, report.target_samples, 20));
    cr_expect(eq(sz, report.other_samples, add ? 60 : 40));
    free(zw), free(zm), free(x);
    moda_model_destroy(result), moda_model_destroy(weak), moda_model_destroy(module);
    moda_dataset_destroy(data);
}

Test(replace, calibration_is_trained_on_what_both_say)
{
    check_calibrated(false);
}

Test(replace, a_class_is_added_behind_the_others)
{
    check_calibrated(true);
}

Test(replace, min_and_max_of_the_training_data_scale_the_module)
{
    moda_dataset *data = open_data(false);
    moda_model *weak = new_model(weak_body, 1, (uint32_t[]){1, 3, 4}, 0.4f), *result = NULL;
    moda_model *module = new_model(module_body, 2, (uint32_t[]){3}, 0.55f);
    moda_replace_options o = usual;
    moda_replace_report report;
    o.join.strategy = MODA_JOIN_MINMAX;
    must(moda_replace(weak, module, data, &o, &result, &report));
    double *z = alone(module, &data->train), least = INFINITY, most = -INFINITY;
    for (size_t i = 0; i < data->train.n; i++) least = fmin(least, z[i]), most = fmax(most, z[i]);
    cr_assert(lt(dbl, 0.1, most - least), "the module says the same of all: nothing to scale");
    cr_expect(epsilon_eq(dbl, report.module_minimum, least, 1e-5));
    cr_expect(epsilon_eq(dbl, report.module_maximum, most, 1e-5));
    const double w = values_of(result, "module_scale.weight")[0];
    const double b = values_of(result, "module_scale.bias")[0];
    cr_expect(epsilon_eq(dbl, w * least + b, 0, 1e-4));
    cr_expect(epsilon_eq(dbl, w * most + b, 1, 1e-4));
    cr_expect(ne(int, isnan(report.calibration.accuracy), 0));

    free(z), z = alone(module, &data->test);
    double *zw = alone(weak, &data->test);
    for (size_t i = 0; i < data->test.n; i++) {
        const double sum = exp(zw[i * 3]) + exp(zw[i * 3 + 1]) + exp(zw[i * 3 + 2]);
        for (size_t k = 0; k < 3; k++) zw[i * 3 + k] = exp(zw[i * 3 + k]) / sum;
        zw[i * 3 + 1] = (z[i] - least) / (most - least);
    }
    check_accuracy(report.after, count(&data->test, 3, zw, (size_t[]){0, 1, 2}, 1));
    free(z), free(zw);
    moda_model_destroy(result), moda_model_destroy(weak), moda_model_destroy(module);
    moda_dataset_destroy(data);
}

/* A constant module has no range: its class is never said by accident of a division. */
Test(replace, a_module_that_says_one_thing_is_scaled_to_zero)
{
    moda_dataset *data = open_data(false);
    moda_model *weak = new_model(weak_body, 1, (uint32_t[]){1, 3, 4}, 0.4f), *result = NULL;
    moda_model *module = new_model(module_body, 2, (uint32_t[]){3}, 0.55f);
    const moda_parameter *p = moda_model_find(module, "end.weight");
    memset(module->values + p->offset, 0, p->elements * sizeof *module->values);
    moda_replace_options o = usual;
    o.join.strategy = MODA_JOIN_MINMAX;
    must(moda_replace(weak, module, data, &o, &result, NULL));
    cr_expect(eq(flt, values_of(result, "module_scale.weight")[0], 0.0f));
    cr_expect(eq(flt, fabsf(values_of(result, "module_scale.bias")[0]), 0.0f));
    moda_model_destroy(result), moda_model_destroy(weak), moda_model_destroy(module);
    moda_dataset_destroy(data);
}

Test(replace, refuses_data_that_do_not_fit)
{
    moda_dataset *data = open_data(false);
    moda_model *weak = new_model(weak_body, 1, (uint32_t[]){1, 3, 5}, 0.4f), *result = NULL;
    moda_model *module = new_model(module_body, 2, (uint32_t[]){3}, 0.55f);
    cr_expect(eq(int, moda_replace(weak, module, data, &usual, &result, NULL), MODA_ERR_ARG));
    cr_expect(ne(ptr, strstr(moda_last_error(), "its class 4 is not"), NULL), "%s",
              moda_last_error());
    weak->class_numbers[2] = 4;
    for (size_t i = 0; i < data->train.n; i++) data->train.labels[i] = 0;
    cr_expect(eq(int, moda_replace(weak, module, data, &usual, &result, NULL), MODA_ERR_ARG));
    cr_expect(ne(ptr, strstr(moda_last_error(), "no training image of class 3"), NULL), "%s",
              moda_last_error());
    cr_expect(eq(ptr, result, NULL));
    moda_model_destroy(weak), moda_model_destroy(module);
    moda_dataset_destroy(data);
}
