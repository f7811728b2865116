/* tests/test_bench_methods.c - bench/methods.h and moda bench methods: what a ratio is made of. */
#include "base/log.h"
#include "bench/methods.h"
#include "tests/capture.h"
#include "tests/program.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

static void prepare(void)
{
    moda_log_set_level(MODA_LOG_WARNING);
    omp_set_num_threads(1);
    test_folder();
    test_write("tiny.net", "[net]\nname = tiny\n\n[conv]\nname = c\noutputs = 8\nkernel = 5\n"
                           "stride = 4\n\n[relu]\n\n[linear]\nname = l\noutputs = classes\n");
}

TestSuite(bench_methods, .init = prepare, .fini = test_folder_remove, .timeout = 60);

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of n values, n odd; sorts them. */
static double middle(double *values, size_t n)
{
    qsort(values, n, sizeof *values, ascending);
    return values[n / 2];
}

/* Each turn of this few steps has as many, so rounds can be told apart: 3, as turns are that short.
 * */
Test(bench_methods, ratios_are_those_of_the_rounds_medians)
{
    enum { ROUNDS = 5, STEPS = 3 };
    moda_dataset *data = NULL;
    cr_assert(
        eq(int,
           moda_dataset_open("synthetic:classes=3,channels=1,size=32,train=64,test=0", NULL, &data),
           MODA_OK),
        "%s", moda_last_error());
    moda_methods_bench b = {.model = test_path("tiny.net"),
                            .data = data,
                            .batch = 16,
                            .tune = MODA_TUNE_OFF,
                            .session = {.seconds = 1e-9, .rounds = ROUNDS}};
    cr_assert(eq(int, moda_methods_run(&b), MODA_OK), "%s", moda_last_error());
    const moda_method_row *standard = &b.rows[0], *moda = &b.rows[b.count - 1];
    cr_assert(eq(str, (char *)standard->method, "standard"));
    cr_assert(eq(str, (char *)moda->method, "moda"));
    cr_assert(eq(sz, moda->steps.n, ROUNDS * STEPS));
    cr_assert(eq(sz, moda->ratios.n, ROUNDS));
    double ratios[ROUNDS];
    for (size_t r = 0; r < ROUNDS; r++) {
        double a[STEPS], m[STEPS];
        memcpy(a, standard->steps.seconds + STEPS * r, sizeof a);
        memcpy(m, moda->steps.seconds + STEPS * r, sizeof m);
        ratios[r] = middle(m, STEPS) / middle(a, STEPS);
        cr_assert(eq(dbl, moda->ratios.seconds[r], ratios[r]), "round %zu", r);
        cr_assert(eq(dbl, standard->ratios.seconds[r], 1), "round %zu", r);
    }
    cr_assert(eq(dbl, moda->ratio.median, middle(ratios, ROUNDS)));
    moda_methods_free(&b);
    moda_dataset_destroy(data);
}

Test(bench_methods, the_program_writes_what_it_measured)
{
    program_must("bench methods --model tiny.net --seconds 0.02 --rounds 3 --tune off --threads 1 "
                 "--batch-size 16 --data synthetic:classes=3,channels=1,size=32,train=64,test=0 "
                 "--json m.json --quiet");
    json_t *json = program_json("m.json"), *rows = json_object_get(json, "methods");
    json_t *moda = json_array_get(rows, json_array_size(rows) - 1);
    cr_assert(eq(str, (char *)json_string_value(json_object_get(moda, "method")), "moda"));
    cr_assert(eq(sz, json_array_size(json_object_get(moda, "ratios")), 3));
    const double ratio = json_number_value(json_object_get(moda, "ratio")),
                 low = json_number_value(json_object_get(moda, "ratio_low")),
                 high = json_number_value(json_object_get(moda, "ratio_high"));
    cr_assert(low > 0 && low <= ratio && ratio <= high, "%g %g %g", low, ratio, high);
    cr_assert(eq(i64, json_integer_value(json_object_get(json, "batch_size")), 16));
    json_decref(json);
}

Test(bench_methods, wrong_calls)
{
    program_must_fail(2, "--model is missing", "bench methods");
    program_must_fail(1, "nowhere.net", "bench methods --model nowhere.net");
    program_must_fail(2, "--tune", "bench methods --model tiny.net --tune full");
}
