/* tests/test_bench_numa.c - moda bench numa: which turns there are, what becomes of what they
 * say, and that tables and JSON tell the same. A script stands for the program where two nodes
 * are wanted; times themselves are the machine's. */
#include "bench/numa.h"
#include "tests/capture.h"
#include "tests/program.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

TestSuite(bench_numa, .fini = test_folder_remove, .timeout = 300);

/* A program that notes its arguments in the file `calls`, and then does what body says; $json is what
 * --json names, $place what --placement says. */
static const char *script(const char *body)
{
    char text[2048];
    snprintf(text, sizeof text,
             "#!/bin/sh\necho \"$*\" >>'%s'\n"
             "while test $# != 0; do case $1 in --json) json=$2 ;; --placement) place=$2 ;; esac; "
             "shift; done\n%s\n",
             test_path("calls"), body);
    const char *path = test_write("program", text);
    chmod(path, 0700);
    return path;
}

/* Two nodes, of which the first has number 3. Step times tell policies apart: 1 s for first-touch, 2 s
 * and 4 s for sliced, 3 s for interleaved, 5 s for a node, which has half the peak. 6e9 operations take 3 s
 * at the other policies' peak. */
#define TWO_NODES                                                                               \
    "p=2; case $place in sliced) s=2,4.0 ;; first-touch) s=1.0 ;; interleaved) s=3.0 ;; "       \
    "node:3) s=5.0 p=1 ;; esac\n"                                                               \
    "printf '{\"team\": {\"threads\": 4, \"nodes\": [{\"node\": 3}, {\"node\": 1}]}, "          \
    "\"not_counted\": null, \"near_fetches\": 30, \"far_fetches\": 10.0, \"flops\": 6e9, "      \
    "\"bytes\": 3e9, \"peak_flops\": %se9, \"peak_bandwidth\": 4e9, \"seconds\": [%s]}' $p $s " \
    ">\"$json\""

static moda_numa_bench bench_of(const char *program)
{
    return (moda_numa_bench){.program = program,
                             .model = "lenet5",
                             .method = "moda",
                             .batch = 32,
                             .session = {.seconds = 2, .rounds = 2}};
}

static size_t lines_with(const char *text, const char *word)
{
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, word)); p += strlen(word)) n++;
    return n;
}

Test(bench_numa, policies_take_turns)
{
    moda_numa_bench b = bench_of(script(TWO_NODES));
    b.smt = true;
    cr_assert(eq(int, moda_numa_bench_run(&b), MODA_OK), "%s", moda_last_error());
    char *calls = test_read(test_path("calls"));
    cr_assert(b.nodes == 2 && b.threads == 4 && b.count == 5, "%zu nodes, %zu threads, %zu",
              b.nodes, b.threads, b.count);
    cr_assert(eq(sz, lines_with(calls, "\n"), 1 + 2 * 5), "%s", calls);
    cr_assert(eq(sz, lines_with(calls, "--steps 5"), 5), "a few at first");
    cr_assert(eq(sz, lines_with(calls, "--steps 3"), 5), "then for a second, at least three");
    cr_assert(eq(sz, lines_with(calls, "--bind none --placement first-touch"), 2));
    cr_assert(eq(sz, lines_with(calls, "--bind cores --placement first-touch"), 2));
    cr_assert(eq(sz, lines_with(calls, "--bind cores --placement interleaved"), 2));
    cr_assert(eq(sz, lines_with(calls, "--bind cores --placement node:3"), 2));
    cr_assert(eq(sz, lines_with(calls, "--bind cores --placement sliced"), 1 + 2));
    cr_assert(eq(sz, lines_with(calls, "bench turn --model lenet5 --batch-size 32"), 11));
    cr_assert(eq(sz, lines_with(calls, "--smt"), 11));
    /* The second round begins where the first one had its second turn. */
    const char *sixth = calls;
    for (int i = 0; i < 6; i++) sixth = strchr(sixth, '\n') + 1;
    cr_assert(lt(ptr, (void *)strstr(sixth, "sliced"), (void *)strstr(sixth, "interleaved")));
    cr_assert(lt(ptr, (void *)strstr(sixth, "node:3"), (void *)strstr(sixth, "--bind none")));
    free(calls);
    moda_numa_bench_free(&b);
    moda_numa_bench_free(&b);
}

/* Median of 2,4,2,4 is 3; 40 of the fetches of two turns are near, 20 far. */
Test(bench_numa, turns_add_up)
{
    moda_numa_bench b = bench_of(script(TWO_NODES));
    json_t *json = NULL;
    cr_assert(eq(int, moda_numa_bench_run(&b), MODA_OK), "%s", moda_last_error());
    const moda_numa_subject *sliced = &b.subjects[1];
    cr_assert(eq(str, (char *)sliced->policy->name, "sliced"));
    cr_assert(sliced->time.n == 4 && sliced->time.median == 3, "%zu %g", sliced->time.n,
              sliced->time.median);
    cr_assert(eq(dbl, moda_numa_against_off(&b, sliced), 3));
    cr_assert(eq(dbl, moda_numa_far_share(&b, sliced), 0.25));
    cr_assert(eq(str, b.why, ""));
    cr_assert(sliced->counts.near == 60 && sliced->counts.far == 20);
    const moda_results results = moda_numa_bench_results(&b);
    cr_assert(eq(int, moda_results_json(&results, &json), MODA_OK));
    cr_assert(eq(int, json_is_object(json_object_get(json, "machine")), 1));
    cr_assert(eq(sz, b.session.calibration.rounds.n, 3), "around each round");
    const json_t *node = json_array_get(json_object_get(json, "policies"), 4);
    cr_assert(eq(str, (char *)json_string_value(json_object_get(node, "placement")), "node:3"));
    cr_assert(eq(dbl, json_number_value(json_object_get(node, "median_seconds")), 5));
    cr_assert(eq(dbl, json_number_value(json_object_get(node, "against_off")), 5));
    cr_assert(eq(dbl, json_number_value(json_object_get(node, "far_share")), 0.25));
    cr_assert(eq(dbl, json_number_value(json_object_get(json, "peak_flops")), 2e9));
    cr_assert(eq(dbl, json_number_value(json_object_get(node, "flops_per_second")), 1.2e9));
    cr_assert(eq(dbl, json_number_value(json_object_get(node, "share_of_bound")), 0.6));
    cr_assert(eq(str, (char *)json_string_value(json_object_get(node, "bound")), "compute"));
    test_capture(1);
    moda_results_print(&results);
    char *out = test_captured();
    cr_assert(strstr(out, "4 threads on 2 nodes") && strstr(out, "3000.000") &&
                  strstr(out, "calibration") && strstr(out, "25.0 %"),
              "%s", out);
    free(out);
    json_decref(json);
    moda_numa_bench_free(&b);
}

/* ---- the program ---- */

#define TINY "--model lenet5 --batch-size 4 --quiet"

Test(bench_numa, the_whole_benchmark)
{
    const char *out =
        program_must("bench numa " TINY " --rounds 2 --seconds 0.01 --json n.json --csv n.csv").out;
    json_t *json = program_json("n.json");
    const json_t *policies = json_object_get(json, "policies");
    const json_int_t nodes = json_integer_value(json_object_get(json, "nodes"));
    cr_assert(ge(int, (int)nodes, 1));
    cr_assert(eq(sz, json_array_size(policies), nodes > 1 ? 5 : 2));
    for (size_t i = 0; i < json_array_size(policies); i++) {
        const json_t *p = json_array_get(policies, i);
        cr_assert(le(int, 8, (int)json_integer_value(json_object_get(p, "calls"))));
        cr_assert(
            ne(ptr, (void *)strstr(out, json_string_value(json_object_get(p, "policy"))), NULL),
            "%s", out);
    }
    cr_assert(
        eq(dbl, json_number_value(json_object_get(json_array_get(policies, 0), "against_off")), 1));
    char *csv = test_read(test_path("n.csv"));
    cr_assert(eq(sz, lines_with(csv, "\n"), 1 + json_array_size(policies)), "%s", csv);
    cr_assert(eq(sz, lines_with(csv, ","), 15 * (1 + json_array_size(policies))), "%s", csv);
    free(csv);
    json_decref(json);
}

/* OpenMP alone would have three. */
Test(bench_numa, the_machine_is_described_with_the_policies_threads)
{
    const program_result r =
        program_run_after("OMP_NUM_THREADS=3", "bench numa " TINY " --rounds 1 --seconds 0.01 "
                                               "--threads 1 --json n.json");
    cr_assert(eq(int, r.code, 0), "%s", r.err);
    json_t *json = program_json("n.json");
    const json_t *machine = json_object_get(json, "machine");
    cr_assert(eq(int, (int)json_integer_value(json_object_get(machine, "threads")), 1));
    json_decref(json);
}

Test(bench_numa, wrong_calls_say_what_to_do)
{
    program_must_fail(2, "--model is missing", "bench numa");
    program_must_fail(2, "'nosuch'", "bench numa --model nosuch --quiet");
    program_must_fail(2, "--threads 4097", "bench numa " TINY " --threads 4097");
    program_must_fail(2, "each policy has its own", "bench numa " TINY " --bind none");
    program_must_fail(2, "each policy has its own", "bench numa " TINY " --placement node:0");
}
