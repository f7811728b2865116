/* engine/checkpoint.c - one checkpoint: a safetensors file with a checksum, written, read,
 * restored. */
#include "base/file.h"
#include "engine/checkpoint_internal.h"
#include "engine/quote_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static const char info_key[] = "moda.checkpoint", sum_key[] = "moda.checksum";
static const char prefix[] = "momentum/"; /* a tensor's name has no '/' */
enum { SUM_TEXT = 16 };

struct moda_checkpoint {
    moda_tensor_file *file;
    json_t *json;
    moda_checkpoint_info info;
};

static bool trained(const moda_parameter *p)
{
    return p->role == MODA_WEIGHT || p->role == MODA_BIAS;
}

/* ---- the checksum ---- */

static uLong add_text(uLong sum, const char *text)
{
    return crc32_z(sum, (const unsigned char *)text, strlen(text) + 1);
}

/* Names count, too; shapes follow from the network, and the file's reader checks places and
 * sizes. */
static uLong add_tensor(uLong sum, const moda_tensor *t)
{
    return crc32_z(add_text(sum, t->name), t->data, t->bytes);
}

/* ---- writing ---- */

/* Tensors over values and momentum; the caller frees them, and names[count], where these are. */
static moda_status list_tensors(const moda_model *model, const float *momentum,
                                moda_tensor **tensors, char ***names, size_t *count)
{
    moda_status st = MODA_OK;
    const moda_parameter_list *list = &model->parameters;
    *tensors = NULL, *names = NULL, *count = 0;
    MODA_ALLOC(*tensors, 2 * list->count * sizeof **tensors);
    MODA_ALLOC(*names, 2 * list->count * sizeof **names);
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < list->count; i++) {
            const moda_parameter *p = &list->items[i];
            if (pass && !trained(p)) continue;
            moda_tensor *t = &(*tensors)[*count];
            char **name = &(*names)[*count];
            MODA_CHECK((*name = moda_format("%s%s", pass ? prefix : "", p->name)) != NULL,
                       MODA_ERR_NOMEM, "out of memory");
            *t = (moda_tensor){.name = *name,
                               .dtype = MODA_DTYPE_F32,
                               .rank = p->rank,
                               .bytes = p->elements * sizeof(float),
                               .data = (pass ? momentum : model->values) + p->offset};
            memcpy(t->shape, p->shape, p->rank * sizeof *p->shape);
            ++*count;
        }
out:
    return st;
}

moda_status moda_checkpoint_write_file(const char *path, const moda_model *model,
                                       const float *momentum, const moda_checkpoint_info *info)
{
    moda_status st = MODA_OK;
    moda_tensor *tensors = NULL;
    char **names = NULL, *text = NULL, checksum[SUM_TEXT];
    size_t count = 0;
    json_t *json = moda_checkpoint_info_json(info);
    MODA_CHECK((text = moda_json_line(json)) != NULL, MODA_ERR_NOMEM, "out of memory");
    MODA_TRY(list_tensors(model, momentum, &tensors, &names, &count));
    uLong sum = add_text(0, text);
    for (size_t i = 0; i < count; i++) sum = add_tensor(sum, &tensors[i]);
    snprintf(checksum, sizeof checksum, "%08lx", sum);
    const moda_metadata metadata[] = {{info_key, text}, {sum_key, checksum}};
    MODA_TRY(moda_tensor_file_write(path, tensors, count, metadata, 2));
out:
    for (size_t i = 0; i < count; i++) free(names[i]);
    free(names);
    free(tensors);
    free(text);
    json_decref(json);
    return st;
}

/* ---- reading ---- */

static moda_status check_sum(const moda_tensor_file *file, const char *text, const char *checksum)
{
    moda_status st = MODA_OK;
    char want[SUM_TEXT];
    uLong sum = add_text(0, text);
    for (size_t i = 0; i < moda_tensor_file_count(file); i++)
        sum = add_tensor(sum, moda_tensor_file_at(file, i));
    snprintf(want, sizeof want, "%08lx", sum);
    MODA_CHECK(strcmp(want, checksum) == 0, MODA_ERR_FORMAT,
               "%s: damaged: its checksum is %s, its content gives %s", moda_tensor_file_path(file),
               MODA_QUOTE(checksum), want);
out:
    return st;
}

moda_status moda_checkpoint_open(const char *path, moda_checkpoint **checkpoint)
{
    moda_status st = MODA_OK;
    moda_checkpoint *c = NULL;
    *checkpoint = NULL;
    MODA_ALLOC(c, sizeof *c);
    MODA_TRY(moda_tensor_file_open(path, &c->file));
    const char *text = moda_tensor_file_metadata(c->file, info_key);
    const char *checksum = moda_tensor_file_metadata(c->file, sum_key);
    MODA_CHECK(text && checksum, MODA_ERR_FORMAT, "%s: not a checkpoint", path);
    MODA_TRY(check_sum(c->file, text, checksum));
    MODA_TRY(moda_json_parse(text, strlen(text), &c->json, NULL));
    MODA_CHECK(moda_checkpoint_info_parse(c->json, &c->info), MODA_ERR_FORMAT,
               "%s: a checkpoint of another version of moda: go on with that one", path);
    *checkpoint = c, c = NULL;
out:
    moda_checkpoint_close(c);
    return st;
}

void moda_checkpoint_close(moda_checkpoint *c)
{
    if (!c) return;
    moda_tensor_file_close(c->file);
    moda_tuning_free(&c->info.tuning);
    json_decref(c->json);
    free(c);
}

const char *moda_checkpoint_path(const moda_checkpoint *c)
{
    return moda_tensor_file_path(c->file);
}

const moda_checkpoint_info *moda_checkpoint_get(const moda_checkpoint *c)
{
    return &c->info;
}

static moda_status read_tensor(const moda_checkpoint *c, const char *before,
                               const moda_parameter *p, float *values)
{
    moda_status st = MODA_OK;
    char *name = moda_format("%s%s", before, p->name);
    MODA_CHECK(name, MODA_ERR_NOMEM, "out of memory");
    const moda_tensor *t = moda_tensor_file_find(c->file, name);
    const bool same = t && t->dtype == MODA_DTYPE_F32 && t->rank == p->rank &&
                      memcmp(t->shape, p->shape, p->rank * sizeof *p->shape) == 0;
    MODA_CHECK(same, MODA_ERR_FORMAT, "%s: no F32 tensor %s %s: it is of another network",
               moda_checkpoint_path(c), MODA_QUOTE(name), MODA_QUOTE_SHAPE(p->rank, p->shape));
    memcpy(values + p->offset, t->data, t->bytes);
out:
    free(name);
    return st;
}

moda_status moda_checkpoint_restore(const moda_checkpoint *c, moda_model *model,
                                    moda_trainer *trainer)
{
    moda_status st = MODA_OK;
    const moda_parameter_list *list = &model->parameters;
    float *momentum = NULL;
    MODA_ALLOC(momentum, list->elements * sizeof *momentum);
    for (size_t i = 0; i < list->count; i++) {
        MODA_TRY(read_tensor(c, "", &list->items[i], model->values));
        if (trained(&list->items[i])) MODA_TRY(read_tensor(c, prefix, &list->items[i], momentum));
    }
    MODA_TRY(moda_fail_context(moda_trainer_continue(trainer, &c->info.position, momentum), "%s",
                               moda_checkpoint_path(c)));
out:
    free(momentum);
    return st;
}
