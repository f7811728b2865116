/* tests/test_model.c - engine/model.h: model files round trip, weights are taken strictly. Start
 * values are in test_model_init.c. */
#include "base/file.h"
#include "engine/model.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/moda-model-XXXXXX";
static char *path, *second;

static void make_folder(void)
{
    cr_assert(mkdtemp(folder) != NULL);
    path = moda_format("%s/w.safetensors", folder);
    second = moda_format("%s/second.safetensors", folder);
}

static void remove_folder(void)
{
    unlink(path);
    unlink(second);
    cr_assert(eq(int, rmdir(folder), 0), "something is left in %s", folder);
    free(path);
    free(second);
}

TestSuite(model, .init = make_folder, .fini = remove_folder, .timeout = 60);

static const moda_net_defaults usual = {{3, 32, 32}, 10}, open_ends = {{0, 0, 0}, 0};

static const char small[] = "[net]\nname = small\ninput = 2 4 4\nclasses = 3\n"
                            "[conv]\nname = c\noutputs = 2\nkernel = 3\n"
                            "[batchnorm]\nname = b\n"
                            "[relu]\n"
                            "[linear]\nname = f\noutputs = classes\n";

static moda_model *create(const char *text)
{
    moda_net *net = NULL;
    moda_model *model = NULL;
    cr_assert(eq(int, moda_net_parse(text, "t.net", usual, &net), MODA_OK), "%s",
              moda_last_error());
    cr_assert(eq(int, moda_model_create(net, &model), MODA_OK), "%s", moda_last_error());
    return model;
}

static moda_model *open_good(const char *spec, moda_net_defaults defaults)
{
    moda_model *model = NULL;
    cr_assert(eq(int, moda_model_open(spec, defaults, &model), MODA_OK), "%s", moda_last_error());
    return model;
}

static void must_refuse(const char *spec, moda_status code, const char *says)
{
    moda_model *model = NULL;
    const moda_status st = moda_model_open(spec, usual, &model);
    cr_expect(eq(int, st, code), "%s: %s", spec, moda_last_error());
    cr_expect(strstr(moda_last_error(), says) != NULL, "wanted '%s', got '%s'", says,
              moda_last_error());
    if (code == MODA_ERR_FORMAT)
        cr_expect(strstr(moda_last_error(), path) != NULL, "no path in '%s'", moda_last_error());
    cr_expect(model == NULL);
    moda_model_destroy(model);
}

static bool same_bytes(const char *a, const char *b)
{
    moda_mapped_file x, y;
    cr_assert(eq(int, moda_file_map(a, &x), MODA_OK), "%s", moda_last_error());
    cr_assert(eq(int, moda_file_map(b, &y), MODA_OK), "%s", moda_last_error());
    const bool same = x.size == y.size && memcmp(x.data, y.data, x.size) == 0;
    moda_file_unmap(&x);
    moda_file_unmap(&y);
    return same;
}

/* The tensors of a model, which a test then spoils; at most 16. */
typedef struct tensors {
    moda_tensor items[16];
    size_t count;
} tensors;

static tensors tensors_of(const moda_model *model)
{
    tensors t = {.count = model->parameters.count};
    for (size_t i = 0; i < t.count; i++) {
        const moda_parameter *p = &model->parameters.items[i];
        t.items[i] = moda_tensor_f32(p->name, model->values + p->offset, p->rank, p->shape[0],
                                     p->shape[1], p->shape[2], p->shape[3]);
    }
    return t;
}

static void write_tensors(const tensors *t, const moda_metadata *metadata, size_t count)
{
    cr_assert(eq(int, moda_tensor_file_write(path, t->items, t->count, metadata, count), MODA_OK),
              "%s", moda_last_error());
}

/* ---- round trip ---- */

Test(model, a_model_file_holds_everything)
{
    moda_model *m = create(small);
    moda_model_init(m, 5);
    m->values[3] = NAN; /* whoever trains looks at losses; a file holds what there is */
    m->mean[0] = 0.4914f, m->mean[1] = 1 / 3.f, m->std[0] = 0.2471f, m->std[1] = 1e-3f;
    m->crop = MODA_CROP_RESIZED;
    m->class_ids[0] = 2, m->class_ids[1] = 5, m->class_ids[2] = 70000;
    m->class_names[0] = strdup("cat"), m->class_names[2] = strdup("\"\xC3\xA4\"");
    m->module = strdup("{\"parent\":[1,2]}");
    cr_assert(eq(int, moda_model_save(m, path), MODA_OK), "%s", moda_last_error());
    moda_model *again = open_good(path, open_ends);
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
    cr_assert(eq(int, moda_model_save(again, second), MODA_OK));
    cr_assert(same_bytes(path, second));
    again->values[0] += 1; /* the comparison can fail */
    cr_assert(eq(int, moda_model_save(again, second), MODA_OK));
    cr_assert(not(same_bytes(path, second)));
    moda_model_destroy(m);
    moda_model_destroy(again);
}

Test(model, a_plain_model_needs_no_extras)
{
    moda_model *m = create(small);
    cr_assert(eq(int, moda_model_save(m, path), MODA_OK));
    moda_model *again = open_good(path, usual); /* defaults do not matter */
    cr_assert(eq(flt, again->std[0], 0));
    cr_assert(eq(u32, again->class_ids[2], 2));
    cr_assert(again->class_names[1] == NULL && again->module == NULL);
    moda_model_destroy(m);
    moda_model_destroy(again);
}

Test(model, a_new_model_is_neutral)
{
    moda_model *m = create(small);
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

/* ---- bare weights ---- */

Test(model, bare_weights_tell_classes_and_channels)
{
    const moda_net_defaults made_for = {{1, 32, 32}, 7};
    moda_net *net = NULL;
    moda_model *m = NULL;
    cr_assert(eq(int, moda_net_open("lenet5", made_for, &net), MODA_OK));
    cr_assert(eq(int, moda_model_create(net, &m), MODA_OK));
    moda_model_init(m, 1);
    const tensors t = tensors_of(m);
    write_tensors(&t, NULL, 0);
    char *spec = moda_format("lenet5:%s", path);
    moda_model *again = open_good(spec, open_ends);
    cr_assert(eq(sz, again->net->classes, 7));
    cr_assert(eq(sz, again->net->input.c, 1));
    cr_assert(memcmp(again->values, m->values, m->parameters.elements * sizeof(float)) == 0);
    moda_model_destroy(again);
    must_refuse(
        spec, MODA_ERR_FORMAT,
        "tensor 'conv1.weight' has shape [6,1,5,5], expected [6,3,5,5]"); /* as usual says */
    must_refuse(path, MODA_ERR_FORMAT, "bare weights without a description");
    char *other = moda_format("vgg11:%s", path); /* of another network */
    again = NULL;
    cr_assert(eq(int, moda_model_open(other, open_ends, &again), MODA_ERR_FORMAT));
    cr_assert(strstr(moda_last_error(), "tensor 'features.0.weight' is missing") != NULL, "%s",
              moda_last_error());
    free(other);
    moda_model_destroy(m);
    free(spec);
}

Test(model, bare_weights_go_with_a_description_of_the_user)
{
    moda_model *m = create(small);
    char *net_path = moda_format("%s/a:b.net", folder),
         *spec = moda_format("%s:%s", net_path, path);
    const tensors t = tensors_of(m);
    FILE *f = fopen(net_path, "w");
    fputs(small, f);
    fclose(f);
    write_tensors(&t, NULL, 0);
    moda_model *again = open_good(spec, open_ends);
    cr_assert(eq(str, again->net->name, "small"));
    moda_model_destroy(again);
    moda_model_destroy(m);
    unlink(net_path);
    free(net_path);
    free(spec);
}

Test(model, wrong_specs_are_told_apart)
{
    must_refuse("vgg17:w.safetensors", MODA_ERR_ARG, "unknown network 'vgg17'");
    must_refuse("lenet5:/nowhere/w.safetensors", MODA_ERR_IO, "/nowhere/w.safetensors");
    must_refuse("/nowhere/a.net:w.safetensors", MODA_ERR_IO, "/nowhere/a.net");
    must_refuse("/nowhere/a:b.safetensors", MODA_ERR_IO, "/nowhere/a:b.safetensors");
    must_refuse("nothing.safetensors", MODA_ERR_IO, "nothing.safetensors");
}

/* ---- strictness ---- */

static const moda_metadata described[] = {{"moda.description", small}};

Test(model, every_tensor_must_fit)
{
    moda_model *m = create(small);
    static const float x[100] = {0};
    static const int64_t batches = 3;
    const tensors good = tensors_of(m);
    const moda_tensor counter = {
        .name = "b.num_batches_tracked", .dtype = MODA_DTYPE_I64, .bytes = 8, .data = &batches};
    tensors t = good;
    t.items[t.count++] = counter; /* PyTorch's batch norm saves one */
    write_tensors(&t, described, 1);
    moda_model_destroy(open_good(path, open_ends));
    t.items[t.count - 1].name = "c.num_batches_tracked";
    write_tensors(&t, described, 1);
    must_refuse(path, MODA_ERR_FORMAT, "tensor 'c.num_batches_tracked' [] belongs to no layer");
    t = good;
    t.items[t.count++] = moda_tensor_f32("c.scale", x, 2, 3, 5, 0, 0);
    write_tensors(&t, described, 1);
    must_refuse(path, MODA_ERR_FORMAT,
                "tensor 'c.scale' [3,5] belongs to no layer of network 'small'");
    t = good;
    t.items[0] = t.items[--t.count];
    write_tensors(&t, described, 1);
    must_refuse(path, MODA_ERR_FORMAT, "tensor 'c.weight' is missing (expected F32 [2,2,3,3])");
    t = good;
    t.items[0].name = "c.Weight";
    write_tensors(&t, described, 1);
    must_refuse(path, MODA_ERR_FORMAT, "tensor 'c.weight' is missing");
    t = good;
    t.items[0] = moda_tensor_f32("c.weight", x, 4, 2, 3, 2, 3);
    write_tensors(&t, described, 1);
    must_refuse(path, MODA_ERR_FORMAT, "tensor 'c.weight' has shape [2,3,2,3], expected [2,2,3,3]");
    t = good;
    t.items[1] = moda_tensor_f32("c.bias", x, 2, 2, 1, 0, 0);
    write_tensors(&t, described, 1);
    must_refuse(path, MODA_ERR_FORMAT, "tensor 'c.bias' has shape [2,1], expected [2]");
    t = good;
    t.items[1].dtype = MODA_DTYPE_I32;
    write_tensors(&t, described, 1);
    must_refuse(path, MODA_ERR_FORMAT, "tensor 'c.bias' is I32, expected F32");
    moda_model_destroy(m);
}

Test(model, wrong_metadata_is_refused)
{
    static const struct {
        const char *key, *value, *says;
    } wrong[] = {
        {"moda.input", "[1]", "metadata moda.input is no JSON object"},
        {"moda.input", "{\"mean\":[0,0]", "metadata moda.input is no JSON object: "},
        {"moda.input", "{\"mean\":[0,0],\"std\":[1]}", "with 2 numbers each"},
        {"moda.input", "{\"mean\":[0,0],\"std\":[1,0]}", "with 2 numbers each"},
        {"moda.input", "{\"mean\":[0,\"0\"],\"std\":[1,1]}", "with 2 numbers each"},
        {"moda.input", "{\"mean\":[0,1e300],\"std\":[1,1]}", "with 2 numbers each"},
        {"moda.input", "{\"mean\":[0,0],\"std\":[1,1],\"crop\":\"round\"}", "\"resized\"} with 2"},
        {"moda.input", "{\"mean\":[0,0],\"std\":[1,1],\"crop\":\"default\"}", "\"padded\" or"},
        {"moda.input", "{\"mean\":[0,0],\"std\":[1,1],\"crop\":1}", "\"padded\" or"},
        {"moda.input", "{\"mean\":[0,0],\"std\":[1,1],\"size\":1}", "\"padded\" or"},
        {"moda.classes", "{}", "3 ascending class numbers and 3 names"},
        {"moda.classes", "{\"ids\":[0,1],\"names\":[null,null]}", "3 ascending class numbers"},
        {"moda.classes", "{\"ids\":[0,2,1],\"names\":[null,null,null]}", "3 ascending class"},
        {"moda.classes", "{\"ids\":[1,1,2],\"names\":[null,null,null]}", "3 ascending class"},
        {"moda.classes", "{\"ids\":[-1,1,2],\"names\":[null,null,null]}", "3 ascending class"},
        {"moda.classes", "{\"ids\":[0,1,4294967296],\"names\":[null,null,null]}", "3 ascending"},
        {"moda.classes", "{\"ids\":[0,1,2],\"names\":[null,null,7]}", "and 3 names"},
        {"moda.module", "module", "metadata moda.module is no JSON object"},
    };
    moda_model *m = create(small);
    const tensors t = tensors_of(m);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const moda_metadata metadata[] = {described[0], {wrong[i].key, wrong[i].value}};
        write_tensors(&t, metadata, 2);
        must_refuse(path, MODA_ERR_FORMAT, wrong[i].says);
    }
    const moda_metadata broken[] = {{"moda.description", "[net]\n[conv]\n"}};
    write_tensors(&t, broken, 1);
    must_refuse(path, MODA_ERR_FORMAT, ": metadata moda.description:2: [conv] lacks the key");
    moda_model_destroy(m);
}

/* 2^40 weights are no reason to allocate anything before the file is seen not to hold them. */
Test(model, a_huge_description_in_a_small_file_is_refused)
{
    const moda_metadata huge[] = {
        {"moda.description", "[net]\ninput = 4096 64 63\n[linear]\nname = c\noutputs = 65536\n"}};
    moda_model *m = create(small);
    const tensors t = tensors_of(m);
    write_tensors(&t, huge, 1);
    must_refuse(path, MODA_ERR_FORMAT,
                "tensor 'c.weight' has shape [2,2,3,3], expected [65536,16515072]");
    moda_model_destroy(m);
}

Test(model, a_failed_save_leaves_the_old_file)
{
    moda_model *m = create(small);
    cr_assert(eq(int, moda_model_save(m, path), MODA_OK));
    cr_assert(eq(int, moda_model_save(m, second), MODA_OK));
    m->module = strdup("\xFF"); /* cannot be written */
    cr_assert(eq(int, moda_model_save(m, second), MODA_ERR_ARG));
    cr_assert(same_bytes(path, second));
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
        const tensors t = {{{.name = "f.weight",
                             .dtype = cases[i].dtype,
                             .rank = 2,
                             .shape = {2, 4},
                             .bytes = cases[i].bytes,
                             .data = cases[i].data}},
                           1};
        write_tensors(&t, linear, 1);
        moda_model *m = open_good(path, open_ends);
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
    moda_model *m = create(small);
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
