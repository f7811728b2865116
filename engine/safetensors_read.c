/* engine/safetensors_read.c - a safetensors file, mapped, with every claim of its header checked.
 *
 * Names and metadata point into the parsed JSON, data into the mapping: both live as long as the
 * file object. */
#include "base/file.h"
#include "base/json.h"
#include "engine/quote_internal.h"
#include "engine/safetensors_internal.h"

#include <stdlib.h>
#include <string.h>

static const char metadata_key[] = "__metadata__";

struct moda_tensor_file {
    char *path;
    moda_mapped_file bytes;
    json_t *header;
    const json_t *metadata; /* in header, NULL: none */
    size_t data_offset;     /* of the first data byte in the file */
    moda_tensor *tensors;   /* [count] in the order of their bytes */
    size_t count;
    const moda_tensor **by_name; /* [count] */
};

/* ---- the header's frame ---- */

/* *length := bytes of the JSON, known to lie inside the file. */
static moda_status read_length(const moda_mapped_file *file, size_t *length)
{
    moda_status st = MODA_OK;
    uint64_t n = 0;
    MODA_CHECK(file->size >= SAFETENSORS_LENGTH_BYTES, MODA_ERR_FORMAT,
               "%zu bytes are too few for a safetensors file; write it again", file->size);
    for (size_t i = 0; i < SAFETENSORS_LENGTH_BYTES; i++) n |= (uint64_t)file->data[i] << (8 * i);
    MODA_CHECK(n <= SAFETENSORS_MAX_HEADER, MODA_ERR_FORMAT,
               "byte 0: a header of %llu bytes, more than the %d that safetensors allows; is it a "
               "safetensors file?",
               (unsigned long long)n, SAFETENSORS_MAX_HEADER);
    MODA_CHECK(n <= file->size - SAFETENSORS_LENGTH_BYTES, MODA_ERR_FORMAT,
               "byte 0: a header of %llu bytes in a file of %zu; it is cut short, copy it again",
               (unsigned long long)n, file->size);
    *length = (size_t)n;
out:
    return st;
}

static moda_status check_metadata(const json_t *metadata)
{
    moda_status st = MODA_OK;
    const char *key;
    json_t *value;
    MODA_CHECK(json_is_object(metadata), MODA_ERR_FORMAT,
               "__metadata__ is no JSON object; write the file again");
    json_object_foreach((json_t *)metadata, key, value)
    {
        MODA_CHECK(json_is_string(value), MODA_ERR_FORMAT,
                   "__metadata__ '%s' is no string; write the file again", MODA_QUOTE(key));
    }
out:
    return st;
}

static moda_status parse_header(moda_tensor_file *f)
{
    moda_status st = MODA_OK;
    json_error_t error;
    size_t length = 0;
    MODA_TRY(read_length(&f->bytes, &length));
    const char *json = (const char *)f->bytes.data + SAFETENSORS_LENGTH_BYTES;
    MODA_TRY(moda_json_parse(json, length, &f->header, &error));
    MODA_CHECK(f->header, MODA_ERR_FORMAT, "byte %zu: the header is not JSON: %s; write it again",
               SAFETENSORS_LENGTH_BYTES + (error.position > 0 ? (size_t)error.position : 0),
               error.text);
    MODA_CHECK(json_is_object(f->header) && json[0] == '{', MODA_ERR_FORMAT,
               "byte %d: the header is no JSON object; write it again", SAFETENSORS_LENGTH_BYTES);
    f->metadata = json_object_get(f->header, metadata_key);
    if (f->metadata) MODA_TRY(check_metadata(f->metadata));
    f->data_offset = SAFETENSORS_LENGTH_BYTES + length;
out:
    return st;
}

/* ---- one tensor ---- */

static bool to_size(const json_t *value, size_t *size)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
    *size = (size_t)json_integer_value(value);
    return true;
}

static moda_status parse_shape(const json_t *list, moda_tensor *t)
{
    moda_status st = MODA_OK;
    MODA_CHECK(json_is_array(list), MODA_ERR_FORMAT, "shape is missing or no list");
    MODA_CHECK(json_array_size(list) <= MODA_TENSOR_MAX_RANK, MODA_ERR_FORMAT,
               "%zu dimensions; at most %d are supported", json_array_size(list),
               MODA_TENSOR_MAX_RANK);
    t->rank = json_array_size(list);
    for (size_t i = 0; i < t->rank; i++)
        MODA_CHECK(to_size(json_array_get(list, i), &t->shape[i]), MODA_ERR_FORMAT,
                   "entry %zu of its shape is no whole number from 0", i);
out:
    return st;
}

/* Sets everything but data; *begin is the offset of its bytes behind the header. */
static moda_status parse_tensor(const json_t *entry, size_t data_size, moda_tensor *t,
                                size_t *begin)
{
    moda_status st = MODA_OK;
    size_t end = 0, bytes = 0;
    MODA_CHECK(json_is_object(entry) && json_object_size(entry) == 3, MODA_ERR_FORMAT,
               "expected exactly dtype, shape and data_offsets");
    const json_t *dtype = json_object_get(entry, "dtype");
    const json_t *offsets = json_object_get(entry, "data_offsets");
    MODA_CHECK(json_is_string(dtype), MODA_ERR_FORMAT, "dtype is missing or no string");
    MODA_CHECK(moda_dtype_from_name(json_string_value(dtype), &t->dtype), MODA_ERR_FORMAT,
               "unknown dtype '%s'; known are BOOL, U8, I8, I16, I32, I64, F16, BF16, F32, F64",
               MODA_QUOTE(json_string_value(dtype)));
    MODA_TRY(parse_shape(json_object_get(entry, "shape"), t));
    MODA_CHECK(json_is_array(offsets) && json_array_size(offsets) == 2 &&
                   to_size(json_array_get(offsets, 0), begin) &&
                   to_size(json_array_get(offsets, 1), &end),
               MODA_ERR_FORMAT, "data_offsets is missing or not two whole numbers from 0");
    MODA_CHECK(*begin <= end && end <= data_size, MODA_ERR_FORMAT,
               "data_offsets [%zu,%zu] are outside the file's %zu data bytes; it is cut short or "
               "damaged, copy it again",
               *begin, end, data_size);
    MODA_CHECK(moda_tensor_bytes(t->dtype, t->rank, t->shape, &bytes) && bytes == end - *begin,
               MODA_ERR_FORMAT, "shape %s of %s does not take the %zu bytes of data_offsets",
               MODA_QUOTE_SHAPE(t->rank, t->shape), moda_dtype_name(t->dtype), end - *begin);
    t->bytes = bytes;
out:
    return st;
}

/* ---- all tensors ---- */

static int compare_bytes(const void *a, const void *b)
{
    const moda_tensor *x = a, *y = b;
    const char *p = x->data, *q = y->data;
    if (p != q) return p < q ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes); /* empty ones first */
}

static int compare_names(const void *a, const void *b)
{
    const moda_tensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static moda_status parse_tensors(moda_tensor_file *f)
{
    moda_status st = MODA_OK;
    const size_t data_size = f->bytes.size - f->data_offset;
    const size_t capacity = json_object_size(f->header);
    const char *name;
    json_t *entry;
    MODA_ALLOC(f->tensors, capacity * sizeof *f->tensors);
    MODA_ALLOC(f->by_name, capacity * sizeof *f->by_name);
    json_object_foreach(f->header, name, entry)
    {
        moda_tensor *t = &f->tensors[f->count];
        size_t begin = 0;
        if (entry == f->metadata) continue;
        t->name = name;
        st = parse_tensor(entry, data_size, t, &begin);
        if (st != MODA_OK) {
            moda_fail_context(st, "tensor '%s'", MODA_QUOTE(name));
            goto out;
        }
        t->data = f->bytes.data + f->data_offset + begin;
        f->count++;
    }
    qsort(f->tensors, f->count, sizeof *f->tensors, compare_bytes);
    for (size_t i = 0; i < f->count; i++) f->by_name[i] = &f->tensors[i];
    qsort(f->by_name, f->count, sizeof *f->by_name, compare_names);
out:
    return st;
}

/* The tensors, in order, must tile the data. */
static moda_status check_tiling(const moda_tensor_file *f)
{
    moda_status st = MODA_OK;
    const uint8_t *next = f->bytes.data + f->data_offset;
    const uint8_t *const end = f->bytes.data + f->bytes.size;
    for (size_t i = 0; i < f->count; i++) {
        const moda_tensor *t = &f->tensors[i];
        const uint8_t *data = t->data;
        MODA_CHECK(data >= next, MODA_ERR_FORMAT,
                   "tensor '%s' overlaps the bytes of '%s'; write the file again",
                   MODA_QUOTE(t->name), MODA_QUOTE(t[-1].name));
        MODA_CHECK(data == next, MODA_ERR_FORMAT,
                   "byte %zu: %zu bytes in front of tensor '%s' belong to no tensor; write the "
                   "file again",
                   (size_t)(next - f->bytes.data), (size_t)(data - next), MODA_QUOTE(t->name));
        next = data + t->bytes;
    }
    MODA_CHECK(next == end, MODA_ERR_FORMAT,
               "byte %zu: the last %zu bytes belong to no tensor; write the file again",
               (size_t)(next - f->bytes.data), (size_t)(end - next));
out:
    return st;
}

/* ---- the door ---- */

moda_status moda_tensor_file_open(const char *path, moda_tensor_file **file)
{
    moda_status st = MODA_OK;
    moda_tensor_file *f = NULL;
    bool mapped = false;
    MODA_ALLOC(f, sizeof *f);
    MODA_CHECK((f->path = strdup(path)) != NULL, MODA_ERR_NOMEM, "out of memory");
    MODA_TRY(moda_file_map(path, &f->bytes));
    mapped = true; /* from here on messages lack the path */
    MODA_TRY(parse_header(f));
    MODA_TRY(parse_tensors(f));
    MODA_TRY(check_tiling(f));
    *file = f, f = NULL;
out:
    moda_tensor_file_close(f);
    return mapped ? moda_fail_context(st, "%s", path) : st;
}

void moda_tensor_file_close(moda_tensor_file *file)
{
    if (!file) return;
    moda_file_unmap(&file->bytes);
    json_decref(file->header);
    free(file->tensors);
    free(file->by_name);
    free(file->path);
    free(file);
}

const char *moda_tensor_file_path(const moda_tensor_file *file)
{
    return file->path;
}

size_t moda_tensor_file_count(const moda_tensor_file *file)
{
    return file->count;
}

const moda_tensor *moda_tensor_file_at(const moda_tensor_file *file, size_t i)
{
    return i < file->count ? &file->tensors[i] : NULL;
}

const moda_tensor *moda_tensor_file_find(const moda_tensor_file *file, const char *name)
{
    const moda_tensor key = {.name = name}, *wanted = &key;
    const moda_tensor **found = file->count ? bsearch(&wanted, file->by_name, file->count,
                                                      sizeof *file->by_name, compare_names)
                                            : NULL;
    return found ? *found : NULL;
}

const char *moda_tensor_file_metadata(const moda_tensor_file *file, const char *key)
{
    return json_string_value(json_object_get(file->metadata, key));
}
