/* base/json_read.c - reading through Jansson, whose parser does not bear every piece of memory that it
 * is refused: it loses the character of a number or text that it had no room for, or ends the
 * program. So while it parses, what malloc() refuses comes from a reserve, the text ends there, and
 * what came of it is thrown away. */
#include "base/file.h"
#include "base/json.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { RESERVE = 1 << 18, ALIGNMENT = 16 };

typedef struct parsing {
    const char *text;
    size_t left;
    char *reserve;
    size_t used; /* of the reserve */
    bool was_short;
} parsing;

static _Thread_local parsing *current;
static _Thread_local bool short_of_memory;

static bool is_reserved(const void *memory)
{
    const uintptr_t at = (uintptr_t)memory;
    const uintptr_t begin = current ? (uintptr_t)current->reserve : 0;
    return current && at >= begin && at < begin + RESERVE;
}

static void *take_reserve(parsing *p, size_t size)
{
    char *piece = p->reserve + p->used;
    p->was_short = true;
    if (size > RESERVE - p->used) return NULL;
    const size_t whole = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    p->used += whole; /* RESERVE is a multiple of ALIGNMENT */
    return piece;
}

static void *watched_malloc(size_t size)
{
    void *memory = malloc(size);
    if (memory) return memory;
    if (current) return take_reserve(current, size);
    short_of_memory = true;
    return NULL;
}

static void watched_free(void *memory)
{
    if (!is_reserved(memory)) free(memory);
}

/* Before any value is made. */
__attribute__((constructor)) static void watch_jansson(void)
{
    json_set_alloc_funcs(watched_malloc, watched_free);
}

bool moda_json_was_short(void)
{
    const bool was = short_of_memory;
    short_of_memory = false;
    return was;
}

static size_t next_piece(void *buffer, size_t size, void *data)
{
    parsing *p = data;
    const size_t n = p->was_short ? 0 : size < p->left ? size : p->left;
    memcpy(buffer, p->text, n);
    p->text += n, p->left -= n;
    return n;
}

moda_status moda_json_parse(const char *text, size_t length, json_t **value, json_error_t *error)
{
    moda_status st = MODA_OK;
    parsing p = {.text = text, .left = length};
    *value = NULL;
    p.reserve = malloc(RESERVE); /* zeroes would cost more than a short text */
    MODA_CHECK(p.reserve, MODA_ERR_NOMEM, "out of memory: %d bytes", RESERVE);
    current = &p;
    json_t *root = json_load_callback(next_piece, &p, JSON_REJECT_DUPLICATES, error);
    if (p.was_short) json_decref(root), root = NULL;
    current = NULL;
    MODA_CHECK(!p.was_short, MODA_ERR_NOMEM, "out of memory: JSON of %zu bytes", length);
    *value = root;
out:
    free(p.reserve);
    return st;
}

moda_status moda_json_read(const char *path, json_t **value)
{
    moda_status st = MODA_OK;
    moda_mapped_file file = {0};
    json_error_t error;
    json_t *root = NULL;
    *value = NULL;
    MODA_TRY(moda_file_map(path, &file));
    MODA_CHECK(file.size > 0, MODA_ERR_FORMAT, "%s: is empty, JSON is wanted", path);
    MODA_TRY(moda_json_parse((const char *)file.data, file.size, &root, &error));
    MODA_CHECK(root != NULL, MODA_ERR_FORMAT, "%s: line %d, column %d: %s", path, error.line,
               error.column, error.text);
    *value = root;
out:
    moda_file_unmap(&file);
    return st;
}
