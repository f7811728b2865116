/* tests/test_bench_methods.c - bench/methods.h and moda bench methods: what a ratio is made of. */
#include "bench/methods.h"
#include "tests/capture.h"
#include "tests/program.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CONV(name) "[conv]\nname=" name "\noutputs=4\nkernel=3\npadding=1\n"
#define NORM(name) "[batchnorm]\nname=" name "\n[relu]\n"
#define TAIL       "[linear]\nname=fc\noutputs=classes\n"

static void prepare(void)
{
    test_folder();
    test_write("plain.net", "[net]\n" CONV("a") "[relu]\n" TAIL);
    test_write("two.net", "[net]\n" CONV("a") NORM("an") CONV("b") NORM("bn") TAIL);
}

TestSuite(bench_methods, .init = prepare, .fini = test_folder_remove, .timeout = 300);

/* A program that notes its arguments in `calls`. Turn n of a method takes steps of n seconds, the
 * last of them ten times as long; of mwt twice that, of moda three times, in its second turn four
 * times. */
static const char *script(void)
{
    char text[1024], folder[512];
    snprintf(folder, sizeof folder, "%s", test_folder());
    snprintf(text, sizeof text,
             "#!/bin/sh\ncd '%s'\necho \"$*\" >>calls\n"
             "while test $# != 0; do case $1 in --json) json=$2 ;; --method) m=$2 ;; esac; shift; "
             "done\n"
             "echo >>turns.$m; n=$(wc -l <turns.$m); f=1; test $m = mwt && f=2\n"
             "test $m = moda && { f=3; test $n = 2 && f=4; }\n"
             "t=$((n * f))\n"
             "printf '{\"team\": {\"threads\": 2, \"nodes\": []}, \"seconds\": [%%d, %%d, %%d], "
             "\"flops\": 1e9, \"bytes\": 1e6, \"peak_flops\": 1e10, \"peak_bandwidth\": 1e9, "
             "\"memory_bytes\": 1, \"resident_bytes\": 1}' $t $t ${t}0 >\"$json\"\n",
             folder);
    const char *path = test_write("program", text);
    chmod(path, 0700);
    return path;
}

static size_t lines_with(const char *text, const char *word)
{
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, word)); p += strlen(word)) n++;
    return n;
}

Test(bench_methods, ratios_are_those_of_the_rounds_medians)
{
    enum { ROUNDS = 3 };
    char model[512], program[512];
    snprintf(model, sizeof model, "%s", test_path("two.net"));
    snprintf(program, sizeof program, "%s", script());
    moda_methods_bench b = {
        .model = model,
        .precision = "bf16",
        .batch = 16,
        .steps = {.program = program,
                  .data = "synthetic:classes=3,channels=1,size=8,train=10,test=0",
                  .session = {.seconds = 3, .rounds = ROUNDS}}};
    cr_assert(eq(int, moda_methods_run(&b), MODA_OK), "%s", moda_last_error());
    cr_assert(eq(sz, b.steps.count, 3));
    cr_assert(eq(sz, b.batch, 10), "there are no more images");
    const char *const methods[] = {"standard", "mwt", "moda"};
    const double want[][ROUNDS] = {{1, 1, 1}, {2, 2, 2}, {3, 4, 3}}, median[] = {1, 2, 3};
    for (size_t i = 0; i < 3; i++) {
        cr_assert(eq(str, (char *)b.steps.rows[i].method, (char *)methods[i]));
        cr_assert(eq(sz, b.ratios[i].rounds.n, ROUNDS));
        for (size_t r = 0; r < ROUNDS; r++)
            cr_assert(eq(dbl, b.ratios[i].rounds.seconds[r], want[i][r]), "%s, round %zu",
                      methods[i], r);
        cr_assert(eq(dbl, b.ratios[i].all.median, median[i]));
    }
    cr_assert(eq(dbl, b.ratios[2].all.high, 4));
    char *calls = test_read(test_path("calls"));
    cr_assert(eq(sz, lines_with(calls, "\n"), 3 * ROUNDS), "%s", calls);
    cr_assert(eq(sz, lines_with(calls, "--data synthetic:classes=3"), 3 * ROUNDS), "%s", calls);
    cr_assert(eq(sz, lines_with(calls, "--precision bf16"), 3 * ROUNDS), "%s", calls);
    free(calls);
    moda_methods_free(&b);
}

Test(bench_methods, the_program_writes_what_it_measured)
{
    const char *out =
        program_must("bench methods --model two.net --seconds 0.02 --rounds 3 --tune off "
                     "--threads 1 --batch-size 16 --json m.json --csv m.csv --quiet "
                     "--data synthetic:classes=3,channels=1,size=32,train=64,test=0")
            .out;
    cr_assert(strstr(out, "of standard") && strstr(out, "images/s"), "%s", out);
    json_t *json = program_json("m.json"), *rows = json_object_get(json, "methods"), *row = NULL;
    size_t i;
    cr_assert(eq(sz, json_array_size(rows), 3));
    json_array_foreach(rows, i, row)
    {
        cr_assert(eq(sz, json_array_size(json_object_get(row, "ratios")), 3));
        const double ratio = json_number_value(json_object_get(row, "ratio")),
                     low = json_number_value(json_object_get(row, "ratio_low")),
                     high = json_number_value(json_object_get(row, "ratio_high"));
        cr_assert(low > 0 && low <= ratio && ratio <= high, "%g %g %g", low, ratio, high);
        cr_assert(lt(dbl, 0, json_number_value(json_object_get(row, "share_of_bound"))));
        cr_assert(eq(i64, json_integer_value(json_object_get(row, "threads")), 1));
    }
    cr_assert(eq(str, (char *)json_string_value(json_object_get(row, "method")), "moda"));
    cr_assert(eq(i64, json_integer_value(json_object_get(json, "batch_size")), 16));
    json_decref(json);
    char *csv = test_read(test_path("m.csv"));
    const size_t cells = lines_with(csv, ","), lines = lines_with(csv, "\n");
    cr_assert(eq(sz, lines, 4), "%s", csv);
    cr_assert(eq(sz, cells % lines, 0), "%s", csv);
    cr_assert(ne(ptr, (void *)strstr(csv, ",ratio,ratio_low,ratio_high\n"), NULL), "%s", csv);
    free(csv);
}

Test(bench_methods, one_round_has_no_interval)
{
    const char *out = program_must("bench methods --model plain.net --seconds 0.01 --rounds 1 "
                                   "--tune off --threads 1 --batch-size 4 --json m.json "
                                   "--csv m.csv --quiet")
                          .out;
    cr_assert(strstr(out, "\nstandard        1.000     -   -\n") != NULL, "%s", out);
    cr_assert(strstr(out, "the ratio of one round") && !strstr(out, " 0 %"), "%s", out);
    json_t *json = program_json("m.json"), *row = NULL;
    static const char *const none[] = {"ratio_low", "ratio_high", "ratio_confidence"};
    size_t i;
    json_array_foreach(json_object_get(json, "methods"), i, row)
    {
        const double ratio = json_real_value(json_object_get(row, "ratio"));
        cr_assert(lt(dbl, 0, ratio));
        for (size_t k = 0; k < 3; k++)
            cr_assert(eq(ptr, json_object_get(row, none[k]), json_null()), "%s", none[k]);
    }
    json_decref(json);
    char *csv = test_read(test_path("m.csv"));
    cr_assert(eq(sz, lines_with(csv, ",,\n"), 2), "%s", csv);
    free(csv);
}

/* OpenMP alone would have three. */
Test(bench_methods, the_machine_is_described_with_the_rows_threads)
{
    const program_result r =
        program_run_after("OMP_NUM_THREADS=3", "bench methods --model plain.net --seconds 0.01 "
                                               "--rounds 1 --tune off --threads 1 --batch-size 4 "
                                               "--json m.json --quiet");
    cr_assert(eq(int, r.code, 0), "%s", r.err);
    cr_assert(strstr(r.out, "; 1 thread,") != NULL, "%s", r.out);
    json_t *json = program_json("m.json");
    const json_t *machine = json_object_get(json, "machine");
    cr_assert(eq(i64, json_integer_value(json_object_get(machine, "threads")), 1));
    json_decref(json);
}

Test(bench_methods, no_masks_no_row)
{
    program_must("bench methods --model plain.net --seconds 0.01 --rounds 1 --tune off --threads 1 "
                 "--batch-size 4 --json m.json --quiet");
    json_t *json = program_json("m.json");
    cr_assert(eq(sz, json_array_size(json_object_get(json, "methods")), 2));
    json_decref(json);
}

Test(bench_methods, wrong_calls)
{
    program_must_fail(2, "--model is missing", "bench methods");
    program_must_fail(1, "nowhere.net", "bench methods --model nowhere.net");
    program_must_fail(2, "--tune", "bench methods --model two.net --tune fast");
    program_must_fail(2, "--tune off switches off",
                      "bench methods --model two.net --tune off --precision auto");
    program_must_fail(2, "--spread", "bench methods --model two.net --spread 2");
}
