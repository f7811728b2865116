/* bench/experiment_table.c */
#include "bench/experiment_table.h"
#include "base/csv.h"
#include "base/file.h"
#include "base/table.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CELL = 512 };

json_t *moda_study_row(moda_study_table *t)
{
    json_t *row = json_object();
    return json_array_append_new(t->rows, row) == 0 ? row : NULL;
}

void moda_study_number(json_t *row, const char *key, double x)
{
    if (!isnan(x)) (void)json_object_set_new(row, key, moda_json_number(x));
}

void moda_study_text(json_t *row, const char *key, const char *text)
{
    if (text) (void)json_object_set_new(row, key, moda_json_text(text));
}

/* What stands in a cell, in the buffer, which is returned. */
static const char *cell_text(const moda_study_column *c, const json_t *row, char *text)
{
    const json_t *value = json_object_get(row, c->key);
    *text = 0;
    if (json_is_string(value))
        snprintf(text, CELL, "%s", json_string_value(value));
    else if (json_is_number(value) && c->digits < 0)
        snprintf(text, CELL, "%g", json_number_value(value));
    else if (json_is_number(value))
        snprintf(text, CELL, "%.*f", c->digits, json_number_value(value));
    return text;
}

void moda_study_print(const moda_study_table *t)
{
    char text[CELL];
    size_t i;
    json_t *row;
    moda_table *table = moda_table_create(t->columns[0].head);
    for (size_t k = 1; k < t->count; k++)
        moda_table_column(table, t->columns[k].digits != MODA_STUDY_TEXT, "%s", t->columns[k].head);
    json_array_foreach(t->rows, i, row)
    {
        moda_table_row(table, "%s", cell_text(&t->columns[0], row, text));
        for (size_t k = 1; k < t->count; k++)
            moda_table_cell(table, "%s", cell_text(&t->columns[k], row, text));
    }
    moda_table_print(table);
    moda_table_destroy(table);
}

/* ---- CSV ---- */

moda_status moda_study_write_csv(const moda_study_table *t, const char *path)
{
    moda_status st = MODA_OK;
    moda_writer w = {0};
    size_t i;
    json_t *row;
    MODA_CHECK(!moda_json_was_short(), MODA_ERR_NOMEM, "%s: out of memory for its rows", path);
    MODA_TRY(moda_writer_open(&w, path));
    for (size_t k = 0; k < t->count; k++)
        fprintf(w.stream, "%s%s", k ? "," : "", t->columns[k].key);
    fputc('\n', w.stream);
    json_array_foreach(t->rows, i, row)
    {
        for (size_t k = 0; k < t->count; k++) {
            const json_t *value = json_object_get(row, t->columns[k].key);
            if (k) fputc(',', w.stream);
            if (json_is_string(value)) moda_csv_text(w.stream, json_string_value(value));
            if (json_is_number(value)) fprintf(w.stream, "%.10g", json_number_value(value));
        }
        fputc('\n', w.stream);
    }
    MODA_TRY(moda_writer_commit(&w));
out:
    moda_writer_abort(&w);
    return st;
}

/* ---- Markdown ---- */

/* A cell ends at a bar or a line's end, wherever these come from. */
static void put_cell(FILE *f, const char *text)
{
    fputc(' ', f);
    for (; *text; text++) {
        if (*text == '|') fputc('\\', f);
        fputc((unsigned char)*text < ' ' ? ' ' : *text, f);
    }
    fputs(" |", f);
}

static void put_heads(FILE *f, const moda_study_table *t)
{
    fputc('|', f);
    for (size_t k = 0; k < t->count; k++) put_cell(f, t->columns[k].head);
    fputs("\n|", f);
    for (size_t k = 0; k < t->count; k++)
        put_cell(f, t->columns[k].digits == MODA_STUDY_TEXT ? "---" : "---:");
    fputc('\n', f);
}

moda_status moda_study_write_markdown(const moda_study_table *t, const char *above,
                                      const char *below, const char *path)
{
    moda_status st = MODA_OK;
    moda_writer w = {0};
    char text[CELL];
    size_t i;
    json_t *row;
    MODA_TRY(moda_writer_open(&w, path));
    if (above) fprintf(w.stream, "%s\n", above);
    put_heads(w.stream, t);
    json_array_foreach(t->rows, i, row)
    {
        fputc('|', w.stream);
        for (size_t k = 0; k < t->count; k++)
            put_cell(w.stream, cell_text(&t->columns[k], row, text));
        fputc('\n', w.stream);
    }
    if (below) fprintf(w.stream, "\n%s", below);
    MODA_TRY(moda_writer_commit(&w));
out:
    moda_writer_abort(&w);
    return st;
}

json_t *moda_study_columns_json(const moda_study_table *t)
{
    json_t *columns = json_array();
    int bad = 0;
    for (size_t k = 0; k < t->count; k++)
        bad |= json_array_append_new(
            columns, json_pack("{s:s s:s}", "key", t->columns[k].key, "head", t->columns[k].head));
    if (!bad) return columns;
    json_decref(columns);
    return NULL;
}
