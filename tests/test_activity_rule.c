/* tests/test_activity_rule.c - rules of activity: their words, what they call active, in which file
 * they are kept. The oracle counts and adds value by value, by the layout's definition. */
#include "base/isa.h"
#include "base/rng.h"
#include "decompose/activity_internal.h"
#include "decompose/activity_rule.h"
#include "decompose/masks.h"
#include "decompose/rates.h"
#include "tests/capture.h"
#include "tests/formula.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

TestSuite(activity_rule, .init = NULL, .fini = test_folder_remove, .timeout = 60);

/* ---- words ---- */

Test(activity_rule, words_there_and_back)
{
    static const char *const good[] = {"any",         "area:0.01",  "area:1", "magnitude:0.05",
                                       "magnitude:3", "area:1e-300"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        moda_activity_rule rule;
        char text[MODA_ACTIVITY_TEXT];
        cr_assert(eq(int, moda_activity_rule_parse(good[i], &rule), MODA_OK), "%s", good[i]);
        moda_activity_rule_print(rule, text);
        cr_assert(eq(str, text, (char *)good[i]));
    }
    moda_activity_rule third;
    char text[MODA_ACTIVITY_TEXT];
    moda_activity_rule_print((moda_activity_rule){MODA_ACTIVITY_AREA, 1. / 3}, text);
    cr_assert(eq(int, moda_activity_rule_parse(text, &third), MODA_OK));
    cr_assert(moda_activity_rule_equal(third, (moda_activity_rule){MODA_ACTIVITY_AREA, 1. / 3}));
    cr_assert(not(moda_activity_rule_equal(third, (moda_activity_rule){0, 0})));
}

Test(activity_rule, wrong_words_are_refused)
{
    static const char *const bad[] = {
        "",        "an",       "any:1",    "area",      "area:",       "area:0",
        "area:-1", "area:1.5", "area:nan", "area:0.1x", "magnitude:0", "magnitude:inf",
        "size:1",  "areal:1",  "AREA:0.1", "area 0.01", "magnitude:",  "magnitude:1e999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        moda_activity_rule rule = {MODA_ACTIVITY_AREA, 7};
        cr_assert(eq(int, moda_activity_rule_parse(bad[i], &rule), MODA_ERR_ARG), "%s", bad[i]);
        cr_assert(strstr(moda_last_error(), bad[i]) && !strchr(moda_last_error(), '\n'));
        cr_assert(eq(dbl, rule.threshold, 7));
    }
}

/* ---- flags ---- */

static size_t place(moda_map_shape s, size_t i, size_t c, size_t p)
{
    size_t blocks = (s.c + s.block - 1) / s.block;
    return ((i * blocks + c / s.block) * s.hw + p) * s.block + c % s.block;
}

/* Every channel has its own share of non-zeros and its own size of them; values are multiples of
 * 1/64, so that sums of them are exact in f32 and in f64, and padding lanes are NaN. */
static float *make_maps(moda_map_shape s)
{
    const size_t all = s.n * ((s.c + s.block - 1) / s.block) * s.block * s.hw;
    const moda_rng rng = moda_rng_make(s.c, MODA_RNG_TEST, (uint32_t)(s.hw * 31 + s.block));
    float *x = malloc(all * sizeof *x);
    uint64_t draw = 0;
    for (size_t k = 0; k < all; k++) x[k] = NAN;
    for (size_t i = 0; i < s.n; i++)
        for (size_t c = 0; c < s.c; c++) {
            const double density = moda_rng_unit(rng, draw) * moda_rng_unit(rng, draw + 1);
            const double size = exp2((double)moda_rng_below(rng, draw + 2, 5));
            draw += 3;
            for (size_t p = 0; p < s.hw; p++, draw += 2) {
                const double v = (1 + (double)moda_rng_below(rng, draw, 16)) * size / 64;
                const bool zero = moda_rng_unit(rng, draw + 1) >= density;
                const bool minus = moda_rng_bits(rng, draw + 1) & 1;
                x[place(s, i, c, p)] = (float)(zero ? 0 : v) * (minus ? -1 : 1);
            }
        }
    return x;
}

static bool is_active(moda_activity_rule rule, moda_map_shape s, const float *x, size_t i, size_t c)
{
    double mean = 0, layer = 0;
    size_t count = 0;
    for (size_t k = 0; k < s.c; k++)
        for (size_t p = 0; p < s.hw; p++) {
            const double v = fabs((double)x[place(s, i, k, p)]);
            layer += v / (double)(s.hw * s.c);
            if (k == c) mean += v / (double)s.hw, count += v != 0;
        }
    if (rule.kind == MODA_ACTIVITY_ANY) return count > 0;
    if (rule.kind == MODA_ACTIVITY_AREA)
        return (double)count / (double)s.hw >= rule.threshold && count > 0;
    return mean >= rule.threshold * layer && mean > 0;
}

static const moda_map_shape shapes[] = {
    {3, 16, 49, 16, MODA_F32}, {2, 64, 256, 16, MODA_F32}, {5, 24, 9, 8, MODA_F32},
    {2, 20, 64, 16, MODA_F32}, {3, 5, 7, 8, MODA_F32},     {4, 7, 700, 1, MODA_F32},
    {4, 40, 25, 40, MODA_F32}, {3, 6, 4, 6, MODA_F32},     {3, 100, 1, 1, MODA_F32},
    {2, 96, 1, 16, MODA_F32},  {3, 84, 1, 84, MODA_F32},   {3, 10, 1, 16, MODA_F32}};
static const moda_activity_rule rules[] = {
    {MODA_ACTIVITY_ANY, 0},          {MODA_ACTIVITY_AREA, 0.01},
    {MODA_ACTIVITY_AREA, 0.25},      {MODA_ACTIVITY_AREA, 1},
    {MODA_ACTIVITY_MAGNITUDE, 0.05}, {MODA_ACTIVITY_MAGNITUDE, 0.7},
    {MODA_ACTIVITY_MAGNITUDE, 1.37}, {MODA_ACTIVITY_AREA, 0.3}};

Test(activity_rule, flags_agree_with_the_definition_in_every_layout)
{
    size_t decided[sizeof rules / sizeof *rules][2] = {{0}};
    for (size_t t = 0; t < sizeof shapes / sizeof *shapes; t++) {
        const moda_map_shape s = shapes[t];
        float *x = make_maps(s), *means = malloc(s.n * s.c * sizeof *means);
        uint8_t *got = malloc(s.n * s.c);
        for (size_t r = 0; r < sizeof rules / sizeof *rules; r++)
            for (int threads = 1; threads < 4; threads++) {
                omp_set_num_threads(threads);
                memset(got, 77, s.n * s.c);
                moda_activity_flags_by(rules[r], s, x, means, got);
                for (size_t k = 0; k < s.n * s.c; k++) {
                    const bool want = is_active(rules[r], s, x, k / s.c, k % s.c);
                    cr_assert(eq(u8, got[k], want), "shape %zu, rule %zu, sample %zu, channel %zu",
                              t, r, k / s.c, k % s.c);
                    if (s.hw > 1) decided[r][want]++;
                }
            }
        free(x);
        free(means);
        free(got);
    }
    for (size_t r = 0; r < sizeof rules / sizeof *rules; r++) /* each rule told some apart */
        cr_assert(decided[r][1] > 0 && decided[r][0] > 0, "rule %zu: %zu active, %zu not", r,
                  decided[r][1], decided[r][0]);
}

/* Exactly at the threshold is active, one value less is not. */
Test(activity_rule, thresholds_belong_to_the_active)
{
    const moda_map_shape s = {1, 3, 100, 1, MODA_F32};
    const moda_activity_rule area = {MODA_ACTIVITY_AREA, 0.07}, least = {MODA_ACTIVITY_AREA, 1e-9};
    float x[300] = {0}, means[3];
    uint8_t got[3];
    for (size_t k = 0; k < 7; k++) x[13 * k] = 1, x[200 + k] = -1;
    for (size_t k = 0; k < 6; k++) x[100 + k] = 1;
    moda_activity_flags_by(area, s, x, means, got);
    cr_assert(got[0] == 1 && got[1] == 0 && got[2] == 1, "7, 6 and 7 of 100: %u %u %u", got[0],
              got[1], got[2]);
    memset(x + 100, 0, 100 * sizeof *x);
    moda_activity_flags_by(least, s, x, means, got);
    cr_assert(got[0] == 1 && got[1] == 0 && got[2] == 1, "an empty map is never active");
    const moda_activity_rule half = {MODA_ACTIVITY_MAGNITUDE, 0.5};
    const moda_map_shape features = {2, 4, 1, 4, MODA_F32};
    const float y[8] = {4, 1, -2, 1, 0, 0, 0, 0}; /* mean 2: at least 1 */
    uint8_t flags[8];
    float scratch[8];
    moda_activity_flags_by(half, features, y, scratch, flags);
    cr_assert(zero(int, memcmp(flags, (uint8_t[]){1, 1, 1, 1, 0, 0, 0, 0}, 8)),
              "a layer without any value has no active feature");
    const moda_activity_rule more = {MODA_ACTIVITY_MAGNITUDE, 0.500001};
    moda_activity_flags_by(more, features, y, scratch, flags);
    cr_assert(zero(int, memcmp(flags, (uint8_t[]){1, 0, 1, 0}, 4)));
}

Test(activity_rule, instruction_sets_agree_with_the_reference)
{
    moda_area_kernel *fast[MODA_ISA_COUNT] = {moda_k_area_ref};
#if defined(__x86_64__)
    fast[MODA_ISA_AVX2] = moda_k_area_avx2;
    fast[MODA_ISA_AVX512] = moda_k_area_avx512;
#endif
    for (int isa = 0; isa <= (int)moda_isa_best(); isa++)
        for (size_t lanes = 1; lanes <= 40; lanes++)
            for (size_t pixels = 1; pixels < 600; pixels += pixels < 40 ? 3 : 61) {
                const moda_map_shape s = {1, lanes, pixels, lanes, MODA_F32};
                uint8_t want[40], got[40];
                float *x = make_maps(s);
                for (size_t least = 1; least <= pixels + 1; least += 1 + pixels / 4) {
                    for (size_t c = 0; c < lanes; c++) {
                        size_t count = 0;
                        for (size_t p = 0; p < pixels; p++) count += x[p * lanes + c] != 0;
                        want[c] = count >= least;
                    }
                    const size_t real = lanes - (least % 2 ? lanes / 3 : 0);
                    fast[isa](pixels, lanes, real, least, x, got);
                    cr_assert(zero(int, memcmp(got, want, real)),
                              "%s, %zu of %zu lanes, %zu pixels, %zu", moda_isa_name((moda_isa)isa),
                              real, lanes, pixels, least);
                }
                free(x);
            }
}

/* ---- files ---- */

Test(activity_rule, rates_and_masks_remember_their_rule)
{
    moda_rates *rates = NULL, *again = NULL;
    moda_masks *masks = NULL, *loaded = NULL;
    moda_model *model = formula_model("lenet5", 10);
    cr_assert(eq(int, moda_rates_create(model->net, &rates), MODA_OK));
    cr_assert(eq(int, rates->rule.kind, MODA_ACTIVITY_ANY), "the published rule unless said");
    for (size_t i = 0; i < rates->shape.elements; i++) rates->values[i] = 1;
    rates->rule = (moda_activity_rule){MODA_ACTIVITY_MAGNITUDE, 0.05};
    cr_assert(eq(int, moda_rates_save(rates, test_path("rates")), MODA_OK));
    cr_assert(eq(int, moda_rates_load(test_path("rates"), model->net, &again), MODA_OK));
    cr_assert(moda_activity_rule_equal(rates->rule, again->rule));
    cr_assert(eq(int, moda_masks_from_rates(model->net, again, 0.5, 0, &masks), MODA_OK));
    cr_assert(eq(int, moda_masks_save(masks, test_path("masks")), MODA_OK));
    cr_assert(eq(int, moda_masks_load(test_path("masks"), model->net, &loaded), MODA_OK));
    cr_assert(moda_activity_rule_equal(rates->rule, loaded->rule));
    moda_masks_destroy(masks);
    moda_masks_destroy(loaded);
    moda_rates_destroy(rates);
    moda_rates_destroy(again);
    moda_model_destroy(model);
}

/* Rates measured by two rules on one model differ as the rules say: area within any. */
Test(activity_rule, rates_are_measured_by_the_rule)
{
    moda_dataset *data = NULL;
    moda_rates *any = NULL, *area = NULL, *magnitude = NULL;
    moda_model *model = formula_model("lenet5", 10);
    cr_assert(eq(int, moda_dataset_open("synthetic:classes=10,train=50", NULL, &data), MODA_OK));
    cr_assert(eq(int, moda_model_describe_data(model, data), MODA_OK), "%s", moda_last_error());
    cr_assert(eq(int, moda_rates_measure(model, &data->train, 16, "x", &any), MODA_OK));
    cr_assert(eq(int,
                 moda_rates_measure_by(model, &data->train, 16,
                                       (moda_activity_rule){MODA_ACTIVITY_AREA, 0.5}, "x", &area),
                 MODA_OK));
    cr_assert(
        eq(int,
           moda_rates_measure_by(model, &data->train, 16,
                                 (moda_activity_rule){MODA_ACTIVITY_MAGNITUDE, 1}, "x", &magnitude),
           MODA_OK));
    size_t less[2] = {0, 0};
    for (size_t i = 0; i < any->shape.elements; i++) {
        cr_assert(area->values[i] <= any->values[i] && magnitude->values[i] <= any->values[i]);
        less[0] += area->values[i] < any->values[i];
        less[1] += magnitude->values[i] < any->values[i];
    }
    cr_assert(less[0] > 0 && less[1] > 0, "%zu, %zu", less[0], less[1]);
    cr_assert(eq(int, area->rule.kind, MODA_ACTIVITY_AREA));
    moda_rates_destroy(any);
    moda_rates_destroy(area);
    moda_rates_destroy(magnitude);
    moda_model_destroy(model);
    moda_dataset_destroy(data);
}
