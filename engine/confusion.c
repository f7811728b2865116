#include "engine/confusion.h"
#include "base/table.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    WIDEST_MATRIX = 12, /* classes; more do not fit 100 columns */
    PAIRS_SHOWN = 10
};

/* Outputs that some sample is of, or is taken for, ascending: *list [*count], free() it. NULL when
 * out of memory. */
static size_t *find_occurring(size_t n, const size_t *counts, size_t *count)
{
    size_t *list = calloc(n, sizeof *list);
    *count = 0;
    if (!list) return NULL;
    for (size_t k = 0; k < n; k++) {
        bool occurs = false;
        for (size_t i = 0; i < n && !occurs; i++) occurs = counts[k * n + i] || counts[i * n + k];
        if (occurs) list[(*count)++] = k;
    }
    return list;
}

json_t *moda_confusion_json(const moda_model *model, const size_t *counts)
{
    const size_t n = model->net->classes;
    size_t count;
    size_t *list = find_occurring(n, counts, &count);
    json_t *classes = json_array(), *rows = json_array(), *result = NULL;
    int bad = list == NULL;
    for (size_t i = 0; list && i < count; i++) {
        json_t *row = json_array();
        for (size_t j = 0; j < count; j++)
            bad |=
                json_array_append_new(row, json_integer((json_int_t)counts[list[i] * n + list[j]]));
        bad |= json_array_append_new(classes, json_integer((json_int_t)model->class_ids[list[i]]));
        bad |= json_array_append_new(rows, row);
    }
    if (!bad) result = json_pack("{s:O s:O}", "classes", classes, "counts", rows);
    json_decref(classes);
    json_decref(rows);
    free(list);
    return result;
}

static const char *name_of(const moda_model *model, size_t k)
{
    return model->class_names[k] ? model->class_names[k] : "";
}

static void print_matrix(const moda_model *model, const size_t *counts, const size_t *list,
                         size_t count)
{
    const size_t n = model->net->classes;
    moda_table *t = moda_table_create(">class|name");
    for (size_t j = 0; j < count; j++) moda_table_column(t, true, "%u", model->class_ids[list[j]]);
    for (size_t i = 0; i < count; i++) {
        moda_table_row(t, "%u|%s", model->class_ids[list[i]], name_of(model, list[i]));
        for (size_t j = 0; j < count; j++) moda_table_cell(t, "%zu", counts[list[i] * n + list[j]]);
    }
    printf("\nconfusion: samples of the row's class that are taken for the column's\n");
    moda_table_print(t);
    moda_table_destroy(t);
}

/* Of equal pairs the one with the lower outputs comes first, so *most and *at are the last one
 * shown. */
static bool next_pair(size_t n, const size_t *counts, size_t *most, size_t *at)
{
    size_t best = 0, place = 0;
    for (size_t i = 0; i < n * n; i++) {
        const bool later = counts[i] < *most || (counts[i] == *most && i > *at);
        if (i % n != i / n && later && counts[i] > best) best = counts[i], place = i;
    }
    *most = best, *at = place;
    return best > 0;
}

static void print_pairs(const moda_model *model, const size_t *counts)
{
    const size_t n = model->net->classes;
    moda_table *t = moda_table_create(">class|name|>taken for|name|>samples|>share");
    size_t most = (size_t)-1, at = 0;
    for (size_t i = 0; i < PAIRS_SHOWN && next_pair(n, counts, &most, &at); i++) {
        /* n is not 0, or there would be no pair */
        const size_t right = at / n, said = at % n; /* NOLINT(clang-analyzer-core.DivideZero) */
        size_t samples = 0;
        for (size_t j = 0; j < n; j++) samples += counts[right * n + j];
        moda_table_row(t, "%u|%s|%u|%s|%zu|%.4f", model->class_ids[right], name_of(model, right),
                       model->class_ids[said], name_of(model, said), most,
                       (double)most / (double)samples);
    }
    printf("\nmixed up most often\n");
    moda_table_print(t);
    moda_table_destroy(t);
}

void moda_confusion_print(const moda_model *model, const size_t *counts)
{
    size_t count;
    size_t *list = find_occurring(model->net->classes, counts, &count);
    if (list && count <= WIDEST_MATRIX) print_matrix(model, counts, list, count);
    print_pairs(model, counts);
    free(list);
}
