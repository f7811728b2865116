/* tests/test_json_memory.c - reading JSON while malloc() refuses: each piece in turn, and all from one on. Jansson's own
 * loaders lose characters there, or end the program. AddressSanitizer has its own malloc(). */
#include "base/json.h"
#include "tests/capture.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#ifndef __SANITIZE_ADDRESS__

void *__libc_malloc(size_t size);

static _Thread_local bool refuses;
static _Thread_local size_t asked, first, last; /* numbers of the pieces that are refused */

void *malloc(size_t size)
{
    if (refuses && ++asked >= first && asked <= last) return NULL;
    return __libc_malloc(size);
}

TestSuite(json_memory, .timeout = 300);

static const char text[] =
    "{\"a name that is longer than Jansson's first buffer\": \"a text that is longer, too\",\n"
    "\"number\": 0.12345678901234567, \"integer\": 1234567890123456789,\n"
    "\"list\": [1, [2, [3.25, {\"inner\": -1.0000000000000002e-17}]], true, false, null],\n"
    "\"escaped\": \"\\u00e4\\ud834\\udd1e and 17 more bytes\"}";

static moda_status parse(const char *what, size_t from, size_t to, json_t **value)
{
    asked = 0, first = from, last = to, refuses = true;
    const moda_status st = moda_json_parse(what, strlen(what), value, NULL);
    refuses = false;
    return st;
}

/* Refuses ever later pieces, until none is left to refuse; returns how many there were. */
static size_t refuse_each(const char *what, bool and_all_behind)
{
    json_t *whole = NULL, *value = NULL;
    cr_assert(eq(int, moda_json_parse(what, strlen(what), &whole, NULL), MODA_OK));
    cr_assert(ne(ptr, whole, NULL));
    size_t n = 1;
    for (;; n++) {
        const moda_status st = parse(what, n, and_all_behind ? SIZE_MAX : n, &value);
        if (asked < n) break;
        cr_assert(eq(int, st, MODA_ERR_NOMEM), "refusal %zu", n);
        cr_assert(eq(ptr, value, NULL), "refusal %zu", n);
    }
    cr_assert(json_equal(value, whole) == 1);
    json_decref(value);
    json_decref(whole);
    return n - 1;
}

Test(json_memory, a_refused_piece_is_told)
{
    cr_assert(lt(sz, 20, refuse_each(text, false)));
    cr_assert(not(moda_json_was_short()), "the reading itself has said so");
}

Test(json_memory, no_more_memory_at_all_is_told)
{
    cr_assert(lt(sz, 20, refuse_each(text, true)));
}

/* The reserve has to last for what Jansson has in hand. */
Test(json_memory, deep_texts_fit_into_the_reserve)
{
    char deep[2001] = {0}, objects[2501] = {0};
    memset(deep, '[', 1000);
    memset(deep + 1000, ']', 1000);
    for (size_t i = 0; i < 400; i++) memcpy(objects + 5 * i, "{\"a\":", 5);
    objects[2000] = '1';
    memset(objects + 2001, '}', 400);
    cr_assert(lt(sz, 1000, refuse_each(deep, true)));
    cr_assert(lt(sz, 1000, refuse_each(objects, true)));
}

/* A long text takes most of the reserve, and much follows in the piece that Jansson has read already. */
Test(json_memory, a_long_text_and_deep_ones_behind_it)
{
    enum { LONG = 1 << 16, DEPTH = 600 };
    static char mixed[LONG + 2 * DEPTH + 64];
    for (size_t before = LONG - 700; before < LONG + 100; before += 13) {
        memset(mixed, 0, sizeof mixed);
        mixed[0] = '[', mixed[1] = '"';
        memset(mixed + 2, 'x', before);
        mixed[2 + before] = '"', mixed[3 + before] = ',';
        memset(mixed + 4 + before, '[', DEPTH);
        memset(mixed + 4 + before + DEPTH, ']', DEPTH + 1);
        size_t n = 1;
        for (json_t *value = NULL;; n++) {
            const moda_status st = parse(mixed, n, SIZE_MAX, &value);
            if (asked < n) {
                json_decref(value);
                break;
            }
            cr_assert(eq(int, st, MODA_ERR_NOMEM), "%zu before, refusal %zu", before, n);
            if (n > 40) n += 97;
        }
        cr_assert(lt(sz, DEPTH, n), "%zu refusals", n);
    }
}

Test(json_memory, what_is_no_json_is_no_shortage)
{
    json_t *value = NULL;
    json_error_t error;
    cr_assert(eq(int, moda_json_parse("{\"a\": 1} 2", 10, &value, &error), MODA_OK));
    cr_assert(eq(ptr, value, NULL));
    cr_assert(ne(ptr, strstr(error.text, "end of file expected"), NULL), "%s", error.text);
    cr_assert(eq(int, moda_json_parse("{\"a\": 1, \"a\": 2}", 16, &value, &error), MODA_OK));
    cr_assert(eq(ptr, value, NULL));
    cr_assert(eq(int, moda_json_parse("{\"a\": 1}{", 8, &value, &error), MODA_OK));
    cr_assert(eq(int, (int)json_integer_value(json_object_get(value, "a")), 1));
    json_decref(value);
}

#endif
