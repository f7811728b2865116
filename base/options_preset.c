/* base/options_preset.c - options from JSON, as config.json keeps them. */
#include "base/options_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 64 };

/* "batch-size" as JSON has it: "batch_size". */
static const char *key_of(const moda_option *option, char key[NAME])
{
    snprintf(key, NAME, "%s", option->name);
    for (char *c = key; *c; c++)
        if (*c == '-') *c = '_';
    return key;
}

/* How JSON says that an option was not given: null, false, an empty list, a 0 that is out of
 * range. */
static bool absent(const moda_option *option, const json_t *value)
{
    return !value || json_is_null(value) || json_is_false(value) ||
           (json_is_array(value) && json_array_size(value) == 0) ||
           (json_is_number(value) && json_number_value(value) == 0 && option->min > 0);
}

/* Numbers in the digits that moda_option_set() reads back to the same value; lists without
 * brackets. */
static moda_status set_printed(const moda_option *option, const json_t *value)
{
    moda_status st = MODA_OK;
    char *text = moda_json_line(value), *to = text;
    MODA_CHECK(text, MODA_ERR_NOMEM, "out of memory");
    for (const char *c = text; *c; c++)
        if (!strchr("[] ", *c)) *to++ = *c;
    *to = 0;
    MODA_TRY(moda_option_set(option, text));
out:
    free(text);
    return st;
}

static moda_status preset(const moda_option *option, const char *key, const json_t *value)
{
    moda_status st = MODA_OK;
    const bool text = option->kind == MODA_OPTION_TEXT || option->kind == MODA_OPTION_CHOICE;
    const bool good = option->kind == MODA_OPTION_FLAG    ? json_is_true(value)
                      : option->kind == MODA_OPTION_SIZES ? json_is_array(value)
                      : text                              ? json_is_string(value)
                                                          : json_is_number(value);
    MODA_CHECK(good, MODA_ERR_FORMAT, "\"%s\" is not what --%s takes", key, option->name);
    if (text || option->kind == MODA_OPTION_FLAG)
        MODA_TRY(moda_option_set(option, json_string_value(value)));
    else
        MODA_TRY(set_printed(option, value));
out:
    return st;
}

moda_status moda_options_preset(const moda_option *table, const json_t *values)
{
    moda_status st = MODA_OK;
    char key[NAME];
    for (; table->kind != MODA_OPTION_END; table++) {
        if (table->kind == MODA_OPTION_TABLE) {
            MODA_TRY(moda_options_preset(table->target, values));
            continue;
        }
        const json_t *value = json_object_get(values, key_of(table, key));
        /* An output is of one call, and never where a file says. */
        if (table->kind == MODA_OPTION_OUTPUT || absent(table, value)) continue;
        MODA_TRY(preset(table, key, value));
    }
out:
    return st;
}
