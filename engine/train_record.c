#include "engine/train_record.h"
#include <math.h>
#include <stddef.h>

/* Fields in the order of the file. */
static const struct {
    const char *key;
    size_t offset;
    bool count; /* a size_t, else a double */
} fields[] = {
#define COUNT(key, member)                             \
    {                                                  \
        key, offsetof(moda_train_record, member), true \
    }
#define REAL(key, member)                               \
    {                                                   \
        key, offsetof(moda_train_record, member), false \
    }
    COUNT("epoch", epoch),
    COUNT("steps", steps),
    REAL("loss", loss),
    REAL("cross_entropy", cross_entropy),
    REAL("affinity", affinity),
    REAL("dispersion", dispersion),
    REAL("compactness", compactness),
    REAL("train_accuracy", train_accuracy),
    REAL("test_accuracy", test_accuracy),
    REAL("learning_rate", learning_rate),
    REAL("seconds", seconds),
    REAL("samples_per_second", samples_per_second),
    REAL("data_share", data_share),
    COUNT("batches_without_same_class_pairs", batches_without_same),
    COUNT("batches_without_other_class_pairs", batches_without_different),
};
enum { FIELDS = sizeof fields / sizeof *fields };

json_t *moda_train_record_json(const moda_train_record *r)
{
    json_t *json = json_object();
    bool whole = json != NULL;
    for (size_t i = 0; i < FIELDS; i++) {
        const void *at = (const char *)r + fields[i].offset;
        json_t *value = fields[i].count ? json_integer((json_int_t) * (const size_t *)at)
                                        : moda_json_number(*(const double *)at);
        whole &= json_object_set_new(json, fields[i].key, value) == 0;
    }
    if (!whole) json_decref(json), json = NULL;
    return json;
}

bool moda_train_record_parse(const json_t *json, moda_train_record *r)
{
    *r = (moda_train_record){0};
    for (size_t i = 0; i < FIELDS; i++) {
        const json_t *value = json_object_get(json, fields[i].key);
        void *at = (char *)r + fields[i].offset;
        if (fields[i].count) {
            if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
            *(size_t *)at = (size_t)json_integer_value(value);
        } else {
            if (!json_is_number(value) && !json_is_null(value)) return false;
            *(double *)at = json_is_null(value) ? NAN : json_number_value(value);
        }
    }
    return true;
}
