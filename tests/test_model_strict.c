/* tests/test_model_strict.c - engine/model.h: what a weights file must be like to be taken. */
#include "base/file.h"
#include "tests/model_files.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(model_strict, .init = model_folder_make, .fini = model_folder_remove, .timeout = 60);

/* ---- bare weights ---- */

Test(model_strict, bare_weights_tell_classes_and_channels)
{
    const moda_net_defaults made_for = {{1, 32, 32}, 7};
    moda_net *net = NULL;
    moda_model *m = NULL;
    cr_assert(eq(int, moda_net_open("lenet5", made_for, &net), MODA_OK));
    cr_assert(eq(int, moda_model_create(net, &m), MODA_OK));
    moda_model_init(m, 1);
    const model_tensor_list t = model_tensors(m);
    model_write(&t, NULL, 0);
    char *spec = moda_format("lenet5:%s", model_path);
    moda_model *again = model_open(spec, model_open_ends);
    cr_assert(eq(sz, again->net->classes, 7));
    cr_assert(eq(sz, again->net->input.c, 1));
    cr_assert(memcmp(again->values, m->values, m->parameters.elements * sizeof(float)) == 0);
    moda_model_destroy(again);
    model_refuse(
        spec, MODA_ERR_FORMAT,
        "tensor 'conv1.weight' has shape [6,1,5,5], expected [6,3,5,5]"); /* as usual says */
    model_refuse(model_path, MODA_ERR_FORMAT, "bare weights without a description");
    char *other = moda_format("vgg11:%s", model_path); /* of another network */
    again = NULL;
    cr_assert(eq(int, moda_model_open(other, model_open_ends, &again), MODA_ERR_FORMAT));
    cr_assert(strstr(moda_last_error(), "tensor 'features.0.weight' is missing") != NULL, "%s",
              moda_last_error());
    free(other);
    moda_model_destroy(m);
    free(spec);
}

Test(model_strict, bare_weights_go_with_a_description_of_the_user)
{
    moda_model *m = model_create(model_small);
    char *net_path = moda_format("%s/a:b.net", model_folder),
         *spec = moda_format("%s:%s", net_path, model_path);
    const model_tensor_list t = model_tensors(m);
    FILE *f = fopen(net_path, "w");
    fputs(model_small, f);
    fclose(f);
    model_write(&t, NULL, 0);
    moda_model *again = model_open(spec, model_open_ends);
    cr_assert(eq(str, again->net->name, "small"));
    moda_model_destroy(again);
    moda_model_destroy(m);
    unlink(net_path);
    free(net_path);
    free(spec);
}

Test(model_strict, wrong_specs_are_told_apart)
{
    model_refuse("vgg17:w.safetensors", MODA_ERR_ARG, "unknown network 'vgg17'");
    model_refuse("lenet5:/nowhere/w.safetensors", MODA_ERR_IO, "/nowhere/w.safetensors");
    model_refuse("/nowhere/a.net:w.safetensors", MODA_ERR_IO, "/nowhere/a.net");
    model_refuse("/nowhere/a:b.safetensors", MODA_ERR_IO, "/nowhere/a:b.safetensors");
    model_refuse("nothing.safetensors", MODA_ERR_IO, "nothing.safetensors");
}

/* ---- strictness ---- */

static const moda_metadata described[] = {{"moda.description", model_small}};

Test(model_strict, every_tensor_must_fit)
{
    moda_model *m = model_create(model_small);
    static const float x[100] = {0};
    static const int64_t batches = 3;
    const model_tensor_list good = model_tensors(m);
    const moda_tensor counter = {
        .name = "b.num_batches_tracked", .dtype = MODA_DTYPE_I64, .bytes = 8, .data = &batches};
    model_tensor_list t = good;
    t.items[t.count++] = counter; /* PyTorch's batch norm saves one */
    model_write(&t, described, 1);
    moda_model_destroy(model_open(model_path, model_open_ends));
    t.items[t.count - 1].name = "c.num_batches_tracked";
    model_write(&t, described, 1);
    model_refuse(model_path, MODA_ERR_FORMAT,
                 "tensor 'c.num_batches_tracked' [] belongs to no layer");
    t = good;
    t.items[t.count++] = moda_tensor_f32("c.scale", x, 2, 3, 5, 0, 0);
    model_write(&t, described, 1);
    model_refuse(model_path, MODA_ERR_FORMAT,
                 "tensor 'c.scale' [3,5] belongs to no layer of network 'small'");
    t = good;
    t.items[0] = t.items[--t.count];
    model_write(&t, described, 1);
    model_refuse(model_path, MODA_ERR_FORMAT,
                 "tensor 'c.weight' is missing (expected F32 [2,2,3,3])");
    t = good;
    t.items[0].name = "c.Weight";
    model_write(&t, described, 1);
    model_refuse(model_path, MODA_ERR_FORMAT, "tensor 'c.weight' is missing");
    t = good;
    t.items[0] = moda_tensor_f32("c.weight", x, 4, 2, 3, 2, 3);
    model_write(&t, described, 1);
    model_refuse(model_path, MODA_ERR_FORMAT,
                 "tensor 'c.weight' has shape [2,3,2,3], expected [2,2,3,3]");
    t = good;
    t.items[1] = moda_tensor_f32("c.bias", x, 2, 2, 1, 0, 0);
    model_write(&t, described, 1);
    model_refuse(model_path, MODA_ERR_FORMAT, "tensor 'c.bias' has shape [2,1], expected [2]");
    t = good;
    t.items[1].dtype = MODA_DTYPE_I32;
    model_write(&t, described, 1);
    model_refuse(model_path, MODA_ERR_FORMAT, "tensor 'c.bias' is I32, expected F32");
    moda_model_destroy(m);
}

Test(model_strict, wrong_metadata_is_refused)
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
        {"moda.classes", "{\"ids\":[0,1,2],\"names\":[null,null,null],\"numbers\":[4,6]}",
         "3 ascending class"},
        {"moda.classes", "{\"ids\":[0,1,2],\"names\":[null,null,null],\"others\":[4,6,7]}",
         "3 ascending class"},
        {"moda.module", "module", "metadata moda.module is no JSON object"},
    };
    moda_model *m = model_create(model_small);
    const model_tensor_list t = model_tensors(m);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const moda_metadata metadata[] = {described[0], {wrong[i].key, wrong[i].value}};
        model_write(&t, metadata, 2);
        model_refuse(model_path, MODA_ERR_FORMAT, wrong[i].says);
    }
    const moda_metadata broken[] = {{"moda.description", "[net]\n[conv]\n"}};
    model_write(&t, broken, 1);
    model_refuse(model_path, MODA_ERR_FORMAT,
                 ": metadata moda.description:2: [conv] lacks the key");
    moda_model_destroy(m);
}

/* 2^40 weights are no reason to allocate anything before the file is seen not to hold them. */
Test(model_strict, a_huge_description_in_a_small_file_is_refused)
{
    const moda_metadata huge[] = {
        {"moda.description", "[net]\ninput = 4096 64 63\n[linear]\nname = c\noutputs = 65536\n"}};
    moda_model *m = model_create(model_small);
    const model_tensor_list t = model_tensors(m);
    model_write(&t, huge, 1);
    model_refuse(model_path, MODA_ERR_FORMAT,
                 "tensor 'c.weight' has shape [2,2,3,3], expected [65536,16515072]");
    moda_model_destroy(m);
}
