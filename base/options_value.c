/* base/options_value.c - one option's text to its value, with a message that says what would have
 * been right; lists of whole numbers. */
#include "base/options_internal.h"
#include <ctype.h>
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static bool unbounded(const moda_option *option)
{
    return option->min == 0 && option->max == 0;
}

static bool in_range(const moda_option *option, double x)
{
    return unbounded(option) || (x >= option->min && x <= option->max);
}

void moda_option_range(const moda_option *option, char *text, size_t size)
{
    bool real = option->kind == MODA_OPTION_REAL;
    const char *what = real                                ? "a number"
                       : option->kind == MODA_OPTION_SIZES ? "whole numbers, as in 0,3,5,"
                                                           : "a whole number";
    const char *above = option->min == DBL_MIN ? "above " : "from ";
    double least = option->min == DBL_MIN ? 0 : option->min;
    if (unbounded(option))
        snprintf(text, size, "%s%s", what, real ? "" : " from 0");
    else if (isinf(option->max))
        snprintf(text, size, "%s %s%.15g", what, above, least);
    else if (option->max >= 0x1p63) /* which no double can say, and no count can be more than */
        snprintf(text, size, "%s %s%.15g to %lld", what, above, least, (long long)INT64_MAX);
    else
        snprintf(text, size, "%s %s%.15g to %.15g", what, above, least, option->max);
}

/* Decimal digits alone: strtoull would also take signs, spaces and what overflows. What is above
 * INT64_MAX has no place in JSON. end is where it stopped. */
static bool parse_size(const char *text, const char **end, size_t *value)
{
    if (!isdigit((unsigned char)*text)) return false;
    char *stop;
    errno = 0;
    unsigned long long x = strtoull(text, &stop, 10);
    if (errno || x > INT64_MAX || x > SIZE_MAX) return false;
    *value = (size_t)x;
    *end = stop;
    return true;
}

static bool parse_real(const char *text, double *value)
{
    if (!*text || isspace((unsigned char)*text)) return false;
    char *stop;
    errno = 0;
    double x = strtod(text, &stop);
    if (*stop || !isfinite(x)) return false;
    *value = x;
    return true;
}

static moda_status set_choice(const moda_option *option, const char *text)
{
    moda_status st = MODA_OK;
    char words[256] = "";
    size_t used = 0;
    for (int i = 0; option->choices[i]; i++) {
        if (strcmp(text, option->choices[i]) == 0) {
            *(int *)option->target = i;
            goto out;
        }
        if (used < sizeof words)
            used += (size_t)snprintf(words + used, sizeof words - used, "%s%s", i ? ", " : "",
                                     option->choices[i]);
    }
    MODA_CHECK(false, MODA_ERR_ARG, "--%s %s: must be one of %s", option->name, text, words);
out:
    return st;
}

static moda_status set_sizes(const moda_option *option, const char *text)
{
    moda_status st = MODA_OK;
    moda_sizes list = {0}, *target = option->target;
    char range[160];
    MODA_TRY(moda_sizes_parse(option->name, text, &list));
    for (size_t i = 0; i < list.n; i++) {
        if (in_range(option, (double)list.values[i])) continue;
        moda_option_range(option, range, sizeof range);
        MODA_CHECK(false, MODA_ERR_ARG, "--%s %s: %zu is not allowed, must be %s", option->name,
                   text, list.values[i], range);
    }
    free(target->values);
    *target = list;
    list = (moda_sizes){0};
out:
    free(list.values);
    return st;
}

static moda_status set_number(const moda_option *option, const char *text)
{
    moda_status st = MODA_OK;
    bool real = option->kind == MODA_OPTION_REAL, good;
    double x = 0;
    size_t whole = 0;
    const char *end = "";
    char range[160];
    good = real ? parse_real(text, &x) : parse_size(text, &end, &whole) && !*end;
    good = good && in_range(option, real ? x : (double)whole);
    moda_option_range(option, range, sizeof range);
    MODA_CHECK(good, MODA_ERR_ARG, "--%s %s: must be %s", option->name, *text ? text : "''", range);
    if (real)
        *(double *)option->target = x;
    else
        *(size_t *)option->target = whole;
out:
    return st;
}

moda_status moda_option_set(const moda_option *option, const char *text)
{
    moda_status st = MODA_OK;
    switch (option->kind) {
    case MODA_OPTION_FLAG: *(bool *)option->target = true; break;
    case MODA_OPTION_TEXT:
    case MODA_OPTION_OUTPUT:
        MODA_CHECK(*text, MODA_ERR_ARG, "--%s '': must not be empty", option->name);
        *(const char **)option->target = text;
        break;
    case MODA_OPTION_SIZE:
    case MODA_OPTION_REAL: MODA_TRY(set_number(option, text)); break;
    case MODA_OPTION_CHOICE: MODA_TRY(set_choice(option, text)); break;
    case MODA_OPTION_SIZES: MODA_TRY(set_sizes(option, text)); break;
    case MODA_OPTION_END:
    case MODA_OPTION_TABLE: break;
    }
out:
    return st;
}

void moda_common_options_table(moda_common_options *common,
                               moda_option table[MODA_COMMON_OPTION_COUNT])
{
    *common = (moda_common_options){0};
    const moda_option entries[MODA_COMMON_OPTION_COUNT] = {
        {MODA_OPTION_OUTPUT, "json", "FILE", "write the figures of the screen to FILE",
         &common->json, 0, 0, NULL},
        {MODA_OPTION_SIZE, "threads", "N",
         "threads; 0: as many as this process may use (default 0)", &common->threads, 0, 65536,
         NULL},
        {MODA_OPTION_TEXT, "bind", "cores|none|LIST",
         "threads to cores, to no or to these CPUs (default: cores if all are used)", &common->bind,
         0, 0, NULL},
        {MODA_OPTION_FLAG, "smt", NULL, "use all hardware threads of a core, not one", &common->smt,
         0, 0, NULL},
        {MODA_OPTION_TEXT, "placement", "sliced|interleaved|first-touch|node:N",
         "memory on several nodes: by the plan, or all of it so (sliced)", &common->placement, 0, 0,
         NULL},
        {MODA_OPTION_SIZE, "seed", "N", "seed of all random numbers (default 0)", &common->seed, 0,
         0x1p63, NULL},
        {MODA_OPTION_FLAG, "quiet", NULL, "results, warnings and errors only", &common->quiet, 0, 0,
         NULL},
        {0}};
    memcpy(table, entries, sizeof entries);
}

/* ---- lists ---- */

moda_status moda_sizes_parse(const char *name, const char *text, moda_sizes *list)
{
    moda_status st = MODA_OK;
    size_t *values = NULL, n = 1;
    const char *at = text;
    for (const char *c = text; *c; c++) n += *c == ',';
    MODA_ALLOC(values, n * sizeof *values);
    for (size_t i = 0; i < n; i++) {
        bool good = parse_size(at, &at, &values[i]) && *at == (i + 1 < n ? ',' : 0);
        MODA_CHECK(good, MODA_ERR_ARG,
                   "--%s %s: entry %zu is not a whole number; wanted is a list as 0,3,5", name,
                   *text ? text : "''", i + 1);
        at++;
    }
    *list = (moda_sizes){values, n};
    values = NULL;
out:
    free(values);
    return st;
}

static int ascending(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

moda_status moda_sizes_sort_unique(const char *name, moda_sizes *list, size_t bound)
{
    moda_status st = MODA_OK;
    if (list->n == 0) goto out;
    qsort(list->values, list->n, sizeof *list->values, ascending);
    for (size_t i = 1; i < list->n; i++)
        MODA_CHECK(list->values[i] != list->values[i - 1], MODA_ERR_ARG, "--%s: %zu is given twice",
                   name, list->values[i]);
    size_t largest = list->values[list->n - 1];
    MODA_CHECK(largest < bound, MODA_ERR_ARG, "--%s: %zu is out of range, there are %zu: 0 to %zu",
               name, largest, bound, bound ? bound - 1 : 0);
out:
    return st;
}
