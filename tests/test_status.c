/* tests/test_status.c - base/status.h: messages are one line, per thread, and survive nesting. */
#include "base/status.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

TestSuite(status, .timeout = 60);

static moda_status check_even(int x)
{
    moda_status st = MODA_OK;
    MODA_CHECK(x % 2 == 0, MODA_ERR_FORMAT, "%d is odd", x);
out:
    return st;
}

static moda_status check_both(int a, int b, int *passed)
{
    moda_status st = MODA_OK;
    MODA_TRY(check_even(a));
    *passed = 1;
    MODA_TRY(check_even(b));
    *passed = 2;
out:
    return st;
}

Test(status, starts_empty)
{
    cr_assert(eq(str, (char *)moda_last_error(), ""));
}

Test(status, check_leaves_at_the_first_failure)
{
    int passed = 0;
    cr_assert(eq(int, check_both(2, 4, &passed), MODA_OK));
    cr_assert(eq(int, passed, 2));
    passed = 0;
    cr_assert(eq(int, check_both(2, 3, &passed), MODA_ERR_FORMAT));
    cr_assert(eq(int, passed, 1));
    cr_assert(eq(str, (char *)moda_last_error(), "3 is odd"));
    cr_assert(strstr(moda_last_error_place(), "test_status.c:") != NULL, "place is '%s'",
              moda_last_error_place());
}

Test(status, context_goes_in_front)
{
    moda_status st = check_even(5);
    st = moda_fail_context(st, "record %d", 7);
    st = moda_fail_context(st, "train.bin");
    cr_assert(eq(int, st, MODA_ERR_FORMAT));
    cr_assert(eq(str, (char *)moda_last_error(), "train.bin: record 7: 5 is odd"));
    cr_assert(eq(int, moda_fail_context(MODA_OK, "nothing"), MODA_OK));
    cr_assert(eq(str, (char *)moda_last_error(), "train.bin: record 7: 5 is odd"));
}

/* A caller may format the old message into the new one. */
Test(status, own_message_as_argument)
{
    moda_fail_at("a.c", 1, MODA_ERR_IO, "inner");
    moda_fail_at("a.c", 2, MODA_ERR_IO, "outer (%s)", moda_last_error());
    cr_assert(eq(str, (char *)moda_last_error(), "outer (inner)"));
}

Test(status, stays_one_line_and_bounded)
{
    moda_fail_at("a.c", 1, MODA_ERR_IO, "name%c\033[2Jend", '\n');
    for (const char *c = moda_last_error(); *c; c++)
        cr_assert(ge(u8, (uint8_t)*c, ' '), "byte %d in the message", *c);
    static char huge[5000];
    memset(huge, 'x', sizeof huge - 1);
    moda_fail_at("a.c", 1, MODA_ERR_IO, "%s", huge);
    size_t length = strlen(moda_last_error());
    cr_assert(lt(sz, length, 1100));
    cr_assert(eq(str, (char *)moda_last_error() + length - 3, "..."));
    moda_fail_context(MODA_ERR_IO, "%s", huge);
    cr_assert(lt(sz, strlen(moda_last_error()), 1100));
}

static void *fail_elsewhere(void *unused)
{
    (void)unused;
    bool empty = *moda_last_error() == 0;
    moda_fail_at("b.c", 2, MODA_ERR_NOMEM, "other thread");
    return empty ? "empty" : "not empty";
}

Test(status, one_message_per_thread)
{
    pthread_t thread;
    void *answer;
    moda_fail_at("a.c", 1, MODA_ERR_IO, "mine");
    pthread_create(&thread, NULL, fail_elsewhere, NULL);
    pthread_join(thread, &answer);
    cr_assert(eq(str, answer, "empty"));
    cr_assert(eq(str, (char *)moda_last_error(), "mine"));
}

static moda_status allocate(size_t bytes, char **p)
{
    moda_status st = MODA_OK;
    MODA_ALLOC(*p, bytes);
out:
    return st;
}

Test(status, alloc_zeroes_and_takes_zero_bytes)
{
    char *p = NULL;
    cr_assert(eq(int, allocate(0, &p), MODA_OK));
    cr_assert(p != NULL);
    free(p);
    cr_assert(eq(int, allocate(1000, &p), MODA_OK));
    for (int i = 0; i < 1000; i++) cr_assert(eq(int, p[i], 0));
    free(p);
}

Test(status, codes_have_distinct_names)
{
    for (int a = MODA_OK; a <= MODA_STOPPED; a++)
        for (int b = MODA_OK; b < a; b++)
            cr_assert(ne(str, (char *)moda_status_name(a), (char *)moda_status_name(b)));
}
