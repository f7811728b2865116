/* tests/test_table.c - base/table.h. */
#include "base/table.h"
#include "tests/capture.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(table, .fini = test_folder_remove, .timeout = 60);

static char *printed(const moda_table *t)
{
    test_capture(STDOUT_FILENO);
    moda_table_print(t);
    return test_captured();
}

Test(table, columns_line_up)
{
    moda_table *t = moda_table_create("layer|>parameters|shape");
    cr_assert(t != NULL);
    moda_table_row(t, "%s|%d|%s", "conv1", 156, "6x28x28");
    moda_table_row(t, "%s|%s|%s", "classifier", "48,120", "120");
    char *text = printed(t);
    cr_assert(eq(str, text,
                 "layer       parameters  shape\n"
                 "-------------------------------\n"
                 "conv1              156  6x28x28\n"
                 "classifier      48,120  120\n"));
    free(text);
    moda_table_destroy(t);
}

Test(table, missing_cells_are_empty_and_surplus_dropped)
{
    moda_table *t = moda_table_create("a|>b");
    moda_table_row(t, "x");
    moda_table_row(t, "y|2|3|4");
    char *text = printed(t);
    cr_assert(eq(str, text, "a  b\n----\nx   \ny  2\n"));
    free(text);
    moda_table_destroy(t);
}

Test(table, width_counts_characters_not_bytes)
{
    moda_table *t = moda_table_create("class|>n");
    moda_table_row(t, "Mütze|1");
    moda_table_row(t, "Hut|22");
    char *text = printed(t);
    cr_assert(eq(str, text, "class   n\n---------\nMütze   1\nHut    22\n"));
    free(text);
    moda_table_destroy(t);
}

/* Class names are names of folders, and those can hold anything but '/'. */
Test(table, arguments_can_be_any_text)
{
    moda_table *t = moda_table_create("class|>n|name");
    moda_table_row(t, "%d|%d|%s", 0, 1, "a|b");
    moda_table_row(t, "%s|%d|%s", "x||y", 22, "line\nline\033[2J\x1f|");
    moda_table_row(t, "%s|%s", "", "|");
    moda_table_row(t, "100%%|%.1f|%*s", 2.5, 3, "z");
    char *text = printed(t);
    cr_assert(eq(str, text,
                 "class    n  name\n"
                 "---------------------------\n"
                 "0        1  a|b\n"
                 "x||y    22  line?line?[2J?|\n"
                 "         |  \n"
                 "100%   2.5    z\n"));
    free(text);
    moda_table_destroy(t);
}

Test(table, columns_and_cells_one_by_one)
{
    enum { COLUMNS = 500 };
    char name[64];
    moda_table *t = moda_table_create("figure");
    for (int i = 0; i < COLUMNS; i++) moda_table_column(t, true, "runs/long-name-of-a-run|%03d", i);
    moda_table_row(t, "size");
    for (int i = 0; i < COLUMNS; i++) moda_table_cell(t, "%d", i);
    moda_table_cell(t, "surplus");
    moda_table_row(t, "last");
    moda_table_cell(t, "a|b");
    char *text = printed(t), *rest = text;
    char *heads = strsep(&rest, "\n"), *rule = strsep(&rest, "\n"), *row = strsep(&rest, "\n");
    for (int i = 0; i < COLUMNS; i++) {
        snprintf(name, sizeof name, "runs/long-name-of-a-run|%03d", i);
        char *head = strstr(heads, name);
        cr_assert(head != NULL, "no column %s", name);
        size_t end = (size_t)(head - heads) + strlen(name);
        int value = -1;
        sscanf(row + end - 3, "%d", &value);
        cr_assert(eq(int, value, i));
    }
    cr_assert(eq(sz, strlen(row), strlen(rule)));
    cr_assert(strstr(row, "surplus") == NULL);
    cr_assert(strstr(rest, "a|b") != NULL);
    free(text);
    moda_table_destroy(t);
}

Test(table, plain_text)
{
    char b[8];
    cr_assert(eq(str, moda_plain_text("a\nb", b, sizeof b), "a?b"));
    cr_assert(eq(str, moda_plain_text("\x1b[2J\x7f", b, sizeof b), "?[2J?"));
    /* U+009B begins a command of a terminal as ESC [ does; U+00A0 and other letters stay. */
    cr_assert(eq(str,
                 moda_plain_text("\xC2\x9B"
                                 "2J",
                                 b, sizeof b),
                 "??2J"));
    cr_assert(eq(str, moda_plain_text("\xC2\xA0\xC3\x9B", b, sizeof b), "\xC2\xA0\xC3\x9B"));
    cr_assert(eq(str, moda_plain_text("0123456789", b, sizeof b), "0123456"));
    cr_assert(eq(str, moda_plain_text(NULL, b, sizeof b), ""));
}

Test(table, many_rows)
{
    moda_table *t = moda_table_create(">i");
    for (int i = 0; i < 1000; i++) moda_table_row(t, "%d", i);
    char *text = printed(t);
    size_t lines = 0;
    for (char *c = text; *c; c++) lines += *c == '\n';
    cr_assert(eq(sz, lines, 1002));
    free(text);
    moda_table_destroy(t);
}

Test(table, null_is_a_table_that_does_nothing)
{
    moda_table_row(NULL, "%d", 1);
    moda_table_cell(NULL, "%d", 1);
    moda_table_column(NULL, true, "%d", 1);
    moda_table_print(NULL);
    moda_table_destroy(NULL);
}

Test(table, human_bytes)
{
    char b[16];
    cr_assert(eq(str, moda_human_bytes(0, b), "0 B"));
    cr_assert(eq(str, moda_human_bytes(1023, b), "1023 B"));
    cr_assert(eq(str, moda_human_bytes(1024, b), "1.0 KiB"));
    cr_assert(eq(str, moda_human_bytes(1048570, b), "1.0 MiB"));
    cr_assert(eq(str, moda_human_bytes(12.3 * 1048576, b), "12.3 MiB"));
    cr_assert(eq(str, moda_human_bytes(3e15, b), "2.7 PiB"));
    moda_human_bytes(1e300, b); /* has to stay inside the buffer */
    moda_human_bytes(-1e300, b);
}

Test(table, human_count)
{
    char b[32];
    cr_assert(eq(str, moda_human_count(0, b), "0"));
    cr_assert(eq(str, moda_human_count(999, b), "999"));
    cr_assert(eq(str, moda_human_count(1000, b), "1,000"));
    cr_assert(eq(str, moda_human_count(12345678, b), "12,345,678"));
    cr_assert(eq(str, moda_human_count(UINT64_MAX, b), "18,446,744,073,709,551,615"));
}
