/* tests/test_json.c - base/json.h: strict reading, and reals that survive a round trip. */
#include "base/json.h"
#include "base/rng.h"
#include "tests/capture.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

TestSuite(json, .fini = test_folder_remove, .timeout = 60);

static void expect_line(json_t *value, const char *want)
{
    char *line = moda_json_line(value);
    cr_assert(line != NULL);
    cr_assert(eq(str, line, (char *)want));
    free(line);
    json_decref(value);
}

Test(json, reals_have_the_fewest_digits)
{
    expect_line(moda_json_number(0.1), "0.1");
    expect_line(moda_json_number(-2), "-2.0");
    expect_line(moda_json_number(0), "0.0");
    expect_line(moda_json_number(1e300), "1e+300");
    expect_line(moda_json_number(1.0 / 3), "0.3333333333333333");
    expect_line(moda_json_number(0.1 + 0.2), "0.30000000000000004");
}

Test(json, reals_read_back_as_the_same_number)
{
    moda_rng rng = moda_rng_make(1, MODA_RNG_TEST, 0);
    double edges[] = {DBL_MIN, DBL_MAX, DBL_EPSILON, 5e-324, -0.0, 123456789012345680};
    for (uint64_t i = 0; i < 5000; i++) {
        uint64_t bits = moda_rng_bits(rng, i);
        double x;
        memcpy(&x, &bits, sizeof x);
        if (i < sizeof edges / sizeof *edges) x = edges[i];
        if (!isfinite(x)) continue;
        json_t *number = moda_json_number(x);
        char *line = moda_json_line(number);
        json_t *back = json_loads(line, JSON_DECODE_ANY, NULL);
        double y = json_real_value(back);
        bool same = json_is_real(back) && memcmp(&x, &y, sizeof x) == 0;
        cr_assert(same, "%a became %s", x, line);
        free(line);
        json_decref(number);
        json_decref(back);
    }
}

Test(json, what_json_cannot_hold_is_null)
{
    expect_line(moda_json_number(NAN), "null");
    expect_line(moda_json_number(INFINITY), "null");
    expect_line(moda_json_number(-INFINITY), "null");
}

Test(json, sizes)
{
    size_t values[] = {3, 0, 9007199254740993};
    expect_line(moda_json_sizes(values, 3), "[3, 0, 9007199254740993]");
    expect_line(moda_json_sizes(NULL, 0), "[]");
}

Test(json, text_from_outside_is_made_utf_8)
{
#define BAD "\xEF\xBF\xBD"
    static const char *const cases[][2] = {
        {"plain", "\"plain\""},
        {"", "\"\""},
        {"M\xC3\xBCtze \xE2\x82\xAC \xF0\x9F\x98\x80",
         "\"M\xC3\xBCtze \xE2\x82\xAC \xF0\x9F\x98\x80\""},
        {"M\xFCtze", "\"M" BAD "tze\""},                   /* Latin-1 */
        {"\xC3", "\"" BAD "\""},                           /* cut short */
        {"a\xE2\x82", "\"a" BAD BAD "\""},                 /* the same */
        {"\xC0\xAF", "\"" BAD BAD "\""},                   /* longer than need be */
        {"\xED\xA0\x80", "\"" BAD BAD BAD "\""},           /* half a pair of UTF-16 */
        {"\xF4\x90\x80\x80x", "\"" BAD BAD BAD BAD "x\""}, /* above U+10FFFF */
        {"\x80\xC3\xBC\xFF", "\"" BAD "\xC3\xBC" BAD "\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_line(moda_json_text(cases[i][0]), cases[i][1]);
    expect_line(moda_json_text(NULL), "null");
    cr_assert(json_string(cases[3][0]) == NULL, "the input proves nothing");
    for (unsigned i = 0; i < 1 << 24; i += i < 0x10000 ? 1 : 0x101) { /* as Jansson says */
        const char text[] = {(char)(i >> 16), (char)(i >> 8), (char)i, 0};
        const char *from = text + (i < 0x10000) + (i < 0x100);
        json_t *value = json_string(from);
        cr_assert(eq(int, moda_is_utf8(from), value != NULL), "%06x", i);
        json_decref(value);
    }
    cr_assert(moda_is_utf8("\xF0\x90\x80\x80") && moda_is_utf8("\xF4\x8F\xBF\xBF"));
    cr_assert(moda_is_utf8("\xF0\x8F\xBF\xBF") == false);
    cr_assert(moda_is_utf8("\xF4\x90\x80\x80") == false);
    expect_line(json_pack("{s:o}", "path", moda_json_text("a\n\xFF")),
                "{\"path\": \"a\\n" BAD "\"}");
}

Test(json, line_holds_everything_in_order)
{
    expect_line(json_pack("{s:i, s:[{}, [], b, n], s:{s:s}}", "z", 1, "list", 1, "a", "k",
                          "quote\" slash\\ line\n \xc3\xa9"),
                "{\"z\": 1, \"list\": [{}, [], true, null], "
                "\"a\": {\"k\": \"quote\\\" slash\\\\ line\\n \xc3\xa9\"}}");
    cr_assert(moda_json_line(NULL) == NULL);
}

Test(json, written_file_is_indented_and_reads_back)
{
    json_t *value = json_pack("{s:f, s:[i,i], s:[[i],{s:i}]}", "tau", 0.9, "shape", 3, 4, "rows", 5,
                              "n", 6),
           *back;
    const char *path = test_path("a.json");
    cr_assert(eq(int, moda_json_write(path, value), MODA_OK), "%s", moda_last_error());
    char *text = test_read(path);
    cr_assert(eq(str, text,
                 "{\n  \"tau\": 0.9,\n  \"shape\": [3, 4],\n  \"rows\": [\n    [5],\n    {\n"
                 "      \"n\": 6\n    }\n  ]\n}\n"));
    free(text);
    cr_assert(eq(int, moda_json_read(path, &back), MODA_OK), "%s", moda_last_error());
    cr_assert(json_equal(value, back));
    json_decref(value);
    json_decref(back);
}

Test(json, write_fails_with_the_path)
{
    json_t *value = json_object();
    cr_assert(eq(int, moda_json_write(test_path("no/file"), value), MODA_ERR_IO));
    cr_assert(strstr(moda_last_error(), "no/file") != NULL);
    cr_assert(eq(int, moda_json_write("/dev/full", value), MODA_ERR_IO));
    json_decref(value);
    cr_assert(eq(int, moda_json_write(test_path("a"), NULL), MODA_ERR_NOMEM));
    cr_assert(eq(int, test_folder_entries(), 0));
}

static void expect_refused(const char *text, moda_status want, const char *word)
{
    json_t *value = (json_t *)1;
    cr_assert(eq(int, moda_json_read(test_write("bad.json", text), &value), want), "%s", text);
    cr_assert(value == NULL);
    cr_assert(strstr(moda_last_error(), "bad.json: ") != NULL, "%s", moda_last_error());
    cr_assert(strstr(moda_last_error(), word) != NULL, "%s", moda_last_error());
}

Test(json, read_refuses_with_line_and_column)
{
    expect_refused("", MODA_ERR_FORMAT, "empty");
    expect_refused("{\"a\": 1,\n \"b\" 2}", MODA_ERR_FORMAT, "line 2, column 6");
    expect_refused("{\"a\": 1} x", MODA_ERR_FORMAT, "line 1");
    expect_refused("{\"a\": 1, \"a\": 2}", MODA_ERR_FORMAT, "duplicate");
    expect_refused("{\"a\": nan}", MODA_ERR_FORMAT, "line 1");
    expect_refused("{\"a\": \"\xff\"}", MODA_ERR_FORMAT, "column 7");
    expect_refused("[1, 2", MODA_ERR_FORMAT, "line 1");
    json_t *value;
    cr_assert(eq(int, moda_json_read(test_path("missing"), &value), MODA_ERR_IO));
    cr_assert(strstr(moda_last_error(), "missing") != NULL);
}
