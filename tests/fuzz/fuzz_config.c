/* tests/fuzz/fuzz_config.c - a run's config.json, from which --resume takes options of every
 * kind. */
#include "base/options.h"
#include "tests/fuzz/fuzz.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const words[] = {"standard", "moda", "mwt", NULL};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *values = NULL;
    bool flag = false;
    const char *text = NULL, *output = NULL;
    size_t count = 7;
    double real = 0.5, any = 0;
    int choice = 0;
    moda_sizes list = {0};
    const moda_option inner[] = {
        {MODA_OPTION_REAL, "lr", "X", "", &real, 1e-9, 1e3, NULL},
        {MODA_OPTION_REAL, "alpha", "X", "", &any, 0, 0, NULL},
        {MODA_OPTION_END, NULL, NULL, NULL, NULL, 0, 0, NULL},
    };
    const moda_option table[] = {
        {MODA_OPTION_FLAG, "smt", NULL, "", &flag, 0, 0, NULL},
        {MODA_OPTION_TEXT, "data", "SPEC", "", &text, 0, 0, NULL},
        {MODA_OPTION_OUTPUT, "json", "FILE", "", &output, 0, 0, NULL},
        {MODA_OPTION_SIZE, "batch-size", "N", "", &count, 1, 1000, NULL},
        {MODA_OPTION_CHOICE, "method", "M", "", &choice, 0, 0, words},
        {MODA_OPTION_SIZES, "keep-epochs", "LIST", "", &list, 1, INFINITY, NULL},
        {MODA_OPTION_TABLE, NULL, NULL, NULL, (void *)inner, 0, 0, NULL},
        {MODA_OPTION_END, NULL, NULL, NULL, NULL, 0, 0, NULL},
    };
    const moda_status st = moda_json_read(fuzz_file("config.json", data, size), &values);
    fuzz_judge(st);
    if (st == MODA_OK) fuzz_judge(moda_options_preset(table, values));
    fuzz_hold(count >= 1 && count <= 1000, "a whole number is in its range");
    fuzz_hold(real >= 1e-9 && real <= 1e3 && isfinite(any), "a real is in its range");
    fuzz_hold(choice >= 0 && choice < 3 && !output,
              "a word is known, and no file says where to write");
    for (size_t i = 0; i < list.n; i++) fuzz_hold(list.values[i] >= 1, "a list is in its range");
    free(list.values);
    json_decref(values);
    return 0;
}
