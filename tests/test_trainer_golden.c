/* tests/test_trainer_golden.c - engine/trainer.h against three SGD steps of the published
 * implementation: LeNet-5, alpha 1, beta 1, gamma 0.3, 96 images in file order, batches of 32. */
#include "base/log.h"
#include "engine/trainer.h"
#include "tests/golden.h"
#include "tests/small_net.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void quiet(void)
{
    moda_log_set_level(MODA_LOG_WARNING);
}

TestSuite(trainer_golden, .init = quiet, .timeout = 60);

enum { STEPS = 3 };
static const double tolerance = 1e-5; /* of a tensor's largest entry; of a loss */

typedef struct published {
    golden_file *file;
    moda_dataset data; /* borrows the file's pixels */
    json_t *log;
} published;

static published open_published(void)
{
    published p = {.file = golden_open("lenet5_steps.safetensors")};
    size_t shape[GOLDEN_MAX_RANK], n;
    const char *mean = golden_metadata(p.file, "mean"), *std = golden_metadata(p.file, "std");
    golden_shape(p.file, "images", shape, NULL);
    const int64_t *labels = golden_i64(p.file, "labels", &n);
    p.data = (moda_dataset){.name = "golden", .classes = 10};
    p.data.train = (moda_images){.n = n,
                                 .channels = shape[1],
                                 .height = shape[2],
                                 .width = shape[3],
                                 .pixels = malloc(n * 3 * 32 * 32),
                                 .labels = malloc(n * sizeof(uint32_t))};
    memcpy(p.data.train.pixels, golden_u8(p.file, "images", NULL), n * 3 * 32 * 32);
    for (size_t i = 0; i < n; i++) p.data.train.labels[i] = (uint32_t)labels[i];
    float *m = p.data.mean, *d = p.data.std;
    const int means = sscanf(mean, "[%f, %f, %f]", &m[0], &m[1], &m[2]);
    const int deviations = sscanf(std, "[%f, %f, %f]", &d[0], &d[1], &d[2]);
    cr_assert(eq(int, means, 3));
    cr_assert(eq(int, deviations, 3));
    p.log = json_loads(golden_metadata(p.file, "log"), 0, NULL);
    cr_assert(eq(sz, json_array_size(p.log), STEPS));
    return p;
}

static void close_published(published *p)
{
    free(p->data.train.pixels);
    free(p->data.train.labels);
    json_decref(p->log);
    golden_close(p->file);
}

static moda_model *start(const published *p)
{
    moda_net *net = NULL;
    moda_model *model = NULL;
    const moda_net_defaults cifar = {{3, 32, 32}, 10};
    cr_assert(eq(int, moda_net_open("lenet5", cifar, &net), MODA_OK), "%s", moda_last_error());
    cr_assert(eq(int, moda_model_create(net, &model), MODA_OK), "%s", moda_last_error());
    memcpy(model->mean, p->data.mean, sizeof model->mean);
    memcpy(model->std, p->data.std, sizeof model->std);
    for (size_t t = 0; t < model->parameters.count; t++) {
        const moda_parameter *q = &model->parameters.items[t];
        size_t n;
        const float *values = golden_f32(p->file, golden_name("init.%s", q->name), &n);
        cr_assert(eq(sz, n, q->elements), "%s", q->name);
        memcpy(model->values + q->offset, values, n * sizeof *values);
    }
    return model;
}

static void expect(const published *p, size_t step, const char *term, double got)
{
    const json_t *line = json_array_get(p->log, step - 1);
    const double want = json_real_value(json_object_get(line, term));
    cr_assert(lt(dbl, 0.01, want), "step %zu: no %s published", step, term);
    cr_assert(epsilon_eq(dbl, got, want, tolerance * fmax(1, want)), "step %zu: %s", step, term);
}

typedef struct witness {
    const published *published;
    size_t steps;
} witness;

static moda_status on_step(void *user, const moda_train_record *r)
{
    witness *w = user;
    w->steps++;
    expect(w->published, r->steps, "loss", r->loss);
    expect(w->published, r->steps, "cross_entropy", r->cross_entropy);
    expect(w->published, r->steps, "affinity", r->affinity);
    expect(w->published, r->steps, "dispersion", r->dispersion);
    expect(w->published, r->steps, "compactness", r->compactness);
    return MODA_OK;
}

static void check_weights(const published *p, const moda_model *model, size_t step)
{
    for (size_t t = 0; t < model->parameters.count; t++) {
        const moda_parameter *q = &model->parameters.items[t];
        const float *want = golden_f32(p->file, golden_name("step%zu.%s", step, q->name), NULL);
        const float *before = golden_f32(p->file, golden_name("init.%s", q->name), NULL);
        double largest = 0, moved = 0, off = 0;
        for (size_t i = 0; i < q->elements; i++) {
            largest = fmax(largest, fabs((double)want[i]));
            moved = fmax(moved, fabs((double)want[i] - (double)before[i]));
            off = fmax(off, fabs((double)want[i] - (double)model->values[q->offset + i]));
            cr_assert(isfinite(model->values[q->offset + i]), "%s", q->name);
        }
        cr_assert(lt(dbl, 100 * tolerance * largest, moved), "step %zu: %s hardly moved", step,
                  q->name);
        cr_assert(lt(dbl, off, tolerance * largest), "step %zu: %s, largest %g", step, q->name,
                  largest);
    }
}

/* The trainer hands its values out at the end only: one run per number of steps. */
static void run(moda_convolution convolution)
{
    published p = open_published();
    for (size_t steps = 1; steps <= STEPS; steps++) {
        moda_model *model = start(&p);
        moda_trainer *t = NULL;
        witness w = {&p, 0};
        const moda_train_options o = {.epochs = 1,
                                      .batch_size = 32,
                                      .max_steps = steps,
                                      .sgd = {0.05, 0.9, 0},
                                      .modular = true,
                                      .weights = {1, 1, 0.3},
                                      .convolution = convolution};
        cr_assert(eq(int, moda_trainer_create(model, &p.data, &o, &t), MODA_OK), "%s",
                  moda_last_error());
        cr_assert(eq(int, moda_trainer_run(t, (moda_train_events){&w, on_step, NULL}), MODA_OK),
                  "%s", moda_last_error());
        cr_assert(eq(sz, w.steps, steps));
        check_weights(&p, model, steps);
        moda_trainer_destroy(t);
        moda_model_destroy(model);
    }
    close_published(&p);
}

Test(trainer_golden, three_steps_of_lenet5)
{
    run(MODA_CONVOLUTION_DIRECT);
}
