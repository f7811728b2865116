/* tests/test_model_init.c - engine/model.h: start values have the distribution that the description
 * asks for and depend on the seed alone. */
#include "engine/model.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <omp.h>
#include <stdbool.h>
#include <string.h>

TestSuite(model_init, .timeout = 60);

static const moda_net_defaults defaults = {{3, 32, 32}, 10};

static moda_model *create(const char *text)
{
    moda_net *net = NULL;
    moda_model *model = NULL;
    cr_assert(eq(int, moda_net_parse(text, "t.net", defaults, &net), MODA_OK), "%s",
              moda_last_error());
    cr_assert(eq(int, moda_model_create(net, &model), MODA_OK), "%s", moda_last_error());
    return model;
}

typedef struct moments {
    double mean, std, largest;
} moments;

static moments measure(const moda_model *m, const char *name)
{
    const moda_parameter *p = moda_model_find(m, name);
    moments r = {0};
    cr_assert(p != NULL, "%s", name);
    for (size_t e = 0; e < p->elements; e++) {
        const double x = m->values[p->offset + e];
        r.mean += x / (double)p->elements;
        r.std += x * x / (double)p->elements;
        r.largest = fmax(r.largest, fabs(x));
    }
    r.std = sqrt(r.std - r.mean * r.mean);
    return r;
}

/* n draws: the mean is within 5 sigma/sqrt(n) of 0, the deviation within 5 sigma/sqrt(2n); a
 * uniform one varies less. */
static void check_moments(const moda_model *m, const char *name, double std)
{
    const double n = (double)moda_model_find(m, name)->elements;
    const moments r = measure(m, name);
    cr_expect(lt(dbl, fabs(r.mean), 5 * std / sqrt(n)), "%s", name);
    cr_expect(lt(dbl, fabs(r.std - std), 5 * std / sqrt(2 * n)), "%s: %g, wanted %g", name, r.std,
              std);
}

#define LAYERS                                                 \
    "input = 8 10 10\n"                                        \
    "[conv]\nname = c\noutputs = 64\nkernel = 5\ngroups = 2\n" \
    "[batchnorm]\nname = b\n[relu]\n"                          \
    "[linear]\nname = f\noutputs = 500\n[linear]\nname = g\noutputs = classes\n"

Test(model_init, kaiming_and_normal_start_values)
{
    moda_model *m = create("[net]\nconv_init = kaiming_fan_out\nlinear_init = normal\n" LAYERS);
    moda_model_init(m, 11);
    check_moments(m, "c.weight", sqrt(2.0 / (64 * 25)));
    check_moments(m, "f.weight", 0.01);
    cr_assert(lt(dbl, 0.035, measure(m, "f.weight").largest)); /* has tails, is not uniform */
    cr_assert(eq(dbl, measure(m, "c.bias").largest, 0));
    cr_assert(eq(dbl, measure(m, "f.bias").largest, 0));
    cr_assert(eq(dbl, measure(m, "b.weight").mean, 1));
    cr_assert(eq(dbl, measure(m, "b.running_var").mean, 1));
    cr_assert(eq(dbl, measure(m, "b.bias").largest, 0));
    cr_assert(eq(dbl, measure(m, "b.running_mean").largest, 0));
    moda_model_destroy(m);
}

Test(model_init, uniform_start_values)
{
    moda_model *m =
        create("[net]\nconv_init = uniform_fan_in\nlinear_init = uniform_fan_in\n" LAYERS);
    const double conv = 1 / sqrt(4 * 25), linear = 1 / sqrt(64 * 36);
    moda_model_init(m, 11);
    check_moments(m, "c.weight", conv / sqrt(3));
    check_moments(m, "c.bias", conv / sqrt(3));
    check_moments(m, "f.weight", linear / sqrt(3));
    check_moments(m, "f.bias", linear / sqrt(3));
    const double largest = measure(m, "f.weight").largest;
    cr_assert(largest <= linear * (1 + 1e-6) && largest > 0.999 * linear, "%g, bound %g", largest,
              linear);
    moda_model_destroy(m);
}

Test(model_init, layers_may_start_in_their_own_way)
{
    moda_model *m = create("[net]\nlinear_init = uniform_fan_in\ninput = 8 10 10\n"
                           "[conv]\nname = c\noutputs = 64\nkernel = 5\ninit = kaiming_fan_in\n"
                           "[linear]\nname = f\noutputs = 500\ninit = kaiming_fan_in\n"
                           "bias_init = -0.5\n"
                           "[linear]\nname = g\noutputs = classes\nbias_init = 1\n");
    moda_model_init(m, 12);
    check_moments(m, "c.weight", sqrt(2.0 / (8 * 25)));
    cr_assert(eq(dbl, measure(m, "c.bias").largest, 0));
    check_moments(m, "f.weight", sqrt(2.0 / (64 * 36)));
    cr_assert(epsilon_eq(dbl, measure(m, "f.bias").mean, -0.5, 1e-9));
    cr_assert(eq(dbl, measure(m, "f.bias").largest, 0.5));
    check_moments(m, "g.weight", 1 / sqrt(3 * 500));
    cr_assert(epsilon_eq(dbl, measure(m, "g.bias").mean, 1, 1e-9));
    moda_model_destroy(m);
}

Test(model_init, start_values_depend_on_the_seed_alone)
{
    moda_model *a = create("[net]\n" LAYERS), *b = create("[net]\n" LAYERS);
    const size_t bytes = a->parameters.elements * sizeof(float);
    omp_set_num_threads(1);
    moda_model_init(a, 3);
    omp_set_num_threads(5);
    memset(b->values, 0xFF, bytes); /* whatever was there before */
    moda_model_init(b, 3);
    cr_assert(memcmp(a->values, b->values, bytes) == 0);
    moda_model_init(b, 4);
    cr_assert(memcmp(a->values, b->values, bytes) != 0);
    const float *f = a->values + moda_model_find(a, "f.weight")->offset;
    const float *g = a->values + moda_model_find(a, "g.weight")->offset;
    cr_assert(memcmp(f, g, 100 * sizeof *f) != 0, "two layers got the same numbers");
    moda_model_destroy(a);
    moda_model_destroy(b);
}
