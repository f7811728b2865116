/* tests/test_duration.c - spans of time as people write them. */
#include "base/duration.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

Test(duration, as_people_write_it)
{
    const struct {
        const char *text;
        double seconds;
    } good[] = {{"2h30m", 9000},   {"90m", 5400},      {"45s", 45},  {"1d", 86400},
                {"1d12h", 129600}, {"1h1s", 3601},     {"90", 5400}, {"0h1m", 60},
                {"1000d", 864e5},  {"1d1h1m1s", 90061}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        double seconds = -1;
        cr_assert(eq(int, moda_duration_parse("time-limit", good[i].text, &seconds), MODA_OK), "%s",
                  moda_last_error());
        cr_assert(eq(dbl, seconds, good[i].seconds), "%s", good[i].text);
    }
}

Test(duration, nonsense_is_named)
{
    static const char *const bad[] = {
        "",    "0",           "0s",    "h",   "1x",  "1h2h",  "1m2h", "-1m",  "+1m",   "1.5h",
        "1h ", "99999999999", "1001d", " 1m", "1h2", "1h-2m", "nan",  "1e3s", "0h0m0s"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        double seconds = -1;
        cr_assert(eq(int, moda_duration_parse("time-limit", bad[i], &seconds), MODA_ERR_ARG),
                  "'%s' passes", bad[i]);
        cr_assert(eq(dbl, seconds, -1), "'%s' was written", bad[i]);
        cr_assert(strstr(moda_last_error(), "--time-limit") != NULL, "%s", moda_last_error());
    }
}
