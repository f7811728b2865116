#include "decompose/reals.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* A number that ends in `,` or at the end of the text; *at moves behind it. No -0: it would get
 * another name than 0. */
static bool parse(const char **at, double *value)
{
    char *end;
    const char *digits = *at + (**at == '-');
    if (!isdigit((unsigned char)*digits) && *digits != '.') return false;
    *value = strtod(*at, &end) + 0.0;
    const bool good = end != *at && (*end == ',' || *end == 0);
    *at = end;
    return good;
}

moda_status moda_reals_parse(const char *name, const char *text, double least, bool open,
                             double most, moda_reals *list)
{
    moda_status st = MODA_OK;
    const char *at = text;
    double *values = NULL;
    size_t n = 1;
    for (const char *c = text; *c; c++) n += *c == ',';
    MODA_ALLOC(values, n * sizeof *values);
    for (size_t i = 0; i < n; i++) {
        const bool good = parse(&at, &values[i]);
        MODA_CHECK(good, MODA_ERR_ARG,
                   "--%s %s: entry %zu is not a number; wanted is a list as 0.5,1,2", name, text,
                   i + 1);
        MODA_CHECK(values[i] >= least && (!open || values[i] > least) && values[i] <= most,
                   MODA_ERR_ARG, "--%s %s: %.15g is not allowed, must be %s %.15g, at most %.15g",
                   name, text, values[i], open ? "above" : "at least", least, most);
        for (size_t j = 0; j < i; j++)
            MODA_CHECK(values[j] != values[i], MODA_ERR_ARG, "--%s %s: %.15g is given twice", name,
                       text, values[i]);
        at++;
    }
    *list = (moda_reals){values, n};
    values = NULL;
out:
    free(values);
    return st;
}
