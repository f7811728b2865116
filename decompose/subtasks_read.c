/* decompose/subtasks_read.c - sub-tasks out of a text file. */
#include "base/file.h"
#include "decompose/subtasks_internal.h"
#include <stdlib.h>
#include <string.h>

/* A line's list, and where it stood. */
typedef struct line {
    const char *path, *text;
    size_t number;
} line;

static moda_status find_output(const line *l, const moda_model *model, size_t class_number,
                               uint32_t *output)
{
    moda_status st = MODA_OK;
    size_t k = 0;
    while (k < model->net->classes && model->class_ids[k] != class_number) k++;
    MODA_CHECK(k < model->net->classes, MODA_ERR_FORMAT,
               "%s: line %zu: the model has no class %zu: take it out", l->path, l->number,
               class_number);
    *output = (uint32_t)k;
out:
    return st;
}

static int ascending(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static moda_status add_line(const line *l, const moda_model *model, moda_subtasks *s)
{
    moda_status st = MODA_OK;
    moda_sizes list = {0};
    uint32_t *outputs = NULL;
    MODA_CHECK(*l->text, MODA_ERR_FORMAT, "%s: line %zu is empty: take it out", l->path, l->number);
    MODA_CHECK(moda_sizes_parse("", l->text, &list) == MODA_OK, MODA_ERR_FORMAT,
               "%s: line %zu: '%.40s' is no list of class numbers as 0,3,5", l->path, l->number,
               l->text);
    MODA_CHECK(list.n >= 2, MODA_ERR_FORMAT,
               "%s: line %zu: one class alone is no sub-task: name two or more", l->path,
               l->number);
    MODA_ALLOC(outputs, list.n * sizeof *outputs);
    for (size_t i = 0; i < list.n; i++) {
        for (size_t j = 0; j < i; j++)
            MODA_CHECK(list.values[j] != list.values[i], MODA_ERR_FORMAT,
                       "%s: line %zu: class %zu stands there twice: take one out", l->path,
                       l->number, list.values[i]);
        MODA_TRY(find_output(l, model, list.values[i], &outputs[i]));
    }
    qsort(outputs, list.n, sizeof *outputs, ascending);
    MODA_TRY(moda_subtasks_add(s, outputs, list.n));
out:
    free(list.values);
    free(outputs);
    return st;
}

/* The file's text in fresh memory. */
static moda_status read_text(const char *path, char **text)
{
    moda_status st = MODA_OK;
    moda_mapped_file file = {0};
    MODA_TRY(moda_file_map(path, &file));
    MODA_CHECK(file.size > 0, MODA_ERR_FORMAT, "%s: is empty: give one list as 0,3,5 a line", path);
    MODA_CHECK(!memchr(file.data, 0, file.size), MODA_ERR_FORMAT,
               "%s: is no text file: give one list as 0,3,5 a line", path);
    MODA_ALLOC(*text, file.size + 1);
    memcpy(*text, file.data, file.size);
out:
    moda_file_unmap(&file);
    return st;
}

/* Sub-task i of the file is in line i+1. */
typedef struct ranked {
    const moda_subtasks *s;
    size_t i;
} ranked;

static int by_content(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    const int order = moda_subtasks_compare(x->s, x->i, y->i);
    return order ? order : (x->i > y->i) - (x->i < y->i);
}

/* In the order that all lists have; a repeat is refused. */
static moda_status sort(const char *path, const moda_subtasks *s, moda_subtasks *sorted)
{
    moda_status st = MODA_OK;
    ranked *order = NULL;
    MODA_ALLOC(order, s->count * sizeof *order);
    for (size_t i = 0; i < s->count; i++) order[i] = (ranked){s, i};
    qsort(order, s->count, sizeof *order, by_content);
    for (size_t i = 1; i < s->count; i++)
        MODA_CHECK(moda_subtasks_compare(s, order[i - 1].i, order[i].i) != 0, MODA_ERR_FORMAT,
                   "%s: line %zu repeats the sub-task of line %zu: take one out", path,
                   order[i].i + 1, order[i - 1].i + 1);
    for (size_t i = 0; i < s->count; i++)
        MODA_TRY(moda_subtasks_add(sorted, moda_subtask_outputs(s, order[i].i),
                                   moda_subtask_size(s, order[i].i)));
out:
    free(order);
    return st;
}

moda_status moda_subtasks_read(const char *path, const moda_model *model, moda_subtasks **subtasks)
{
    moda_status st = MODA_OK;
    moda_subtasks *s = NULL, *sorted = NULL;
    char *text = NULL;
    size_t number = 1;
    MODA_TRY(read_text(path, &text));
    MODA_ALLOC(s, sizeof *s);
    MODA_ALLOC(sorted, sizeof *sorted);
    for (char *at = text, *next; *at; at = next, number++) {
        char *end = strchrnul(at, '\n');
        next = *end ? end + 1 : end;
        if (end > at && end[-1] == '\r') end[-1] = 0;
        *end = 0;
        MODA_TRY(add_line(&(line){path, at, number}, model, s));
    }
    MODA_TRY(sort(path, s, sorted));
    *subtasks = sorted, sorted = NULL;
out:
    moda_subtasks_destroy(s);
    moda_subtasks_destroy(sorted);
    free(text);
    return st;
}

moda_status moda_subtasks_open(const char *path, const moda_model *model,
                               const moda_subtask_choice *choice, moda_subtasks **subtasks)
{
    return path ? moda_subtasks_read(path, model, subtasks)
                : moda_subtasks_choose(choice, subtasks);
}
