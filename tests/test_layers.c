/* tests/test_layers.c - engine/executor.h, forward: every kind of layer in small networks of odd
 * shapes, against the same network in f64 (tests/naive_net.h). Gradients are in test_gradients.c. */
#include "tests/small_net.h"
#include "tests/small_nets.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

TestSuite(layers, .timeout = 60);

/* Relative to the largest entry; Winograd adds up in another order. */
static const double tolerance = 1e-5;

static double worst_seen;

static void compare(const char *name, const char *what, size_t n, const float *got,
                    const double *want)
{
    const double off = small_distance(n, got, want);
    cr_assert(lt(dbl, 1e-3, small_largest(n, want)), "%s: %s is near 0: this proves nothing", name,
              what);
    cr_assert(lt(dbl, off, tolerance), "%s: %s", name, what);
    worst_seen = fmax(worst_seen, off);
}

static void check(const small_case *c, moda_executor_options options)
{
    moda_model *model = small_model(c->input, c->body, 5);
    const moda_shape in = model->net->input;
    const size_t n = options.batch;
    float *x = small_values(n * in.c * in.h * in.w, n);
    small_net s = small_create(model, options);
    naive_net *naive = naive_create(model, n, options.training);
    naive_forward(naive, x);
    compare(c->name, "logits", n * model->net->classes, small_forward(&s, x), naive_logits(naive));
    for (size_t l = 0; options.modular && l < model->net->tracked_count; l++) {
        const size_t d = model->net->layers[model->net->tracked[l]].shape.c;
        double *a = calloc(n * d, sizeof *a);
        naive_activation(naive, l, a);
        compare(c->name, "an activation vector", n * d, moda_executor_activation(s.executor, l), a);
        free(a);
    }
    for (size_t k = 0; options.masked && k < model->net->mask_count; k++) {
        const size_t d = model->net->layers[model->net->masks[k]].shape.c;
        double *m = calloc(n * d, sizeof *m);
        naive_mask(naive, k, m);
        compare(c->name, "a mask", n * d, moda_executor_mask(s.executor, k), m);
        free(m);
    }
    naive_destroy(naive);
    small_destroy(&s);
    moda_model_destroy(model);
    free(x);
}

static void check_all(bool training, moda_convolution convolution, size_t batch)
{
    for (size_t i = 0; i < small_case_count; i++)
        check(&small_cases[i], (moda_executor_options){.batch = batch,
                                                       .training = training,
                                                       .modular = true,
                                                       .masked = batch != 2,
                                                       .convolution = convolution});
}

Test(layers, evaluation)
{
    check_all(false, MODA_CONVOLUTION_AUTO, 1);
    check_all(false, MODA_CONVOLUTION_DIRECT, 3);
}

Test(layers, training)
{
    check_all(true, MODA_CONVOLUTION_AUTO, 5);
    check_all(true, MODA_CONVOLUTION_DIRECT, 2);
}

/* The tap sees each tracked layer once, in order, in the layout that it is told. */
typedef struct tap_record {
    const naive_net *naive;
    const char *name;
    size_t calls;
} tap_record;

static void tap(void *user, size_t l, moda_map_shape s, const float *x)
{
    tap_record *r = user;
    const size_t layer = r->naive->net->tracked[l], blocks = (s.c + s.block - 1) / s.block;
    const moda_shape shape = r->naive->net->layers[layer].shape;
    const double *want = r->naive->y[layer];
    cr_assert(eq(sz, l, r->calls), "%s", r->name);
    r->calls++;
    cr_assert(eq(sz, s.n, r->naive->n));
    cr_assert(eq(sz, s.c, shape.c));
    cr_assert(eq(sz, s.hw, shape.h * shape.w));
    const double largest = small_largest(s.n * s.c * s.hw, want);
    for (size_t i = 0; i < s.n; i++)
        for (size_t c = 0; c < s.c; c++)
            for (size_t p = 0; p < s.hw; p++) {
                const float got =
                    x[((i * blocks + c / s.block) * s.hw + p) * s.block + c % s.block];
                cr_assert(epsilon_eq(dbl, (double)got, want[(i * s.c + c) * s.hw + p],
                                     tolerance * largest),
                          "%s: layer %zu, sample %zu, channel %zu, pixel %zu", r->name, l, i, c, p);
            }
}

Test(layers, tap_sees_the_maps)
{
    size_t calls = 0;
    for (size_t i = 0; i < small_case_count; i++) {
        const small_case *c = &small_cases[i];
        moda_model *model = small_model(c->input, c->body, 6);
        const moda_shape in = model->net->input;
        float *x = small_values(2 * in.c * in.h * in.w, i);
        naive_net *naive = naive_create(model, 2, false);
        tap_record record = {naive, c->name, 0};
        small_net s = small_create(
            model, (moda_executor_options){.batch = 2, .tap = tap, .tap_user = &record});
        naive_forward(naive, x);
        small_forward(&s, x);
        cr_assert(eq(sz, record.calls, model->net->tracked_count), "%s", c->name);
        calls += record.calls;
        small_destroy(&s);
        naive_destroy(naive);
        moda_model_destroy(model);
        free(x);
    }
    cr_assert(lt(sz, small_case_count, calls));
}
