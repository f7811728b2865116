/* Rates of models with masks of their own: how often a mask is above 0, against the network in
 * f64. */
#include "base/rng.h"
#include "decompose/rate_counter.h"
#include "decompose/rates.h"
#include "tests/capture.h"
#include "tests/mwt_subject.h"
#include "tests/naive_net.h"
#include "tests/reuse_subject.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

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

/* ---- what masks are where they are on ---- */

/* tanh(s) where s > 0, averaged in f64 over the samples of all classes. */
Test(mwt_rates, know_the_mean_of_masks_that_are_on)
{
    enum { STRANGER = 7 };
    reuse_subject s = {.model = mwt_model()};
    moda_rates *rates = NULL;
    reuse_draw_images(&s, IMAGES, 3);
    s.images.labels[STRANGER] = 900; /* a class that the model does not have */
    reuse_must(moda_rates_measure(s.model, &s.images, 16, "drawn", &rates));
    naive_net *naive = run_naive(&s);
    const moda_net *net = s.model->net;
    cr_assert(rates->mask_means != NULL);
    for (size_t l = 0; l < rates->shape.layers; l++) {
        const size_t units = rates->shape.units[l];
        const double *sums = naive->y[net->layers[net->masks[l]].input[1]];
        double sum = 0, on = 0, unsure = 0;
        for (size_t i = 0; i < IMAGES * units; i++) {
            if (i / units == STRANGER) continue;
            if (sums[i] > 0) sum += tanh(sums[i]), on++;
            unsure += fabs(sums[i]) < 1e-4;
        }
        cr_assert(lt(dbl, 20, on), "layer %zu: masks that are off prove nothing", l);
        cr_assert(lt(dbl, sum / on, 0.99), "layer %zu: a mean of ones proves nothing", l);
        cr_assert(fabs(rates->mask_means[l] - sum / on) < unsure / on + 1e-4,
                  "layer %zu: %g, not %g", l, rates->mask_means[l], sum / on);
    }
    naive_destroy(naive);
    moda_rates_destroy(rates);
    reuse_discard(&s);
}

/* Masks [n,units] of layer l, in batches of this size, samples 0, 5, 10, ... of no class. */
static moda_rate_counter *count_in_batches(const moda_model *model, size_t l, const float *masks,
                                           size_t n, size_t batch)
{
    const moda_activity_rule rule = {MODA_ACTIVITY_ANY, 0};
    moda_rate_counter *counter = NULL;
    reuse_must(moda_rate_counter_create(model->net, batch, rule, &counter));
    for (size_t first = 0; first < n; first += batch) {
        const size_t count = n - first < batch ? n - first : batch;
        for (size_t i = 0; i < count; i++)
            counter->row[i] = (uint32_t)((first + i) % 5 ? (first + i) % 6 : 6);
        moda_rate_counter_mask(counter, l, count, masks + first * counter->shape.units[l]);
    }
    return counter;
}

Test(mwt_rates, masks_are_added_alike_in_any_batches_and_threads)
{
    enum { N = 137, LAYER = 1, UNITS = 10 };
    const moda_rng rng = moda_rng_make(5, MODA_RNG_TEST, 9);
    const int usual = omp_get_max_threads();
    moda_model *model = mwt_model();
    float masks[N * UNITS];
    long double sum = 0;
    uint64_t on = 0;
    for (size_t i = 0; i < N * UNITS; i++) {
        const double x = tanh(4 * moda_rng_unit(rng, i) - 2);
        masks[i] = x > 0 ? (float)x : 0;
        if (x > 0 && i / UNITS % 5) sum += (long double)masks[i], on++;
    }
    moda_rate_counter *whole = count_in_batches(model, LAYER, masks, N, N);
    cr_assert(eq(sz, whole->shape.units[LAYER], UNITS));
    cr_assert(lt(u64, 100, on));
    cr_assert(eq(u64, whole->masks_on[LAYER], on));
    cr_assert(epsilon_eq(dbl, whole->mask_sum[LAYER], (double)sum, 1e-9));
    cr_assert(eq(u64, whole->masks_on[0], 0));
    for (int threads = 1; threads <= 3; threads++) {
        omp_set_num_threads(threads);
        moda_rate_counter *parts = count_in_batches(model, LAYER, masks, N, 10 * (size_t)threads);
        cr_assert(eq(u64, parts->masks_on[LAYER], on));
        cr_assert(eq(dbl, parts->mask_sum[LAYER], whole->mask_sum[LAYER]), "%d threads", threads);
        moda_rate_counter_destroy(parts);
    }
    omp_set_num_threads(usual);
    moda_rate_counter_destroy(whole);
    moda_model_destroy(model);
}

Test(mwt_rates, means_of_masks_come_back_and_older_files_have_none)
{
    static char *const unknown[] = {NULL, "[0.5, 0.5]", "[0.5, 0.5, 1.5, 0.5, 0.5]",
                                    "[0.5, 0.5, null, 0.5, 0.5]", "{}"};
    const char *path = test_path("rates.safetensors");
    moda_model *model = mwt_model();
    moda_rates *rates = NULL, *back = NULL;
    reuse_must(moda_rates_create(model->net, &rates));
    cr_assert(eq(sz, rates->shape.layers, 5));
    cr_assert(rates->mask_means == NULL);
    rates->mask_means = malloc(5 * sizeof *rates->mask_means);
    for (size_t l = 0; l < 5; l++) rates->mask_means[l] = (double)l / 7;
    reuse_must(moda_rates_save(rates, path));
    reuse_must(moda_rates_load(path, model->net, &back));
    cr_assert(back->mask_means != NULL);
    cr_assert(zero(int, memcmp(back->mask_means, rates->mask_means, 5 * sizeof(double))));
    moda_rates_destroy(back);
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        const moda_metadata metadata[] = {{"moda.mask_means", unknown[i]}};
        reuse_must(moda_class_tables_write(path, "rates", &rates->shape, MODA_DTYPE_F32,
                                           rates->values, metadata, unknown[i] != NULL));
        reuse_must(moda_rates_load(path, model->net, &back));
        cr_assert(back->mask_means == NULL, "%s", unknown[i]);
        moda_rates_destroy(back);
    }
    moda_rates_destroy(rates);
    moda_model_destroy(model);
}
