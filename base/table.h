/* base/table.h - aligned columns of text on stdout. Numbers to the right, words to the left.
 *     moda_table *t = moda_table_create("layer|shape|>parameters");   // '>' aligns right
 *     moda_table_row(t, "conv1|%s|%zu", shape, n);
 *     moda_table_print(t); moda_table_destroy(t);
 * Functions take NULL (an allocation that failed earlier) and then do nothing. */
#ifndef MODA_BASE_TABLE_H
#define MODA_BASE_TABLE_H

#include <stddef.h>
#include <stdint.h>

typedef struct moda_table moda_table;

moda_table *moda_table_create(const char *heads);
void moda_table_row(moda_table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void moda_table_print(const moda_table *t); /* with a rule below the heads */
void moda_table_destroy(moda_table *t);

/* "12.3 MiB", in a buffer of at least 16 bytes, which is returned. */
char *moda_human_bytes(double bytes, char *buffer);
/* "12,345,678", in a buffer of at least 32 bytes, which is returned. */
char *moda_human_count(uint64_t n, char *buffer);

#endif
