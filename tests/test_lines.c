/* tests/test_lines.c - files that grow line by line, on disks that are full for a while. */
#include "base/lines.h"
#include "tests/capture.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

TestSuite(lines, .fini = test_folder_remove, .timeout = 60);

static moda_lines *open_lines(size_t keep)
{
    moda_lines *l = NULL;
    cr_assert(eq(int, moda_lines_open(test_path("x"), keep, &l), MODA_OK), "%s", moda_last_error());
    return l;
}

static void holds(const char *want)
{
    char *got = test_read(test_path("x"));
    cr_assert(got != NULL);
    cr_assert(eq(str, got, (char *)want));
    free(got);
}

static void add(moda_lines *l, const char *line)
{
    cr_assert(eq(int, moda_lines_add(l, line), MODA_OK), "%s", moda_last_error());
}

Test(lines, are_there_at_once)
{
    moda_lines *l = open_lines(0);
    cr_assert(eq(int, test_folder_entries(), 0), "made without a line");
    add(l, "one");
    holds("one\n");
    add(l, "");
    add(l, "three");
    holds("one\n\nthree\n");
    cr_assert(eq(sz, moda_lines_bytes(l), 11));
    cr_assert(eq(int, moda_lines_flush(l, true), MODA_OK));
    moda_lines_close(l);
    moda_lines_close(NULL);
}

Test(lines, go_on_where_they_were)
{
    test_write("x", "one\ntwo\nhal");
    moda_lines *l = open_lines(4);
    holds("one\n");
    add(l, "2");
    holds("one\n2\n");
    moda_lines_close(l);
    cr_assert(eq(int, moda_lines_open(test_path("x"), 7, &l), MODA_ERR_IO), "it is shorter");
    cr_assert(strstr(moda_last_error(), "lost") != NULL, "%s", moda_last_error());
    l = open_lines(0);
    cr_assert(eq(int, test_folder_entries(), 0), "the old one stays");
    moda_lines_close(l);
}

/* Files of at most 8 bytes: the second line does not fit, and is there once it does. */
Test(lines, a_full_disk_costs_none)
{
    struct rlimit old, small;
    signal(SIGXFSZ, SIG_IGN);
    cr_assert(eq(int, getrlimit(RLIMIT_FSIZE, &old), 0));
    moda_lines *l = open_lines(0);
    small = old, small.rlim_cur = 8;
    cr_assert(eq(int, setrlimit(RLIMIT_FSIZE, &small), 0));
    add(l, "first");
    cr_assert(eq(int, moda_lines_add(l, "second"), MODA_ERR_IO), "it fits");
    cr_assert(eq(int, moda_lines_add(l, "third"), MODA_ERR_IO), "it fits");
    cr_assert(eq(int, moda_lines_flush(l, false), MODA_ERR_IO), "it fits");
    cr_assert(eq(sz, moda_lines_bytes(l), 8));
    cr_assert(eq(int, setrlimit(RLIMIT_FSIZE, &old), 0));
    add(l, "fourth");
    holds("first\nsecond\nthird\nfourth\n");
    moda_lines_close(l);
}
