/* tests/test_tuning.c - engine/tuning.h and engine/tuning_cache.h: keys, what is found, the file. */
#include "engine/tuning_cache.h"
#include "tests/capture.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(tuning, .timeout = 60);
TestSuite(tuning_cache, .fini = test_folder_remove, .timeout = 60);

static void must(moda_status st)
{
    cr_assert(eq(int, st, MODA_OK), "%s", moda_last_error());
}

static moda_net *open_net(void)
{
    moda_net *net = NULL;
    must(moda_net_parse("[net]\nname = t\ninput = 3 32 16\n"
                        "[conv]\nname = a\noutputs = 16\nkernel = 3\npadding = 1\n[relu]\n"
                        "[conv]\nname = b\noutputs = 16\nkernel = 5\nstride = 2\ngroups = 4\n"
                        "bias = no\n[conv]\nname = c\noutputs = 16\nkernel = 3\npadding = 1\n"
                        "[linear]\nname = d\noutputs = 4\n",
                        "t.net", (moda_net_defaults){0}, &net));
    return net;
}

/* An entry that differs from all others with another number. */
static moda_tuning_entry entry(size_t number)
{
    return (moda_tuning_entry){
        .key = {MODA_CONV_BACKWARD_DATA, MODA_DTYPE_F32, 8, 1, 16, 32 + number, 7, 9, 3, 1, 1,
                true},
        .choice = {MODA_ALGORITHM_WINOGRAD, MODA_DTYPE_F32, "jit_wino_4x3:avx512_core"},
        .seconds = 0.1 + (double)number};
}

static bool same(const moda_tuning_entry *a, const moda_tuning_entry *b)
{
    return moda_tuning_key_equal(&a->key, &b->key) && a->choice.type == b->choice.type &&
           a->choice.algorithm == b->choice.algorithm && a->seconds == b->seconds &&
           strcmp(a->choice.implementation, b->choice.implementation) == 0;
}

/* ---- keys ---- */

Test(tuning, a_key_is_the_layer)
{
    moda_net *net = open_net();
    const moda_tuning_key a = moda_tuning_key_of(net, 1, MODA_CONV_FORWARD, MODA_DTYPE_F32, 7),
                          b = moda_tuning_key_of(net, 3, MODA_CONV_BACKWARD_WEIGHTS, MODA_DTYPE_F32,
                                                 7);
    const moda_tuning_key
        want_a = {MODA_CONV_FORWARD, MODA_DTYPE_F32, 7, 1, 3, 16, 32, 16, 3, 1, 1, true},
        want_b = {MODA_CONV_BACKWARD_WEIGHTS, MODA_DTYPE_F32, 7, 4, 16, 16, 32, 16, 5, 2, 0, false};
    cr_assert(moda_tuning_key_equal(&a, &want_a));
    cr_assert(moda_tuning_key_equal(&b, &want_b));
    moda_net_destroy(net);
}

Test(tuning, every_part_of_a_key_counts)
{
    const moda_tuning_key key = entry(0).key;
    size_t differences = 0;
    for (size_t i = 0; i < 12; i++) {
        moda_tuning_key other = key;
        size_t *const sizes[] = {&other.n,  &other.groups, &other.ic,     &other.oc,     &other.ih,
                                 &other.iw, &other.kernel, &other.stride, &other.padding};
        if (i < 9) ++*sizes[i];
        if (i == 9) other.pass = MODA_CONV_FORWARD;
        if (i == 10) other.type = MODA_DTYPE_BF16;
        if (i == 11) other.bias = false;
        differences += !moda_tuning_key_equal(&key, &other);
    }
    cr_assert(eq(sz, differences, 12));
    cr_assert(moda_tuning_key_equal(&key, &key));
}

static moda_algorithm rule(size_t layer, moda_dtype type)
{
    moda_net *net = open_net();
    const moda_tuning_key key = moda_tuning_key_of(net, layer, MODA_CONV_FORWARD, type, 8);
    moda_net_destroy(net);
    return moda_tuning_rule(&key);
}

/* Winograd where tiles and channels are full. */
Test(tuning, the_rule)
{
    cr_assert(eq(int, rule(1, MODA_DTYPE_F32), MODA_ALGORITHM_DIRECT), "3 channels to many");
    cr_assert(eq(int, rule(3, MODA_DTYPE_F32), MODA_ALGORITHM_DIRECT), "5x5, groups");
    cr_assert(eq(int, rule(4, MODA_DTYPE_F32), MODA_ALGORITHM_WINOGRAD));
    cr_assert(eq(int, rule(4, MODA_DTYPE_BF16), MODA_ALGORITHM_DIRECT), "no such kernels");
}

/* ---- finding ---- */

Test(tuning, set_replaces_and_nearest_forgives_the_batch)
{
    moda_tuning t = {0};
    moda_tuning_entry e = entry(0), other;
    cr_assert(eq(ptr, (void *)moda_tuning_nearest(NULL, &e.key), NULL));
    for (size_t i = 0; i < 100; i++) {
        other = entry(i);
        must(moda_tuning_set(&t, &other));
    }
    e = entry(40), e.seconds = 7;
    must(moda_tuning_set(&t, &e));
    cr_assert(eq(sz, t.count, 100));
    cr_assert(same(moda_tuning_find(&t, &e.key), &e));
    e.key.n = 3;
    cr_assert(eq(ptr, (void *)moda_tuning_find(&t, &e.key), NULL));
    cr_assert(eq(dbl, moda_tuning_nearest(&t, &e.key)->seconds, 7));
    other = e, other.seconds = 9;
    must(moda_tuning_set(&t, &other));
    cr_assert(eq(dbl, moda_tuning_nearest(&t, &e.key)->seconds, 9), "its own comes first");
    e.key.kernel = 5;
    cr_assert(eq(ptr, (void *)moda_tuning_nearest(&t, &e.key), NULL));
    moda_tuning_free(&t);
}

Test(tuning, what_config_json_says)
{
    moda_net *net = open_net();
    moda_tuning t = {0};
    moda_tuning_entry e = entry(0);
    e.key = moda_tuning_key_of(net, 4, MODA_CONV_FORWARD, MODA_DTYPE_F32, 8);
    must(moda_tuning_set(&t, &e));
    json_t *list = moda_tuning_json(&t, net, 8), *first = json_array_get(list, 0);
    cr_assert(eq(sz, json_array_size(list), 1));
    const char *const want[][2] = {{"layer", "c"},
                                   {"pass", "forward"},
                                   {"algorithm", "winograd"},
                                   {"type", "F32"},
                                   {"implementation", "jit_wino_4x3:avx512_core"}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        cr_assert(eq(str, (char *)json_string_value(json_object_get(first, want[i][0])),
                     (char *)want[i][1]));
    json_decref(list);
    moda_tuning_free(&t);
    moda_net_destroy(net);
}

Test(tuning, json_round_trip_and_nonsense)
{
    const moda_tuning_entry e = entry(3);
    moda_tuning_entry back;
    json_t *json = moda_tuning_entry_json(&e);
    cr_assert(moda_tuning_entry_parse(json, &back));
    cr_assert(same(&e, &back));
    static const char *const bad[][2] = {
        {"pass", "\"sideways\""},
        {"algorithm", "\"fft\""},
        {"type", "\"F31\""},
        {"data", "3"},
        {"n", "-1"},
        {"ic", "1.5"},
        {"kernel", "null"},
        {"bias", "1"},
        {"seconds", "\"fast\""},
        {"implementation", "\"a name that is much longer than any that oneDNN gave so far\""}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_t *copy = json_deep_copy(json);
        json_object_set_new(copy, bad[i][0], json_loads(bad[i][1], JSON_DECODE_ANY, NULL));
        cr_assert(not(moda_tuning_entry_parse(copy, &back)), "%s = %s", bad[i][0], bad[i][1]);
        json_object_del(copy, bad[i][0]);
        cr_assert(not(moda_tuning_entry_parse(copy, &back)), "no %s", bad[i][0]);
        json_decref(copy);
    }
    json_decref(json);
    cr_assert(not(moda_tuning_entry_parse(NULL, &back)));
}

/* ---- the file ---- */

static moda_tuning_machine machine(const char *cpu, size_t threads)
{
    moda_tuning_machine m = {.kernels = "avx512", .library = "2.6.3", .threads = threads};
    snprintf(m.cpu, sizeof m.cpu, "%s", cpu);
    return m;
}

static size_t add(const char *path, moda_tuning_machine m, size_t number, double seconds, bool over)
{
    moda_tuning t = {0};
    moda_tuning_entry e = entry(number);
    e.seconds = seconds;
    must(moda_tuning_set(&t, &e));
    must(moda_tuning_cache_add(path, &m, &t, over));
    const size_t count = t.count;
    cr_assert(eq(sz, count, 1), "only what was asked for comes back");
    moda_tuning_free(&t);
    return count;
}

static moda_tuning read_file(const char *path, moda_tuning_machine m)
{
    moda_tuning t = {0};
    must(moda_tuning_cache_read(path, &m, &t));
    return t;
}

static size_t entries(const char *path, moda_tuning_machine m)
{
    moda_tuning t = read_file(path, m);
    const size_t count = t.count;
    moda_tuning_free(&t);
    return count;
}

Test(tuning_cache, comes_back_for_the_same_machine_only)
{
    const char *path = test_path("deep/er/tuning.json");
    const moda_tuning_machine here = machine("Zen 4", 2);
    cr_assert(eq(sz, entries(path, here), 0), "no file, no choices");
    for (size_t i = 0; i < 3; i++) add(path, here, i, 0.1 + (double)i, false);
    moda_tuning t = read_file(path, here);
    cr_assert(eq(sz, t.count, 3));
    for (size_t i = 0; i < 3; i++) {
        const moda_tuning_entry want = entry(i);
        cr_assert(same(&t.entries[i], &want), "entry %zu", i);
    }
    moda_tuning_free(&t);
    moda_tuning_machine other = here;
    other.kernels = "avx2";
    cr_assert(eq(sz, entries(path, other), 0), "another instruction set");
    other = here, strcpy(other.library, "2.6.4");
    cr_assert(eq(sz, entries(path, other), 0), "another oneDNN");
    cr_assert(eq(sz, entries(path, machine("Zen 4", 4)), 0), "other threads");
    cr_assert(eq(sz, entries(path, machine("Zen 5", 2)), 0), "another CPU");
    add(path, machine("Zen 5", 2), 9, 1, false);
    cr_assert(eq(sz, entries(path, machine("Zen 5", 2)), 1));
    cr_assert(eq(sz, entries(path, here), 3), "machines share the file");
}

Test(tuning_cache, the_first_to_come_stays_unless_overwritten)
{
    const char *path = test_path("tuning.json");
    const moda_tuning_machine here = machine("Zen 4", 2);
    moda_tuning late = {0};
    moda_tuning_entry e = entry(0);
    add(path, here, 0, 5, false);
    e.seconds = 6, e.choice.algorithm = MODA_ALGORITHM_DIRECT;
    must(moda_tuning_set(&late, &e));
    must(moda_tuning_cache_add(path, &here, &late, false));
    cr_assert(eq(dbl, late.entries[0].seconds, 5), "the run does as those before it");
    cr_assert(eq(int, late.entries[0].choice.algorithm, MODA_ALGORITHM_WINOGRAD));
    add(path, here, 0, 7, true);
    moda_tuning t = read_file(path, here);
    cr_assert(eq(sz, t.count, 1));
    cr_assert(eq(dbl, t.entries[0].seconds, 7));
    moda_tuning_free(&t);
    moda_tuning_free(&late);
}

/* What the one warning says of a file of this text; then a choice is added and must come back. */
static void expect_warning(const char *text, const char *word)
{
    const char *path = test_write("tuning.json", text);
    const moda_tuning_machine here = machine("Zen 4", 2);
    test_capture(2);
    const size_t count = entries(path, here);
    char *said = test_captured();
    cr_assert(eq(sz, count, 0), "%s", text);
    cr_assert(strstr(said, word) != NULL, "'%s' is not in: %s", word, said);
    const char *end = strchr(said, '\n');
    cr_assert(end && !end[1], "not one line: %s", said);
    free(said);
    test_capture(2);
    add(path, here, 0, 1, false);
    free(test_captured());
    cr_assert(eq(sz, entries(path, here), 1), "after: %s", text);
}

Test(tuning_cache, broken_files_are_replaced)
{
    static const char *const files[][2] = {
        {"{", "tuning.json"},
        {"", "tuning.json"},
        {"[1,2]", "'version'"},
        {"{\"version\": 2, \"machines\": []}", "version 2"},
        {"{\"version\": \"1\", \"machines\": []}", "'version'"},
        {"{\"version\": 1}", "'machines'"},
        {"{\"version\": 1, \"machines\": [{}]}", "'choices'"},
        {"{\"version\": 1, \"machines\": [{\"choices\": [{}]}]}", "choice 0"},
        {"{\"version\": 1, \"version\": 1, \"machines\": []}", "duplicate"}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        expect_warning(files[i][0], files[i][1]);
}

/* Each process adds its own choices, one at a time: none may be lost. */
Test(tuning_cache, concurrent_writers_lose_nothing)
{
    enum { WRITERS = 6, EACH = 5 };
    const char *path = test_path("tuning.json");
    const moda_tuning_machine here = machine("Zen 4", 2);
    for (size_t w = 0; w < WRITERS; w++) {
        const pid_t child = fork();
        cr_assert(ge(int, child, 0));
        if (child) continue;
        moda_status st = MODA_OK;
        for (size_t i = 0; i < EACH && st == MODA_OK; i++) {
            moda_tuning t = {0};
            const moda_tuning_entry e = entry(w * EACH + i);
            st = moda_tuning_set(&t, &e);
            if (st == MODA_OK) st = moda_tuning_cache_add(path, &here, &t, i % 2);
            moda_tuning_free(&t);
        }
        _exit(st != MODA_OK);
    }
    for (size_t w = 0; w < WRITERS; w++) {
        int status = 1;
        wait(&status);
        cr_assert(eq(int, status, 0));
    }
    moda_tuning t = read_file(path, here);
    cr_assert(eq(sz, t.count, WRITERS * EACH));
    for (size_t i = 0; i < WRITERS * EACH; i++) {
        const moda_tuning_entry e = entry(i), *found = moda_tuning_find(&t, &e.key);
        cr_assert(found && same(found, &e), "choice %zu", i);
    }
    moda_tuning_free(&t);
    cr_assert(eq(int, test_folder_entries(), 2), "tuning.json and its lock");
}

Test(tuning_cache, what_cannot_be_written)
{
    moda_tuning t = {0};
    const moda_tuning_machine here = machine("Zen 4", 2);
    const moda_tuning_entry e = entry(0);
    char path[600];
    snprintf(path, sizeof path, "%s/moda/tuning.json", test_write("file", "not a folder"));
    must(moda_tuning_set(&t, &e));
    cr_assert(eq(int, moda_tuning_cache_add(path, &here, &t, false), MODA_ERR_IO));
    cr_assert(strstr(moda_last_error(), "file") != NULL, "%s", moda_last_error());
    cr_assert(eq(sz, t.count, 1));
    moda_tuning_free(&t);
}

Test(tuning_cache, where_it_is)
{
    char *path = NULL;
    setenv("XDG_CACHE_HOME", test_path("cache"), 1);
    must(moda_tuning_cache_path(&path));
    cr_assert(eq(str, path, (char *)test_path("cache/moda/tuning.json")));
    free(path);
    unsetenv("XDG_CACHE_HOME"), unsetenv("HOME");
    must(moda_tuning_cache_path(&path));
    cr_assert(eq(ptr, path, NULL));
}
