/* tests/test_model.c - engine/model.h: model files round trip. What they must be like is in
 * test_model_strict.c, start values are in test_model_init.c. */
#include "tests/model_files.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

TestSuite(model, .init = model_folder_make, .fini = model_folder_remove, .timeout = 60);

/* ---- round trip ---- */

Test(model, a_model_file_holds_everything)
{
    moda_model *m = model_create(model_small);
    moda_model_init(m, 5);
    m->values[3] = NAN; /* whoever trains looks at losses; a file holds what there is */
    m->mean[0] = 0.4914f, m->mean[1] = 1 / 3.f, m->std[0] = 0.2471f, m->std[1] = 1e-3f;
    m->crop = MODA_CROP_RESIZED;
    m->class_ids[0] = 2, m->class_ids[1] = 5, m->class_ids[2] = 70000;
    m->class_names[0] = strdup("cat"), m->class_names[2] = strdup("\"\xC3\xA4\"");
    m->module = strdup("{\"parent\":[1,2]}");
    cr_assert(eq(int, moda_model_save(m, model_path), MODA_OK), "%s", moda_last_error());
    moda_model *again = model_open(model_path, model_open_ends);
    cr_assert(eq(str, again->net->name, "small"));
    cr_assert(eq(sz, again->parameters.elements, m->parameters.elements));
    cr_assert(memcmp(again->values, m->values, m->parameters.elements * sizeof(float)) == 0);
    cr_assert(memcmp(again->mean, m->mean, sizeof m->mean) == 0);
    cr_assert(memcmp(again->std, m->std, sizeof m->std) == 0);
    cr_assert(eq(int, (int)again->crop, MODA_CROP_RESIZED));
    cr_assert(memcmp(again->class_ids, m->class_ids, 3 * sizeof(uint32_t)) == 0);
    cr_assert(eq(str, again->class_names[0], "cat"));
    cr_assert(again->class_names[1] == NULL);
    cr_assert(eq(str, again->class_names[2], "\"\xC3\xA4\""));
    cr_assert(eq(str, again->module, m->module));
    cr_assert(eq(int, moda_model_save(again, model_second), MODA_OK));
    cr_assert(model_same_files(model_path, model_second));
    again->values[0] += 1; /* the comparison can fail */
    cr_assert(eq(int, moda_model_save(again, model_second), MODA_OK));
    cr_assert(not(model_same_files(model_path, model_second)));
    moda_model_destroy(m);
    moda_model_destroy(again);
}

Test(model, a_plain_model_needs_no_extras)
{
    moda_model *m = model_create(model_small);
    cr_assert(eq(int, moda_model_save(m, model_path), MODA_OK));
    moda_model *again = model_open(model_path, model_usual); /* defaults do not matter */
    cr_assert(eq(flt, again->std[0], 0));
    cr_assert(eq(u32, again->class_ids[2], 2));
    cr_assert(again->class_names[1] == NULL && again->module == NULL);
    moda_model_destroy(m);
    moda_model_destroy(again);
}

Test(model, a_new_model_is_neutral)
{
    moda_model *m = model_create(model_small);
    for (size_t i = 0; i < m->parameters.count; i++) {
        const moda_parameter *p = &m->parameters.items[i];
        const bool one = !strcmp(p->name, "b.weight") || !strcmp(p->name, "b.running_var");
        for (size_t e = 0; e < p->elements; e++)
            cr_assert(eq(flt, m->values[p->offset + e], one), "%s", p->name);
    }
    cr_assert(eq(str, moda_model_find(m, "f.bias")->name, "f.bias"));
    cr_assert(moda_model_find(m, "f") == NULL);
    moda_model_destroy(m);
}

Test(model, a_failed_save_leaves_the_old_file)
{
    moda_model *m = model_create(model_small);
    cr_assert(eq(int, moda_model_save(m, model_path), MODA_OK));
    cr_assert(eq(int, moda_model_save(m, model_second), MODA_OK));
    m->module = strdup("\xFF"); /* cannot be written */
    cr_assert(eq(int, moda_model_save(m, model_second), MODA_ERR_ARG));
    cr_assert(model_same_files(model_path, model_second));
    cr_assert(eq(int, moda_model_save(m, "/nowhere/x.safetensors"), MODA_ERR_ARG));
    moda_model_destroy(m);
}

/* ---- other precisions ---- */

Test(model, half_and_double_precision_become_f32)
{
    static const uint16_t half[8] = {0x3C00, 0xC000, 0x7BFF, 0x0001,
                                     0x03FF, 0x0400, 0x8000, 0x7C00};
    static const uint16_t brain[8] = {0x3F80, 0xC000, 0x0001, 0x7F80,
                                      0x8000, 0x4049, 0x0000, 0x3E80};
    static const double wide[8] = {1, -2, 1e-50, 1e300, 0.1, 3, 0, 16777217};
    const float from_half[8] = {1, -2, 65504, 0x1p-24f, 1023 * 0x1p-24f, 0x1p-14f, -0.0f, INFINITY};
    const float from_brain[8] = {1, -2, 0x1p-133f, INFINITY, -0.0f, 3.140625f, 0, 0.25f};
    const float from_wide[8] = {1, -2, 0, INFINITY, 0.1f, 3, 0, 16777216};
    const struct {
        moda_dtype dtype;
        const void *data;
        size_t bytes;
        const float *want;
    } cases[] = {{MODA_DTYPE_F16, half, 16, from_half},
                 {MODA_DTYPE_BF16, brain, 16, from_brain},
                 {MODA_DTYPE_F64, wide, 64, from_wide}};
    const moda_metadata linear[] = {
        {"moda.description", "[net]\ninput = 4 1 1\n[linear]\nname = f\noutputs = 2\nbias = no\n"}};
    for (size_t i = 0; i < 3; i++) {
        const model_tensor_list t = {{{.name = "f.weight",
                                       .dtype = cases[i].dtype,
                                       .rank = 2,
                                       .shape = {2, 4},
                                       .bytes = cases[i].bytes,
                                       .data = cases[i].data}},
                                     1};
        model_write(&t, linear, 1);
        moda_model *m = model_open(model_path, model_open_ends);
        for (size_t e = 0; e < 8; e++)
            cr_assert(memcmp(&m->values[e], &cases[i].want[e], sizeof(float)) == 0,
                      "%s element %zu is %a, wanted %a", moda_dtype_name(cases[i].dtype), e,
                      m->values[e], cases[i].want[e]);
        moda_model_destroy(m);
    }
}

/* ---- data ---- */

Test(model, the_data_describes_input_and_outputs)
{
    char *names[] = {"ant", "bee", "cow"};
    moda_dataset data = {.name = "farm",
                         .classes = 3,
                         .class_names = names,
                         .mean = {0.5f, 0.25f},
                         .std = {0.1f, 0.2f},
                         .train = {.channels = 2}};
    moda_model *m = model_create(model_small);
    for (int times = 0; times < 2; times++)
        cr_assert(eq(int, moda_model_describe_data(m, &data), MODA_OK), "%s", moda_last_error());
    cr_assert(eq(flt, m->mean[1], 0.25f));
    cr_assert(eq(flt, m->std[0], 0.1f));
    cr_assert(eq(int, (int)m->crop, MODA_CROP_PADDED));
    data.crop_resized = true;
    cr_assert(eq(int, moda_model_describe_data(m, &data), MODA_OK), "%s", moda_last_error());
    cr_assert(eq(int, (int)m->crop, MODA_CROP_RESIZED));
    cr_assert(eq(str, m->class_names[2], "cow"));
    data.classes = 2;
    cr_assert(eq(int, moda_model_describe_data(m, &data), MODA_ERR_ARG));
    data.classes = 3, data.train.channels = 1;
    cr_assert(eq(int, moda_model_describe_data(m, &data), MODA_ERR_ARG));
    cr_assert(strstr(moda_last_error(), "takes 2 channels, the images of farm have 1") != NULL,
              "%s", moda_last_error());
    moda_model_destroy(m);
}
