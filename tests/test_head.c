/* tests/test_head.c - engine/head.h beside a plain loop in double precision. */
#include "base/log.h"
#include "base/rng.h"
#include "datasets/batch.h"
#include "engine/head.h"
#include "tests/naive_net.h"
#include "tests/small_net.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

static void quiet(void)
{
    moda_log_set_level(MODA_LOG_WARNING);
}

TestSuite(head, .init = quiet, .timeout = 60);

static void must(moda_status st)
{
    cr_assert(eq(int, st, MODA_OK), "%s", moda_last_error());
}

static const moda_head_options usual = {
    .epochs = 4, .batch_size = 8, .sgd = {0.2, 0.9, 0.01}, .shuffle = true, .seed = 3};

/* ---- the oracle ---- */

/* Start values as docs/networks.md has them: tensor 0 from stream 0, deviation 0.01. */
static void plain_start(size_t outputs, size_t d, uint64_t seed, double *w)
{
    const moda_rng rng = moda_rng_make(seed, MODA_RNG_INIT, 0);
    for (size_t i = 0; i < outputs * d; i++) w[i] = (double)(float)(0.01 * moda_rng_normal(rng, i));
}

/* One sample's gradient into g [outputs,d+1], the last column by the bias; its loss. */
static double plain_sample(size_t outputs, size_t d, const double *w, const float *x, uint32_t y,
                           double share, double *g, bool *right)
{
    double z[16], top = -INFINITY, sum = 0;
    size_t best = 0;
    for (size_t k = 0; k < outputs; k++) {
        z[k] = w[k * (d + 1) + d];
        for (size_t j = 0; j < d; j++) z[k] += w[k * (d + 1) + j] * (double)x[j];
        if (z[k] > top) top = z[k], best = k;
    }
    for (size_t k = 0; k < outputs; k++) sum += exp(z[k] - top);
    for (size_t k = 0; k < outputs; k++) {
        const double d_z = (exp(z[k] - top) / sum - (k == y)) * share;
        for (size_t j = 0; j < d; j++) g[k * (d + 1) + j] += d_z * (double)x[j];
        g[k * (d + 1) + d] += d_z;
    }
    *right = best == y;
    return log(sum) + top - z[y];
}

/* w [outputs,d+1]: weights and, last in each row, the bias. */
static moda_head_record plain_train(const moda_head_samples *s, size_t d, size_t outputs,
                                    moda_head_options o, double *w)
{
    const size_t all = outputs * (d + 1), n = s->n;
    double *g = calloc(all, sizeof *g), *v = calloc(all, sizeof *v);
    double *start = calloc(outputs * d, sizeof *start);
    uint32_t *order = calloc(n, sizeof *order);
    moda_head_record last = {0, 0};
    plain_start(outputs, d, o.seed, start);
    for (size_t k = 0; k < outputs; k++)
        for (size_t j = 0; j <= d; j++) w[k * (d + 1) + j] = j < d ? start[k * d + j] : 0;
    for (size_t epoch = 0; epoch < o.epochs; epoch++) {
        const double pi = 3.14159265358979323846;
        const double rate =
            o.sgd.learning_rate * 0.5 * (1 + cos(pi * (double)epoch / (double)o.epochs));
        last = (moda_head_record){0, 0};
        for (size_t i = 0; i < n; i++) order[i] = (uint32_t)i;
        if (o.shuffle)
            moda_rng_permutation(moda_rng_make(o.seed, MODA_RNG_SHUFFLE, (uint32_t)epoch), n,
                                 order);
        for (size_t first = 0; first < n; first += o.batch_size) {
            const size_t count = n - first < o.batch_size ? n - first : o.batch_size;
            memset(g, 0, all * sizeof *g);
            for (size_t i = first; i < first + count; i++) {
                bool right;
                last.cross_entropy +=
                    plain_sample(outputs, d, w, s->features + order[i] * d, s->labels[order[i]],
                                 1 / (double)count, g, &right) /
                    (double)n;
                last.accuracy += right / (double)n;
            }
            for (size_t i = 0; i < all; i++) {
                g[i] += o.sgd.weight_decay * w[i];
                v[i] = o.sgd.momentum * v[i] + g[i];
                w[i] -= rate * (g[i] + o.sgd.momentum * v[i]);
            }
        }
    }
    free(g), free(v), free(start), free(order);
    return last;
}

/* The largest difference of weights and biases over the largest value. */
static double distance(size_t outputs, size_t d, const float *weight, const float *bias,
                       const double *w)
{
    double worst = 0, largest = 0;
    for (size_t k = 0; k < outputs; k++)
        for (size_t j = 0; j <= d; j++) {
            const double got = j < d ? weight[k * d + j] : bias[k], want = w[k * (d + 1) + j];
            largest = fmax(largest, fabs(want));
            worst = fmax(worst, isnan(got) ? INFINITY : fabs(got - want));
        }
    cr_assert(lt(dbl, 0.1, largest), "nothing was learned: this input proves nothing");
    return worst / largest;
}

/* ---- features given ---- */

static void compare_with_oracle(size_t n, moda_shape shape, size_t outputs, moda_head_options o)
{
    const size_t d = shape.c * shape.h * shape.w;
    float *x = small_values(n * d, 5), *weight = calloc(outputs * d, sizeof *weight);
    float *bias = calloc(outputs, sizeof *bias);
    double *w = calloc(outputs * (d + 1), sizeof *w);
    uint32_t *labels = small_labels(n, outputs);
    const moda_head_samples samples = {n, shape, x, labels};
    moda_head_record last;
    const moda_head_record want = plain_train(&samples, d, outputs, o, w);
    must(moda_head_train(&samples, outputs, &o, weight, bias, &last));
    cr_expect(lt(dbl, distance(outputs, d, weight, bias, w), 1e-4));
    cr_expect(epsilon_eq(dbl, last.cross_entropy, want.cross_entropy, 1e-5));
    cr_expect(epsilon_eq(dbl, last.accuracy, want.accuracy, 1e-9));
    free(x), free(weight), free(bias), free(w), free(labels);
}

Test(head, trains_as_the_plain_loop_does)
{
    moda_head_options o = usual;
    compare_with_oracle(40, (moda_shape){10, 1, 1}, 3, o); /* no smaller batch */
    compare_with_oracle(37, (moda_shape){17, 1, 1}, 5, o);
    compare_with_oracle(21, (moda_shape){4, 3, 2}, 2, o); /* a map */
    o.batch_size = 64;                                    /* nothing but a smaller batch */
    compare_with_oracle(30, (moda_shape){5, 1, 1}, 4, o);
    o = usual, o.shuffle = false, o.epochs = 1;
    compare_with_oracle(33, (moda_shape){12, 1, 1}, 2, o);
}

Test(head, without_bias_and_the_same_twice)
{
    enum { N = 25, D = 6, K = 3 };
    float *x = small_values(N * D, 9), first[K * D], second[K * D], with[K * D], bias[K];
    uint32_t *labels = small_labels(N, K);
    const moda_head_samples samples = {N, {D, 1, 1}, x, labels};
    must(moda_head_train(&samples, K, &usual, first, NULL, NULL));
    must(moda_head_train(&samples, K, &usual, second, NULL, NULL));
    must(moda_head_train(&samples, K, &usual, with, bias, NULL));
    cr_expect(zero(int, memcmp(first, second, sizeof first)));
    cr_expect(ne(int, memcmp(first, with, sizeof first), 0), "the bias made no difference");
    free(x), free(labels);
}

/* A layer of a few outputs is too little work for threads, so their number does not matter. */
Test(head, small_layers_are_the_same_for_any_number_of_threads)
{
    enum { N = 50, D = 6, K = 3 };
    float *x = small_values(N * D, 9), one[K * D], more[K * D], bias[K];
    uint32_t *labels = small_labels(N, K);
    const moda_head_samples samples = {N, {D, 1, 1}, x, labels};
    const int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    must(moda_head_train(&samples, K, &usual, one, bias, NULL));
    omp_set_num_threads(3);
    must(moda_head_train(&samples, K, &usual, more, bias, NULL));
    cr_expect(eq(int, omp_get_max_threads(), 3), "the number of threads was not put back");
    omp_set_num_threads(threads);
    cr_expect(zero(int, memcmp(one, more, sizeof one)));
    free(x), free(labels);
}

Test(head, refuses_what_cannot_be)
{
    float x[6] = {1, 2, 3, 4, 5, 6}, weight[4] = {7, 7, 7, 7}, bias[2] = {7, 7};
    uint32_t labels[3] = {0, 1, 2};
    moda_head_samples samples = {3, {2, 1, 1}, x, labels};
    moda_head_options o = usual;
    cr_expect(eq(int, moda_head_train(&samples, 2, &o, weight, bias, NULL), MODA_ERR_ARG));
    cr_expect(ne(ptr, strstr(moda_last_error(), "sample 2 has label 2"), NULL), "%s",
              moda_last_error());
    samples.n = 0;
    cr_expect(eq(int, moda_head_train(&samples, 2, &o, weight, bias, NULL), MODA_ERR_ARG));
    samples.n = 2, o.epochs = 0;
    cr_expect(eq(int, moda_head_train(&samples, 2, &o, weight, bias, NULL), MODA_ERR_ARG));
    o = usual, o.sgd.learning_rate = 1e38;
    cr_expect(eq(int, moda_head_train(&samples, 2, &o, weight, bias, NULL), MODA_ERR_NUMERIC));
    cr_expect(eq(flt, weight[0], 7.0f), "a failure wrote weights");
}

/* ---- a model ---- */

static const char body[] =
    "[conv];name=a;outputs=6;kernel=3;bias=no;[batchnorm];name=n;[relu];[maxpool];kernel=2;"
    "[conv];name=b;outputs=9;kernel=3;[avgpool];name=g;kernel=global;[linear];name=s;outputs=9;"
    "[mask];from=b,s;[relu];[linear];name=c;outputs=4";

static moda_dataset *open_data(const char *classes)
{
    moda_dataset *data = NULL;
    moda_dataset_options o = {0};
    size_t list[4] = {0};
    for (const char *c = classes; *c; c++) list[o.classes.n++] = (size_t)(*c - '0');
    o.classes.values = list;
    must(moda_dataset_open("synthetic:classes=6,channels=2,size=10,train=66,test=12", &o, &data));
    return data;
}

/* Outputs are classes 0, 2, 3 and 5. */
static moda_model *new_model(const moda_dataset *data)
{
    moda_model *model = small_model("2 10 10", body, 4);
    memcpy(model->class_ids, (uint32_t[]){0, 2, 3, 5}, 4 * sizeof *model->class_ids);
    must(moda_model_describe_data(model, data));
    return model;
}

/* What the oracle says the last layer reads of every image. */
static float *plain_features(const moda_model *model, const moda_dataset *data)
{
    const size_t n = data->train.n, d = 9 * 2 * 2;
    const moda_shape in = model->net->input;
    moda_batch_options o = {.batch_size = n};
    moda_batches *batches = NULL;
    float *x = calloc(n * in.c * in.h * in.w, sizeof *x), *features = calloc(n * d, sizeof *x);
    uint32_t *labels = calloc(n, sizeof *labels);
    memcpy(o.mean, model->mean, sizeof o.mean), memcpy(o.std, model->std, sizeof o.std);
    must(moda_batches_create(&data->train, &o, &batches));
    moda_batches_fill(batches, 0, x, labels);
    naive_net *plain = naive_create(model, n, false);
    naive_forward(plain, x);
    const double *y = plain->y[model->net->layer_count - 2];
    for (size_t i = 0; i < n * d; i++) features[i] = (float)y[i];
    naive_destroy(plain);
    moda_batches_destroy(batches);
    free(x), free(labels);
    return features;
}

Test(head, trains_a_models_last_layer_alone)
{
    moda_dataset *data = open_data("0235");
    moda_model *model = new_model(data);
    const size_t d = 9 * 2 * 2, n = data->train.n;
    const moda_parameter *weight = moda_model_find(model, "c.weight");
    float *before = malloc(weight->offset * sizeof *before);
    memcpy(before, model->values, weight->offset * sizeof *before);
    float *features = plain_features(model, data), *got = calloc(n * d, sizeof *got);
    double *w = calloc(4 * (d + 1), sizeof *w);
    double *wide = calloc(n * d, sizeof *wide);
    uint32_t *outputs = calloc(n, sizeof *outputs);
    for (size_t i = 0; i < n; i++) {
        const uint32_t c = data->train.labels[i];
        outputs[i] = c == 0 ? 0 : c == 2 ? 1 : c == 3 ? 2 : 3;
    }
    for (size_t i = 0; i < n * d; i++) wide[i] = features[i];
    must(moda_head_features(model, &data->train, 7, got));
    cr_expect(lt(dbl, small_distance(n * d, got, wide), 1e-5));
    const moda_head_samples samples = {n, {d, 1, 1}, features, outputs};
    moda_head_options o = usual;
    o.sgd.learning_rate = 0.02;
    plain_train(&samples, d, 4, o, w);
    must(moda_head_train_model(model, data, &o, NULL));
    const float *bias = model->values + moda_model_find(model, "c.bias")->offset;
    cr_expect(lt(dbl, distance(4, d, model->values + weight->offset, bias, w), 1e-3));
    cr_expect(zero(int, memcmp(before, model->values, weight->offset * sizeof *before)),
              "the trunk changed");
    free(before), free(features), free(got), free(w), free(wide), free(outputs);
    moda_model_destroy(model);
    moda_dataset_destroy(data);
}

/* A model trained with these options; its last layer's weights and biases, free() them. */
static float *trained_head(moda_dataset *data, moda_head_options o)
{
    moda_model *model = new_model(data);
    const size_t first = moda_model_find(model, "c.weight")->offset;
    const size_t count = model->parameters.elements - first;
    float *values = malloc(count * sizeof *values);
    must(moda_head_train_model(model, data, &o, NULL));
    memcpy(values, model->values + first, count * sizeof *values);
    moda_model_destroy(model);
    return values;
}

/* Augmentation by nothing is no augmentation, though the trunk runs in every epoch. */
Test(head, augmented_batches_go_through_the_trunk)
{
    moda_dataset *data = open_data("0235");
    const size_t bytes = 4 * (9 * 2 * 2 + 1) * sizeof(float);
    moda_head_options o = usual;
    o.batch_size = 16;
    data->flip = false;
    float *stored = trained_head(data, o);
    o.augment = true;
    float *live = trained_head(data, o);
    cr_expect(zero(int, memcmp(stored, live, bytes)));
    o.crop_padding = 2;
    float *cropped = trained_head(data, o), *again = trained_head(data, o);
    cr_expect(ne(int, memcmp(stored, cropped, bytes), 0), "crops made no difference");
    cr_expect(zero(int, memcmp(again, cropped, bytes)));
    free(stored), free(live), free(cropped), free(again);
    moda_dataset_destroy(data);
}

Test(head, refuses_models_and_data_that_do_not_fit)
{
    moda_dataset *data = open_data("01");
    moda_model *model = new_model(data);
    cr_expect(eq(int, moda_head_train_model(model, data, &usual, NULL), MODA_ERR_ARG));
    cr_expect(ne(ptr, strstr(moda_last_error(), "no output for class 1"), NULL), "%s",
              moda_last_error());
    moda_model_destroy(model);
    model = small_model("2 10 10", "[conv];name=a;outputs=4;kernel=10", 4);
    cr_expect(eq(int, moda_head_train_model(model, data, &usual, NULL), MODA_ERR_ARG));
    cr_expect(ne(ptr, strstr(moda_last_error(), "does not end in a linear layer"), NULL), "%s",
              moda_last_error());
    moda_model_destroy(model);
    model = small_model("2 9 9", "[linear];name=a;outputs=6", 4);
    must(moda_model_describe_data(model, data));
    cr_expect(eq(int, moda_head_train_model(model, data, &usual, NULL), MODA_ERR_ARG));
    cr_expect(ne(ptr, strstr(moda_last_error(), "wants 2x9x9"), NULL), "%s", moda_last_error());
    moda_model_destroy(model);
    moda_dataset_destroy(data);
}
