/* base/table.h - aligned columns of text on stdout. Numbers to the right, words to the left.
 *     moda_table *t = moda_table_create("layer|shape|>parameters");   // '>' aligns right
 *     moda_table_row(t, "%s|%s|%zu", name, shape, n);
 *     moda_table_print(t); moda_table_destroy(t);
 * Only a '|' of the format itself separates cells: the arguments may be any text (a folder's name,
 * say) and need no care; control characters in them are shown as '?'. Where the number of columns is
 * not known beforehand:
 *     moda_table *t = moda_table_create("figure");
 *     for (...) moda_table_column(t, true, "%s", run);
 *     moda_table_row(t, "accuracy");
 *     for (...) moda_table_cell(t, "%.4f", accuracy);
 * Functions take NULL (an allocation that failed earlier) and then do nothing. */
#ifndef MODA_BASE_TABLE_H
#define MODA_BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct moda_table moda_table;

/* heads is taken as it stands, '|' between them: a literal. */
moda_table *moda_table_create(const char *heads);
/* One more column, before the first row. */
void moda_table_column(moda_table *t, bool right, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Missing cells are empty, surplus ones dropped. */
void moda_table_row(moda_table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* One more cell of the last row; a '|' is a character like others. */
void moda_table_cell(moda_table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void moda_table_print(const moda_table *t); /* with a rule below the heads */
void moda_table_destroy(moda_table *t);

/* Text from outside for a line of one's own: control characters as '?', cut to the buffer, which is
 * returned. NULL text gives "". */
char *moda_plain_text(const char *text, char *buffer, size_t size);
/* "12.3 MiB", in a buffer of at least 16 bytes, which is returned. */
char *moda_human_bytes(double bytes, char *buffer);
/* "12,345,678", in a buffer of at least 32 bytes, which is returned. */
char *moda_human_count(uint64_t n, char *buffer);

#endif
