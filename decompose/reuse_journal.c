#include "decompose/reuse_journal.h"
#include "base/file.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/log.h"
#include "decompose/checksum.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

struct moda_reuse_journal {
    moda_lock *lock;
    FILE *file;
    char *path;
    const moda_model *model;
    const moda_subtasks *subtasks;
};

/* ---- what the results belong to ---- */

typedef struct owner {
    uint32_t weights, masks, images;
    uint32_t training; /* of heads; 0: there are none */
} owner;

static uint32_t add_bytes(uint32_t sum, const void *bytes, size_t n)
{
    return (uint32_t)crc32_z(sum, bytes, n);
}

static uint32_t add_images(uint32_t sum, const moda_images *images)
{
    const size_t stride = images->channels * images->height * images->width;
    sum = add_bytes(sum, images->labels, images->n * sizeof *images->labels);
    if (!images->own) return add_bytes(sum, images->pixels, images->n * stride);
    for (size_t i = 0; i < images->n; i++) {
        const moda_own_image *p = &images->own[i];
        sum = add_bytes(sum, p->pixels, images->channels * p->height * p->width);
    }
    return sum;
}

static owner find_owner(const moda_reuse_options *options)
{
    const moda_model *model = options->model;
    const moda_masks *masks = options->masks;
    const moda_reuse_training *t = options->training;
    const uint32_t none = (uint32_t)crc32_z(0, NULL, 0);
    owner o = {moda_model_checksum(model), none, none, none};
    /* The input's normalisation changes results as the weights do. */
    o.weights = add_bytes(o.weights, model->mean, sizeof model->mean);
    o.weights = add_bytes(o.weights, model->std, sizeof model->std);
    o.masks = add_bytes(o.masks, masks->values, masks->shape.elements);
    o.images = add_images(o.images, options->images);
    if (!t) return o;
    const uint64_t how[] = {t->epochs, t->seed};
    o.training = add_images(add_bytes(o.training, how, sizeof how), t->images);
    if (o.training == 0) o.training = 1;
    return o;
}

static moda_status write_head(FILE *f, const char *path, owner o, double tau)
{
    moda_status st = MODA_OK;
    char training[40] = "";
    if (o.training) snprintf(training, sizeof training, "\"training\": \"%08x\", ", o.training);
    MODA_CHECK(fprintf(f,
                       "{\"moda\": \"reuse\", \"weights\": \"%08x\", \"masks\": \"%08x\", "
                       "\"images\": \"%08x\", %s\"tau\": %.17g}\n",
                       o.weights, o.masks, o.images, training, tau == tau ? tau : 0) > 0 &&
                   fflush(f) == 0,
               MODA_ERR_IO, "%s: %s", path, strerror(errno));
out:
    return st;
}

static bool is_same(const json_t *head, const char *key, uint32_t sum)
{
    const char *text = json_string_value(json_object_get(head, key));
    return (text ? strtoul(text, NULL, 16) : 0) == sum;
}

static moda_status check_head(const char *path, const json_t *head, owner o, double tau)
{
    static const char remedy[] = "remove it to begin again, or name another file with --csv";
    moda_status st = MODA_OK;
    const char *kind = json_string_value(json_object_get(head, "moda"));
    MODA_CHECK(kind && strcmp(kind, "reuse") == 0, MODA_ERR_FORMAT,
               "%s: line 1: not results of moda reuse: name another file with --csv", path);
    MODA_CHECK(is_same(head, "weights", o.weights), MODA_ERR_FORMAT,
               "%s: holds results of other weights than the model's: %s", path, remedy);
    MODA_CHECK(is_same(head, "masks", o.masks), MODA_ERR_FORMAT,
               "%s: holds results of other masks (tau %g, these have %g): %s", path,
               json_number_value(json_object_get(head, "tau")), tau, remedy);
    MODA_CHECK(is_same(head, "images", o.images), MODA_ERR_FORMAT,
               "%s: holds results on other images: %s", path, remedy);
    MODA_CHECK(is_same(head, "training", o.training), MODA_ERR_FORMAT,
               "%s: holds results of heads that learned from other images, or otherwise: %s", path,
               remedy);
out:
    return st;
}

/* ---- reading results ---- */

static size_t find_subtask(const moda_subtasks *s, const uint32_t *outputs, size_t n)
{
    size_t low = 0, high = s->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2, size = moda_subtask_size(s, middle);
        const uint32_t *at = moda_subtask_outputs(s, middle);
        int order = size == n ? 0 : size < n ? -1 : 1;
        for (size_t i = 0; i < n && order == 0; i++)
            order = at[i] == outputs[i] ? 0 : at[i] < outputs[i] ? -1 : 1;
        if (order == 0) return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return s->count;
}

static size_t output_of(const moda_model *model, json_int_t number)
{
    size_t k = 0;
    while (k < model->net->classes && (json_int_t)model->class_ids[k] != number) k++;
    return k;
}

/* Enters a result if it is one of those wanted; false: the line is no result at all. */
static bool enter(const json_t *line, const moda_model *model, const moda_subtasks *subtasks,
                  const moda_reuse_part *parts, size_t part_count, uint32_t *outputs,
                  size_t *correct)
{
    json_int_t number, from, images, right;
    json_t *list;
    if (json_unpack((json_t *)line, "{s:I s:I s:I s:o s:I}", "class", &number, "from", &from,
                    "images", &images, "subtask", &list, "correct", &right) != 0)
        return false;
    const size_t n = json_array_size(list), output = output_of(model, number);
    if (!json_is_array(list) || right < 0 || right > images) return false;
    if (n > model->net->classes) return true;
    for (size_t i = 0; i < n; i++) {
        const size_t k = output_of(model, json_integer_value(json_array_get(list, i)));
        if (k == model->net->classes) return true;
        outputs[i] = (uint32_t)k;
    }
    const size_t t = find_subtask(subtasks, outputs, n);
    for (size_t p = 0; p < part_count && t < subtasks->count; p++)
        if (parts[p].output == output && (json_int_t)parts[p].from == from &&
            (json_int_t)parts[p].count == images)
            correct[p * subtasks->count + t] = (size_t)right;
    return true;
}

/* Reads what is there; *whole is where the last line that has its end ends. */
static moda_status read_results(const char *path, owner o, const moda_model *model,
                                const moda_masks *masks, const moda_subtasks *subtasks,
                                const moda_reuse_part *parts, size_t part_count, size_t *correct,
                                size_t *whole)
{
    moda_status st = MODA_OK;
    moda_mapped_file file = {0};
    uint32_t *outputs = NULL;
    json_t *line = NULL;
    size_t start = 0, number = 1;
    *whole = 0;
    if (!moda_is_file(path)) goto out;
    MODA_TRY(moda_file_map(path, &file));
    MODA_ALLOC(outputs, model->net->classes * sizeof *outputs);
    for (size_t i = 0; i < file.size; i++) {
        if (file.data[i] != '\n') continue;
        json_decref(line);
        MODA_TRY(moda_json_parse((const char *)file.data + start, i - start, &line, NULL));
        if (number == 1) MODA_TRY(check_head(path, line, o, masks->tau));
        MODA_CHECK(number == 1 ||
                       (line && enter(line, model, subtasks, parts, part_count, outputs, correct)),
                   MODA_ERR_FORMAT,
                   "%s: line %zu: not a result of moda reuse: remove the file to begin again", path,
                   number);
        start = i + 1, number++;
    }
    MODA_CHECK(number > 1 || file.size == 0 || file.data[0] == '{', MODA_ERR_FORMAT,
               "%s: not results of moda reuse: name another file with --csv", path);
    *whole = start;
out:
    json_decref(line);
    free(outputs);
    moda_file_unmap(&file);
    return st;
}

/* ---- the file ---- */

moda_status moda_reuse_journal_open(const char *path, const moda_reuse_options *options,
                                    const moda_reuse_part *parts, size_t part_count,
                                    size_t *correct, moda_reuse_journal **journal)
{
    moda_status st = MODA_OK;
    const moda_model *model = options->model;
    const moda_masks *masks = options->masks;
    const moda_subtasks *subtasks = options->subtasks;
    moda_reuse_journal *j = NULL;
    const owner o = find_owner(options);
    size_t whole = 0;
    for (size_t i = 0; i < part_count * subtasks->count; i++) correct[i] = SIZE_MAX;
    MODA_ALLOC(j, sizeof *j);
    MODA_TRY(moda_lock_file(path, &j->lock));
    MODA_TRY(read_results(path, o, model, masks, subtasks, parts, part_count, correct, &whole));
    j->model = model, j->subtasks = subtasks;
    MODA_CHECK((j->path = strdup(path)) != NULL, MODA_ERR_NOMEM, "out of memory: %s", path);
    MODA_CHECK((j->file = fopen(path, "ab")) != NULL, MODA_ERR_IO, "%s: %s", path, strerror(errno));
    MODA_CHECK(ftruncate(fileno(j->file), (off_t)whole) == 0, MODA_ERR_IO, "%s: %s", path,
               strerror(errno));
    if (whole == 0) MODA_TRY(write_head(j->file, path, o, masks->tau));
    *journal = j, j = NULL;
out:
    moda_reuse_journal_close(j);
    return st;
}

moda_status moda_reuse_journal_add(moda_reuse_journal *j, const moda_reuse_part *part,
                                   size_t subtask, size_t correct)
{
    moda_status st = MODA_OK;
    if (!j) goto out;
    const uint32_t *outputs = moda_subtask_outputs(j->subtasks, subtask);
    fprintf(j->file, "{\"class\": %u, \"from\": %zu, \"images\": %zu, \"subtask\": [",
            j->model->class_ids[part->output], part->from, part->count);
    for (size_t i = 0; i < moda_subtask_size(j->subtasks, subtask); i++)
        fprintf(j->file, "%s%u", i ? ", " : "", j->model->class_ids[outputs[i]]);
    fprintf(j->file, "], \"correct\": %zu}\n", correct);
    MODA_CHECK(fflush(j->file) == 0 && !ferror(j->file), MODA_ERR_IO, "%s: %s", j->path,
               strerror(errno));
out:
    return st;
}

void moda_reuse_journal_close(moda_reuse_journal *j)
{
    if (!j) return;
    if (j->file) fclose(j->file);
    moda_lock_release(j->lock);
    free(j->path);
    free(j);
}
