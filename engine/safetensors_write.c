/* engine/safetensors_write.c - writing a safetensors file: JSON header, spaces up to the alignment,
 * then the tensors' bytes in the given order. */
#include "base/file.h"
#include "base/json.h"
#include "engine/quote_internal.h"
#include "engine/safetensors_internal.h"

#include <stdlib.h>
#include <string.h>

/* {"dtype": .., "shape": [..], "data_offsets": [begin, end]}; NULL when out of memory. */
static json_t *entry_of(const moda_tensor *t, size_t begin)
{
    /* Not as "[I,I]": json_pack() leaves out an element that there is no memory for. */
    const size_t offsets[2] = {begin, begin + t->bytes};
    return json_pack("{s:s, s:o, s:o}", "dtype", moda_dtype_name(t->dtype), "shape",
                     moda_json_sizes(t->shape, t->rank), "data_offsets",
                     moda_json_sizes(offsets, 2));
}

static moda_status add_metadata(json_t *header, const moda_metadata *metadata, size_t count)
{
    moda_status st = MODA_OK;
    json_t *object = json_object();
    MODA_CHECK(object && json_object_set(header, "__metadata__", object) == 0, MODA_ERR_NOMEM,
               "out of memory");
    for (size_t i = 0; i < count; i++) {
        MODA_CHECK(!json_object_get(object, metadata[i].key), MODA_ERR_ARG,
                   "metadata '%s' given twice", MODA_QUOTE(metadata[i].key));
        MODA_CHECK(json_object_set_new(object, metadata[i].key, json_string(metadata[i].value)) ==
                       0,
                   MODA_ERR_ARG, "metadata '%s' is not valid UTF-8", MODA_QUOTE(metadata[i].key));
    }
out:
    json_decref(object);
    return st;
}

static moda_status add_tensor(json_t *header, const moda_tensor *t, size_t *begin)
{
    moda_status st = MODA_OK;
    size_t bytes = 0;
    MODA_CHECK(t->rank <= MODA_TENSOR_MAX_RANK &&
                   moda_tensor_bytes(t->dtype, t->rank, t->shape, &bytes) && bytes == t->bytes,
               MODA_ERR_ARG, "tensor '%s': shape %s of %s does not take %zu bytes",
               MODA_QUOTE(t->name),
               MODA_QUOTE_SHAPE(t->rank <= MODA_TENSOR_MAX_RANK ? t->rank : 0, t->shape),
               moda_dtype_name(t->dtype), t->bytes);
    MODA_CHECK(!json_object_get(header, t->name) && strcmp(t->name, "__metadata__") != 0,
               MODA_ERR_ARG, "tensor name '%s' given twice or reserved", MODA_QUOTE(t->name));
    MODA_CHECK(json_object_set_new(header, t->name, entry_of(t, *begin)) == 0, MODA_ERR_ARG,
               "tensor name '%s' is not valid UTF-8", MODA_QUOTE(t->name));
    *begin += t->bytes;
out:
    return st;
}

static moda_status make_header(const moda_tensor *tensors, size_t count,
                               const moda_metadata *metadata, size_t metadata_count, char **text)
{
    moda_status st = MODA_OK;
    size_t begin = 0;
    json_t *header = json_object();
    MODA_CHECK(header, MODA_ERR_NOMEM, "out of memory");
    if (metadata_count) MODA_TRY(add_metadata(header, metadata, metadata_count));
    for (size_t i = 0; i < count; i++) MODA_TRY(add_tensor(header, &tensors[i], &begin));
    /* Not json_dumps(), which loses names of members when memory is short and does not say so. */
    MODA_CHECK((*text = moda_json_line(header)) != NULL, MODA_ERR_NOMEM, "out of memory");
out:
    json_decref(header);
    return st;
}

moda_status moda_tensor_file_write(const char *path, const moda_tensor *tensors, size_t count,
                                   const moda_metadata *metadata, size_t metadata_count)
{
    moda_status st = MODA_OK;
    moda_writer w = {0};
    char *header = NULL;
    MODA_TRY(make_header(tensors, count, metadata, metadata_count, &header));
    const size_t length = strlen(header);
    const size_t padding = (SAFETENSORS_ALIGNMENT - length % SAFETENSORS_ALIGNMENT) %
                           SAFETENSORS_ALIGNMENT; /* the 8 bytes in front keep the alignment */
    MODA_CHECK(length + padding <= SAFETENSORS_MAX_HEADER, MODA_ERR_ARG,
               "%s: a header of %zu bytes, more than safetensors allows; write fewer tensors", path,
               length);
    MODA_TRY(moda_writer_open(&w, path));
    for (size_t i = 0; i < SAFETENSORS_LENGTH_BYTES; i++)
        fputc((int)((uint64_t)(length + padding) >> (8 * i) & 0xFF), w.stream);
    fwrite(header, 1, length, w.stream);
    for (size_t i = 0; i < padding; i++) fputc(' ', w.stream);
    for (size_t i = 0; i < count; i++)
        if (tensors[i].bytes) fwrite(tensors[i].data, 1, tensors[i].bytes, w.stream);
    MODA_TRY(moda_writer_commit(&w));
out:
    moda_writer_abort(&w);
    free(header);
    return st;
}
