/* tests/test_bench_layers.c - moda bench conv and gemm: which rows there are, what a call is said to do, and that
 * table, JSON and CSV tell the same. Times themselves are the machine's. */
#include "base/isa.h"
#include "bench/layers.h"
#include "tests/capture.h"
#include "tests/program.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One thread: on a busy machine the others are waited for, over and over. */
static void one_thread(void)
{
    omp_set_num_threads(1);
}

TestSuite(bench_layers, .init = one_thread, .fini = test_folder_remove, .timeout = 120);

static moda_layer_bench make(moda_layer_kind kind)
{
    return (moda_layer_bench){.kind = kind,
                              .passes = {true, true, true},
                              .f32 = true,
                              .bias = true,
                              .session = {.seconds = 0.002, .rounds = 1}};
}

static void add(moda_layer_bench *b, const char *shape)
{
    moda_problem p;
    cr_assert(eq(int, moda_problem_parse(b->kind, shape, &p), MODA_OK), "%s", moda_last_error());
    cr_assert(eq(int, moda_layer_bench_add(b, &p), MODA_OK), "%s", moda_last_error());
}

Test(bench_layers, rows_are_passes_and_ways)
{
    moda_layer_bench b = make(MODA_LAYER_CONV);
    add(&b, "mb2ic16ih8oc32kh3ph1");
    b.passes[MODA_CONV_FORWARD] = false, b.batch = 3, b.bias = false;
    add(&b, "mb2ic3ih9oc4kh3");
    cr_assert(eq(sz, b.group_count, 3 + 2));
    cr_assert(b.groups[0].batch == 2 && b.groups[3].batch == 3 && b.groups[3].problem.n == 3);
    /* 2 operations for each weight and place */
    cr_assert(eq(dbl, b.rows[0].work.flops, 2.0 * 2 * 16 * 32 * 9 * 64));
    cr_assert(eq(sz, b.rows[0].operands, 4 * (2 * 16 * 64 + 16 * 32 * 9 + 2 * 32 * 64 + 32)));
    cr_assert(eq(int, moda_layer_bench_run(&b), MODA_OK), "%s", moda_last_error());
    cr_assert(ge(sz, b.count, 5));
    for (size_t i = 0; i < b.count; i++) {
        const moda_timing_summary *t = &b.rows[i].time;
        cr_assert(ge(sz, t->n, 3), "%s", b.rows[i].implementation);
        cr_assert(t->best > 0 && t->best <= t->low && t->low <= t->median && t->median <= t->high);
    }
    moda_layer_bench_free(&b);
    moda_layer_bench_free(&b);
}

Test(bench_layers, linear_layers_have_products_beside_them)
{
    moda_layer_bench b = make(MODA_LAYER_LINEAR);
    size_t products = 0, inner = 0;
    add(&b, "3x20:20x7");
    add(&b, "mb3ic8ih2iw3oc5");
    cr_assert(eq(dbl, b.rows[0].work.flops, 2.0 * 3 * 20 * 7));
    cr_assert(eq(dbl, b.rows[b.count - 1].work.flops, 2.0 * 3 * 48 * 5));
    cr_assert(eq(int, moda_layer_bench_run(&b), MODA_OK), "%s", moda_last_error());
    for (size_t i = 0; i < b.count; i++) {
        products += strcmp(b.rows[i].algorithm, "matmul") == 0;
        inner += strcmp(b.rows[i].algorithm, "inner_product") == 0;
    }
    cr_assert(products >= 6 && inner >= 6, "%zu %zu", products, inner);
    cr_assert(eq(sz, products + inner, b.count));
    moda_layer_bench_free(&b);
}

/* conv1 of LeNet-5 has no gradient by its input; layers that are alike are one. */
Test(bench_layers, networks_give_their_layers_once)
{
    moda_layer_bench b = make(MODA_LAYER_CONV);
    b.batch = 2;
    cr_assert(eq(int, moda_layer_bench_add_model(&b, "lenet5"), MODA_OK), "%s", moda_last_error());
    cr_assert(eq(sz, b.group_count, 2 + 3));
    moda_layer_bench_free(&b);
    test_write("a.net", "[net]\n[conv]\nname = a\noutputs = 8\nkernel = 1\n"
                        "[conv]\nname = b\noutputs = 8\nkernel = 3\npadding = 1\n"
                        "[conv]\nname = c\noutputs = 8\nkernel = 3\npadding = 1\n"
                        "[conv]\nname = d\noutputs = 8\nkernel = 3\npadding = 1\nbias = no\n"
                        "[avgpool]\nkernel = global\n[linear]\nname = z\noutputs = classes\n");
    b = make(MODA_LAYER_CONV);
    b.batch = 1;
    cr_assert(eq(int, moda_layer_bench_add_model(&b, test_path("a.net")), MODA_OK));
    cr_assert(eq(sz, b.group_count, 2 + 3 + 3), "c is like b, d has no bias");
    cr_assert(b.groups[2].layers == 2 && b.groups[0].layers == 1 && b.groups[5].layers == 1);
    moda_layer_bench_free(&b);
}

/* The last layer computes in f32 even then. */
Test(bench_layers, types)
{
    if (!moda_cpu_has_bf16()) cr_skip("no bf16 on this CPU");
    moda_layer_bench b = make(MODA_LAYER_LINEAR);
    b.bf16 = true, b.batch = 2;
    cr_assert(eq(int, moda_layer_bench_add_model(&b, "lenet5"), MODA_OK));
    cr_assert(eq(sz, b.group_count, 3 * 3 + 2 * 3));
    size_t bf16 = 0;
    for (size_t i = 0; i < b.count; i++) bf16 += b.rows[i].work.bf16;
    cr_assert(bf16 > 0 && bf16 < b.count, "%zu of %zu", bf16, b.count);
    moda_layer_bench_free(&b);
}

/* ---- the program ---- */

#define QUICK "--threads 1 --seconds 0.001 --rounds 1 --quiet"

Test(bench_layers, table_json_and_csv_tell_the_same)
{
    test_write("shapes", "# two\nmb2ic16ih8oc32kh3ph1n\"a, b\"\nmb2ic3ih9oc4kh3\n");
    const char *out =
        program_must("bench conv mb1ic4ih5oc4kh1 --shapes shapes --pass "
                     "forward,backward_weights --precision f32 " QUICK " --json c.json --csv c.csv")
            .out;
    cr_assert(strstr(out, "mb2ic16ih8oc32oh8kh3ph1") && strstr(out, "drift") &&
                  strstr(out, "oneDNN") && !strstr(out, "backward_data"),
              "%s", out);
    char *csv = test_read(test_path("c.csv")), *rest = NULL, *line = strtok_r(csv, "\n", &rest);
    json_t *json = program_json("c.json");
    const json_t *list = json_object_get(json, "rows");
    cr_assert(ne(ptr, json_object_get(json_object_get(json, "machine"), "cpu"), NULL));
    cr_assert(ne(ptr, json_object_get(json_object_get(json, "calibration"), "drift"), NULL));
    size_t rows = 0;
    for (; (line = strtok_r(NULL, "\n", &rest)); rows++) {
        const json_t *r = json_array_get(list, rows);
        char want[256];
        snprintf(want, sizeof want, "\"%s\",1,%s,%s,f32,%s,%s,",
                 json_string_value(json_object_get(r, "layer")),
                 json_string_value(json_object_get(r, "shape")),
                 json_string_value(json_object_get(r, "pass")),
                 json_string_value(json_object_get(r, "algorithm")),
                 json_string_value(json_object_get(r, "implementation")));
        cr_assert(eq(int, strncmp(line, want, strlen(want)), 0), "%s: %s", want, line);
        snprintf(want, sizeof want, ",%s,%.6g", json_string_value(json_object_get(r, "bound")),
                 json_number_value(json_object_get(r, "share_of_bound")));
        cr_assert(eq(str, line + strlen(line) - strlen(want), want));
    }
    cr_assert(eq(sz, rows, json_array_size(list)));
    cr_assert(ge(sz, rows, 6));
    json_decref(json);
    free(csv);
}

Test(bench_layers, wrong_calls_say_what_to_do)
{
    test_write("broken", "mb2ic16ih8oc32kh3\nmb2ic16ih8oc32\n");
    program_must_fail(2, "nothing to measure", "bench conv");
    program_must_fail(2, "nothing to measure", "bench gemm");
    program_must_fail(2, "ic3ih8oc4: 'kh' is missing", "bench conv ic3ih8oc4");
    program_must_fail(2, "'banana'", "bench gemm banana");
    program_must_fail(2, "'sideways'", "bench conv ic3ih8oc4kh3 --pass forward,sideways");
    program_must_fail(2, "--precision", "bench conv ic3ih8oc4kh3 --precision f64");
    program_must_fail(2, "--spread", "bench conv ic3ih8oc4kh3 --spread -1");
    program_must_fail(2, "vgg16", "bench conv --model vgg17");
    program_must_fail(1, "broken:2: 'kh' is missing", "bench conv --shapes broken");
    program_must_fail(1, "none", "bench conv --shapes none");
    program_must_fail(2, "too large", "bench conv mb1048576ic65536ih65536oc65536kh3");
    program_must_fail(2, "2^31", "bench conv mb1048576ic64ih32oc64kh3ph1 --precision f32");
    program_must("bench conv --help");
    program_must("bench gemm --help");
}
