/* engine/confusion.h - which classes a model takes for which: counts of moda_evaluate() as JSON
 * and on the screen.
 *
 * counts [classes, classes] of a model's outputs: samples of the row's class that the model takes
 * for the column's. Outputs that neither a sample nor an answer belongs to are left out. */
#ifndef MODA_ENGINE_CONFUSION_H
#define MODA_ENGINE_CONFUSION_H

#include "base/json.h"
#include "engine/model.h"
#include <stddef.h>

/* Counts of more classes are not taken by moda eval: 8 MB, and as many lines of JSON as numbers. */
enum { MODA_CONFUSION_CLASSES = 1000 };

/* {"classes": [3, 5], "counts": [[90, 10], [7, 93]]}, class numbers in the order of rows and
 * columns. New reference; NULL when out of memory. */
json_t *moda_confusion_json(const moda_model *model, const size_t *counts);
/* The matrix, if it is no wider than a terminal, and the pairs that are mixed up most often. */
void moda_confusion_print(const moda_model *model, const size_t *counts);

#endif
