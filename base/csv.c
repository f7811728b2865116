#include "base/csv.h"
#include <math.h>

void moda_csv_text(FILE *f, const char *text)
{
    fputc('"', f);
    for (; *text; text++) {
        if (*text == '"') fputc('"', f);
        fputc(*text, f);
    }
    fputc('"', f);
}

void moda_csv_number(FILE *f, double x)
{
    if (isfinite(x)) fprintf(f, "%.6g", x);
}
