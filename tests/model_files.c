/* tests/model_files.c */
#include "tests/model_files.h"
#include "base/file.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char model_folder[] = "/tmp/moda-model-XXXXXX";
char *model_path, *model_second;

void model_folder_make(void)
{
    cr_assert(mkdtemp(model_folder) != NULL);
    model_path = moda_format("%s/w.safetensors", model_folder);
    model_second = moda_format("%s/second.safetensors", model_folder);
}

void model_folder_remove(void)
{
    unlink(model_path);
    unlink(model_second);
    cr_assert(eq(int, rmdir(model_folder), 0), "something is left in %s", model_folder);
    free(model_path);
    free(model_second);
}

const moda_net_defaults model_usual = {{3, 32, 32}, 10}, model_open_ends = {{0, 0, 0}, 0};

const char model_small[] = "[net]\nname = small\ninput = 2 4 4\nclasses = 3\n"
                           "[conv]\nname = c\noutputs = 2\nkernel = 3\n"
                           "[batchnorm]\nname = b\n"
                           "[relu]\n"
                           "[linear]\nname = f\noutputs = classes\n";

moda_model *model_create(const char *text)
{
    moda_net *net = NULL;
    moda_model *model = NULL;
    cr_assert(eq(int, moda_net_parse(text, "t.net", model_usual, &net), MODA_OK), "%s",
              moda_last_error());
    cr_assert(eq(int, moda_model_create(net, &model), MODA_OK), "%s", moda_last_error());
    return model;
}

moda_model *model_open(const char *spec, moda_net_defaults defaults)
{
    moda_model *model = NULL;
    cr_assert(eq(int, moda_model_open(spec, defaults, &model), MODA_OK), "%s", moda_last_error());
    return model;
}

void model_refuse(const char *spec, moda_status code, const char *says)
{
    moda_model *model = NULL;
    const moda_status st = moda_model_open(spec, model_usual, &model);
    cr_expect(eq(int, st, code), "%s: %s", spec, moda_last_error());
    cr_expect(strstr(moda_last_error(), says) != NULL, "wanted '%s', got '%s'", says,
              moda_last_error());
    if (code == MODA_ERR_FORMAT)
        cr_expect(strstr(moda_last_error(), model_path) != NULL, "no path in '%s'",
                  moda_last_error());
    cr_expect(model == NULL);
    moda_model_destroy(model);
}

bool model_same_files(const char *a, const char *b)
{
    moda_mapped_file x, y;
    cr_assert(eq(int, moda_file_map(a, &x), MODA_OK), "%s", moda_last_error());
    cr_assert(eq(int, moda_file_map(b, &y), MODA_OK), "%s", moda_last_error());
    const bool same = x.size == y.size && memcmp(x.data, y.data, x.size) == 0;
    moda_file_unmap(&x);
    moda_file_unmap(&y);
    return same;
}

model_tensor_list model_tensors(const moda_model *model)
{
    model_tensor_list t = {.count = model->parameters.count};
    for (size_t i = 0; i < t.count; i++) {
        const moda_parameter *p = &model->parameters.items[i];
        t.items[i] = moda_tensor_f32(p->name, model->values + p->offset, p->rank, p->shape[0],
                                     p->shape[1], p->shape[2], p->shape[3]);
    }
    return t;
}

void model_write(const model_tensor_list *t, const moda_metadata *metadata, size_t count)
{
    cr_assert(
        eq(int, moda_tensor_file_write(model_path, t->items, t->count, metadata, count), MODA_OK),
        "%s", moda_last_error());
}
