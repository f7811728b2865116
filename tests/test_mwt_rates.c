/* Rates of models with masks of their own: how often a mask is above 0, against the network in
 * f64. */
#include "decompose/rates.h"
#include "tests/mwt_subject.h"
#include "tests/naive_net.h"
#include "tests/reuse_subject.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdlib.h>

TestSuite(mwt_rates, .init = reuse_prepare, .timeout = 60);

enum { IMAGES = 60 };

static naive_net *run_naive(const reuse_subject *s)
{
    const moda_images *x = &s->images;
    const size_t plane = x->height * x->width, all = x->n * x->channels * plane;
    float *input = malloc(all * sizeof *input);
    for (size_t i = 0; i < all; i++) {
        const size_t c = i / plane % x->channels;
        input[i] = ((float)x->pixels[i] / 255.0f - s->model->mean[c]) / s->model->std[c];
    }
    naive_net *naive = naive_create(s->model, x->n, false);
    naive_forward(naive, input);
    free(input);
    return naive;
}

/* relu(tanh(s)) > 0 where s > 0. Sums near 0 may come out on either side in single precision. */
Test(mwt_rates, are_the_shares_of_samples_whose_mask_is_above_zero)
{
    reuse_subject s = {.model = mwt_model()};
    moda_rates *rates = NULL;
    size_t between = 0;
    reuse_draw_images(&s, IMAGES, 3);
    reuse_must(moda_rates_measure(s.model, &s.images, 16, "drawn", &rates));
    naive_net *naive = run_naive(&s);
    const moda_net *net = s.model->net;
    cr_assert(eq(sz, rates->shape.layers, 5));
    for (size_t l = 0; l < rates->shape.layers; l++) {
        const size_t units = rates->shape.units[l];
        const double *sums = naive->y[net->layers[net->masks[l]].input[1]];
        for (size_t i = 0; i < 6 * units; i++) {
            const size_t k = i / units, u = i % units;
            double on = 0, unsure = 0, samples = 0;
            for (size_t n = 0; n < IMAGES; n++) {
                if (s.images.labels[n] != k) continue;
                const double v = sums[n * units + u];
                on += v > 0, unsure += fabs(v) < 1e-4, samples++;
            }
            const double rate = (double)rates->values[rates->shape.offset[l] + i];
            cr_assert(fabs(rate - on / samples) <= unsure / samples + 1e-6,
                      "layer %zu, class %zu, unit %zu: %g, not %g", l, k, u, rate, on / samples);
            between += rate > 0 && rate < 1;
        }
    }
    cr_assert(lt(sz, 5, between), "masks that never change prove nothing");
    naive_destroy(naive);
    moda_rates_destroy(rates);
    reuse_discard(&s);
}
