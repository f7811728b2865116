/* engine/model_metadata.c - what a model file says besides network and weights: how images
 * are prepared, meaning of the outputs. JSON inside the strings of __metadata__. */
#include "base/json.h"
#include "datasets/data_options.h"
#include "engine/model_internal.h"
#include "engine/quote_internal.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- printing ---- */

/* The f64 with the fewest digits that rounds to x: 0.4914, not 0.49140000343322754. */
static json_t *short_real(float x)
{
    char text[40];
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)x);
        if (strtof(text, NULL) == x) break;
    }
    return moda_json_number(strtod(text, NULL));
}

static json_t *reals(const float *values, size_t n)
{
    json_t *list = json_array();
    int failed = list == NULL;
    for (size_t i = 0; i < n; i++) failed |= json_array_append_new(list, short_real(values[i]));
    if (failed) json_decref(list);
    return failed ? NULL : list;
}

/* object is used up. */
static moda_status to_line(json_t *object, char **text)
{
    moda_status st = MODA_OK;
    char *line = object ? moda_json_line(object) : NULL;
    MODA_CHECK(line, MODA_ERR_NOMEM, "out of memory");
    *text = line;
out:
    json_decref(object);
    return st;
}

moda_status moda_model_print_input(const moda_model *model, char **text)
{
    moda_status st = MODA_OK;
    const size_t c = model->net->input.c;
    *text = NULL;
    if (c > MODA_MAX_CHANNELS || model->std[0] == 0) goto out; /* not known */
    json_t *input =
        json_pack("{s:o, s:o}", "mean", reals(model->mean, c), "std", reals(model->std, c));
    if (input && model->crop != MODA_CROP_DEFAULT &&
        json_object_set_new(input, "crop", json_string(moda_crop_names[model->crop])) != 0) {
        json_decref(input);
        input = NULL;
    }
    MODA_TRY(to_line(input, text));
out:
    return st;
}

/* A class name may come from a folder, whose name can be any bytes; JSON takes only UTF-8. */
static json_t *name_or_null(const char *name)
{
    return name && moda_is_utf8(name) ? json_string(name) : json_null();
}

moda_status moda_model_print_classes(const moda_model *model, char **text)
{
    moda_status st = MODA_OK;
    json_t *ids = json_array(), *names = json_array(), *numbers = json_array(), *classes;
    int failed = !ids || !names || !numbers;
    for (size_t k = 0; k < model->net->classes; k++) {
        failed |= json_array_append_new(ids, json_integer(model->class_ids[k]));
        failed |= json_array_append_new(names, name_or_null(model->class_names[k]));
        failed |= json_array_append_new(numbers, json_integer(moda_model_class_number(model, k)));
    }
    MODA_CHECK(!failed, MODA_ERR_NOMEM, "out of memory");
    if (model->class_numbers)
        classes = json_pack("{s:O, s:O, s:O}", "ids", ids, "names", names, "numbers", numbers);
    else
        classes = json_pack("{s:O, s:O}", "ids", ids, "names", names);
    MODA_TRY(to_line(classes, text));
out:
    json_decref(numbers);
    json_decref(ids);
    json_decref(names);
    return st;
}

/* ---- parsing ---- */

static moda_status parse_object(const char *key, const char *text, json_t **object)
{
    moda_status st = MODA_OK;
    json_error_t error = {0};
    json_t *value = NULL;
    MODA_TRY(moda_json_parse(text, strlen(text), &value, &error));
    MODA_CHECK(json_is_object(value), MODA_ERR_FORMAT,
               "metadata %s is no JSON object%s%s; write the model again", key, value ? "" : ": ",
               value ? "" : error.text);
    *object = value, value = NULL;
out:
    json_decref(value);
    return st;
}

static bool read_reals(const json_t *list, size_t n, float *values)
{
    bool good = json_is_array(list) && json_array_size(list) == n;
    for (size_t i = 0; good && i < n; i++) {
        const json_t *x = json_array_get(list, i);
        values[i] = (float)json_number_value(x);
        good = json_is_number(x) && isfinite(values[i]);
    }
    return good;
}

/* NULL: a file of before it was said. */
static bool read_crop(const json_t *word, moda_crop *crop)
{
    const char *text = json_string_value(word);
    *crop = MODA_CROP_DEFAULT;
    if (!word) return true;
    for (int i = MODA_CROP_PADDED; text && moda_crop_names[i]; i++)
        if (strcmp(text, moda_crop_names[i]) == 0) *crop = (moda_crop)i;
    return *crop != MODA_CROP_DEFAULT;
}

moda_status moda_model_parse_input(moda_model *model, const char *text)
{
    moda_status st = MODA_OK;
    const size_t c = model->net->input.c;
    float mean[MODA_MAX_CHANNELS] = {0}, std[MODA_MAX_CHANNELS] = {0};
    json_t *object = NULL;
    MODA_TRY(parse_object(MODEL_INPUT, text, &object));
    const json_t *word = json_object_get(object, "crop");
    moda_crop crop;
    bool good = c <= MODA_MAX_CHANNELS && json_object_size(object) == (word ? 3 : 2) &&
                read_crop(word, &crop) && read_reals(json_object_get(object, "mean"), c, mean) &&
                read_reals(json_object_get(object, "std"), c, std);
    for (size_t i = 0; good && i < c; i++) good = std[i] > 0;
    MODA_CHECK(good, MODA_ERR_FORMAT,
               "metadata %s is not {\"mean\": [..], \"std\": [..], \"crop\": \"padded\" or "
               "\"resized\"} with %zu numbers each, std > 0; write the model again",
               MODEL_INPUT, c);
    memcpy(model->mean, mean, sizeof mean);
    memcpy(model->std, std, sizeof std);
    model->crop = crop;
out:
    json_decref(object);
    return st;
}

/* Ascending, so that no class stands for two outputs. */
static bool read_ids(const json_t *list, size_t n, uint32_t *ids)
{
    bool good = json_is_array(list) && json_array_size(list) == n;
    for (size_t k = 0; good && k < n; k++) {
        const json_t *id = json_array_get(list, k);
        const json_int_t value = json_integer_value(id);
        good = json_is_integer(id) && value >= 0 && value <= UINT32_MAX &&
               (k == 0 || value > ids[k - 1]);
        if (good) ids[k] = (uint32_t)value;
    }
    return good;
}

static bool is_name_list(const json_t *list, size_t n)
{
    bool good = json_is_array(list) && json_array_size(list) == n;
    for (size_t k = 0; good && k < n; k++) {
        const json_t *name = json_array_get(list, k);
        good = json_is_string(name) || json_is_null(name);
    }
    return good;
}

moda_status moda_model_parse_classes(moda_model *model, const char *text)
{
    moda_status st = MODA_OK;
    const size_t n = model->net->classes;
    json_t *object = NULL;
    MODA_TRY(parse_object(MODEL_CLASSES, text, &object));
    const json_t *names = json_object_get(object, "names");
    const json_t *numbers = json_object_get(object, "numbers");
    if (numbers) MODA_ALLOC(model->class_numbers, n * sizeof *model->class_numbers);
    MODA_CHECK(json_object_size(object) == (numbers ? 3 : 2) &&
                   read_ids(json_object_get(object, "ids"), n, model->class_ids) &&
                   (!numbers || read_ids(numbers, n, model->class_numbers)) &&
                   is_name_list(names, n),
               MODA_ERR_FORMAT,
               "metadata %s is not {\"ids\": [..], \"names\": [..]}, \"numbers\": [..] at most "
               "besides, with %zu ascending class numbers and %zu names; write the model again",
               MODEL_CLASSES, n, n);
    for (size_t k = 0; k < n; k++) {
        const char *name = json_string_value(json_array_get(names, k));
        char *copy = name ? strdup(name) : NULL;
        MODA_CHECK(copy || !name, MODA_ERR_NOMEM, "out of memory");
        free(model->class_names[k]);
        model->class_names[k] = copy;
    }
out:
    json_decref(object);
    return st;
}

/* What it holds is the business of the room that makes modules. */
moda_status moda_model_parse_module(moda_model *model, const char *text)
{
    moda_status st = MODA_OK;
    json_t *object = NULL;
    char *copy = NULL;
    MODA_TRY(parse_object(MODEL_MODULE, text, &object));
    MODA_CHECK((copy = strdup(text)) != NULL, MODA_ERR_NOMEM, "out of memory");
    free(model->module);
    model->module = copy;
out:
    json_decref(object);
    return st;
}
