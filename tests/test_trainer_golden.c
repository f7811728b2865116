/* tests/test_trainer_golden.c - engine/trainer.h against SGD steps in PyTorch, images in file order:
 * three of the published implementation, LeNet-5, alpha 1, beta 1, gamma 0.3, batches of 32; and two of a small
 * residual network with masks (tests/golden/masked_steps.py), alpha 0.5, beta 1.5, batches of 10. */
#include "base/log.h"
#include "engine/net_masked.h"
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

static const double tolerance = 1e-5; /* of a tensor's largest entry; of a loss */

typedef struct published {
    const char *description; /* NULL: LeNet-5 */
    moda_train_options options;
    golden_file *file;
    moda_dataset data; /* borrows the file's pixels */
    json_t *log;
} published;

static published open_published(const char *file, size_t classes, const char *description)
{
    published p = {.file = golden_open(file), .description = description};
    size_t shape[GOLDEN_MAX_RANK], n;
    const char *mean = golden_metadata(p.file, "mean"), *std = golden_metadata(p.file, "std");
    golden_shape(p.file, "images", shape, NULL);
    const size_t pixels = shape[1] * shape[2] * shape[3];
    const int64_t *labels = golden_i64(p.file, "labels", &n);
    p.data = (moda_dataset){.name = "golden", .classes = classes};
    p.data.train = (moda_images){.n = n,
                                 .channels = shape[1],
                                 .height = shape[2],
                                 .width = shape[3],
                                 .pixels = malloc(n * pixels),
                                 .labels = malloc(n * sizeof(uint32_t))};
    memcpy(p.data.train.pixels, golden_u8(p.file, "images", NULL), n * pixels);
    for (size_t i = 0; i < n; i++) p.data.train.labels[i] = (uint32_t)labels[i];
    float *m = p.data.mean, *d = p.data.std;
    const int means = sscanf(mean, "[%f, %f, %f]", &m[0], &m[1], &m[2]);
    const int deviations = sscanf(std, "[%f, %f, %f]", &d[0], &d[1], &d[2]);
    cr_assert(eq(int, means, 3));
    cr_assert(eq(int, deviations, 3));
    p.log = json_loads(golden_metadata(p.file, "log"), 0, NULL);
    cr_assert(lt(sz, 1, json_array_size(p.log)));
    return p;
}

static void close_published(published *p)
{
    free(p->data.train.pixels);
    free(p->data.train.labels);
    json_decref(p->log);
    golden_close(p->file);
}

static void must(moda_status st)
{
    cr_assert(eq(int, st, MODA_OK), "%s", moda_last_error());
}

static moda_net *open_net(const published *p)
{
    moda_net *net = NULL, *plain = NULL;
    const moda_images *x = &p->data.train;
    const moda_net_defaults defaults = {{x->channels, x->height, x->width}, p->data.classes};
    if (!p->description) {
        must(moda_net_open("lenet5", defaults, &net));
        return net;
    }
    must(moda_net_parse(p->description, "golden.net", defaults, &plain));
    must(moda_net_add_masks(plain, &net));
    moda_net_destroy(plain);
    return net;
}

static moda_model *start(const published *p)
{
    moda_net *net = open_net(p);
    moda_model *model = NULL;
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
    if (w->published->options.modular)
        expect(w->published, r->steps, "compactness", r->compactness);
    else
        cr_assert(isnan(r->compactness), "masks have no compactness");
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
        cr_assert(lt(dbl, 20 * tolerance * largest, moved), "step %zu: %s hardly moved", step,
                  q->name);
        cr_assert(lt(dbl, off, tolerance * largest), "step %zu: %s, largest %g", step, q->name,
                  largest);
    }
}

/* The trainer hands its values out at the end only: one run per number of steps. */
static void run(const published *p)
{
    for (size_t steps = 1; steps <= json_array_size(p->log); steps++) {
        moda_model *model = start(p);
        moda_trainer *t = NULL;
        witness w = {p, 0};
        moda_train_options o = p->options;
        o.epochs = 1, o.max_steps = steps, o.sgd = (moda_sgd){0.05, 0.9, 0};
        o.convolution = MODA_CONVOLUTION_DIRECT;
        must(moda_trainer_create(model, &p->data, &o, &t));
        must(moda_trainer_run(t, (moda_train_events){.user = &w, .step = on_step}));
        cr_assert(eq(sz, w.steps, steps));
        check_weights(p, model, steps);
        moda_trainer_destroy(t);
        moda_model_destroy(model);
    }
}

Test(trainer_golden, of_lenet5)
{
    published p = open_published("lenet5_steps.safetensors", 10, NULL);
    p.options = (moda_train_options){.batch_size = 32, .modular = true, .weights = {1, 1, 0.3}};
    run(&p);
    close_published(&p);
}

/* A block with a convolution beside it, whose mean conv a shares. */
static const char residual[] =
    "[net]\n"
    "[conv]\nname = stem\noutputs = 6\nkernel = 3\npadding = 1\nbias = no\n"
    "[batchnorm]\nname = stem_norm\n[relu]\nname = r\n"
    "[conv]\nname = a.conv\noutputs = 10\nkernel = 3\nstride = 2\npadding = 1\nbias = no\n"
    "[batchnorm]\nname = a.norm\n[relu]\n"
    "[conv]\nname = b.conv\noutputs = 10\nkernel = 3\npadding = 1\nbias = no\n"
    "[batchnorm]\nname = b.norm\n"
    "[conv]\nname = side.conv\noutputs = 10\nkernel = 1\nstride = 2\nbias = no\nfrom = r\n"
    "[batchnorm]\nname = side.norm\n"
    "[add]\nfrom = b.norm, side.norm\n[relu]\n"
    "[conv]\nname = c.conv\noutputs = 12\nkernel = 3\npadding = 1\nbias = no\n"
    "[batchnorm]\nname = c.norm\n[relu]\n[maxpool]\nkernel = 2\n"
    "[linear]\nname = head\noutputs = classes\n";

Test(trainer_golden, with_masks)
{
    published p = open_published("masked_steps.safetensors", 4, residual);
    const json_t *first = json_array_get(p.log, 0);
    const json_int_t shut = json_integer_value(json_object_get(first, "shut"));
    const json_int_t masks = json_integer_value(json_object_get(first, "masks"));
    cr_assert(shut > masks / 10 && shut < masks * 9 / 10, "both kinds of masks are met");
    p.options = (moda_train_options){.batch_size = 10, .masked = true, .weights = {0.5, 1.5, 0}};
    run(&p);
    close_published(&p);
}
