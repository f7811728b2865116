/* Rates, and the files of a decomposition. Those of the published networks: test_published.c. */
#include "base/file.h"
#include "base/log.h"
#include "base/rng.h"
#include "decompose/checksum.h"
#include "decompose/compose.h"
#include "decompose/decomposition.h"
#include "tests/capture.h"
#include "tests/formula.h"
#include "tests/golden.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void quiet(void)
{
    moda_log_set_level(MODA_LOG_WARNING);
}

static void quiet_folder(void)
{
    quiet();
    test_folder();
}

TestSuite(decompose, .init = quiet, .timeout = 300);
TestSuite(decompose_files, .init = quiet_folder, .fini = test_folder_remove, .timeout = 60);

enum { CLASSES = 10 };

static void free_images(moda_images *images)
{
    free(images->pixels);
    free(images->labels);
}

/* ---- rates ---- */

static moda_images random_images(size_t n, uint32_t classes)
{
    moda_rng rng = moda_rng_make(3, MODA_RNG_TEST, 1);
    moda_images images = {.n = n, .channels = 3, .height = 32, .width = 32};
    const size_t pixels = n * 3 * 32 * 32;
    images.pixels = malloc(pixels);
    images.labels = malloc(n * sizeof *images.labels);
    for (size_t i = 0; i < pixels; i++) images.pixels[i] = (uint8_t)moda_rng_bits(rng, i);
    for (size_t i = 0; i < n; i++) images.labels[i] = (uint32_t)i * 7 % classes;
    return images;
}

Test(decompose, batch_size_does_not_change_rates)
{
    moda_images images = random_images(53, CLASSES);
    moda_model *model = formula_model("lenet5", CLASSES);
    const size_t batches[] = {53, 1, 16, 1000};
    moda_rates *first = NULL;
    cr_assert(eq(int, moda_rates_measure(model, &images, batches[0], "random", &first), MODA_OK),
              "%s", moda_last_error());
    for (size_t i = 1; i < sizeof batches / sizeof *batches; i++) {
        moda_rates *rates = NULL;
        size_t wrong = 0;
        cr_assert(
            eq(int, moda_rates_measure(model, &images, batches[i], "random", &rates), MODA_OK));
        for (size_t k = 0; k < rates->shape.elements; k++)
            wrong += rates->values[k] != first->values[k];
        /* Another batch size may take another kernel: a value at zero within rounding may flip. */
        cr_assert(wrong * 1000 <= rates->shape.elements, "batch %zu: %zu of %zu differ", batches[i],
                  wrong, rates->shape.elements);
        moda_rates_destroy(rates);
    }
    moda_rates_destroy(first);
    moda_model_destroy(model);
    free_images(&images);
}

Test(decompose, data_that_does_not_fit_is_refused)
{
    moda_images images = random_images(40, CLASSES);
    moda_model *model = formula_model("lenet5", CLASSES);
    moda_rates *rates = NULL;
    for (size_t i = 0; i < images.n; i++)
        if (images.labels[i] == 4) images.labels[i] = 5;
    cr_assert(eq(int, moda_rates_measure(model, &images, 8, "random", &rates), MODA_ERR_FORMAT));
    cr_assert(strstr(moda_last_error(), "class 4") != NULL, "%s", moda_last_error());
    images.height = 16, images.n = 20;
    cr_assert(eq(int, moda_rates_measure(model, &images, 8, "random", &rates), MODA_ERR_ARG));
    images.height = 32, images.n = 0;
    cr_assert(eq(int, moda_rates_measure(model, &images, 8, "random", &rates), MODA_ERR_FORMAT));
    images.n = 40, model->std[1] = 0;
    cr_assert(eq(int, moda_rates_measure(model, &images, 8, "random", &rates), MODA_ERR_ARG));
    cr_assert(eq(ptr, rates, NULL));
    moda_model_destroy(model);
    free_images(&images);
}

/* ---- files ---- */

static moda_rates *some_rates(const moda_model *model)
{
    moda_rng rng = moda_rng_make(4, MODA_RNG_TEST, 2);
    moda_rates *rates = NULL;
    cr_assert(eq(int, moda_rates_create(model->net, &rates), MODA_OK));
    for (size_t i = 0; i < rates->shape.elements; i++)
        rates->values[i] = (float)moda_rng_unit(rng, i);
    for (size_t c = 0; c < rates->shape.classes; c++) rates->samples[c] = 100 + c;
    rates->weights = 0x1234abcd;
    return rates;
}

Test(decompose_files, rates_come_back_as_saved)
{
    moda_model *model = formula_model("lenet5", CLASSES), *other = formula_model("lenet5", 9);
    moda_rates *rates = some_rates(model), *back = NULL;
    const char *path = test_path("rates.safetensors");
    cr_assert(eq(int, moda_rates_save(rates, path), MODA_OK), "%s", moda_last_error());
    cr_assert(eq(int, moda_rates_load(path, model->net, &back), MODA_OK), "%s", moda_last_error());
    cr_assert(
        zero(int, memcmp(rates->values, back->values, rates->shape.elements * sizeof(float))));
    cr_assert(zero(int, memcmp(rates->samples, back->samples, CLASSES * sizeof *back->samples)));
    cr_assert(eq(u32, back->weights, 0x1234abcd));
    moda_rates_destroy(back), back = NULL;
    cr_assert(eq(int, moda_rates_load(path, other->net, &back), MODA_ERR_FORMAT));
    cr_assert(strstr(moda_last_error(), "'rates.0' is [10, 6]") != NULL, "%s", moda_last_error());
    const float bad[] = {-0.1f, 1.5f, NAN};
    for (size_t i = 0; i < 3; i++) {
        rates->values[5] = bad[i];
        cr_assert(eq(int, moda_rates_save(rates, path), MODA_OK));
        cr_assert(eq(int, moda_rates_load(path, model->net, &back), MODA_ERR_FORMAT), "%g", bad[i]);
    }
    cr_assert(eq(int, moda_rates_load(test_path("nothing"), model->net, &back), MODA_ERR_IO));
    cr_assert(eq(ptr, back, NULL));
    moda_rates_destroy(rates);
    moda_model_destroy(model);
    moda_model_destroy(other);
}

static void decompose_into(const char *folder, const moda_model *model, double tau)
{
    moda_rates *rates = some_rates(model);
    moda_masks *masks = NULL;
    moda_decomposition *d = NULL;
    rates->weights = moda_model_checksum(model);
    cr_assert(
        eq(int, moda_masks_from_rates(model->net, rates, tau, MODA_MIN_ACTIVE, &masks), MODA_OK));
    cr_assert(eq(int, moda_decomposition_measure(model, masks, &d), MODA_OK), "%s",
              moda_last_error());
    cr_assert(eq(int, moda_decomposition_write(folder, NULL, model, rates, masks, d), MODA_OK),
              "%s", moda_last_error());
    moda_decomposition_destroy(d);
    moda_masks_destroy(masks);
    moda_rates_destroy(rates);
}

static double real(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

/* The report says of every module what its file holds. */
Test(decompose_files, report_agrees_with_the_files)
{
    const char *folder = test_path("modules");
    moda_model *model = formula_model("lenet5", CLASSES);
    json_t *report = NULL, *module;
    double size = 0, overlap = 0;
    size_t i;
    decompose_into(folder, model, 0.6);
    cr_assert(eq(int, moda_json_read(test_path("modules/decomposition.json"), &report), MODA_OK),
              "%s", moda_last_error());
    cr_assert(eq(dbl, real(report, "tau"), 0.6));
    cr_assert(eq(dbl, real(report, "model_parameters"), (double)model->parameters.trainable));
    cr_assert(eq(sz, json_array_size(json_object_get(report, "modules")), CLASSES));
    json_array_foreach(json_object_get(report, "modules"), i, module)
    {
        moda_model *part = NULL;
        const char *path = test_path(golden_name("modules/class-%zu.safetensors", i));
        cr_assert(eq(int, moda_model_open(path, (moda_net_defaults){0}, &part), MODA_OK), "%s",
                  moda_last_error());
        cr_assert(eq(dbl, real(module, "class"), (double)i));
        cr_assert(eq(dbl, real(module, "parameters"), (double)part->parameters.trainable));
        cr_assert(epsilon_eq(dbl, real(module, "size"),
                             real(module, "parameters") / real(report, "model_parameters"), 1e-12));
        cr_assert(real(module, "flops") > 0 && real(module, "flops") < 1);
        const json_t *row = json_array_get(json_object_get(report, "overlap"), i);
        cr_assert(eq(dbl, json_number_value(json_array_get(row, i)), real(module, "size")));
        for (size_t j = 0; j < i; j++) overlap += json_number_value(json_array_get(row, j)) / 45;
        size += real(module, "size") / CLASSES;
        moda_model_destroy(part);
    }
    cr_assert(epsilon_eq(dbl, real(report, "mean_size"), size, 1e-12));
    cr_assert(epsilon_eq(dbl, real(report, "mean_overlap"), overlap, 1e-12));
    cr_assert(overlap > 0.01 && overlap < size, "overlap %g, size %g", overlap, size);
    json_decref(report);
    moda_model_destroy(model);
}

/* A folder opens for composing, unless its parts do not belong together. */
Test(decompose_files, folder_opens_only_when_whole_and_of_one_model)
{
    const char *folder = test_path("modules");
    moda_model *model = formula_model("lenet5", CLASSES), *back = NULL;
    moda_masks *masks = NULL;
    decompose_into(folder, model, 0.6);
    cr_assert(eq(int, moda_decomposition_open(folder, &back, &masks), MODA_OK), "%s",
              moda_last_error());
    cr_assert(eq(dbl, masks->tau, 0.6));
    cr_assert(zero(int, memcmp(back->values, model->values,
                               model->parameters.elements * sizeof *model->values)));
    moda_model_destroy(back), back = NULL;
    moda_masks_destroy(masks), masks = NULL;
    model->values[3] += 1; /* trained again into the same folder */
    cr_assert(eq(int, moda_model_save(model, test_path("modules/model.safetensors")), MODA_OK));
    cr_assert(eq(int, moda_decomposition_open(folder, &back, &masks), MODA_ERR_FORMAT));
    cr_assert(strstr(moda_last_error(), "other weights") != NULL, "%s", moda_last_error());
    cr_assert(eq(int, unlink(test_path("modules/masks.safetensors")), 0));
    cr_assert(eq(int, moda_decomposition_open(folder, &back, &masks), MODA_ERR_IO));
    cr_assert(eq(int, moda_decomposition_open(test_path("none"), &back, &masks), MODA_ERR_IO));
    cr_assert(back == NULL && masks == NULL);
    moda_model_destroy(model);
}

/* What is left of an earlier decomposition with more classes goes; what is not ours stays. */
Test(decompose_files, modules_of_an_earlier_decomposition_are_removed)
{
    const char *folder = test_path("modules");
    moda_model *many = formula_model("lenet5", CLASSES), *few = formula_model("lenet5", 4);
    decompose_into(folder, many, 0.6);
    test_write("modules/class-12.safetensors", "notes of mine");
    test_write("modules/class-7b.safetensors", "notes of mine");
    cr_assert(moda_is_file(test_path("modules/class-7.safetensors")));
    decompose_into(folder, few, 0.6);
    for (size_t c = 0; c < CLASSES; c++) {
        const char *path = test_path(golden_name("modules/class-%zu.safetensors", c));
        cr_assert(eq(int, moda_is_file(path), c < 4), "class %zu", c);
    }
    cr_assert(moda_is_file(test_path("modules/class-12.safetensors")));
    cr_assert(moda_is_file(test_path("modules/class-7b.safetensors")));
    moda_model_destroy(many);
    moda_model_destroy(few);
}

/* A threshold that leaves a class nothing, with the floor off: an error, and no files. */
Test(decompose_files, empty_layers_name_class_and_layer)
{
    moda_model *model = formula_model("lenet5", CLASSES);
    moda_rates *rates = some_rates(model);
    moda_masks *masks = NULL;
    moda_decomposition *d = NULL;
    for (size_t k = 0; k < rates->shape.units[1]; k++)
        rates->values[rates->shape.offset[1] + 2 * rates->shape.units[1] + k] = 0.1f;
    cr_assert(eq(int, moda_masks_from_rates(model->net, rates, 0.3, 0, &masks), MODA_OK));
    cr_assert(eq(int, moda_decomposition_measure(model, masks, &d), MODA_ERR_UNSUPPORTED));
    cr_assert(strstr(moda_last_error(), "class 2: ") == moda_last_error(), "%s", moda_last_error());
    cr_assert(strstr(moda_last_error(), "'conv2'") != NULL, "%s", moda_last_error());
    cr_assert(eq(ptr, d, NULL));
    moda_masks_destroy(masks);
    moda_rates_destroy(rates);
    moda_model_destroy(model);
}
