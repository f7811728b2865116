/* tests/test_cmd_tune.c - moda train --tune and moda bench tune as programs: the cache, what config.json
 * records, the same bytes, and what is wrong with a call or a folder. */
#include "base/isa.h"
#include "tests/capture.h"
#include "tests/program.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

/* A layer that oneDNN has several ways for. */
static void write_net(void)
{
    test_write("a.net",
               "[net]\n[conv]\nname = a\noutputs = 16\nkernel = 1\n[relu]\n"
               "[conv]\nname = b\noutputs = 32\nkernel = 3\npadding = 1\nbias = no\n[relu]\n"
               "[avgpool]\nkernel = global\n[linear]\nname = z\noutputs = classes\n");
}

TestSuite(cmd_tune, .init = write_net, .fini = test_folder_remove, .timeout = 300);

#define TRAIN                                                                           \
    "train --model a.net --data synthetic:classes=3,channels=3,size=8,train=20,test=9 " \
    "--epochs 2 --batch-size 8 --threads $THREADS --quiet "
#define CACHE "export XDG_CACHE_HOME=$PWD/cache;"

static void train(const char *before, const char *arguments)
{
    const program_result r = program_run_after(before, arguments);
    cr_assert(eq(int, r.code, 0), "%s", r.err);
    cr_assert(eq(str, (char *)r.err, ""));
}

/* A member of a run's config.json; json_decref() it. */
static json_t *configured(const char *file, const char *key)
{
    json_t *config = program_json(file), *value = json_incref(json_object_get(config, key));
    cr_assert(ne(ptr, value, NULL), "%s: no %s", file, key);
    json_decref(config);
    return value;
}

Test(cmd_tune, one_cache_the_same_bytes)
{
    train(CACHE, TRAIN "--out a");
    cr_assert(program_has("cache/moda/tuning.json"));
    train(CACHE, TRAIN "--out b --tune quick");
    cr_assert(program_same("a/model.safetensors", "b/model.safetensors"));
    json_t *a = configured("a/config.json", "tuning"), *b = configured("b/config.json", "tuning");
    cr_assert(ge(sz, json_array_size(a), 3), "three passes of layer b at least");
    cr_assert(json_equal(a, b));
    json_t *word = configured("a/config.json", "tune");
    cr_assert(eq(str, (char *)json_string_value(word), "quick"), "the default");
    json_decref(word);
    json_decref(a), json_decref(b);
}

Test(cmd_tune, off_asks_and_leaves_nothing)
{
    train(CACHE, TRAIN "--out a --tune off");
    train(CACHE, TRAIN "--out b --tune off");
    cr_assert(program_lacks("cache"));
    cr_assert(program_same("a/model.safetensors", "b/model.safetensors"));
    json_t *list = configured("a/config.json", "tuning");
    cr_assert(eq(sz, json_array_size(list), 0));
    json_decref(list);
    train(CACHE, TRAIN "--out c --convolution direct");
    cr_assert(program_lacks("cache"), "direct leaves nothing to choose");
}

/* Every choice of the cache file becomes direct, by an implementation that does not exist. */
static void doctor(void)
{
    size_t i;
    json_t *file = program_json("cache/moda/tuning.json"), *choice;
    json_t *machine = json_array_get(json_object_get(file, "machines"), 0);
    json_array_foreach(json_object_get(machine, "choices"), i, choice)
    {
        json_object_set_new(choice, "algorithm", json_string("direct"));
        json_object_set_new(choice, "implementation", json_string("doctored"));
    }
    cr_assert(lt(sz, 0, i));
    cr_assert(eq(int, json_dump_file(file, test_path("cache/moda/tuning.json"), 0), 0));
    json_decref(file);
}

static size_t doctored(const char *name)
{
    size_t i, count = 0;
    json_t *list = configured(name, "tuning"), *item;
    json_array_foreach(list, i, item)
    {
        const char *text = json_string_value(json_object_get(item, "implementation"));
        count += text && strcmp(text, "doctored") == 0;
    }
    json_decref(list);
    return count;
}

Test(cmd_tune, quick_believes_the_cache_full_replaces_it)
{
    train(CACHE, TRAIN "--out a --max-steps 1");
    cr_assert(eq(sz, doctored("a/config.json"), 0));
    doctor();
    train(CACHE, TRAIN "--out b --max-steps 1");
    cr_assert(ge(sz, doctored("b/config.json"), 3));
    train(CACHE, TRAIN "--out c --max-steps 1 --tune full");
    train(CACHE, TRAIN "--out d --max-steps 1");
    cr_assert(eq(sz, doctored("c/config.json"), 0));
    cr_assert(eq(sz, doctored("d/config.json"), 0));
}

/* A row of moda bench step, with so many of its choices doctored. */
static void bench(const char *tune, const char *precision, size_t least, size_t most)
{
    char call[256];
    size_t i, count = 0;
    snprintf(call, sizeof call,
             "bench step --model a.net --batch-size 8 --threads $THREADS --seconds 0.01 --rounds 2 "
             "--quiet "
             "--tune %s --precision %s --json s.json",
             tune, precision);
    const program_result r = program_run_after(CACHE, call);
    cr_assert(eq(int, r.code, 0), "%s", r.err);
    json_t *json = program_json("s.json"), *choice;
    cr_assert(eq(str, (char *)json_string_value(json_object_get(json, "tune")), (char *)tune));
    const json_t *row = json_array_get(json_object_get(json, "rows"), 0);
    const json_t *choices = json_object_get(row, "tuning");
    cr_assert(eq(int, json_is_array(choices), 1));
    json_array_foreach(choices, i, choice) count +=
        strcmp(json_string_value(json_object_get(choice, "implementation")), "doctored") == 0;
    cr_assert(least <= count && count <= most, "--tune %s, %s: %zu doctored", tune, precision,
              count);
    json_decref(json);
}

/* Where moda train would believe the cache, and where not. */
static void bench_agrees(const char *precision)
{
    char call[512];
    snprintf(call, sizeof call,
             "train --model a.net --data synthetic:classes=10,channels=3,size=32,train=8,test=0 "
             "--batch-size 8 --epochs 1 --threads $THREADS --quiet --out %s --precision %s",
             precision, precision);
    train(CACHE, call);
    doctor();
    bench("quick", precision, 1, SIZE_MAX);
    bench("off", precision, 0, 0);
    bench("full", precision, 0, 0);
}

Test(cmd_tune, a_benchmark_takes_what_training_takes)
{
    bench_agrees("f32");
    if (moda_cpu_has_bf16()) bench_agrees("bf16");
}

/* One line, and the run goes on. */
static void expect_warning(const char *before, const char *word)
{
    const program_result r = program_run_after(before, TRAIN "--out w --max-steps 1");
    const char *end = strchr(r.err, '\n');
    cr_assert(eq(int, r.code, 0), "%s", r.err);
    cr_assert(end && end[1] == 0, "%s: not one line: '%s'", before, r.err);
    cr_assert(strncmp(r.err, "moda: warning: ", 15) == 0, "%s", r.err);
    cr_assert(strstr(r.err, word) != NULL, "'%s' is not in: %s", word, r.err);
    remove(test_path("w/model.safetensors"));
}

Test(cmd_tune, caches_that_are_of_no_use)
{
    expect_warning("export XDG_CACHE_HOME=/dev/null;", "not kept");
    expect_warning(CACHE "mkdir -p cache/moda; echo nonsense >cache/moda/tuning.json;",
                   "tuning.json");
    train(CACHE, TRAIN "--out w --max-steps 1"); /* the broken one has been replaced */
    train("unset XDG_CACHE_HOME HOME;", TRAIN "--out v --max-steps 1");
}

Test(cmd_tune, wrong_calls)
{
    program_must_fail(2, "--tune", TRAIN "--out x --tune fast");
    program_must_fail(2, "--tune quick", TRAIN "--out x --tune quick --convolution direct");
    program_must_fail(2, "--model is missing", "bench tune");
    program_must_fail(2, "nonsense", "bench tune --model nonsense");
    program_must_fail(2, "use at most", "bench tune --model vgg16 --batch-size 100000");
    program_must_fail(2, "--tune", "bench tune --model a.net --tune off");
    cr_assert(program_lacks("x"));
}

/* ---- the table ---- */

static double real(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    cr_assert(ne(ptr, (void *)value, NULL), "no %s", key);
    cr_assert(eq(int, json_typeof(value), JSON_REAL), "%s is no number", key);
    return json_real_value(value);
}

Test(cmd_tune, the_table)
{
    const program_result r = program_must("bench tune --model a.net --batch-size 4 --json t.json "
                                          "--csv t.csv");
    static const char *const words[] = {"candidate", "backward_weights", "16>32 32x32 k3 s1",
                                        "chosen", "all direct"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        cr_assert(strstr(r.out, words[i]) != NULL, "'%s' is not in: %s", words[i], r.out);
    json_t *json = program_json("t.json"), *passes = json_object_get(json, "passes"), *pass, *c;
    size_t i, k, candidates = 0;
    double best = 0;
    cr_assert(eq(sz, json_array_size(passes), 5), "a: two passes, b: three");
    json_array_foreach(passes, i, pass)
    {
        size_t chosen = 0;
        json_array_foreach(json_object_get(pass, "candidates"), k, c)
        {
            candidates++;
            chosen += json_is_true(json_object_get(c, "chosen"));
            cr_assert(lt(dbl, 0, real(c, "gflops")));
        }
        cr_assert(eq(sz, chosen, 1), "pass %zu", i);
        best += real(pass, "seconds");
    }
    cr_assert(epsilon_eq(dbl, best, real(json, "best_seconds"), 1e-9));
    cr_assert(le(dbl, best, real(json, "direct_seconds") + 1e-9));
    cr_assert(eq(str, (char *)json_string_value(json_object_get(json, "benchmark")), "tune"));
    cr_assert(eq(int, json_is_object(json_object_get(json, "machine")), 1));
    size_t lines = 0, chosen = 0;
    char *csv = test_read(test_path("t.csv"));
    for (const char *p = csv; (p = strchr(p, '\n')); p++) lines++, chosen += p[-1] == '1';
    cr_assert(eq(sz, lines, 1 + candidates), "%s", csv);
    cr_assert(eq(sz, chosen, 5), "%s", csv);
    free(csv);
    json_decref(json);
}

/* A 7x7 convolution leaves nothing to choose in a hurry. */
Test(cmd_tune, what_is_not_timed_has_no_time)
{
    test_write("seven.net", "[net]\nname = seven\ninput = 3 12 12\nclasses = 4\n[conv]\n"
                            "name = c\noutputs = 6\nkernel = 7\n[linear]\nname = z\noutputs = 4\n");
    const program_result r =
        program_must("bench tune --model seven.net --batch-size 2 --tune quick --json t.json");
    cr_assert(strstr(r.out, "the only one, not timed") != NULL, "%s", r.out);
    cr_assert(strstr(r.out, "nan") == NULL, "%s", r.out);
    json_t *json = program_json("t.json"),
           *pass = json_array_get(json_object_get(json, "passes"), 0);
    cr_assert(eq(int, json_typeof(json_object_get(pass, "seconds")), JSON_NULL));
    json_decref(json);
}
