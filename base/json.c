/* base/json.c - writing: here, because Jansson prints every real with one fixed precision (0.1 as
 * 0.10000000000000001, or with digits lost) and every array element on a line of its own. */
#include "base/json.h"
#include "base/file.h"
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where printed JSON goes: indent < 0 is one line. Jansson needs memory to print a string: failed, if it
 * did not get it, and what was printed is no JSON. */
typedef struct printer {
    FILE *f;
    int indent;
    bool failed;
} printer;

/* The fewest digits that read back as x; always recognisable as a real. */
static void print_real(FILE *f, double x)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (strtod(text, NULL) == x) break;
    }
    /* A host program may have set a locale with a decimal comma. */
    char *comma = strchr(text, ',');
    if (comma) *comma = '.';
    fprintf(f, "%s%s", text, strpbrk(text, ".e") ? "" : ".0");
}

static void print_scalar(printer *p, const json_t *value)
{
    if (json_is_real(value))
        print_real(p->f, json_real_value(value));
    else if (json_dumpf(value, p->f, JSON_ENCODE_ANY) != 0)
        p->failed = true;
}

static bool is_scalar(const json_t *value)
{
    return !json_is_object(value) && !json_is_array(value);
}

static void new_line(const printer *p, int depth)
{
    if (p->indent < 0) return;
    fprintf(p->f, "\n%*s", p->indent * depth, "");
}

static void print_value(printer *p, const json_t *value, int depth);

static void print_object(printer *p, json_t *object, int depth)
{
    const char *key, *separator = "";
    json_t *item;
    fputc('{', p->f);
    json_object_foreach(object, key, item)
    {
        json_t *name = json_string(key);
        fputs(separator, p->f);
        new_line(p, depth + 1);
        print_scalar(p, name);
        json_decref(name);
        fputs(": ", p->f);
        print_value(p, item, depth + 1);
        separator = p->indent < 0 ? ", " : ",";
    }
    if (json_object_size(object)) new_line(p, depth);
    fputc('}', p->f);
}

/* An array of plain values stands on one line; one with objects or arrays, an item a line. */
static void print_array(printer *p, const json_t *array, int depth)
{
    size_t n = json_array_size(array);
    bool flat = true;
    for (size_t i = 0; i < n; i++) flat = flat && is_scalar(json_array_get(array, i));
    fputc('[', p->f);
    for (size_t i = 0; i < n; i++) {
        if (i) fputs(flat || p->indent < 0 ? ", " : ",", p->f);
        if (!flat) new_line(p, depth + 1);
        print_value(p, json_array_get(array, i), depth + 1);
    }
    if (!flat) new_line(p, depth);
    fputc(']', p->f);
}

static void print_value(printer *p, const json_t *value, int depth)
{
    if (json_is_object(value))
        print_object(p, (json_t *)value, depth);
    else if (json_is_array(value))
        print_array(p, value, depth);
    else
        print_scalar(p, value);
}

moda_status moda_json_write(const char *path, const json_t *value)
{
    moda_status st = MODA_OK;
    moda_writer w = {0};
    printer p = {NULL, 2, false};
    MODA_CHECK(value != NULL, MODA_ERR_NOMEM, "%s: out of memory for its JSON", path);
    MODA_TRY(moda_writer_open(&w, path));
    p.f = w.stream;
    print_value(&p, value, 0);
    fputc('\n', w.stream);
    MODA_CHECK(!p.failed, MODA_ERR_NOMEM, "%s: out of memory for its JSON", path);
    MODA_TRY(moda_writer_commit(&w));
out:
    moda_writer_abort(&w);
    return st;
}

char *moda_json_line(const json_t *value)
{
    char *text = NULL;
    size_t size = 0;
    if (!value) return NULL;
    FILE *f = open_memstream(&text, &size);
    if (!f) return NULL;
    printer p = {f, -1, false};
    print_value(&p, value, 0);
    if (moda_text_close(f, &text) && p.failed) {
        free(text);
        text = NULL;
    }
    return text;
}

/* Bytes of the UTF-8 character at text, 0 if there is none: shortest forms only, no surrogates. */
static size_t character_bytes(const char *text)
{
    const unsigned char *c = (const unsigned char *)text;
    const size_t n = c[0] < 0x80    ? c[0] != 0
                     : c[0] < 0xC2  ? 0
                     : c[0] < 0xE0  ? 2
                     : c[0] < 0xF0  ? 3
                     : c[0] <= 0xF4 ? 4
                                    : 0;
    for (size_t i = 1; i < n; i++)
        if ((c[i] & 0xC0) != 0x80) return 0;
    const bool bad = (c[0] == 0xE0 && c[1] < 0xA0) || (c[0] == 0xED && c[1] > 0x9F) ||
                     (c[0] == 0xF0 && c[1] < 0x90) || (c[0] == 0xF4 && c[1] > 0x8F);
    return bad ? 0 : n;
}

bool moda_is_utf8(const char *text)
{
    for (size_t n = 0; *text; text += n)
        if ((n = character_bytes(text)) == 0) return false;
    return true;
}

json_t *moda_json_text(const char *text)
{
    if (!text) return json_null();
    if (moda_is_utf8(text)) return json_string(text);
    json_t *value = NULL;
    char *clean = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&clean, &size);
    if (!f) return NULL;
    while (*text) {
        const size_t n = character_bytes(text);
        if (n)
            fwrite(text, 1, n, f);
        else
            fputs("\xEF\xBF\xBD", f); /* U+FFFD */
        text += n ? n : 1;
    }
    if (moda_text_close(f, &clean)) value = json_stringn(clean, size);
    free(clean);
    return value;
}

json_t *moda_json_number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

json_t *moda_json_sizes(const size_t *values, size_t n)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < n; i++)
        if (json_array_append_new(array, json_integer((json_int_t)values[i])) != 0) {
            json_decref(array);
            array = NULL;
        }
    return array;
}
