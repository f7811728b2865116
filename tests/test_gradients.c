/* tests/test_gradients.c - engine/executor.h, backward: the gradient of the whole loss by every
 * tensor of small networks, against slopes of the loss in f64 (tests/naive_net.h). */
#include "base/rng.h"
#include "tests/small_net.h"
#include "tests/small_nets.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

TestSuite(gradients, .timeout = 300);

enum { ENTRIES = 5 };
static const double step = 1e-6;      /* small enough to meet hardly a kink of ReLU or maximum */
static const double tolerance = 1e-4; /* relative to the tensor's largest entry */

static uint64_t drawn;
static uint64_t draw(void)
{
    return moda_rng_bits(moda_rng_make(3, MODA_RNG_TEST, 1), drawn++);
}

typedef struct slope_check {
    const char *name;
    naive_net *naive;
    const uint32_t *labels;
    const moda_modular_weights *weights;
    bool masked; /* the weights are those of the masks' terms */
} slope_check;

/* With other parameters of this layer. */
static double loss(const slope_check *c, size_t layer)
{
    naive_forward_from(c->naive, layer);
    return (c->masked ? naive_mask_losses : naive_losses)(c->naive, c->labels, c->weights).total;
}

/* Slope of the loss when w [count] of a layer moves along direction. */
static double slope(const slope_check *c, size_t layer, double *w, size_t count,
                    const double *direction)
{
    double side[2];
    double *old = malloc(count * sizeof *old);
    for (size_t i = 0; i < count; i++) old[i] = w[i];
    for (int up = 0; up < 2; up++) {
        for (size_t i = 0; i < count; i++) w[i] = old[i] + (up ? step : -step) * direction[i];
        side[up] = loss(c, layer);
    }
    for (size_t i = 0; i < count; i++) w[i] = old[i];
    free(old);
    return (side[1] - side[0]) / (2 * step);
}

/* Some entries one by one, and all of a tensor at once, up or down at random. */
static void check_tensor(const slope_check *c, const moda_parameter *p, const float *g)
{
    double *w = c->naive->parameters + p->offset, largest = 0, along = 0;
    double *direction = calloc(p->elements, sizeof *direction);
    for (size_t i = 0; i < p->elements; i++) largest = fmax(largest, fabs((double)g[i]));
    cr_assert(lt(dbl, 1e-4, largest), "%s: gradients by %s are near 0: this proves nothing",
              c->name, p->name);
    for (size_t k = 0; k < ENTRIES; k++) {
        const size_t i = draw() % p->elements;
        const double one = 1;
        cr_assert(
            epsilon_eq(dbl, (double)g[i], slope(c, p->layer, w + i, 1, &one), tolerance * largest),
            "%s: by %s, entry %zu of %zu, largest %g", c->name, p->name, i, p->elements, largest);
    }
    for (size_t i = 0; i < p->elements; i++) {
        direction[i] = (draw() & 1 ? 1 : -1) / sqrt((double)p->elements);
        along += direction[i] * (double)g[i];
    }
    cr_assert(epsilon_eq(dbl, along, slope(c, p->layer, w, p->elements, direction),
                         2 * tolerance * largest),
              "%s: by all of %s at once, largest %g", c->name, p->name, largest);
    free(direction);
    naive_forward_from(c->naive, p->layer); /* as it was, for layers behind this one */
}

static void check(const small_case *c, size_t n, moda_convolution convolution,
                  const moda_modular_weights *weights, bool masked)
{
    moda_model *model = small_model(c->input, c->body, 8);
    const moda_shape in = model->net->input;
    float *x = small_values(n * in.c * in.h * in.w, 9);
    uint32_t *labels = small_labels(n, model->net->classes);
    float *g = calloc(model->parameters.elements, sizeof *g);
    small_net s = small_create(model, (moda_executor_options){.batch = n,
                                                              .training = true,
                                                              .modular = weights && !masked,
                                                              .masked = masked,
                                                              .convolution = convolution});
    const slope_check slopes = {c->name, naive_create(model, n, true), labels, weights, masked};
    naive_forward(slopes.naive, x);
    small_forward(&s, x);
    if (masked)
        small_backward_masked(&s, labels, *weights);
    else
        small_backward(&s, labels, weights);
    small_gradients(&s, g);
    for (size_t t = 0; t < model->parameters.count; t++) {
        const moda_parameter *p = &model->parameters.items[t];
        if (p->role == MODA_WEIGHT || p->role == MODA_BIAS) check_tensor(&slopes, p, g + p->offset);
    }
    naive_destroy(slopes.naive);
    small_destroy(&s);
    moda_model_destroy(model);
    free(x), free(labels), free(g);
}

Test(gradients, of_the_modular_method)
{
    const moda_modular_weights weights = {1, 0.8, 0.3};
    for (size_t i = 0; i < small_case_count; i++)
        check(&small_cases[i], 5, MODA_CONVOLUTION_AUTO, &weights, false);
}

Test(gradients, of_the_standard_method)
{
    for (size_t i = 0; i < small_case_count; i++)
        check(&small_cases[i], 3, MODA_CONVOLUTION_DIRECT, NULL, false);
}

/* One term alone: nothing hides behind the cross entropy. Its weight drowns the rest. */
Test(gradients, of_each_modular_term)
{
    const moda_modular_weights terms[] = {{50, 0, 0}, {0, 50, 0}, {0, 0, 50}};
    const size_t every = 5;
    for (size_t t = 0; t < 3; t++)
        for (size_t i = t; i < small_case_count; i += every)
            check(&small_cases[i], 6, MODA_CONVOLUTION_AUTO, &terms[t], false);
}

/* The masks' terms, beside the cross entropy and so large that it hardly counts. */
Test(gradients, of_the_mask_method)
{
    const moda_modular_weights terms[] = {{0.5, 1.5, 0}, {50, 0, 0}, {0, 50, 0}};
    size_t cases = 0;
    for (size_t i = 0; i < small_case_count; i++) {
        if (!strstr(small_cases[i].body, "[mask]")) continue;
        check(&small_cases[i], 6, MODA_CONVOLUTION_AUTO, &terms[cases++ % 3], true);
    }
    cr_assert(lt(sz, 5, cases));
}
