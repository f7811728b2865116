/* base/table.c - collects cells, then prints columns as wide as their widest cell. */
#include "base/table.h"
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Line 0 has the heads. A line is one block: its cells, each closed by a NUL. */
struct moda_table {
    size_t columns, count, capacity;
    bool *right;  /* [columns] */
    char **lines; /* [count] */
};

/* Columns on screen of a UTF-8 text: its bytes that start a character. */
static size_t text_width(const char *text)
{
    size_t n = 0;
    for (; *text; text++) n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

/* Takes text over. '|' between cells becomes NUL; missing cells are empty, surplus ones dropped. */
static bool add_line(moda_table *t, char *text)
{
    size_t length = strlen(text), cells = 1;
    /* Room for as many closing NULs as there are columns. */
    char *line = realloc(text, length + 1 + t->columns);
    if (!line) goto fail;
    text = line;
    memset(line + length, 0, 1 + t->columns);
    for (char *c = line; c < line + length; c++)
        if (*c == '|') *c = 0, cells++;
    if (t->count == t->capacity) {
        size_t capacity = t->capacity ? 2 * t->capacity : 16;
        char **lines = realloc(t->lines, capacity * sizeof *lines);
        if (!lines) goto fail;
        t->lines = lines, t->capacity = capacity;
    }
    t->lines[t->count++] = line;
    return true;
fail:
    free(text);
    return false;
}

moda_table *moda_table_create(const char *heads)
{
    moda_table *t = calloc(1, sizeof *t);
    char *text = malloc(strlen(heads) + 1), *to = text;
    if (!t || !text) goto fail;
    t->columns = 1;
    for (const char *c = heads; *c; c++) t->columns += *c == '|';
    if (!(t->right = calloc(t->columns, sizeof *t->right))) goto fail;
    size_t column = 0;
    for (const char *c = heads; *c; c++) {
        bool first = c == heads || c[-1] == '|';
        if (first && *c == '>') {
            t->right[column] = true;
            continue;
        }
        column += *c == '|';
        *to++ = *c;
    }
    *to = 0;
    if (add_line(t, text)) return t;
    text = NULL; /* add_line has freed it */
fail:
    free(text);
    moda_table_destroy(t);
    return NULL;
}

void moda_table_row(moda_table *t, const char *format, ...)
{
    if (!t) return;
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length >= 0) add_line(t, text); /* without memory the row is missing, the rest stands */
}

static void print_line(const moda_table *t, const char *line, const size_t *widths)
{
    const char *cell = line;
    for (size_t i = 0; i < t->columns; i++) {
        int padding = (int)(widths[i] - text_width(cell));
        if (i) fputs("  ", stdout);
        if (t->right[i]) printf("%*s", padding, "");
        fputs(cell, stdout);
        if (!t->right[i] && i + 1 < t->columns) printf("%*s", padding, "");
        cell += strlen(cell) + 1;
    }
    putchar('\n');
}

void moda_table_print(const moda_table *t)
{
    if (!t) return;
    size_t *widths = calloc(t->columns, sizeof *widths), total = 2 * (t->columns - 1);
    if (!widths) return;
    for (size_t l = 0; l < t->count; l++) {
        const char *cell = t->lines[l];
        for (size_t i = 0; i < t->columns; i++) {
            size_t width = text_width(cell);
            if (width > widths[i]) widths[i] = width;
            cell += strlen(cell) + 1;
        }
    }
    for (size_t i = 0; i < t->columns; i++) total += widths[i];
    print_line(t, t->lines[0], widths);
    for (size_t i = 0; i < total; i++) putchar('-');
    putchar('\n');
    for (size_t l = 1; l < t->count; l++) print_line(t, t->lines[l], widths);
    free(widths);
}

void moda_table_destroy(moda_table *t)
{
    if (!t) return;
    for (size_t l = 0; l < t->count; l++) free(t->lines[l]);
    free(t->lines);
    free(t->right);
    free(t);
}

char *moda_human_bytes(double bytes, char *buffer)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    size_t unit = 0;
    while (bytes >= 1023.95 && unit + 1 < sizeof units / sizeof *units) bytes /= 1024, unit++;
    if (!(bytes >= 0 && bytes < 1e6)) bytes = 0;
    snprintf(buffer, 16, unit ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
    return buffer;
}

char *moda_human_count(uint64_t n, char *buffer)
{
    char digits[24];
    size_t length = (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)n), out = 0;
    for (size_t i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0) buffer[out++] = ',';
        buffer[out++] = digits[i];
    }
    buffer[out] = 0;
    return buffer;
}
