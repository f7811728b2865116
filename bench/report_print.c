/* bench/report_print.c - runs as a table. */
#include "base/table.h"
#include "bench/report.h"
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* A cell with a number, "-" where a run does not have it. */
static void number_cell(moda_table *t, const json_t *value, const char *format)
{
    char text[64] = "-";
    if (json_is_number(value)) snprintf(text, sizeof text, format, json_number_value(value));
    moda_table_cell(t, "%s", text);
}

/* One figure of every run, at two levels of keys. */
static void number_row(moda_table *t, const json_t *runs, const char *label, const char *part,
                       const char *key, const char *format)
{
    size_t i;
    json_t *run;
    moda_table_row(t, "%s", label);
    json_array_foreach(runs, i, run)
        number_cell(t, json_object_get(json_object_get(run, part), key), format);
}

static void text_row(moda_table *t, const json_t *runs, const char *label, const char *key)
{
    size_t i;
    json_t *run;
    moda_table_row(t, "%s", label);
    json_array_foreach(runs, i, run)
    {
        const char *text = json_string_value(json_object_get(json_object_get(run, "config"), key));
        moda_table_cell(t, "%s", text ? text : "-");
    }
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
    size_t i;
    json_t *run;
    moda_table_row(t, "%s, %s", key, name);
    json_array_foreach(runs, i, run)
        number_cell(t, json_object_get(entry(run, list, name), key), "%.4f");
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
    size_t i;
    json_t *run;
    moda_table *t = moda_table_create("figure");
    json_array_foreach(runs, i, run)
        moda_table_column(t, true, "%s", json_string_value(json_object_get(run, "run")));
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
