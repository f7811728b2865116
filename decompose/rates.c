#include "decompose/rates.h"
#include "base/json.h"
#include "decompose/checksum.h"
#include <stdlib.h>

moda_status moda_rates_create(const moda_net *net, moda_rates **result)
{
    moda_status st = MODA_OK;
    moda_rates *rates = NULL;
    MODA_ALLOC(rates, sizeof *rates);
    MODA_TRY(moda_class_tables_shape(net, &rates->shape));
    MODA_ALLOC(rates->values, rates->shape.elements * sizeof *rates->values);
    MODA_ALLOC(rates->samples, rates->shape.classes * sizeof *rates->samples);
    *result = rates, rates = NULL;
out:
    moda_rates_destroy(rates);
    return st;
}

void moda_rates_destroy(moda_rates *rates)
{
    if (!rates) return;
    moda_class_tables_free(&rates->shape);
    free(rates->values);
    free(rates->samples);
    free(rates->mask_means);
    free(rates);
}

/* As a line of JSON, fresh memory; of means that are not known NULL. */
static moda_status print_means(const moda_rates *rates, char **text)
{
    moda_status st = MODA_OK;
    json_t *means = json_array();
    int bad = 0;
    if (!rates->mask_means) goto out;
    for (size_t l = 0; l < rates->shape.layers; l++)
        bad |= json_array_append_new(means, moda_json_number(rates->mask_means[l]));
    MODA_CHECK(!bad && (*text = moda_json_line(means)) != NULL, MODA_ERR_NOMEM,
               "out of memory: means of masks");
out:
    json_decref(means);
    return st;
}

moda_status moda_rates_save(const moda_rates *rates, const char *path)
{
    moda_status st = MODA_OK;
    json_t *samples = json_array();
    char *text = NULL, *means = NULL;
    char weights[MODA_CHECKSUM_TEXT];
    int bad = 0;
    char rule[MODA_ACTIVITY_TEXT];
    moda_checksum_print(rates->weights, weights);
    moda_activity_rule_print(rates->rule, rule);
    for (size_t c = 0; c < rates->shape.classes; c++)
        bad |= json_array_append_new(samples, json_integer((json_int_t)rates->samples[c]));
    MODA_CHECK(!bad && (text = moda_json_line(samples)) != NULL, MODA_ERR_NOMEM,
               "out of memory: %s", path);
    MODA_TRY(print_means(rates, &means));
    moda_metadata metadata[] = {{"moda.samples", text},
                                {"moda.activity", rule},
                                {"moda.weights", weights},
                                {"moda.mask_means", means}};
    MODA_TRY(moda_class_tables_write(path, "rates", &rates->shape, MODA_DTYPE_F32, rates->values,
                                     metadata, means ? 4 : 3));
out:
    json_decref(samples);
    free(means);
    free(text);
    return st;
}

/* Metadata that is not there, or not as written above, leaves the counts unknown: the rates are
 * what matters, and they may come from another program. */
static moda_status read_samples(const moda_tensor_file *file, moda_rates *rates)
{
    moda_status st = MODA_OK;
    const char *text = moda_tensor_file_metadata(file, "moda.samples");
    json_t *samples = NULL;
    if (text) MODA_TRY(moda_json_parse(text, strlen(text), &samples, NULL));
    if (json_array_size(samples) == rates->shape.classes)
        for (size_t c = 0; c < rates->shape.classes; c++) {
            json_int_t n = json_integer_value(json_array_get(samples, c));
            rates->samples[c] = n > 0 ? (uint64_t)n : 0;
        }
out:
    json_decref(samples);
    return st;
}

/* The same of means of masks: files of before they were stored have none. */
static moda_status read_means(const moda_tensor_file *file, moda_rates *rates)
{
    moda_status st = MODA_OK;
    const size_t layers = rates->shape.layers;
    const char *text = moda_tensor_file_metadata(file, "moda.mask_means");
    json_t *means = NULL;
    double *values = NULL;
    if (!rates->shape.mwt || !text) goto out;
    MODA_TRY(moda_json_parse(text, strlen(text), &means, NULL));
    if (json_array_size(means) != layers) goto out;
    MODA_ALLOC(values, layers * sizeof *values);
    for (size_t l = 0; l < layers; l++) {
        const json_t *mean = json_array_get(means, l);
        values[l] = json_number_value(mean);
        if (!json_is_number(mean) || !(values[l] >= 0 && values[l] <= 1)) goto out;
    }
    rates->mask_means = values, values = NULL;
out:
    json_decref(means);
    free(values);
    return st;
}

static moda_status check_values(const moda_rates *rates, const char *path)
{
    moda_status st = MODA_OK;
    for (size_t l = 0; l < rates->shape.layers; l++) {
        size_t units = rates->shape.units[l];
        const float *table = rates->values + rates->shape.offset[l];
        for (size_t i = 0; i < rates->shape.classes * units; i++)
            MODA_CHECK(table[i] >= 0 && table[i] <= 1, MODA_ERR_FORMAT,
                       "%s: 'rates.%zu' [%zu, %zu] is %g, not a share in [0, 1]: measure the "
                       "rates again",
                       path, l, i / units, i % units, (double)table[i]);
    }
out:
    return st;
}

moda_status moda_rates_load(const char *path, const moda_net *net, moda_rates **result)
{
    moda_status st = MODA_OK;
    moda_tensor_file *file = NULL;
    moda_rates *rates = NULL;
    moda_class_tables shape = {0};
    MODA_TRY(moda_tensor_file_open(path, &file));
    MODA_TRY(moda_class_tables_shape(net, &shape));
    MODA_TRY(
        moda_class_tables_read(file, "rates", net, &shape, MODA_DTYPE_F32, MODA_DTYPE_F32, NULL));
    MODA_TRY(moda_rates_create(net, &rates));
    MODA_TRY(moda_class_tables_read(file, "rates", net, &rates->shape, MODA_DTYPE_F32,
                                    MODA_DTYPE_F32, rates->values));
    MODA_TRY(check_values(rates, path));
    MODA_TRY(read_samples(file, rates));
    MODA_TRY(read_means(file, rates));
    MODA_TRY(moda_activity_rule_of_file(file, &rates->rule));
    rates->weights = moda_checksum_of_file(file);
    *result = rates, rates = NULL;
out:
    moda_class_tables_free(&shape);
    moda_tensor_file_close(file);
    moda_rates_destroy(rates);
    return st;
}
