/* base/table.c - collects cells, then prints columns as wide as their widest cell. */
#include "base/table.h"
#include "base/status.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Line 0 has the heads. A line is an array of cells, NULL where one is missing. */
struct moda_table {
    size_t columns, count, capacity;
    size_t filled; /* cells of the last line */
    bool *right;   /* [columns] */
    char ***lines; /* [count][columns] */
};

/* Columns on screen of a UTF-8 text: its bytes that start a character. */
static size_t text_width(const char *text)
{
    size_t n = 0;
    for (; *text; text++) n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

static bool add_line(moda_table *t)
{
    char **line = calloc(t->columns, sizeof *line);
    if (!line) return false;
    if (t->count == t->capacity) {
        size_t capacity = t->capacity ? 2 * t->capacity : 16;
        char ***lines = realloc(t->lines, capacity * sizeof *lines);
        if (!lines) {
            free(line);
            return false;
        }
        t->lines = lines, t->capacity = capacity;
    }
    t->lines[t->count++] = line;
    t->filled = 0;
    return true;
}

/* Without memory the cell stays empty. */
static void add_cell(moda_table *t, const char *text, size_t length)
{
    if (t->count == 0 || t->filled == t->columns) return;
    char *cell = strndup(text, length);
    if (cell) moda_make_one_line(cell);
    t->lines[t->count - 1][t->filled++] = cell;
}

static void add_formatted(moda_table *t, const char *format, va_list arguments)
{
    char *text = NULL;
    int length = vasprintf(&text, format, arguments);
    if (length < 0) return;
    add_cell(t, text, (size_t)length);
    free(text);
}

moda_table *moda_table_create(const char *heads)
{
    moda_table *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    t->columns = 1;
    for (const char *c = heads; *c; c++) t->columns += *c == '|';
    if (!(t->right = calloc(t->columns, sizeof *t->right)) || !add_line(t)) {
        moda_table_destroy(t);
        return NULL;
    }
    for (size_t i = 0; i < t->columns; i++) {
        t->right[i] = *heads == '>';
        heads += t->right[i];
        size_t length = strcspn(heads, "|");
        add_cell(t, heads, length);
        heads += length + 1;
    }
    return t;
}

void moda_table_column(moda_table *t, bool right, const char *format, ...)
{
    if (!t || t->count != 1) return;
    char **heads = realloc(t->lines[0], (t->columns + 1) * sizeof *heads);
    if (heads) t->lines[0] = heads;
    bool *rights = realloc(t->right, (t->columns + 1) * sizeof *rights);
    if (rights) t->right = rights;
    if (!heads || !rights) return;
    heads[t->columns] = NULL;
    rights[t->columns++] = right;
    va_list arguments;
    va_start(arguments, format);
    add_formatted(t, format, arguments);
    va_end(arguments);
}

/* How long the text gets that the format makes up to end. */
static size_t formatted_length(const char *format, const char *end, va_list arguments)
{
    char *part = strndup(format, (size_t)(end - format));
    if (!part) return 0;
    int length = vsnprintf(NULL, 0, part, arguments);
    free(part);
    return length > 0 ? (size_t)length : 0;
}

/* Formats the row as one text and the parts of the format up to each '|' once more, for where the
 * cells end: so no argument can be taken for a separator, whatever it holds. */
void moda_table_row(moda_table *t, const char *format, ...)
{
    if (!t) return;
    char *text = NULL;
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vasprintf(&text, format, again);
    va_end(again);
    if (length < 0 || !add_line(t)) goto out; /* without memory the row is missing */
    size_t start = 0;
    for (const char *bar = format; *bar; bar++) {
        if (*bar != '|') continue;
        va_copy(again, arguments);
        size_t end = formatted_length(format, bar, again);
        va_end(again);
        if (end < start) end = start;
        add_cell(t, text + start, end - start);
        start = end + 1;
    }
    if (start <= (size_t)length) add_cell(t, text + start, (size_t)length - start);
out:
    va_end(arguments);
    if (length >= 0) free(text);
}

void moda_table_cell(moda_table *t, const char *format, ...)
{
    if (!t) return;
    va_list arguments;
    va_start(arguments, format);
    add_formatted(t, format, arguments);
    va_end(arguments);
}

static void print_line(const moda_table *t, char *const *line, const size_t *widths)
{
    for (size_t i = 0; i < t->columns; i++) {
        const char *cell = line[i] ? line[i] : "";
        int padding = (int)(widths[i] - text_width(cell));
        if (i) fputs("  ", stdout);
        if (t->right[i]) printf("%*s", padding, "");
        fputs(cell, stdout);
        if (!t->right[i] && i + 1 < t->columns) printf("%*s", padding, "");
    }
    putchar('\n');
}

void moda_table_print(const moda_table *t)
{
    if (!t) return;
    size_t *widths = calloc(t->columns, sizeof *widths), total = 2 * (t->columns - 1);
    if (!widths) return;
    for (size_t l = 0; l < t->count; l++)
        for (size_t i = 0; i < t->columns; i++) {
            size_t width = t->lines[l][i] ? text_width(t->lines[l][i]) : 0;
            if (width > widths[i]) widths[i] = width;
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
    for (size_t l = 0; l < t->count; l++) {
        for (size_t i = 0; i < t->columns; i++) free(t->lines[l][i]);
        free(t->lines[l]);
    }
    free(t->lines);
    free(t->right);
    free(t);
}

char *moda_plain_text(const char *text, char *buffer, size_t size)
{
    snprintf(buffer, size, "%s", text ? text : "");
    moda_make_one_line(buffer);
    return buffer;
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
