/* engine/train_record.h - a training record as JSON: a line of metrics.jsonl and steps.jsonl. */
#ifndef MODA_ENGINE_TRAIN_RECORD_H
#define MODA_ENGINE_TRAIN_RECORD_H

#include "base/json.h"
#include "engine/trainer.h"
#include <stdbool.h>

/* A value that was not taken is null. New reference; NULL when out of memory. */
json_t *moda_train_record_json(const moda_train_record *record);
/* The same bits again; null becomes NaN. False if it is no such record. */
bool moda_train_record_parse(const json_t *json, moda_train_record *record);

#endif
