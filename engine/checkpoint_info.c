/* engine/checkpoint_info.c - what a checkpoint says besides its tensors, as JSON. */
#include "engine/checkpoint_internal.h"
#include "engine/train_record.h"
#include <stdio.h>
#include <string.h>
#include <zlib.h>

enum { VERSION = 1, SUM_TEXT = 16 };

uint32_t moda_checkpoint_data(const moda_dataset *data)
{
    const uint64_t counts[] = {data->train.n, data->test.n};
    const uLong sum = crc32_z(0, (const unsigned char *)counts, sizeof counts);
    return (uint32_t)crc32_z(sum, (const unsigned char *)data->train.labels,
                             data->train.n * sizeof *data->train.labels);
}

/* ---- writing ---- */

static json_t *tuning_json(const moda_tuning *t)
{
    json_t *list = json_array();
    bool whole = list != NULL;
    for (size_t i = 0; whole && i < t->count; i++)
        whole = json_array_append_new(list, moda_tuning_entry_json(&t->entries[i])) == 0;
    if (!whole) json_decref(list), list = NULL;
    return list;
}

json_t *moda_checkpoint_info_json(const moda_checkpoint_info *info)
{
    const moda_train_position *at = &info->position;
    const moda_tuning_machine *m = &info->machine;
    char data[SUM_TEXT];
    snprintf(data, sizeof data, "%08x", info->data);
    return json_pack(
        "{s:i, s:{s:I, s:I, s:I, s:I, s:o}, s:{s:I, s:I}, s:s, s:{s:o, s:s, s:s, s:I}, s:o}",
        "version", VERSION, "position", "epoch", (json_int_t)at->epoch, "step",
        (json_int_t)at->step, "samples", (json_int_t)at->samples, "steps", (json_int_t)at->steps,
        "sum", moda_train_record_json(&at->sum), "files", "metrics",
        (json_int_t)info->metrics_bytes, "steps", (json_int_t)info->steps_bytes, "data", data,
        "machine", "cpu", moda_json_text(m->cpu), "kernels", m->kernels, "library", m->library,
        "threads", (json_int_t)m->threads, "tuning", tuning_json(&info->tuning));
}

/* ---- reading ---- */

static bool read_size(const json_t *object, const char *key, size_t *value)
{
    const json_t *number = json_object_get(object, key);
    *value = (size_t)json_integer_value(number);
    return json_is_integer(number) && json_integer_value(number) >= 0;
}

static bool read_text(const json_t *object, const char *key, char *text, size_t size)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value && snprintf(text, size, "%s", value) < (int)size;
}

static bool read_machine(const json_t *json, moda_tuning_machine *m)
{
    m->kernels = json_string_value(json_object_get(json, "kernels"));
    return m->kernels && read_text(json, "cpu", m->cpu, sizeof m->cpu) &&
           read_text(json, "library", m->library, sizeof m->library) &&
           read_size(json, "threads", &m->threads);
}

static bool read_position(const json_t *json, moda_train_position *at)
{
    return read_size(json, "epoch", &at->epoch) && read_size(json, "step", &at->step) &&
           read_size(json, "samples", &at->samples) && read_size(json, "steps", &at->steps) &&
           moda_train_record_parse(json_object_get(json, "sum"), &at->sum);
}

static bool read_tuning(const json_t *list, moda_tuning *tuning)
{
    bool good = json_is_array(list);
    for (size_t i = 0; good && i < json_array_size(list); i++) {
        moda_tuning_entry entry;
        good = moda_tuning_entry_parse(json_array_get(list, i), &entry) &&
               moda_tuning_set(tuning, &entry) == MODA_OK;
    }
    return good;
}

bool moda_checkpoint_info_parse(const json_t *json, moda_checkpoint_info *info)
{
    const json_t *files = json_object_get(json, "files");
    char data[SUM_TEXT];
    unsigned sum;
    *info = (moda_checkpoint_info){0};
    if (json_integer_value(json_object_get(json, "version")) != VERSION ||
        !read_text(json, "data", data, sizeof data) || sscanf(data, "%8x", &sum) != 1)
        return false;
    info->data = sum;
    return read_position(json_object_get(json, "position"), &info->position) &&
           read_size(files, "metrics", &info->metrics_bytes) &&
           read_size(files, "steps", &info->steps_bytes) &&
           read_machine(json_object_get(json, "machine"), &info->machine) &&
           read_tuning(json_object_get(json, "tuning"), &info->tuning);
}
