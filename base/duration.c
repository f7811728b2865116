#include "base/duration.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    char unit;
    double seconds;
} units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
enum { UNITS = sizeof units / sizeof *units, DIGITS = 9, MOST = 1000 * 86400 };

/* Digits alone: strtoul would also take signs and spaces. Moves *text behind them. */
static bool read_number(const char **text, double *number)
{
    const size_t digits = strspn(*text, "0123456789");
    if (digits == 0 || digits > DIGITS) return false;
    *number = (double)strtoul(*text, NULL, 10);
    *text += digits;
    return true;
}

static bool parse(const char *text, double *seconds)
{
    double number;
    size_t next = 0; /* units before this one have been there, or come too late */
    *seconds = 0;
    if (!read_number(&text, &number)) return false;
    if (!*text) { /* minutes */
        *seconds = number * 60;
        return true;
    }
    for (;;) {
        while (next < UNITS && units[next].unit != *text) next++;
        if (next == UNITS) return false;
        *seconds += number * units[next++].seconds;
        if (!*++text) return true;
        if (!read_number(&text, &number)) return false;
    }
}

moda_status moda_duration_parse(const char *name, const char *text, double *seconds)
{
    moda_status st = MODA_OK;
    double value;
    const bool good = parse(text, &value) && value > 0 && value <= MOST;
    MODA_CHECK(
        good, MODA_ERR_ARG,
        "--%s %s: must be a time as 2h30m, 90m or 45s (a number alone is minutes), from 1s to "
        "1000d",
        name, *text ? text : "''");
    *seconds = value;
out:
    return st;
}
