/* tests/test_published.c - full-size networks with formula weights on 200 images, on the engine,
 * against the published implementation: logits, rates, logits of composed networks. Masks from rates
 * are in test_masks.c, parameters and overlaps in test_metrics.c. */
#include "base/file.h"
#include "base/log.h"
#include "decompose/compose.h"
#include "decompose/rates.h"
#include "engine/evaluate.h"
#include "tests/formula.h"
#include "tests/golden.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void quiet(void)
{
    moda_log_set_level(MODA_LOG_WARNING);
}

TestSuite(published, .init = quiet, .timeout = 300);

enum { CLASSES = 10 };

static moda_images golden_images(const golden_file *g)
{
    size_t n, pixels;
    const int64_t *labels = golden_i64(g, "labels", &n);
    const uint8_t *from = golden_u8(g, "images", &pixels);
    moda_images images = {.n = n, .channels = 3, .height = 32, .width = 32};
    images.pixels = malloc(pixels);
    images.labels = malloc(n * sizeof *images.labels);
    memcpy(images.pixels, from, pixels);
    for (size_t i = 0; i < n; i++) images.labels[i] = (uint32_t)labels[i];
    return images;
}

static void free_images(moda_images *images)
{
    free(images->pixels);
    free(images->labels);
}

/* Logits of the engine against stored ones, by the largest of these. */
static void check_logits(const moda_model *model, const moda_images *images, const golden_file *g,
                         const char *name)
{
    size_t count;
    double largest = 0, worst = 0;
    const float *want = golden_f32(g, name, &count);
    moda_runner *runner = NULL;
    moda_evaluation result;
    float *got = calloc(count, sizeof *got);
    cr_assert(eq(sz, count, images->n * model->net->classes), "%s", name);
    cr_assert(eq(int, moda_runner_create(model, 100, NULL, NULL, &runner), MODA_OK), "%s",
              moda_last_error());
    cr_assert(eq(int,
                 moda_evaluate(moda_runner_executor(runner), model, images,
                               &(moda_evaluation_wish){.logits = got}, &result),
                 MODA_OK),
              "%s", moda_last_error());
    for (size_t i = 0; i < count; i++) {
        largest = fmax(largest, fabs(want[i]));
        worst = fmax(worst, fabs((double)got[i] - want[i]));
    }
    cr_assert(largest > 0.05, "%s: the largest is %g: these logits prove nothing", name, largest);
    cr_assert(worst < 1e-3 * largest, "%s: differs by %g, largest %g", name, worst, largest);
    free(got);
    moda_runner_destroy(runner);
}

static void check_rates(const char *name)
{
    golden_file *g = golden_open(golden_name("%s.safetensors", name));
    moda_images images = golden_images(g);
    moda_model *model = formula_model(name, CLASSES);
    moda_rates *rates = NULL;
    size_t count, wrong = 0, inside = 0;
    check_logits(model, &images, g, "logits");
    cr_assert(eq(int, moda_rates_measure(model, &images, 64, "golden", &rates), MODA_OK), "%s",
              moda_last_error());
    for (size_t l = 0; l < rates->shape.layers; l++) {
        const float *want = golden_f32(g, golden_name("rates.%zu", l), &count);
        for (size_t i = 0; i < count; i++) {
            wrong += rates->values[rates->shape.offset[l] + i] != want[i];
            inside += want[i] > 0 && want[i] < 1;
        }
    }
    cr_assert(inside > rates->shape.elements / 10, "%zu of %zu rates are between 0 and 1", inside,
              rates->shape.elements);
    cr_assert(wrong * 1000 <= rates->shape.elements, "%zu of %zu rates differ", wrong,
              rates->shape.elements);
    for (size_t c = 0, sum = 0; c < CLASSES; c++) {
        sum += rates->samples[c];
        if (c == CLASSES - 1) cr_assert(eq(sz, sum, 200));
    }
    moda_rates_destroy(rates);
    moda_model_destroy(model);
    free_images(&images);
    golden_close(g);
}

static const struct group {
    const char *name;
    size_t n, classes[4];
} groups[] = {{"0", 1, {0}}, {"3_5", 2, {5, 3}}, {"0_2_7_9", 4, {9, 0, 7, 2}}};

/* Composed networks of all groups at one threshold, masks out of the published rates. */
static void check_composed(const char *name, const char *tau)
{
    golden_file *g = golden_open(golden_name("%s.safetensors", name));
    moda_images images = golden_images(g);
    moda_model *model = formula_model(name, CLASSES);
    moda_rates *rates = NULL;
    moda_masks *masks = NULL;
    char *path = moda_format(MODA_TEST_DATA "/golden/%s.safetensors", name);
    cr_assert(eq(int, moda_rates_load(path, model->net, &rates), MODA_OK), "%s", moda_last_error());
    free(path);
    cr_assert(eq(int, moda_masks_from_rates(model->net, rates, atof(tau), MODA_MIN_ACTIVE, &masks),
                 MODA_OK));
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        moda_model *module = NULL;
        cr_assert(
            eq(int, moda_compose(model, masks, groups[i].classes, groups[i].n, &module), MODA_OK),
            "%s", moda_last_error());
        check_logits(module, &images, g, golden_name("tau%s.composed.%s", tau, groups[i].name));
        moda_model_destroy(module);
    }
    moda_masks_destroy(masks);
    moda_rates_destroy(rates);
    moda_model_destroy(model);
    free_images(&images);
    golden_close(g);
}

Test(published, vgg16)
{
    check_rates("vgg16");
    check_composed("vgg16", "0.9");
    check_composed("vgg16", "0.5");
}

Test(published, resnet18)
{
    check_rates("resnet18");
    check_composed("resnet18", "0.9");
    check_composed("resnet18", "0.5");
}

Test(published, mobilenet)
{
    check_rates("mobilenet");
    check_composed("mobilenet", "0.9");
    check_composed("mobilenet", "0.5");
}
