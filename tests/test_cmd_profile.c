/* tests/test_cmd_profile.c - moda train --profile as a program: tables, trace, figures,
 * refusals. */
#include "tests/capture.h"
#include "tests/program.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

static const char small_net[] =
    "[net]\nname = small\n[conv]\nname = first\noutputs = 16\nkernel = 3\n"
    "[relu]\n[linear]\nname = last\noutputs = classes\n";
#define DATA    "--data synthetic:classes=4,channels=1,size=8,train=40,test=12"
#define SMALL   "train --model small.net " DATA " --threads $THREADS --batch-size 8 "
#define PROFILE SMALL "--profile "

static void prepare(void)
{
    test_write("small.net", small_net);
}

TestSuite(cmd_profile, .init = prepare, .fini = test_folder_remove, .timeout = 300);

Test(cmd_profile, tables_trace_and_figures)
{
    static const char *const words[] = {"2 steps",
                                        "the largest parts",
                                        "by kind",
                                        "in the order of the network",
                                        "\nrest ",
                                        "whole step",
                                        "first",
                                        "last",
                                        "backward weights",
                                        "SGD, ",
                                        "data ",
                                        "run/trace.json"};
    const program_result r = program_must(PROFILE "--out run --epochs 1 --json all.json");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        cr_assert(strstr(r.out, words[i]) != NULL, "no %s in\n%s", words[i], r.out);
    json_t *all = program_json("all.json"), *trace = program_json("run/trace.json");
    const json_t *profile = json_object_get(all, "profile"), *part;
    const json_t *parts = json_object_get(profile, "parts");
    double shares = json_number_value(json_object_get(json_object_get(profile, "rest"), "share"));
    size_t i;
    json_array_foreach(parts, i, part) shares += json_number_value(json_object_get(part, "share"));
    cr_assert(json_array_size(parts) > 8, "%zu parts", json_array_size(parts));
    cr_assert(fabs(shares - 1) < 1e-9, "shares add up to %g", shares);
    cr_assert(json_integer_value(json_object_get(profile, "steps")) == 2);
    cr_assert(json_number_value(json_object_get(profile, "peak_flops")) > 0);
    cr_assert(json_number_value(json_object_get(profile, "peak_bandwidth")) > 0);
    /* 2 names, and per step itself and its parts */
    cr_assert(eq(sz, json_array_size(json_object_get(trace, "traceEvents")),
                 2 + 2 * (1 + json_array_size(parts))));
    json_decref(all), json_decref(trace);
}

/* Nothing else is different, and the trace of an old run does not outlive it. */
Test(cmd_profile, the_model_is_the_same_without)
{
    program_must(PROFILE "--out run --epochs 2 --quiet");
    cr_assert(program_has("run/trace.json"));
    program_must(SMALL "--out other --epochs 2 --quiet --json all.json");
    cr_assert(program_same("run/model.safetensors", "other/model.safetensors"));
    cr_assert(program_lacks("other/trace.json"));
    json_t *all = program_json("all.json");
    cr_assert(json_object_get(all, "profile") == NULL, "a profile that nobody asked for");
    json_decref(all);
    program_must(SMALL "--out run --epochs 1 --quiet");
    cr_assert(program_lacks("run/trace.json"));
}

Test(cmd_profile, refused_before_training)
{
    program_must_fail(2, "first 3 steps", PROFILE "--out run --max-steps 3 --quiet");
    program_must_fail(2, "first 3 steps", PROFILE "--out run --epochs 9 --max-steps 2 --quiet");
    cr_assert(program_lacks("run"));
    program_must_fail(2, "trace.json", PROFILE "--out run --json run/trace.json --quiet");
    cr_assert(mkdir(test_path("run"), 0777) == 0 && mkdir(test_path("run/trace.json"), 0777) == 0);
    program_must_fail(1, "trace.json", PROFILE "--out run --quiet");
    cr_assert(program_lacks("run/config.json") && program_lacks("run/metrics.jsonl"));
}

/* A disk that is full after training: the model is there, the trace is not, nor half of it. */
Test(cmd_profile, a_trace_that_does_not_fit)
{
    const program_result r =
        program_run_after("ulimit -f 40;", PROFILE "--out run --epochs 5 --quiet");
    cr_assert(eq(int, r.code, 1), "%s", r.err);
    cr_assert(strstr(r.err, "trace.json") != NULL, "%s", r.err);
    cr_assert(program_has("run/model.safetensors") && program_lacks("run/trace.json"));
}
