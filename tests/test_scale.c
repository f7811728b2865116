/* tests/test_scale.c - which points there are and where their threads stand; what becomes of what the turns say.
 * A script stands for the program: a machine with more cores, and known laws. */
#include "bench/scale.h"
#include "bench/scale_internal.h"
#include "bench/scale_plot.h"
#include "tests/capture.h"
#include "tests/program.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

TestSuite(scale, .fini = test_folder_remove, .timeout = 120);

static moda_topology *machine(const char *text, const char *mask)
{
    moda_topology *t = NULL;
    cr_assert(eq(int, moda_topology_synthetic(text, mask, &t), MODA_OK), "%s", moda_last_error());
    return t;
}

/* ---- points ---- */

static void counts_are(const char *text, const char *mask, bool smt, double quota, const char *want)
{
    moda_topology *t = machine(text, mask);
    moda_sizes counts = {0};
    char got[256] = "";
    if (quota > 0) moda_topology_set_quota(t, quota);
    cr_assert(eq(int, moda_scale_counts(t, smt, &counts), MODA_OK));
    for (size_t i = 0; i < counts.n; i++)
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s%zu", i ? "," : "",
                 counts.values[i]);
    cr_assert(eq(str, got, (char *)want), "%s", text);
    free(counts.values);
    moda_topology_destroy(t);
}

Test(scale, every_count_that_is_worth_it)
{
    counts_are("node:1 core:1 pu:1", NULL, false, 0, "1");
    counts_are("node:1 core:2 pu:1", NULL, false, 0, "1,2");
    counts_are("node:1 core:6 pu:2", NULL, false, 0, "1,2,4,6");
    counts_are("node:1 core:6 pu:2", NULL, true, 0, "1,2,4,6,8,12");
    counts_are("node:2 core:24 pu:1", NULL, false, 0, "1,2,4,8,16,24,32,48");
    counts_are("node:4 core:3 pu:1", NULL, false, 0, "1,2,3,4,6,8,9,12");
    counts_are("node:2 core:8 pu:1", "8-13", false, 0, "1,2,4,6");
    counts_are("node:2 core:8 pu:1", NULL, false, 2.5, "1,2,3");
    counts_are("node:2 core:8 pu:1", NULL, false, 0.5, "1");
}

Test(scale, counts_beyond_the_cores_are_refused)
{
    moda_topology *t = machine("node:2 core:4 pu:2", "0-11");
    size_t good[] = {4, 1, 6}, far[] = {1, 7}, twice[] = {2, 2}, none[] = {0};
    moda_sizes list = {good, 3};
    cr_assert(eq(int, moda_scale_check_counts(t, false, &list), MODA_OK));
    cr_assert(eq(sz, good[0], 1));
    cr_assert(eq(sz, good[2], 6));
    list = (moda_sizes){far, 2};
    cr_assert(eq(int, moda_scale_check_counts(t, false, &list), MODA_ERR_ARG));
    cr_assert(strstr(moda_last_error(), "7 are more than the 6 cores") != NULL, "%s",
              moda_last_error());
    cr_assert(eq(int, moda_scale_check_counts(t, true, &list), MODA_OK));
    list = (moda_sizes){twice, 2};
    cr_assert(eq(int, moda_scale_check_counts(t, false, &list), MODA_ERR_ARG));
    list = (moda_sizes){none, 1};
    cr_assert(eq(int, moda_scale_check_counts(t, false, &list), MODA_ERR_ARG));
    moda_topology_destroy(t);
}

static void spread_is(const char *text, const char *mask, bool smt, size_t threads,
                      const char *want)
{
    moda_topology *t = machine(text, mask);
    char *list = NULL;
    cr_assert(eq(int, moda_scale_spread(t, smt, threads, &list), MODA_OK), "%s", moda_last_error());
    cr_assert(eq(str, list, (char *)want), "%s, %zu threads", text, threads);
    free(list);
    moda_topology_destroy(t);
}

Test(scale, the_same_number_on_every_node)
{
    spread_is("node:2 core:4 pu:2", NULL, false, 1, "0");
    spread_is("node:2 core:4 pu:2", NULL, false, 2, "0,8");
    spread_is("node:2 core:4 pu:2", NULL, false, 4, "0,2,8,10");
    spread_is("node:2 core:4 pu:2", NULL, false, 5, "0,2,4,8,10");
    spread_is("node:2 core:4 pu:2", NULL, true, 6, "0,2,4,8,10,12");
    spread_is("node:2 core:4 pu:2", NULL, true, 10, "0,2,4,6,1,8,10,12,14,9");
    spread_is("node:3 core:2 pu:1", NULL, false, 6, "0,1,2,3,4,5");
    /* Two cores here, four there. */
    spread_is("node:2 core:4 pu:1", "2-7", false, 5, "2,3,4,5,6");
}

/* ---- turns ---- */

/* A program that notes its arguments in `calls`; a step takes what awk's function t(n, batch) says, a tenth of
 * it "slow", which does not get faster with threads, and the rest "fast". */
static const char *script(const char *law)
{
    char text[4096];
    snprintf(
        text, sizeof text,
        "#!/bin/sh\necho \"$*\" >>'%s'\n"
        "while test $# != 0; do case $1 in --json) json=$2 ;; --threads) n=$2 ;; "
        "--batch-size) b=$2 ;; esac; shift; done\n"
        "awk -v n=$n -v b=$b 'function t(n, b) { return %s }\n"
        "BEGIN { x = t(n, b); slow = t(1, b)/10; split(\"1 1.01 0.99 1.02 0.98 1 1\", w);\n"
        "printf \"{\\\"team\\\": {\\\"threads\\\": %%d, \\\"nodes\\\": [{\\\"node\\\": 0}]}, "
        "\\\"seconds\\\": [\", n\n"
        "for (i = 1; i <= 7; i++) printf \"%%s%%.12f\", (i > 1 ? \", \" : \"\"), x*w[i]\n"
        "printf \"], \\\"peak_flops\\\": %%g, \\\"peak_bandwidth\\\": %%g, "
        "\\\"tuning\\\": [1], \\\"profile\\\": {\\\"parts\\\": [\", 1e11*n, 2e10*n\n"
        "p = \"{\\\"layer\\\": \\\"%%s\\\", \\\"pass\\\": \\\"%%s\\\", \\\"kind\\\": \\\"%%s\\\", "
        "\\\"flops\\\": %%g, \\\"bytes\\\": %%g, \\\"seconds\\\": %%.12f}\"\n"
        "printf p \", \", \"fast\", \"forward\", \"reorder\", 0, 1e6, (x-slow)/4\n"
        "printf p \", \", \"fast\", \"forward\", \"convolution\", 1e9, 1e7, (x-slow)*3/4\n"
        "printf p \"]}, \\\"between_parts_seconds\\\": 0}\", \"slow\", \"backward\", \"pooling\", "
        "0, 1e6, slow }' >\"$json\"\n",
        test_path("calls"), law);
    const char *path = test_write("program", text);
    chmod(path, 0700);
    return path;
}

static moda_scale_bench measured(const char *law, const moda_topology *t, bool weak,
                                 const size_t *n, size_t count)
{
    moda_scale_bench b = {
        .topology = t, .batch = 64, .batch_per_thread = 8, .steps = 7, .rounds = 2, .seed = 5};
    const moda_scale_curve curve = {
        .model = "lenet5", .method = "moda", .precision = "f32", .weak = weak};
    const moda_sizes counts = {(size_t *)n, count};
    b.program = script(law);
    cr_assert(eq(int, moda_scale_add(&b, &curve, &counts), MODA_OK));
    cr_assert(eq(int, moda_scale_run(&b), MODA_OK), "%s", moda_last_error());
    return b;
}

static const size_t doublings[] = {1, 2, 4, 8, 16};

Test(scale, points_take_turns)
{
    moda_topology *t = machine("node:1 core:4 pu:1", NULL);
    moda_scale_bench b = measured("1/n", t, false, doublings, 3);
    char *calls = test_read(test_path("calls")), *line = calls;
    const char *const order[] = {"1", "2", "4", "2", "4", "1"};
    for (size_t i = 0; i < 6; i++) {
        char want[128];
        snprintf(want, sizeof want,
                 "bench turn --model lenet5 --batch-size 64 --steps 7 --method moda "
                 "--precision f32 --threads %s --bind cores --seed 5 --profile",
                 order[i]);
        cr_assert(eq(int, strncmp(line, want, strlen(want)), 0), "turn %zu: %s", i, line);
        cr_assert(ne(ptr, (void *)strstr(line, "--tune off"), NULL), "by rule at every point: %s",
                  line);
        line = strchr(line, '\n') + 1;
    }
    cr_assert(eq(int, *line, 0), "%s", line);
    free(calls);
    cr_assert(eq(sz, b.session.calibration.rounds.n, 3), "around each round");
    moda_scale_free(&b);
    moda_topology_destroy(t);
}

/* One turn before all others, with the most threads, measures what all of them then do. */
Test(scale, precision_auto_is_tuned_once)
{
    moda_topology *t = machine("node:1 core:4 pu:1", NULL);
    moda_scale_bench b = {.topology = t,
                          .program = script("1/n"),
                          .batch = 64,
                          .batch_per_thread = 8,
                          .steps = 7,
                          .rounds = 1};
    moda_scale_curve curve = {.model = "lenet5", .method = "moda", .precision = "auto"};
    const moda_sizes counts = {(size_t *)doublings, 3};
    cr_assert(eq(int, moda_scale_add(&b, &curve, &counts), MODA_OK));
    curve.weak = true;
    cr_assert(eq(int, moda_scale_add(&b, &curve, &counts), MODA_OK));
    cr_assert(eq(int, moda_scale_run(&b), MODA_OK), "%s", moda_last_error());
    char *calls = test_read(test_path("calls")), *line = calls;
    for (size_t i = 0; i < 7; i++) {
        char *end = strchr(line, '\n');
        cr_assert(ne(ptr, end, NULL), "turn %zu is missing", i);
        *end = 0;
        cr_assert(eq(int, strstr(line, "--tuning ") != NULL, i > 0), "turn %zu: %s", i, line);
        if (i == 0)
            cr_assert(strstr(line, "--batch-size 64") && strstr(line, "--threads 4") &&
                          strstr(line, "--tune quick"),
                      "%s", line);
        line = end + 1;
    }
    cr_assert(eq(int, *line, 0), "%s", line);
    free(calls);
    cr_assert(eq(sz, b.curves[1].tuned_with, 4));
    test_capture(1);
    moda_scale_print(&b);
    char *out = test_captured();
    cr_assert(ne(ptr, (void *)strstr(out, "measured with 4 threads and a batch of 64"), NULL), "%s",
              out);
    free(out);
    moda_scale_free(&b);
    moda_topology_destroy(t);
}

Test(scale, speedup_and_laws_of_strong_scaling)
{
    moda_topology *t = machine("node:1 core:16 pu:1", NULL);
    moda_scale_bench b = measured("0.1*(0.2 + 0.8/n)", t, false, doublings, 5);
    const moda_scale_curve *c = b.curves;
    for (size_t i = 0; i < c->count; i++) {
        const moda_scale_point *p = &c->points[i];
        const double n = (double)p->threads, want = 1 / (0.2 + 0.8 / n);
        cr_assert(eq(sz, p->time.n, 14));
        cr_assert(epsilon_eq(dbl, p->speedup, want, 1e-6), "%g", p->speedup);
        cr_assert(epsilon_eq(dbl, p->efficiency, want / n, 1e-6));
        cr_assert(le(dbl, p->low, p->speedup));
        cr_assert(le(dbl, p->speedup, p->high));
        cr_assert(epsilon_eq(dbl, p->peak_flops, 1e11 * n, 1));
        cr_assert(epsilon_eq(dbl, p->own.median, 0.1 / want, 1e-9));
        cr_assert(lt(dbl, p->time.low, p->time.high));
    }
    cr_assert(epsilon_eq(dbl, c->amdahl.contention, 0.2, 1e-6), "%g", c->amdahl.contention);
    cr_assert(epsilon_eq(dbl, c->usl.contention, 0.2, 1e-6));
    cr_assert(epsilon_eq(dbl, c->usl.coherence, 0, 1e-7));
    moda_scale_free(&b);
    moda_topology_destroy(t);
}

Test(scale, weak_scaling_counts_images)
{
    moda_topology *t = machine("node:1 core:16 pu:1", NULL);
    /* The time of the batch's 8n images with n threads; pairs of threads cost something. */
    moda_scale_bench b = measured("b/n*(1 + 0.1*(n-1) + 0.01*n*(n-1))", t, true, doublings, 5);
    const moda_scale_curve *c = b.curves;
    cr_assert(eq(sz, c->points[3].batch, 64));
    cr_assert(epsilon_eq(dbl, c->points[3].speedup, 8 / (1 + 0.7 + 0.56), 1e-6));
    cr_assert(eq(int, c->amdahl.kind, MODA_FIT_NONE));
    cr_assert(epsilon_eq(dbl, c->usl.contention, 0.1, 1e-6));
    cr_assert(epsilon_eq(dbl, c->usl.coherence, 0.01, 1e-7));
    moda_scale_free(&b);
    moda_topology_destroy(t);
}

Test(scale, without_one_thread_the_first_point_counts_as_perfect)
{
    moda_topology *t = machine("node:1 core:16 pu:1", NULL);
    moda_scale_bench b = measured("1/n", t, false, doublings + 1, 3);
    cr_assert(epsilon_eq(dbl, b.curves->points[0].speedup, 2, 1e-9));
    cr_assert(epsilon_eq(dbl, b.curves->points[2].speedup, 8, 1e-6));
    test_capture(1);
    moda_scale_print(&b);
    char *out = test_captured();
    cr_assert(strstr(out, "taking 2 threads as 2 times one") != NULL, "%s", out);
    free(out);
    moda_scale_free(&b);
    moda_topology_destroy(t);
}

Test(scale, the_layer_that_stops_is_named)
{
    moda_topology *t = machine("node:1 core:16 pu:1", NULL);
    /* With 16 threads no faster than with 8. */
    moda_scale_bench b = measured("0.1 + 0.9/(n > 8 ? 8 : n)", t, false, doublings, 5);
    moda_scale_layer *layers = NULL;
    size_t count = 0;
    cr_assert(eq(int, moda_scale_layers(b.curves, &layers, &count), MODA_OK));
    cr_assert(eq(sz, count, 2), "two of the three parts are one layer and pass");
    cr_assert(eq(str, (char *)layers[0].first->layer, "slow"), "it loses 0.1 - 0.1/16 s");
    cr_assert(epsilon_eq(dbl, layers[0].lost, 0.1 - 0.1 / 16, 1e-9));
    cr_assert(eq(sz, layers[0].scales_to, 1));
    cr_assert(epsilon_eq(dbl, layers[0].efficiency, 1.0 / 16, 1e-9));
    cr_assert(eq(str, (char *)layers[1].first->layer, "fast"));
    cr_assert(eq(str, (char *)layers[1].first->kind, "convolution"));
    cr_assert(eq(sz, layers[1].scales_to, 8));
    cr_assert(epsilon_eq(dbl, layers[1].speedup, 8, 1e-6));
    cr_assert(epsilon_eq(dbl, layers[1].first->bytes, 1.1e7, 1));
    free(layers);
    moda_scale_free(&b);
    moda_topology_destroy(t);
}

Test(scale, tables_json_and_csv_tell_the_same)
{
    moda_topology *t = machine("node:1 core:4 pu:1", NULL);
    moda_scale_bench b = measured("0.1*(0.2 + 0.8/n)", t, false, doublings, 3);
    json_t *json = NULL;
    test_capture(1);
    moda_scale_print(&b);
    char *out = test_captured();
    const char *const words[] = {"lenet5, moda, f32, strong",
                                 "40.000",
                                 "2.500",
                                 "62.5 %",
                                 "serial fraction 0.2000",
                                 "(3 points, error 0.0 %)",
                                 "solved from 3 points, too few to say",
                                 "slow",
                                 "calibration"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        cr_assert(ne(ptr, (void *)strstr(out, words[i]), NULL), "%s: %s", words[i], out);
    free(out);
    cr_assert(eq(int, moda_scale_json(&b, &json), MODA_OK));
    const json_t *curve = json_array_get(json_object_get(json, "curves"), 0);
    const json_t *last = json_array_get(json_object_get(curve, "points"), 2);
    cr_assert(epsilon_eq(dbl, json_number_value(json_object_get(last, "speedup")), 2.5, 1e-6));
    cr_assert(eq(sz, json_array_size(json_object_get(last, "parts")), 2));
    cr_assert(eq(sz, json_array_size(json_object_get(curve, "layers")), 2));
    cr_assert(epsilon_eq(
        dbl,
        json_number_value(json_object_get(json_object_get(curve, "amdahl"), "serial_fraction")),
        0.2, 1e-6));
    const bool yes = json_is_object(json_object_get(json, "machine"));
    cr_assert(eq(int, yes, true));
    json_decref(json);
    cr_assert(eq(int, moda_scale_write_csv(&b, test_path("s.csv")), MODA_OK));
    char *csv = test_read(test_path("s.csv"));
    size_t lines = 0, commas = 0;
    for (const char *c = csv; *c; c++) lines += *c == '\n', commas += *c == ',';
    cr_assert(eq(sz, lines, 1 + 3 * 3));
    cr_assert(eq(sz, commas, lines * 20), "as many fields in every row: %s", csv);
    cr_assert(strstr(csv, "\"lenet5\",moda,f32,strong,packed,4,1,64,step,,,0.04,") != NULL, "%s",
              csv);
    free(csv);
    moda_scale_free(&b);
    moda_topology_destroy(t);
}

Test(scale, a_curve_goes_on_as_a_prediction)
{
    moda_topology *t = machine("node:1 core:16 pu:1", NULL);
    moda_topology *there = machine("node:2 core:16 pu:1", NULL);
    moda_scale_bench b = measured("0.1*(0.2 + 0.8/n)", t, false, doublings, 5);
    size_t counts[] = {16, 32};
    const moda_sizes threads = {counts, 2};
    const moda_forecast_machine other = {"node:2 core:16 pu:1", there, &threads, 0};
    moda_forecast f;
    cr_assert(eq(int, moda_forecast_make(b.curves, &other, &f), MODA_OK), "%s", moda_last_error());
    /* What the law that made the points says. */
    cr_assert(epsilon_eq(dbl, f.model.serial, 0.2, 1e-6), "%g", f.model.serial);
    cr_assert(epsilon_eq(dbl, f.points[1].seconds, 0.1 * (0.2 + 0.8 / 32), 1e-6), "%g",
              f.points[1].seconds);
    test_capture(1);
    moda_forecast_print(&f);
    char *out = test_captured();
    cr_assert(strstr(out, "universal scalability law") && strstr(out, "of 4.44 with 32 threads"),
              "%s", out);
    free(out);
    cr_assert(eq(int, moda_scale_plot(&b, &f, 1, test_path("plots")), MODA_OK), "%s",
              moda_last_error());
    char *data = test_read(test_path("plots/speedup.dat"));
    char *picture = test_read(test_path("plots/speedup.svg"));
    double speedup = 0;
    cr_assert(eq(int, sscanf(strstr(data, "\n16 "), "\n16 %lf", &speedup), 1), "%s", data);
    cr_assert(epsilon_eq(dbl, speedup, 4, 1e-5), "%s", data);
    cr_assert(strstr(data, "# predicted: lenet5") && strstr(data, "\n32 "), "%s", data);
    cr_assert(strstr(picture, "predicted, not measured") && strstr(picture, "</svg>"), "%s", data);
    free(data);
    free(picture);
    moda_forecast_free(&f);
    moda_scale_free(&b);
    moda_topology_destroy(there);
    moda_topology_destroy(t);
}

Test(scale, figures_that_make_no_sense_are_a_failure)
{
    moda_topology *t = machine("node:1 core:4 pu:1", NULL);
    const char *const bodies[] = {"{}", "{\"seconds\": [1], \"profile\": {\"parts\": []}}",
                                  "not JSON"};
    for (size_t i = 0; i < 3; i++) {
        moda_scale_bench b = {.topology = t, .batch = 64, .steps = 7, .rounds = 1};
        char text[512];
        snprintf(text, sizeof text,
                 "#!/bin/sh\nwhile test $# != 0; do test $1 = --json && json=$2; shift; done\n"
                 "echo '%s' >\"$json\"\n",
                 bodies[i]);
        b.program = test_write("program", text);
        chmod(b.program, 0700);
        cr_assert(
            eq(int,
               moda_scale_add(
                   &b, &(moda_scale_curve){.model = "lenet5", .method = "moda", .precision = "f32"},
                   &(moda_sizes){(size_t *)doublings, 1}),
               MODA_OK));
        const moda_status st = moda_scale_run(&b);
        cr_assert(eq(int, st, i < 2 ? MODA_ERR_INTERNAL : MODA_ERR_FORMAT), "%s",
                  moda_last_error());
        moda_scale_free(&b);
    }
    moda_topology_destroy(t);
}
