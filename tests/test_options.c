/* tests/test_options.c - base/options.h: every wrong call gives one line that says what would have
 * been right. */
#include "base/options.h"
#include "tests/capture.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const methods[] = {"standard", "moda", "mwt", NULL};
static struct {
    moda_common_options common;
    bool resume;
    const char *out, *logits;
    size_t batch;
    double tau, lr;
    int method;
    moda_sizes classes;
} o;
static moda_option common_table[MODA_COMMON_OPTION_COUNT];
static const moda_option table[] = {
    {MODA_OPTION_FLAG, "resume", NULL, "go on", &o.resume, 0, 0, NULL},
    {MODA_OPTION_TEXT, "out", "DIR", "folder of the results", &o.out, 0, 0, NULL},
    {MODA_OPTION_OUTPUT, "logits", "FILE", "what the network says", &o.logits, 0, 0, NULL},
    {MODA_OPTION_SIZE, "batch-size", "N", "samples per step (128)", &o.batch, 1, 65536, NULL},
    {MODA_OPTION_REAL, "tau", "X", "threshold (0.9)", &o.tau, 0, 1, NULL},
    {MODA_OPTION_REAL, "lr", "X", "learning rate (0.05)", &o.lr, DBL_MIN, INFINITY, NULL},
    {MODA_OPTION_CHOICE, "method", NULL, "how to train (moda)", &o.method, 0, 0, methods},
    {MODA_OPTION_SIZES, "classes", "LIST", "classes, as 0,3,5", &o.classes, 0, 9, NULL},
    {MODA_OPTION_TABLE, NULL, NULL, NULL, common_table, 0, 0, NULL},
    {0}};
static const moda_command command = {"train", "Trains a network.", "MODEL",
                                     "moda train lenet5 --out run", NULL};
static char **operands;
static size_t operand_count;
static bool help;

static void setup(void)
{
    memset(&o, 0, sizeof o);
    o.batch = 128, o.tau = 0.9, o.method = 1;
    moda_common_options_table(&o.common, common_table);
}

static void teardown(void)
{
    free(o.classes.values);
    test_folder_remove();
}

TestSuite(options, .init = setup, .fini = teardown, .timeout = 60);

/* Words separated by blanks; '_' stands for an empty word. */
static moda_status parse(const char *line)
{
    static char text[512];
    static char *argv[32];
    int argc = 0;
    strcpy(text, line);
    argv[argc++] = (char *)"train";
    for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
        argv[argc++] = strcmp(word, "_") == 0 ? (char *)"" : word;
    argv[argc] = NULL;
    return moda_options_parse(&command, table, argc, argv, 1, 2, &operands, &operand_count, &help);
}

static void refuse(const char *line, moda_status want, const char *message)
{
    moda_status st = parse(line);
    cr_assert(eq(int, st, want), "%s: %s", line, moda_last_error());
    cr_assert(eq(str, (char *)moda_last_error(), (char *)message));
}

Test(options, all_kinds_mixed_with_operands)
{
    cr_assert(eq(int,
                 parse("a --batch-size 64 --tau=0.5 --resume b --method mwt --classes 5,0,3 "
                       "--threads 2 --seed 9223372036854775807 --quiet --lr 1e-3 --out dir"),
                 MODA_OK),
              "%s", moda_last_error());
    cr_assert(o.resume && o.common.quiet && !help);
    cr_assert(eq(sz, o.batch, 64));
    cr_assert(eq(dbl, o.tau, 0.5));
    cr_assert(eq(dbl, o.lr, 1e-3));
    cr_assert(eq(int, o.method, 2));
    cr_assert(eq(sz, o.classes.n, 3));
    cr_assert(o.classes.values[0] == 5 && o.classes.values[1] == 0 && o.classes.values[2] == 3);
    cr_assert(eq(sz, o.common.threads, 2));
    cr_assert(eq(sz, o.common.seed, (size_t)INT64_MAX));
    cr_assert(eq(str, (char *)o.out, "dir"));
    cr_assert(eq(sz, operand_count, 2));
    cr_assert(eq(str, operands[0], "a"));
    cr_assert(eq(str, operands[1], "b"));
}

Test(options, defaults_stay)
{
    cr_assert(eq(int, parse("a"), MODA_OK));
    cr_assert(eq(sz, o.batch, 128));
    cr_assert(eq(dbl, o.tau, 0.9));
    cr_assert(o.out == NULL && !o.resume && o.common.json == NULL && o.common.threads == 0);
    cr_assert(eq(int, parse("a -- --odd-name"), MODA_OK));
    cr_assert(eq(str, operands[1], "--odd-name"));
}

Test(options, numbers_out_of_range)
{
    refuse("a --batch-size 0", MODA_ERR_ARG,
           "--batch-size 0: must be a whole number from 1 to 65536");
    refuse("a --batch-size 65537", MODA_ERR_ARG,
           "--batch-size 65537: must be a whole number from 1 to 65536");
    refuse("a --tau 2", MODA_ERR_ARG, "--tau 2: must be a number from 0 to 1");
    refuse("a --tau -0.1", MODA_ERR_ARG, "--tau -0.1: must be a number from 0 to 1");
    refuse("a --lr 0", MODA_ERR_ARG, "--lr 0: must be a number above 0");
    refuse("a --classes 3,10", MODA_ERR_ARG,
           "--classes 3,10: 10 is not allowed, must be whole numbers, as in 0,3,5, from 0 "
           "to 9");
    cr_assert(eq(sz, o.batch, 128), "a refused value must not reach its target");
    cr_assert(eq(dbl, o.tau, 0.9));
    cr_assert(o.classes.values == NULL);
}

Test(options, not_numbers)
{
    static const char *const bad[] = {"-1",   "+1",  "1.5", "1e3",
                                      "0x10", "12x", "_",   "18446744073709551616"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char line[64];
        sprintf(line, "a --batch-size %s", bad[i]);
        cr_assert(eq(int, parse(line), MODA_ERR_ARG), "%s", line);
    }
    /* JSON holds whole numbers up to here. */
    refuse("a --seed 9223372036854775808", MODA_ERR_ARG,
           "--seed 9223372036854775808: must be a whole number from 0 to 9223372036854775807");
    refuse("a --seed 18446744073709551615", MODA_ERR_ARG,
           "--seed 18446744073709551615: must be a whole number from 0 to 9223372036854775807");
    refuse("a --lr nan", MODA_ERR_ARG, "--lr nan: must be a number above 0");
    refuse("a --lr inf", MODA_ERR_ARG, "--lr inf: must be a number above 0");
    refuse("a --lr 1e999", MODA_ERR_ARG, "--lr 1e999: must be a number above 0");
    refuse("a --lr 0.1x", MODA_ERR_ARG, "--lr 0.1x: must be a number above 0");
    refuse("a --lr _", MODA_ERR_ARG, "--lr '': must be a number above 0");
    refuse("a --classes 1,,2", MODA_ERR_ARG,
           "--classes 1,,2: entry 2 is not a whole number; wanted is a list as 0,3,5");
    refuse("a --classes 1,2,", MODA_ERR_ARG,
           "--classes 1,2,: entry 3 is not a whole number; wanted is a list as 0,3,5");
    refuse("a --classes 1;2", MODA_ERR_ARG,
           "--classes 1;2: entry 1 is not a whole number; wanted is a list as 0,3,5");
}

Test(options, words)
{
    refuse("a --method best", MODA_ERR_ARG, "--method best: must be one of standard, moda, mwt");
    refuse("a --out _", MODA_ERR_ARG, "--out '': must not be empty");
    refuse("a --nonsense", MODA_ERR_ARG, "unknown option '--nonsense'; see `moda train --help`");
    refuse("a --nonsense=3", MODA_ERR_ARG,
           "unknown option '--nonsense=3'; see `moda train --help`");
    refuse("a -x", MODA_ERR_ARG, "unknown option '-x'; see `moda train --help`");
    refuse("a --tau", MODA_ERR_ARG, "--tau needs a value");
    refuse("a --resume=yes", MODA_ERR_ARG, "--resume=yes: this option takes no value");
    refuse("a --tau 0.5 --tau 0.5", MODA_ERR_ARG, "--tau is given twice");
    refuse("a --resume --resume", MODA_ERR_ARG, "--resume is given twice");
}

Test(options, operand_count_is_checked)
{
    refuse("", MODA_ERR_ARG, "an operand is missing, wanted: MODEL; see `moda train --help`");
    refuse("a b c", MODA_ERR_ARG,
           "'c' is one operand too many, wanted: MODEL; see `moda train --help`");
}

Test(options, unwritable_output_is_refused_at_once)
{
    char line[256], want[256];
    sprintf(line, "a --json %s", test_path("no/file.json"));
    sprintf(want, "--json: %s: cannot be created: No such file or directory",
            test_path("no/file.json"));
    refuse(line, MODA_ERR_IO, want);
    sprintf(line, "a --json %s", test_path("file.json"));
    cr_assert(eq(int, parse(line), MODA_OK), "%s", moda_last_error());
    cr_assert(eq(int, test_folder_entries(), 0), "the check left something behind");
    /* A folder that the command itself will make. */
    sprintf(line, "a --out %s/ --json %s", test_path("new"), test_path("new/file.json"));
    cr_assert(eq(int, parse(line), MODA_OK), "%s", moda_last_error());
    sprintf(line, "a --out %s --json %s", test_path("new"), test_path("newer/file.json"));
    cr_assert(eq(int, parse(line), MODA_ERR_IO));
}

/* The later one would replace the earlier one. */
Test(options, two_outputs_in_one_file_are_refused)
{
    char line[512];
    test_write("there", "");
    cr_assert(eq(int, symlink(test_path("there"), test_path("link")), 0));
    const char *const pairs[][2] = {{"new", "new"},          {"new", "./new"},
                                    {"there", "there"},      {"there", "link"},
                                    {"there", ".//./there"}, {"out/json", "out//json"},
                                    {"out/./a/b", "out/a/b"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const char *json = test_path(pairs[i][0]), *logits = test_path(pairs[i][1]);
        snprintf(line, sizeof line, "a --json %s --out %s --logits %s", json, test_path("out"),
                 logits);
        cr_assert(eq(int, parse(line), MODA_ERR_ARG), "%s: %s", line, moda_last_error());
        cr_assert(strstr(moda_last_error(), "--json") && strstr(moda_last_error(), "--logits"),
                  "%s", moda_last_error());
    }
    snprintf(line, sizeof line, "a --json %s --logits %s", test_path("new"), test_path("newer"));
    cr_assert(eq(int, parse(line), MODA_OK), "%s", moda_last_error());
    cr_assert(eq(int, parse("a --json /dev/null --logits /dev/null"), MODA_OK), "%s",
              moda_last_error());
}

Test(options, names_of_a_commands_own_files)
{
    static const char *const own[] = {"model.safetensors", "class-*.safetensors", NULL};
    static const struct {
        const char *path, *folder;
        moda_status want;
    } cases[] = {{"new/model.safetensors", "new", MODA_ERR_ARG},
                 {"new/model.safetensors", "new//", MODA_ERR_ARG},
                 {"new/./model.safetensors", "new", MODA_ERR_ARG},
                 {"new/class-17.safetensors", "./new", MODA_ERR_ARG},
                 {"there/model.safetensors", "link", MODA_ERR_ARG},
                 {"new/a.json", "new", MODA_OK},
                 {"new/sub/model.safetensors", "new", MODA_OK},
                 {"model.safetensors", "new", MODA_OK},
                 {"newer/model.safetensors", "new", MODA_OK}};
    char path[256], folder[256];
    cr_assert(eq(int, mkdir(test_path("there"), 0777), 0));
    cr_assert(eq(int, symlink(test_path("there"), test_path("link")), 0));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(path, sizeof path, "%s", test_path(cases[i].path));
        snprintf(folder, sizeof folder, "%s", test_path(cases[i].folder));
        cr_assert(eq(int, moda_check_distinct("json", path, folder, own), cases[i].want),
                  "%s in %s", cases[i].path, cases[i].folder);
    }
    cr_assert(eq(int, moda_check_distinct("json", NULL, "new", own), MODA_OK));
    cr_assert(eq(int, moda_check_distinct("json", "/model.safetensors", "/", own), MODA_ERR_ARG));
    cr_assert(eq(str, (char *)moda_last_error(),
                 "--json /model.safetensors: a file of that name belongs to the results in /: give "
                 "another name"));
    /* Names relative to the working directory. */
    cr_assert(eq(int, chdir(test_path("there")), 0));
    cr_assert(eq(int, moda_check_distinct("json", "model.safetensors", ".", own), MODA_ERR_ARG));
    cr_assert(
        eq(int, moda_check_distinct("json", "model.safetensors", "../link", own), MODA_ERR_ARG));
    cr_assert(eq(int, moda_check_distinct("json", "model.safetensors", "new", own), MODA_OK));
    /* One file, whose name is no pattern. */
    cr_assert(eq(int, moda_check_apart("json", "../link/a[1]", "./a[1]"), MODA_ERR_ARG));
    cr_assert(eq(int, moda_check_apart("json", "a1", "a[1]"), MODA_OK));
    cr_assert(eq(int, moda_check_apart("json", "../a[1]", "a[1]"), MODA_OK));
    cr_assert(eq(int, moda_check_apart("json", "/dev/null", "/dev/null"), MODA_OK));
    cr_assert(eq(int, moda_check_apart("json", NULL, "a[1]"), MODA_OK));
}

Test(options, help_shows_all_options_and_the_example)
{
    static const char *const words[] = {
        "usage: moda train [OPTION...] MODEL\nTrains a network.\n",
        "  --batch-size N          samples per step (128)\n",
        "  --method standard|moda|mwt\n                          how to train (moda)\n",
        "  --json FILE ",
        "  --threads N ",
        "  --seed N ",
        "  --quiet ",
        "  --help ",
        "example\n  moda train lenet5 --out run\n"};
    test_capture(STDOUT_FILENO);
    moda_status st = parse("--tau 0.3 --help");
    char *text = test_captured();
    cr_assert(eq(int, st, MODA_OK));
    cr_assert(help);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        cr_assert(strstr(text, words[i]) != NULL, "no '%s' in:\n%s", words[i], text);
    free(text);
}

Test(options, sort_unique)
{
    size_t values[] = {5, 0, 3}, twice[] = {3, 3, 99}, high[] = {1, 10};
    moda_sizes list = {values, 3}, two = {twice, 3}, up = {high, 2}, none = {NULL, 0};
    cr_assert(eq(int, moda_sizes_sort_unique("classes", &list, 10), MODA_OK));
    cr_assert(values[0] == 0 && values[1] == 3 && values[2] == 5);
    cr_assert(eq(int, moda_sizes_sort_unique("classes", &two, 10), MODA_ERR_ARG));
    cr_assert(eq(str, (char *)moda_last_error(), "--classes: 3 is given twice"));
    cr_assert(eq(int, moda_sizes_sort_unique("classes", &up, 10), MODA_ERR_ARG));
    cr_assert(
        eq(str, (char *)moda_last_error(), "--classes: 10 is out of range, there are 10: 0 to 9"));
    cr_assert(eq(int, moda_sizes_sort_unique("classes", &none, 10), MODA_OK));
}

/* ---- from JSON ---- */

static moda_status preset(const char *text, json_t **values)
{
    json_error_t error;
    *values = json_loads(text, 0, &error);
    cr_assert(ne(ptr, *values, NULL), "%s", error.text);
    return moda_options_preset(table, *values);
}

Test(options, presets_come_below_the_command_line)
{
    json_t *values;
    cr_assert(eq(int,
                 preset("{\"out\": \"a b\", \"batch_size\": 32, \"lr\": 0.1, \"method\": \"mwt\","
                        " \"classes\": [3, 0, 5], \"smt\": true, \"seed\": 9007199254740993,"
                        " \"resume\": false, \"tau\": null, \"unknown\": {}, \"threads\": 2,"
                        " \"logits\": \"/dev/full\"}",
                        &values),
                 MODA_OK),
              "%s", moda_last_error());
    cr_assert(eq(int, parse("lenet5 --batch-size 64"), MODA_OK), "%s", moda_last_error());
    cr_assert(eq(str, (char *)o.out, "a b"));
    cr_assert(eq(sz, o.batch, 64));
    cr_assert(eq(dbl, o.lr, 0.1));
    cr_assert(eq(dbl, o.tau, 0.9));
    cr_assert(eq(int, o.method, 2));
    cr_assert(o.common.smt && !o.resume && !o.logits, "a flag or an output is wrong");
    cr_assert(eq(sz, o.common.seed, 9007199254740993), "digits are lost");
    cr_assert(eq(sz, o.common.threads, 2));
    cr_assert(eq(sz, o.classes.n, 3));
    cr_assert(eq(sz, o.classes.values[2], 5));
    json_decref(values);
}

Test(options, presets_that_no_option_would_take)
{
    static const char *const bad[][2] = {{"{\"batch_size\": -1}", "--batch-size"},
                                         {"{\"batch_size\": \"1\"}", "batch_size"},
                                         {"{\"batch_size\": 1.5}", "--batch-size"},
                                         {"{\"lr\": -1}", "--lr"},
                                         {"{\"lr\": [1]}", "\"lr\""},
                                         {"{\"method\": \"quick\"}", "--method"},
                                         {"{\"classes\": [99]}", "--classes"},
                                         {"{\"classes\": [[1], \"x\"]}", "--classes"},
                                         {"{\"out\": {}}", "\"out\""},
                                         {"{\"smt\": 1}", "\"smt\""},
                                         {"{\"out\": \"\"}", "--out"},
                                         {"{\"classes\": {\"0\": 1}}", "\"classes\""}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_t *values;
        cr_assert(ne(int, preset(bad[i][0], &values), MODA_OK), "%s passes", bad[i][0]);
        cr_assert(strstr(moda_last_error(), bad[i][1]) != NULL, "%s", moda_last_error());
        json_decref(values);
    }
}
