/* bench/report_print.c - runs as a table. */
#include "base/table.h"
#include "bench/report.h"
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { ROW = 4096 };

/* Appends a cell to a row under construction; cells are cut rather than overflow. */
__attribute__((format(printf, 2, 3))) static void cell(char row[ROW], const char *format, ...)
{
    const size_t used = strlen(row);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(row + used, ROW - used, format, arguments);
    va_end(arguments);
}

/* One figure of every run, at two levels of keys; "-" where a run does not have it. */
static void number_row(moda_table *t, const json_t *runs, const char *label, const char *part,
                       const char *key, const char *format)
{
    char row[ROW] = "";
    size_t i;
    json_t *run;
    cell(row, "%s", label);
    json_array_foreach(runs, i, run)
    {
        const json_t *value = json_object_get(json_object_get(run, part), key);
        char text[64] = "-";
        if (json_is_number(value)) snprintf(text, sizeof text, format, json_number_value(value));
        cell(row, "|%s", text);
    }
    moda_table_row(t, "%s", row);
}

static void text_row(moda_table *t, const json_t *runs, const char *label, const char *key)
{
    char row[ROW] = "";
    size_t i;
    json_t *run;
    cell(row, "%s", label);
    json_array_foreach(runs, i, run)
    {
        const char *text = json_string_value(json_object_get(json_object_get(run, "config"), key));
        cell(row, "|%s", text ? text : "-");
    }
    moda_table_row(t, "%s", row);
}

/* The entry called name in one of a run's lists, NULL if there is none. */
static const json_t *entry(const json_t *run, const char *list, const char *name)
{
    size_t i;
    json_t *e;
    json_array_foreach(json_object_get(run, list), i, e)
    {
        const char *own = json_string_value(json_object_get(e, "name"));
        if (own && strcmp(own, name) == 0) return e;
    }
    return NULL;
}

static void entry_row(moda_table *t, const json_t *runs, const char *list, const char *name,
                      const char *key)
{
    char row[ROW] = "";
    size_t i;
    json_t *run;
    cell(row, "%s, %s", key, name);
    json_array_foreach(runs, i, run)
    {
        const json_t *value = json_object_get(entry(run, list, name), key);
        if (json_is_number(value))
            cell(row, "|%.4f", json_number_value(value));
        else
            cell(row, "|-");
    }
    moda_table_row(t, "%s", row);
}

/* A row for each name in any run's list, once, in order of first appearance. */
static void entry_rows(moda_table *t, const json_t *runs, const char *list, const char *key)
{
    size_t i, k;
    json_t *run, *e;
    json_array_foreach(runs, i, run)
    {
        json_array_foreach(json_object_get(run, list), k, e)
        {
            const char *name = json_string_value(json_object_get(e, "name"));
            bool seen = false;
            for (size_t j = 0; j < i && !seen; j++)
                seen = entry(json_array_get(runs, j), list, name) != NULL;
            if (!seen) entry_row(t, runs, list, name, key);
        }
    }
}

void moda_report_print(const json_t *runs)
{
    char heads[ROW] = "figure";
    size_t i;
    json_t *run;
    json_array_foreach(runs, i, run)
        cell(heads, "|>%s", json_string_value(json_object_get(run, "run")));
    moda_table *t = moda_table_create(heads);
    text_row(t, runs, "network", "model");
    text_row(t, runs, "data", "data");
    text_row(t, runs, "method", "method");
    number_row(t, runs, "epochs trained", "epoch", "epoch", "%.0f");
    number_row(t, runs, "samples per second", "epoch", "samples_per_second", "%.0f");
    number_row(t, runs, "training accuracy", "epoch", "train_accuracy", "%.4f");
    number_row(t, runs, "test accuracy", "epoch", "test_accuracy", "%.4f");
    number_row(t, runs, "threshold tau", "decomposition", "tau", "%g");
    number_row(t, runs, "mean module size", "decomposition", "mean_size", "%.4f");
    number_row(t, runs, "mean module overlap", "decomposition", "mean_overlap", "%.4f");
    entry_rows(t, runs, "compositions", "size");
    entry_rows(t, runs, "evaluations", "accuracy");
    moda_table_print(t);
    moda_table_destroy(t);
}
