/* tests/golden.c - a small safetensors reader for trusted files. */
#include "tests/golden.h"
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct golden_file {
    char path[1024];
    json_t *header;
    uint8_t *data; /* the bytes after the header */
    size_t size;
    void *copies[1024]; /* aligned tensors, made when asked for */
    size_t copy_count;
};

__attribute__((noreturn, format(printf, 2, 3))) static void stop(const golden_file *g,
                                                                 const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fprintf(stderr, "golden: %s: ", g->path);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
    abort();
}

golden_file *golden_open(const char *name)
{
    golden_file *g = calloc(1, sizeof *g);
    uint64_t length;
    json_error_t error;
    if (!g) abort();
    snprintf(g->path, sizeof g->path, "%s/golden/%s", MODA_TEST_DATA, name);
    FILE *f = fopen(g->path, "rb");
    if (!f) stop(g, "%s", strerror(errno));
    if (fseek(f, 0, SEEK_END) != 0) stop(g, "%s", strerror(errno));
    const long size = ftell(f);
    rewind(f);
    if (size < 8 || fread(&length, 8, 1, f) != 1 || length > (uint64_t)size - 8)
        stop(g, "no header");
    char *text = malloc(length);
    if (!text || fread(text, 1, length, f) != length) stop(g, "no header");
    g->header = json_loadb(text, length, 0, &error);
    free(text);
    if (!g->header) stop(g, "header: %s", error.text);
    g->size = (size_t)size - 8 - length;
    g->data = malloc(g->size + 1);
    if (!g->data || fread(g->data, 1, g->size, f) != g->size) stop(g, "truncated");
    fclose(f);
    return g;
}

void golden_close(golden_file *g)
{
    if (!g) return;
    for (size_t i = 0; i < g->copy_count; i++) free(g->copies[i]);
    json_decref(g->header);
    free(g->data);
    free(g);
}

bool golden_has(const golden_file *g, const char *tensor)
{
    return json_object_get(g->header, tensor) != NULL;
}

static const json_t *entry(const golden_file *g, const char *tensor)
{
    const json_t *e = json_object_get(g->header, tensor);
    if (!e) stop(g, "no tensor %s", tensor);
    return e;
}

size_t golden_shape(const golden_file *g, const char *tensor, size_t shape[GOLDEN_MAX_RANK],
                    size_t *rank)
{
    const json_t *dims = json_object_get(entry(g, tensor), "shape");
    size_t count = 1;
    if (json_array_size(dims) > GOLDEN_MAX_RANK) stop(g, "%s: too many dimensions", tensor);
    for (size_t i = 0; i < json_array_size(dims); i++) {
        const size_t extent = (size_t)json_integer_value(json_array_get(dims, i));
        if (shape) shape[i] = extent;
        count *= extent;
    }
    if (rank) *rank = json_array_size(dims);
    return count;
}

/* An aligned copy of the tensor's bytes, which must be of one of two types. */
static const void *bytes_of(const golden_file *g, const char *tensor, const char *type,
                            const char *other, size_t element, size_t *count)
{
    const json_t *e = entry(g, tensor), *offsets = json_object_get(e, "data_offsets");
    const char *dtype = json_string_value(json_object_get(e, "dtype"));
    const size_t first = (size_t)json_integer_value(json_array_get(offsets, 0));
    const size_t end = (size_t)json_integer_value(json_array_get(offsets, 1));
    const size_t n = golden_shape(g, tensor, NULL, NULL);
    golden_file *keeper = (golden_file *)(uintptr_t)g; /* the cache is no part of the value */
    if (!dtype || (strcmp(dtype, type) != 0 && strcmp(dtype, other) != 0))
        stop(g, "%s is %s, not %s", tensor, dtype ? dtype : "untyped", type);
    if (first > end || end > g->size || end - first != n * element)
        stop(g, "%s: wrong offsets", tensor);
    if (g->copy_count == sizeof g->copies / sizeof *g->copies) stop(g, "too many tensors read");
    void *copy = aligned_alloc(64, (end - first) / 64 * 64 + 64);
    if (!copy) stop(g, "out of memory");
    memcpy(copy, g->data + first, end - first);
    keeper->copies[keeper->copy_count++] = copy;
    if (count) *count = n;
    return copy;
}

const float *golden_f32(const golden_file *g, const char *tensor, size_t *count)
{
    return bytes_of(g, tensor, "F32", "F32", 4, count);
}

const int64_t *golden_i64(const golden_file *g, const char *tensor, size_t *count)
{
    return bytes_of(g, tensor, "I64", "I64", 8, count);
}

const uint8_t *golden_u8(const golden_file *g, const char *tensor, size_t *count)
{
    return bytes_of(g, tensor, "U8", "BOOL", 1, count);
}

const char *golden_metadata(const golden_file *g, const char *key)
{
    const json_t *value = json_object_get(json_object_get(g->header, "__metadata__"), key);
    if (!json_is_string(value)) stop(g, "no metadata %s", key);
    return json_string_value(value);
}

const char *golden_name(const char *format, ...)
{
    static _Thread_local char ring[8][256];
    static _Thread_local unsigned next;
    char *to = ring[next++ % 8];
    va_list list;
    va_start(list, format);
    vsnprintf(to, sizeof ring[0], format, list);
    va_end(list);
    return to;
}
