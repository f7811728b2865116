/* tests/test_cmd_scale.c - moda scale as a whole, on a tiny network; times themselves are the machine's. */
#include "base/file.h"
#include "numa/topology.h"
#include "tests/capture.h"
#include "tests/program.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(cmd_scale, .fini = test_folder_remove, .timeout = 300);

/* In a folder with tiny.net. */
#define TINY \
    "scale --model tiny.net --batch-size 8 --batch-per-thread 4 --steps 2 --rounds 1 --quiet "

static void write_tiny(void)
{
    test_write("tiny.net", "[net]\ninput=3 8 8\n[conv]\nname=conv\noutputs=4\nkernel=3\npadding=1\n"
                           "[relu]\n[linear]\nname=fc\noutputs=classes\n");
}

/* "1,2" where there are two cores. */
static const char *list(void)
{
    moda_topology *t = NULL;
    cr_assert(eq(int, moda_topology_load(&t), MODA_OK));
    const char *text = moda_topology_cores(t) > 1 ? "1,2" : "1";
    moda_topology_destroy(t);
    return text;
}

Test(cmd_scale, a_whole_study)
{
    write_tiny();
    const char *threads = list();
    const size_t points = strlen(threads) > 1 ? 2 : 1;
    const char *out =
        program_must(TINY "--threads %s --json s.json --csv s.csv --plot plots", threads).out;
    json_t *json = program_json("s.json");
    const json_t *curves = json_object_get(json, "curves");
    const size_t count = json_array_size(curves);
    cr_assert(le(sz, 2, count), "strong and weak; on several nodes packed and spread");
    for (size_t i = 0; i < count; i++) {
        const json_t *c = json_array_get(curves, i), *list_of = json_object_get(c, "points");
        cr_assert(eq(sz, json_array_size(list_of), points));
        for (size_t k = 0; k < points; k++) {
            const json_t *p = json_array_get(list_of, k);
            const json_int_t n = json_integer_value(json_object_get(p, "threads"));
            const bool weak = strcmp(json_string_value(json_object_get(c, "scaling")), "weak") == 0;
            cr_assert(eq(int, (int)n, (int)k + 1));
            cr_assert(eq(int, (int)json_integer_value(json_object_get(p, "batch_size")),
                         weak ? 4 * (int)n : 8));
            cr_assert(lt(dbl, 0, json_number_value(json_object_get(p, "median_seconds"))));
            cr_assert(lt(dbl, 0, json_number_value(json_object_get(p, "peak_flops"))));
            cr_assert(le(sz, 5, json_array_size(json_object_get(p, "parts"))));
        }
    }
    cr_assert(strstr(out, "tiny.net, moda, f32, strong") && strstr(out, "weak"), "%s", out);
    cr_assert(strstr(out, "too few") != NULL, "%s", out);
    json_decref(json);
    /* gnuplot is there where tests are run: deps.sh. */
    const char *const names[] = {"speedup", "efficiency", "roofline", "roofline-2"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char name[64];
        snprintf(name, sizeof name, "plots/%s.svg", names[i]);
        char *svg = test_read(test_path(name));
        cr_assert(ne(ptr, svg, NULL), "%s", name);
        cr_assert(strstr(svg, "</svg>") && strstr(svg, i < 2 ? "tiny.net" : "GFLOP/s"), "%s", name);
        free(svg);
        snprintf(name, sizeof name, "plots/%s.png", names[i]);
        char *png = test_read(test_path(name));
        cr_assert(ne(ptr, png, NULL), "%s", name);
        cr_assert(eq(int, memcmp(png, "\x89PNG", 4), 0));
        free(png);
        snprintf(name, sizeof name, "plots/%s.svg.new", names[i]);
        cr_assert(program_lacks(name));
    }
}

/* OpenMP alone would have three. */
Test(cmd_scale, the_machine_is_described_with_the_most_threads)
{
    write_tiny();
    const char *threads = list();
    const char *const lists[] = {"1", threads};
    for (size_t i = 0; i < 2; i++) {
        char call[512];
        snprintf(call, sizeof call, TINY "--scaling strong --json s.json --threads %s", lists[i]);
        const program_result r = program_run_after("OMP_NUM_THREADS=3", call);
        cr_assert(eq(int, r.code, 0), "%s", r.err);
        json_t *json = program_json("s.json");
        const json_t *machine = json_object_get(json, "machine");
        const int most = lists[i][strlen(lists[i]) - 1] - '0';
        cr_assert(eq(int, (int)json_integer_value(json_object_get(machine, "threads")), most));
        json_decref(json);
    }
}

Test(cmd_scale, without_gnuplot_the_tables_come)
{
    write_tiny();
    char call[512];
    snprintf(call, sizeof call, TINY "--threads 1 --scaling strong --plot plots");
    const program_result r = program_run_after("PATH=/nowhere;", call);
    cr_assert(eq(int, r.code, 0), "%s", r.err);
    cr_assert(ne(ptr, (void *)strstr(r.out, "ms/step"), NULL), "%s", r.out);
    cr_assert(strstr(r.err, "gnuplot is missing") && strstr(r.err, "gnuplot-nox"), "%s", r.err);
    cr_assert(eq(ptr, (void *)strstr(strstr(r.err, "gnuplot is missing") + 1, "gnuplot is missing"),
                 NULL),
              "once: %s", r.err);
    cr_assert(program_has("plots/speedup.gp"));
    cr_assert(program_has("plots/speedup.dat"));
    cr_assert(program_lacks("plots/speedup.svg"));
}

Test(cmd_scale, a_gnuplot_that_fails_is_reported)
{
    write_tiny();
    test_write(
        "gnuplot",
        "#!/bin/sh\necho half >speedup.svg.new\necho >&2\necho 'no such terminal' >&2\nexit 1\n");
    const program_result r = program_run_after("chmod 700 gnuplot; PATH=$PWD:$PATH;",
                                               TINY "--threads 1 --scaling strong --plot plots");
    cr_assert(eq(int, r.code, 1));
    cr_assert(ne(ptr, (void *)strstr(r.err, "plots/speedup.gp: no such terminal"), NULL), "%s",
              r.err);
    cr_assert(program_lacks("plots/speedup.svg"));
    cr_assert(program_lacks("plots/speedup.svg.new"));
}

Test(cmd_scale, predictions_say_so)
{
    write_tiny();
    const char *threads = list();
    if (strcmp(threads, "1") == 0) { /* one core: there is nothing to fit, and that is said */
        program_must_fail(2, "at least two", TINY "--predict 8 --machine 'node:2 core:8 pu:1'");
        return;
    }
    const char *out =
        program_must(TINY "--threads 1,2 --predict 4,16 --machine 'node:2 core:8 pu:1' "
                          "--node-bandwidth 100 --json s.json --scaling strong")
            .out;
    cr_assert(strstr(out, "PREDICTION, not measured") && strstr(out, "16 cores, 2 nodes") &&
                  strstr(out, "100.0 GB/s from a node (as given)"),
              "%s", out);
    json_t *json = program_json("s.json");
    const json_t *p = json_array_get(json_object_get(json, "predictions"), 0);
    const bool yes = json_is_true(json_object_get(p, "prediction"));
    cr_assert(eq(int, yes, true));
    cr_assert(eq(sz, json_array_size(json_object_get(p, "points")), 2));
    json_decref(json);
}

Test(cmd_scale, wrong_calls_say_what_to_do)
{
    write_tiny();
    program_must_fail(2, "--model is missing", "scale");
    program_must_fail(2, "'nosuch'", "scale --model nosuch");
    program_must_fail(2, "'nosuch'", "scale --model tiny.net,nosuch");
    program_must_fail(2, "empty word", "scale --model tiny.net,");
    program_must_fail(2, "--threads ''", TINY "--threads ''");
    program_must_fail(2, "entry 2", TINY "--threads 1,");
    program_must_fail(2, "0 threads", TINY "--threads 0,1");
    program_must_fail(2, "5000 are more than", TINY "--threads 1,5000");
    program_must_fail(2, "given twice", TINY "--threads 1,1");
    program_must_fail(2, "must be of standard, moda", TINY "--method fast");
    program_must_fail(2, "must be of f32, bf16", TINY "--precision f16");
    program_must_fail(2, "given twice", TINY "--scaling weak,weak");
    program_must_fail(2, "cores or none", TINY "--bind 0-1");
    program_must_fail(2, "--predict without --machine", TINY "--predict 8");
    program_must_fail(2, "--machine without --predict", TINY "--machine 'node:1 core:2 pu:1'");
    program_must_fail(2, "means nothing without --machine", TINY "--node-bandwidth 100");
    program_must_fail(2, "at least two", TINY "--threads 1 --predict 8 --machine 'core:8 pu:1'");
    program_must_fail(2, "one thread on each core",
                      TINY "--smt --predict 8 --machine 'core:8 pu:1'");
    program_must_fail(2, "strong", TINY "--scaling weak --predict 8 --machine 'core:8 pu:1'");
    if (strcmp(list(), "1") != 0) {
        program_must_fail(2, "--predict", TINY "--threads 1,2 --predict 9 --machine 'core:8 pu:1'");
        program_must_fail(2, "nonsense", TINY "--threads 1,2 --predict 8 --machine nonsense");
    }
    cr_assert(eq(int, moda_make_directory(test_path("plots")), MODA_OK));
    program_must_fail(2, "plots/a.svg", TINY "--plot plots --json plots/a.svg");
}
