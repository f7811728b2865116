/* base/json.h - JSON through Jansson: the few things around json_t that every room needs.
 * Values are Jansson's own (json_t, json_object_get, ...); read its manual for those. */
#ifndef MODA_BASE_JSON_H
#define MODA_BASE_JSON_H

#include "base/status.h"
#include <jansson.h>
#include <stdbool.h>

/* Parses text [length], which need not end in a NUL; duplicate keys are refused. Text that is no JSON gives a
 * *value of NULL, and error (unless NULL) says why. The caller owns *value. Fails: MODA_ERR_NOMEM. Jansson's own
 * loaders are not to be used: where memory is short they lose characters, or end the program. */
MODA_MUST_USE moda_status moda_json_parse(const char *text, size_t length, json_t **value,
                                          json_error_t *error);
/* Parses a file; duplicate keys are refused. The caller owns *value (json_decref). Fails:
 * MODA_ERR_IO, MODA_ERR_FORMAT (path, line, column, Jansson's reason), MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_json_read(const char *path, json_t **value);
/* Whether Jansson went without memory in this thread since this was last asked. Its setters, and json_pack(), then leave
 * members out: who builds a report of many of them asks this once, not each of them. */
bool moda_json_was_short(void);
/* Writes value atomically, indented, keys in insertion order, reals with the fewest digits that
 * read back as the same f64. */
MODA_MUST_USE moda_status moda_json_write(const char *path, const json_t *value);
/* As one line without newline, fresh memory (free() it); NULL when out of memory. */
char *moda_json_line(const json_t *value);

/* A string that JSON can hold, for text from outside (paths, SPECs, class names): bytes that are not
 * UTF-8, which json_string() and json_pack()'s "s" refuse with NULL, become U+FFFD. With
 * json_pack(): "s:o", "path", moda_json_text(path). NULL text gives null. New reference; NULL when
 * out of memory. */
json_t *moda_json_text(const char *text);
/* Whether json_string() would take it, were there memory. */
bool moda_is_utf8(const char *text);
/* A real that JSON can hold: NaN and infinities become null. New reference. */
json_t *moda_json_number(double x);
/* [1,2,3] from sizes. New reference. */
json_t *moda_json_sizes(const size_t *values, size_t n);

#endif
