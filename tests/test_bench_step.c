/* tests/test_bench_step.c - moda bench step: every combination is a row, rows take turns, and
 * what turns say becomes figures. A script stands for the program where times have to be known. */
#include "bench/step_rows.h"
#include "tests/capture.h"
#include "tests/program.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

TestSuite(bench_step, .fini = test_folder_remove, .timeout = 300);

/* A program that notes its arguments in `calls`. A step takes batch/threads/100 seconds, and is
 * 1e9*batch operations on 1e6*batch bytes; the machine does 1e11 operations and 1e10 bytes a
 * second with each thread, bf16 twice as many. */
static const char *script(void)
{
    char text[2048];
    snprintf(text, sizeof text,
             "#!/bin/sh\necho \"$*\" >>'%s'\nbf16=false tuning=\n"
             "while test $# != 0; do case $1 in --json) json=$2 ;; --threads) n=$2 ;; "
             "--batch-size) b=$2 ;; --precision) test $2 = f32 || bf16=true ;; "
             "--tune) test $2 = off || tuning=', \"tuning\": [7]' ;; esac; shift; done\n"
             "awk -v n=$n -v b=$b -v bf16=$bf16 -v tuning=\"$tuning\" 'BEGIN { t = b/n/100\n"
             "printf \"{\\\"team\\\": {\\\"threads\\\": %%d, \\\"nodes\\\": []}, \", n\n"
             "printf \"\\\"seconds\\\": [%%g, %%g, %%g], \", t, t, t\n"
             "printf \"\\\"flops\\\": %%g, \\\"bytes\\\": %%g, \", 1e9*b, 1e6*b\n"
             "printf \"\\\"work_in_bf16\\\": %%s, \\\"memory_bytes\\\": 1024, \", bf16\n"
             "printf \"\\\"resident_bytes\\\": 2048, \\\"peak_flops\\\": %%g, \", 1e11*n\n"
             "printf \"\\\"peak_flops_bf16\\\": %%g, \\\"peak_bandwidth\\\": %%g%%s}\", "
             "2e11*n, 1e10*n, tuning }' >\"$json\"\n",
             test_path("calls"));
    const char *path = test_write("program", text);
    chmod(path, 0700);
    return path;
}

static void add(moda_step_rows *b, const char *precision, size_t batch, size_t threads)
{
    const moda_step_row row = {"lenet5", "moda", precision, batch, threads, .name = ""};
    cr_assert(eq(int, moda_step_rows_add(b, &row), MODA_OK));
}

static moda_step_rows measured(void)
{
    moda_step_rows b = {
        .program = script(), .seed = 3, .tune = "full", .session = {.seconds = 1, .rounds = 2}};
    add(&b, "f32", 16, 1);
    add(&b, "f32", 16, 4);
    add(&b, "auto", 32, 4);
    cr_assert(eq(int, moda_step_rows_run(&b), MODA_OK), "%s", moda_last_error());
    return b;
}

Test(bench_step, rows_take_turns)
{
    moda_step_rows b = measured();
    char *calls = test_read(test_path("calls")), *line = calls;
    const char *const want[] = {"f32 --threads 1", "f32 --threads 4",  "auto --threads 4",
                                "f32 --threads 4", "auto --threads 4", "f32 --threads 1"};
    for (size_t i = 0; i < 6; i++) {
        char *end = strchr(line, '\n');
        cr_assert(ne(ptr, end, NULL), "turn %zu is missing", i);
        *end = 0;
        cr_assert(ne(ptr, (void *)strstr(line, want[i]), NULL), "turn %zu: %s", i, line);
        cr_assert(eq(int, strncmp(line, "bench turn --model lenet5", 25), 0), "%s", line);
        cr_assert(ne(ptr, (void *)strstr(line, i < 3 ? "--steps 5" : "--steps "), NULL), "%s",
                  line);
        /* The second turn of a row does as the first one, in every precision. */
        cr_assert(eq(int, strstr(line, "--tuning ") != NULL, i >= 3), "turn %zu: %s", i, line);
        cr_assert(eq(int, strstr(line, "--tune full") != NULL, i < 3), "turn %zu: %s", i, line);
        line = end + 1;
    }
    cr_assert(eq(int, *line, 0), "%s", line);
    free(calls);
    cr_assert(eq(sz, b.session.calibration.rounds.n, 3), "around each round");
    moda_step_rows_free(&b);
    moda_step_rows_free(&b);
}

/* By hand: 16 images in 0.04 s with four threads are 16e9 operations in 0.04 s, of which the
 * machine needs 0.04. */
Test(bench_step, known_figures)
{
    moda_step_rows b = measured();
    json_t *json = NULL;
    const moda_results results = moda_step_rows_results(&b);
    cr_assert(eq(int, moda_results_json(&results, &json), MODA_OK));
    const json_t *rows = json_object_get(json, "rows");
    cr_assert(eq(sz, json_array_size(rows), 3));
    const struct {
        double median, images, share, flops;
    } want[] = {{0.16, 100, 1, 1e11}, {0.04, 400, 1, 4e11}, {0.08, 400, 0.5, 4e11}};
    for (size_t i = 0; i < 3; i++) {
        const json_t *r = json_array_get(rows, i);
        cr_assert(epsilon_eq(dbl, json_number_value(json_object_get(r, "median_seconds")),
                             want[i].median, 1e-9));
        cr_assert(epsilon_eq(dbl, json_number_value(json_object_get(r, "images_per_second")),
                             want[i].images, 1e-6));
        cr_assert(epsilon_eq(dbl, json_number_value(json_object_get(r, "share_of_bound")),
                             want[i].share, 1e-9));
        cr_assert(epsilon_eq(dbl, json_number_value(json_object_get(r, "flops_per_second")),
                             want[i].flops, 1));
        cr_assert(eq(str, (char *)json_string_value(json_object_get(r, "bound")), "compute"));
        cr_assert(eq(int, (int)json_integer_value(json_object_get(r, "calls")), 6));
        cr_assert(eq(int, (int)json_integer_value(json_object_get(r, "resident_bytes")), 2048));
    }
    test_capture(1);
    moda_results_print(&results);
    char *out = test_captured();
    const char *const words[] = {"4 threads: peak 400.0 GFLOP/s (bf16 800.0), bandwidth 40.00",
                                 "160.0000", "calibration", "oneDNN", "2.0 KiB"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        cr_assert(ne(ptr, (void *)strstr(out, words[i]), NULL), "%s: %s", words[i], out);
    free(out);
    cr_assert(eq(int, moda_results_write_csv(&results, test_path("s.csv")), MODA_OK));
    char *csv = test_read(test_path("s.csv"));
    cr_assert(
        ne(ptr, (void *)strstr(csv, "\n\"lenet5\",moda,auto,32,4,400,1024,2048,6,0.08,"), NULL),
        "%s", csv);
    free(csv);
    json_decref(json);
    moda_step_rows_free(&b);
}

/* Six steps of each row in two turns, all of 0.16 s, or of 0.04 s. */
Test(bench_step, medians_are_those_of_the_turns)
{
    moda_step_rows b = measured();
    const double want[] = {0.16, 0.04, 0.08};
    for (size_t i = 0; i < 3; i++) {
        cr_assert(eq(sz, b.rows[i].medians.n, 2));
        for (size_t k = 0; k < 2; k++)
            cr_assert(epsilon_eq(dbl, b.rows[i].medians.seconds[k], want[i], 1e-9));
    }
    moda_step_rows_free(&b);
}

/* ---- the program ---- */

/* A network with a place for masks. */
static void write_tiny(void)
{
    test_write("tiny.net",
               "[net]\ninput=3 8 8\n[conv]\nname=c\noutputs=4\nkernel=3\npadding=1\n[batchnorm]\n"
               "name=cn\n[relu]\n[conv]\nname=d\noutputs=16\nkernel=3\npadding=1\n[batchnorm]\n"
               "name=dn\n[relu]\n[linear]\nname=fc\noutputs=classes\n");
}

Test(bench_step, every_combination_is_a_row)
{
    write_tiny();
    program_must("bench step --model tiny.net --method standard,mwt --precision f32,auto "
                 "--batch-size 8,4 --threads 1 --seconds 0.01 --rounds 1 --quiet --json s.json");
    json_t *json = program_json("s.json");
    const json_t *rows = json_object_get(json, "rows");
    cr_assert(eq(sz, json_array_size(rows), 8));
    const json_t *first = json_array_get(rows, 0), *last = json_array_get(rows, 7);
    cr_assert(eq(str, (char *)json_string_value(json_object_get(first, "method")), "standard"));
    cr_assert(eq(int, (int)json_integer_value(json_object_get(first, "batch_size")), 4));
    cr_assert(eq(str, (char *)json_string_value(json_object_get(last, "precision")), "auto"));
    for (size_t i = 0; i < 8; i++) {
        const json_t *r = json_array_get(rows, i);
        const char *const above_0[] = {"median_seconds", "flops",          "bytes",
                                       "memory_bytes",   "resident_bytes", "peak_flops"};
        for (size_t k = 0; k < sizeof above_0 / sizeof *above_0; k++)
            cr_assert(lt(dbl, 0, json_number_value(json_object_get(r, above_0[k]))), "%s",
                      above_0[k]);
        cr_assert(eq(int, (int)json_integer_value(json_object_get(r, "threads")), 1));
    }
    const json_t *machine = json_object_get(json, "machine");
    cr_assert(eq(int, (int)json_integer_value(json_object_get(machine, "threads")), 1));
    cr_assert(eq(int, json_is_object(json_object_get(json, "calibration")), 1));
    json_decref(json);
}

Test(bench_step, wrong_calls_say_what_to_do)
{
    program_must_fail(2, "unknown benchmark 'steps'", "bench steps");
    program_must_fail(2, "no benchmark given", "bench");
    program_must_fail(2, "--model is missing", "bench step");
    program_must_fail(2, "'nosuch'", "bench step --model lenet5,nosuch");
    program_must_fail(2, "must be of standard, moda", "bench step --model lenet5 --method magic");
    program_must_fail(2, "--method mwt: lenet5 has nothing to mask",
                      "bench step --model vgg16,lenet5 --method standard,mwt");
    program_must_fail(2, "--tune off switches off",
                      "bench step --model lenet5 --precision f32,auto --tune off");
    program_must_fail(2, "must be of f32, bf16, auto", "bench step --model lenet5 --precision f16");
    program_must_fail(2, "given twice", "bench step --model lenet5,lenet5");
    program_must_fail(2, "an empty word", "bench step --model lenet5, --quiet");
    program_must_fail(2, "--batch-size", "bench step --model lenet5 --batch-size 0,4");
    program_must_fail(2, "more than the", "bench step --model lenet5 --threads 1,4097");
    program_must_fail(2, "0 threads", "bench step --model lenet5 --threads 0");
    test_write("flat.net", "[net]\ninput=3 8 16\n[linear]\nname=a\noutputs=classes\n");
    program_must_fail(2, "square", "bench step --model flat.net --threads 1 --quiet");
}
