/* tests/test_round.c - rounding a module's channels up: which ones come, and what stays true. */
#include "base/rng.h"
#include "decompose/compose.h"
#include "decompose/metrics.h"
#include "decompose/round.h"
#include "decompose/slice.h"
#include "tests/capture.h"
#include "tests/formula.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

TestSuite(round, .fini = test_folder_remove, .timeout = 60);

Test(round, the_most_active_come_first_and_of_equals_the_lower)
{
    /* three classes, of which 0 and 2 are asked for */
    const float rate[3 * 8] = {.9f, .1f, .5f, .3f, .0f, .5f, .2f, .8f, /* class 0 */
                               .9f, 1.f, 1.f, 1.f, 1.f, 1.f, 1.f, 1.f, /* not asked */
                               .2f, .4f, .1f, .5f, .0f, .1f, .6f, .1f};
    const size_t classes[] = {2, 0};
    uint32_t order[8];
    uint8_t keep[8] = {1, 0, 0, 0, 0, 0, 0, 1};
    moda_round_layer(8, rate, classes, 2, 4, order, keep); /* .6 of 6, then .5 of 2, 3 and 5 */
    cr_assert(zero(int, memcmp(keep, (uint8_t[]){1, 0, 1, 0, 0, 0, 1, 1}, 8)));
    moda_round_layer(8, rate, classes, 2, 4, order, keep);
    cr_assert(zero(int, memcmp(keep, (uint8_t[]){1, 0, 1, 0, 0, 0, 1, 1}, 8)), "is a multiple");
    moda_round_layer(8, rate, classes, 2, 5, order, keep);
    cr_assert(zero(int, memcmp(keep, (uint8_t[]){1, 0, 1, 1, 0, 0, 1, 1}, 8)));
    moda_round_layer(8, rate, classes, 2, 16, order, keep);
    cr_assert(zero(int, memcmp(keep, (uint8_t[]){1, 1, 1, 1, 1, 1, 1, 1}, 8)),
              "never more than all");
    memset(keep, 0, sizeof keep);
    moda_round_layer(8, rate, classes, 2, 4, order, keep);
    cr_assert(zero(int, memcmp(keep, (uint8_t[8]){0}, 8)), "nothing stays nothing");
    keep[3] = 1;
    moda_round_layer(8, rate, classes, 2, 1, order, keep);
    cr_assert(zero(int, memcmp(keep, (uint8_t[]){0, 0, 0, 1, 0, 0, 0, 0}, 8)));
}

/* Against sorting everything. */
Test(round, random_layers_agree_with_a_sort)
{
    enum { UNITS = 70, CLASSES = 4 };
    float rate[CLASSES * UNITS];
    uint32_t order[UNITS];
    for (uint32_t seed = 0; seed < 100; seed++) {
        const moda_rng rng = moda_rng_make(seed, MODA_RNG_TEST, 3);
        const size_t classes[2] = {moda_rng_below(rng, 5000, CLASSES),
                                   moda_rng_below(rng, 5001, CLASSES)};
        const size_t multiple = 1 + (size_t)moda_rng_below(rng, 5002, 20);
        uint8_t keep[UNITS], was[UNITS];
        size_t kept = 0, now = 0;
        for (size_t i = 0; i < CLASSES * UNITS; i++)
            rate[i] = (float)moda_rng_below(rng, i, 12) / 11; /* many ties */
        for (size_t k = 0; k < UNITS; k++) kept += was[k] = moda_rng_below(rng, 1000 + k, 3) == 0;
        memcpy(keep, was, sizeof keep);
        moda_round_layer(UNITS, rate, classes, 2, multiple, order, keep);
        size_t want = kept;
        while (kept > 0 && want % multiple != 0 && want < UNITS) want++;
        for (size_t k = 0; k < UNITS; k++) now += keep[k];
        cr_assert(eq(sz, now, want), "seed %u: %zu of multiple %zu", seed, kept, multiple);
        for (size_t a = 0; a < UNITS; a++) {
            cr_assert(keep[a] >= was[a], "channels of the mask stay");
            for (size_t b = 0; b < UNITS; b++) { /* nobody left out comes before one taken in */
                if (keep[a] || was[b] || !keep[b]) continue;
                float ra = 0, rb = 0;
                for (size_t i = 0; i < 2; i++) {
                    if (rate[classes[i] * UNITS + a] > ra) ra = rate[classes[i] * UNITS + a];
                    if (rate[classes[i] * UNITS + b] > rb) rb = rate[classes[i] * UNITS + b];
                }
                cr_assert(ra < rb || (ra == rb && a > b), "seed %u: %zu instead of %zu", seed, b,
                          a);
            }
        }
    }
}

static moda_rates *random_rates(const moda_net *net)
{
    moda_rates *rates = NULL;
    cr_assert(eq(int, moda_rates_create(net, &rates), MODA_OK));
    for (size_t i = 0; i < rates->shape.elements; i++)
        rates->values[i] = (float)moda_rng_unit(moda_rng_make(2, MODA_RNG_TEST, 8), i);
    return rates;
}

Test(round, modules_have_rounded_layers)
{
    moda_model *model = formula_model("vgg16", 10), *module = NULL;
    moda_rates *rates = random_rates(model->net);
    moda_masks *masks = NULL;
    moda_kept *plain = NULL, *same = NULL, *rounded = NULL;
    const size_t classes[] = {1, 7};
    cr_assert(eq(int, moda_masks_from_rates(model->net, rates, 0.8, 0.005, &masks), MODA_OK));
    cr_assert(eq(int, moda_kept_of_classes(model->net, masks, classes, 2, &plain), MODA_OK));
    cr_assert(eq(int, moda_kept_rounded(model->net, masks, rates, classes, 2, 1, &same), MODA_OK));
    cr_assert(
        eq(int, moda_kept_rounded(model->net, masks, rates, classes, 2, 16, &rounded), MODA_OK));
    cr_assert(
        eq(sz, moda_module_parameters(model->net, plain), moda_module_parameters(model->net, same)),
        "a multiple of 1 changes nothing");
    cr_assert(lt(sz, moda_module_parameters(model->net, plain),
                 moda_module_parameters(model->net, rounded)));
    for (size_t l = 0; l < model->net->tracked_count; l++) {
        const moda_channels *a = &plain->out[model->net->tracked[l]];
        const moda_channels *b = &rounded->out[model->net->tracked[l]];
        cr_assert(eq(sz, b->count, (a->count + 15) / 16 * 16), "layer %zu: %zu channels", l,
                  a->count);
        cr_assert(eq(sz, moda_channels_common(a, b), a->count), "layer %zu lost channels", l);
    }
    cr_assert(eq(sz, rounded->out[model->net->layer_count - 1].count, 2), "classes stay as asked");
    cr_assert(eq(int, moda_slice(model, rounded, 0.8, &module), MODA_OK));
    cr_assert(eq(sz, module->parameters.trainable, moda_module_parameters(model->net, rounded)));
    moda_kept *none = NULL;
    cr_assert(
        eq(int, moda_kept_rounded(model->net, masks, rates, classes, 2, 0, &none), MODA_ERR_ARG));
    cr_assert(eq(int, moda_kept_rounded(model->net, masks, rates, (size_t[]){10}, 1, 16, &none),
                 MODA_ERR_ARG));
    moda_kept_destroy(plain);
    moda_kept_destroy(same);
    moda_kept_destroy(rounded);
    moda_masks_destroy(masks);
    moda_rates_destroy(rates);
    moda_model_destroy(module);
    moda_model_destroy(model);
}

Test(round, rates_must_belong_to_model_and_masks)
{
    moda_model *model = formula_model("lenet5", 10);
    moda_rates *rates = random_rates(model->net), *opened = NULL;
    moda_masks *masks = NULL;
    cr_assert(eq(int, moda_masks_from_rates(model->net, rates, 0.5, 0.005, &masks), MODA_OK));
    cr_assert(eq(int, moda_rates_open(test_folder(), model, masks, &opened), MODA_ERR_IO));
    cr_assert(eq(int, moda_rates_save(rates, test_path("rates.safetensors")), MODA_OK));
    cr_assert(eq(int, moda_rates_open(test_folder(), model, masks, &opened), MODA_OK), "%s",
              moda_last_error());
    moda_rates_destroy(opened);
    masks->rule = (moda_activity_rule){MODA_ACTIVITY_AREA, 0.5};
    cr_assert(eq(int, moda_rates_open(test_folder(), model, masks, &opened), MODA_ERR_FORMAT));
    cr_assert(strstr(moda_last_error(), "area:0.5") != NULL, "%s", moda_last_error());
    masks->rule = rates->rule;
    rates->weights = 12345;
    cr_assert(eq(int, moda_rates_save(rates, test_path("rates.safetensors")), MODA_OK));
    cr_assert(eq(int, moda_rates_open(test_folder(), model, masks, &opened), MODA_ERR_FORMAT));
    moda_masks_destroy(masks);
    moda_rates_destroy(rates);
    moda_model_destroy(model);
}
