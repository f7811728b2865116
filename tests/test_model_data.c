/* Data of a model: its images are prepared as those of its training were. */
#include "decompose/slice.h"
#include "decompose/test_data.h"
#include "engine/fold.h"
#include "engine/model_data.h"
#include "tests/data_files.h"
#include "tests/pictures.h"
#include "tests/small_net.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 16, WIDE = 48, HIGH = 24 };

/* A folder of wide pictures, which squeezing and cutting make different images of. */
static void prepare(void)
{
    uint8_t pixels[HIGH * WIDE * 3];
    scratch_begin();
    for (int i = 0; i < 8; i++) {
        for (int p = 0; p < HIGH * WIDE * 3; p++)
            pixels[p] = (uint8_t)(5 * (p / 3 % WIDE) + 2 * (p / 3 / WIDE) + 40 * (p % 3) + 9 * i);
        const char *path = scratch("d/%s/%c/%d.png", i / 4 ? "val" : "train", 'a' + i % 2, i);
        write_bytes(path, "", 0);
        write_rgb_png(path, HIGH, WIDE, pixels);
    }
}

TestSuite(model_data, .init = prepare, .fini = scratch_end, .timeout = 60);

/* The file of a model that was trained with that crop. */
static const char *save(moda_crop crop)
{
    const char *path = scratch("%s.safetensors", moda_crop_names[crop]);
    moda_model *m = small_model(
        "3 16 16", "[conv];name=a;outputs=4;kernel=3;[relu];name=r;[linear];name=b;outputs=2", 1);
    for (size_t c = 0; c < 3; c++) m->mean[c] = 0.5f, m->std[c] = 0.25f;
    m->crop = crop;
    cr_assert(eq(int, moda_model_save(m, path), MODA_OK), "%s", moda_last_error());
    moda_model_destroy(m);
    return path;
}

/* The test images are those of a data set opened with that size and crop, and not with the other. */
static void check_images(const char *model, moda_data_options o, moda_crop want)
{
    moda_model *m = NULL;
    moda_dataset *data = NULL;
    o.spec = spec_of("folder", "d");
    cr_assert(eq(int, moda_model_data_open(model, &o, 0, true, &m, &data), MODA_OK), "%s",
              moda_last_error());
    for (int crop = MODA_CROP_PADDED; crop <= MODA_CROP_RESIZED; crop++) {
        const moda_dataset_options plain = {.height = SIDE, .width = SIDE, .crop = (moda_crop)crop};
        moda_dataset *d = must_open(o.spec, &plain);
        const bool same =
            memcmp(d->test.pixels, data->test.pixels, d->test.n * 3 * SIDE * SIDE) == 0;
        cr_assert(eq(sz, d->test.n, 4));
        cr_assert(eq(sz, data->test.n, 4));
        cr_assert(eq(int, same, crop == (int)want), "as --crop %s", moda_crop_names[crop]);
        moda_dataset_destroy(d);
    }
    moda_dataset_destroy(data);
    moda_model_destroy(m);
}

Test(model_data, pictures_are_prepared_as_in_training)
{
    for (int crop = MODA_CROP_PADDED; crop <= MODA_CROP_RESIZED; crop++) {
        const char *model = save((moda_crop)crop);
        check_images(model, (moda_data_options){0}, (moda_crop)crop);
        check_images(model, (moda_data_options){.crop = crop, .image_size = SIDE}, (moda_crop)crop);
    }
}

Test(model_data, a_model_that_does_not_know_takes_the_option)
{
    const char *model = save(MODA_CROP_DEFAULT);
    check_images(model, (moda_data_options){0}, MODA_CROP_PADDED);
    check_images(model, (moda_data_options){.crop = MODA_CROP_RESIZED}, MODA_CROP_RESIZED);
}

/* One set of images cannot be what two models were trained on that cut and squeezed. */
Test(model_data, a_model_to_compare_with_is_trained_alike)
{
    const moda_data_options o = {.spec = spec_of("folder", "d")};
    char *padded = strdup(save(MODA_CROP_PADDED)), *resized = strdup(save(MODA_CROP_RESIZED));
    moda_model *model = NULL, *standard = NULL;
    moda_test_data data = {0};
    cr_assert(eq(int, moda_model_open(padded, (moda_net_defaults){0}, &model), MODA_OK));
    cr_assert(eq(int, moda_test_data_open(&o, 0, 0, model, &data), MODA_OK), "%s",
              moda_last_error());
    cr_assert(eq(int, moda_test_data_standard(NULL, model, &data, &standard), MODA_OK));
    cr_assert(eq(ptr, standard, NULL));
    cr_assert(eq(int, moda_test_data_standard(resized, model, &data, &standard), MODA_ERR_ARG));
    cr_assert(strstr(moda_last_error(), "--crop resized") != NULL, "%s", moda_last_error());
    cr_assert(eq(ptr, standard, NULL));
    cr_assert(eq(int, moda_test_data_standard(padded, model, &data, &standard), MODA_OK), "%s",
              moda_last_error());
    cr_assert(ne(ptr, standard, NULL));
    moda_model_destroy(standard);
    moda_model_destroy(model);
    moda_test_data_close(&data);
    free(padded);
    free(resized);
}

static void refuse(const char *model, moda_data_options o, const char *says)
{
    moda_model *m = NULL;
    moda_dataset *data = NULL;
    o.spec = spec_of("folder", "d");
    cr_assert(eq(int, moda_model_data_open(model, &o, 0, true, &m, &data), MODA_ERR_ARG));
    cr_assert(strstr(moda_last_error(), says) != NULL, "%s", moda_last_error());
    cr_assert(m == NULL && data == NULL);
}

Test(model_data, other_preparation_is_refused)
{
    const char *model = save(MODA_CROP_RESIZED);
    refuse(model, (moda_data_options){.crop = MODA_CROP_PADDED}, "was trained with --crop resized");
    refuse(model, (moda_data_options){.image_size = 8}, "takes images of 16x16");
    refuse(model, (moda_data_options){.normalisation = MODA_NORMALISATION_IMAGENET},
           "carries its own");
}

Test(model_data, what_is_made_of_a_model_remembers)
{
    moda_model *m = small_model(
        "3 16 16", "[conv];name=a;outputs=4;kernel=3;[relu];name=r;[linear];name=b;outputs=2", 1);
    moda_model *folded = NULL, *module = NULL;
    moda_kept *kept = NULL;
    m->crop = MODA_CROP_RESIZED;
    cr_assert(eq(int, moda_fold(m, &folded), MODA_OK), "%s", moda_last_error());
    cr_assert(eq(int, (int)folded->crop, MODA_CROP_RESIZED));
    cr_assert(eq(int, moda_kept_create_all(m->net, &kept), MODA_OK), "%s", moda_last_error());
    cr_assert(eq(int, moda_slice(m, kept, 0.9, &module), MODA_OK), "%s", moda_last_error());
    cr_assert(eq(int, (int)module->crop, MODA_CROP_RESIZED));
    moda_model_destroy(module);
    moda_model_destroy(folded);
    moda_kept_destroy(kept);
    moda_model_destroy(m);
}

/* ---- outputs ---- */

static const uint32_t numbers[] = {2, 5, 9};

/* Of a module whose outputs stand for these classes. */
static moda_status choose(size_t *classes, size_t count, bool relabel, moda_sizes *outputs)
{
    moda_model *m = small_model(
        "3 16 16", "[conv];name=a;outputs=4;kernel=3;[relu];name=r;[linear];name=b;outputs=3", 1);
    const moda_data_options o = {.classes = {classes, count}, .relabel = relabel};
    memcpy(m->class_ids, numbers, sizeof numbers);
    const moda_status st = moda_model_data_outputs(m, &o, outputs);
    moda_model_destroy(m);
    return st;
}

Test(model_data, outputs_are_those_of_the_classes_ascending)
{
    moda_sizes outputs = {0};
    cr_assert(eq(int, choose((size_t[]){9, 2}, 2, false, &outputs), MODA_OK));
    cr_assert(outputs.n == 2 && outputs.values[0] == 0 && outputs.values[1] == 2);
    free(outputs.values);
    for (int relabel = 0; relabel < 2; relabel++) { /* then classes are what the samples are of */
        cr_assert(eq(int, choose((size_t[]){9, 2}, relabel ? 2 : 0, relabel, &outputs), MODA_OK));
        cr_assert(eq(sz, outputs.n, 3));
        for (size_t i = 0; i < 3; i++) cr_assert(eq(sz, outputs.values[i], i));
        free(outputs.values);
    }
}

Test(model_data, classes_that_a_model_lacks_are_named)
{
    static const struct {
        size_t classes[2];
        const char *word;
    } wrong[] = {{{2, 3}, "no class 3: ask for classes that it knows"}, {{5, 5}, "twice"}};
    for (size_t i = 0; i < 2; i++) {
        moda_sizes outputs = {0};
        size_t classes[2] = {wrong[i].classes[0], wrong[i].classes[1]};
        cr_assert(eq(int, choose(classes, 2, false, &outputs), MODA_ERR_ARG));
        cr_assert(strstr(moda_last_error(), wrong[i].word) != NULL, "%s", moda_last_error());
        free(outputs.values);
    }
}
