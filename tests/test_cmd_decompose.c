/* moda decompose and moda compose as programs: exit codes, messages, files. */
#include "base/file.h"
#include "base/rng.h"
#include "decompose/rates.h"
#include "tests/capture.h"
#include "tests/formula.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* A model and rates of it; `modules` is decomposed from them. */
static void prepare(void)
{
    moda_rng rng = moda_rng_make(4, MODA_RNG_TEST, 2);
    moda_rates *rates = NULL;
    test_folder();
    moda_model *model = formula_model("lenet5", 10);
    cr_assert(eq(int, moda_rates_create(model->net, &rates), MODA_OK));
    for (size_t i = 0; i < rates->shape.elements; i++)
        rates->values[i] = (float)moda_rng_unit(rng, i);
    cr_assert(eq(int, moda_model_save(model, test_path("model.safetensors")), MODA_OK));
    cr_assert(eq(int, moda_rates_save(rates, test_path("rates.safetensors")), MODA_OK));
    moda_rates_destroy(rates);
    moda_model_destroy(model);
}

TestSuite(cmd_decompose, .init = prepare, .fini = test_folder_remove, .timeout = 60);

/* Runs `moda ARGUMENTS` in the test's folder; what it says goes to the files out and err. */
static int moda(const char *arguments)
{
    char *line =
        moda_format("cd '%s' && '" MODA_PROGRAM "' %s >out 2>err", test_folder(), arguments);
    int status = system(line);
    free(line);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The program's complaint: one line that holds word. */
static void check_complaint(const char *arguments, const char *word)
{
    char *text = test_read(test_path("err"));
    size_t lines = 0;
    char start[32];
    const int command = (int)strcspn(arguments, " ");
    snprintf(start, sizeof start, "moda: %.*s: ", command, arguments);
    cr_assert(eq(int, strncmp(text, start, strlen(start)), 0), "%s: %s", arguments, text);
    cr_assert(strncmp(text + strlen(start), arguments, (size_t)command) != 0, "twice: %s", text);
    for (const char *c = text; *c; c++) lines += *c == '\n';
    cr_assert(eq(sz, lines, 1), "%s: %s", arguments, text);
    cr_assert(strstr(text, word) != NULL, "%s: no '%s' in: %s", arguments, word, text);
    free(text);
}

static const char DECOMPOSE[] =
    "decompose model.safetensors --rates rates.safetensors --tau 0.6 --out modules --quiet";

Test(cmd_decompose, class_list_in_any_order_gives_the_same_file)
{
    cr_assert(eq(int, moda(DECOMPOSE), 0), "%s", test_read(test_path("err")));
    cr_assert(eq(int, moda("compose modules --classes 0,3,5 --out a.st --json a.json"), 0));
    cr_assert(eq(int, moda("compose modules --classes 5,0,3 --out b.st"), 0));
    moda_mapped_file a = {0}, b = {0};
    cr_assert(eq(int, moda_file_map(test_path("a.st"), &a), MODA_OK));
    cr_assert(eq(int, moda_file_map(test_path("b.st"), &b), MODA_OK));
    cr_assert(a.size == b.size && memcmp(a.data, b.data, a.size) == 0);
    moda_file_unmap(&a);
    moda_file_unmap(&b);
    char *json = test_read(test_path("a.json"));
    cr_assert(json && strstr(json, "\"classes\": [0, 3, 5]") != NULL, "%s", json);
    free(json);
}

/* Rounded channels cost size, which the JSON tells; the file is a model like any other. */
Test(cmd_decompose, composed_networks_can_have_rounded_layers)
{
    cr_assert(eq(int, moda(DECOMPOSE), 0));
    double size[2];
    for (int i = 0; i < 2; i++) {
        cr_assert(eq(int,
                     moda(i ? "compose modules --classes 2,3 --out r.st --json r.json "
                              "--round-channels 16"
                            : "compose modules --classes 2,3 --out p.st --json r.json"),
                     0));
        char *json = test_read(test_path("r.json"));
        cr_assert(strstr(json, i ? "\"round_channels\": 16" : "\"round_channels\": 1") != NULL);
        cr_assert(eq(int, sscanf(strstr(json, "\"size\""), "\"size\": %lf", &size[i]), 1));
        free(json);
    }
    cr_assert(lt(dbl, size[0], size[1]));
    cr_assert(eq(int, moda("describe r.st"), 0), "%s", test_read(test_path("err")));
    cr_assert(eq(int, moda("compose modules --classes 2 --out x.st --round-channels 0"), 2));
}

/* What others keep there stays. */
Test(cmd_decompose, what_a_killed_call_left_is_removed)
{
    static const char *const left[] = {"modules/class-3.safetensors.moda-1234abcd-77-1.tmp",
                                       "modules/decomposition.json.moda-1234abcd-77-100.tmp", NULL};
    static const char *const others[] = {"modules/notes.tmp", "modules/class-12.tmp",
                                         "modules/reuse.csv.77-1.tmp", NULL};
    cr_assert(eq(int, moda(DECOMPOSE), 0), "%s", test_read(test_path("err")));
    for (size_t i = 0; left[i]; i++) test_write_old(left[i], "half");
    for (size_t i = 0; others[i]; i++) test_write(others[i], "mine");
    cr_assert(eq(int, moda(DECOMPOSE), 0), "%s", test_read(test_path("err")));
    for (size_t i = 0; left[i]; i++)
        cr_assert(eq(int, moda_is_file(test_path(left[i])), false), "%s", left[i]);
    for (size_t i = 0; others[i]; i++)
        cr_assert(eq(int, moda_is_file(test_path(others[i])), true), "%s", others[i]);
}

/* Random rates leave layers in which too few neurons pass a high tau; without images nothing is
 * said of reuse, and without a run beside the model nothing of the loss. */
Test(cmd_decompose, result_is_judged)
{
    cr_assert(eq(int,
                 moda("decompose model.safetensors --rates rates.safetensors --tau 0.999 --out "
                      "modules --quiet --json d.json"),
                 0));
    char *out = test_read(test_path("out")), *json = test_read(test_path("d.json"));
    char *stored = test_read(test_path("modules/decomposition.json"));
    cr_assert(strstr(out, "finding: the floor rule alone fills ") != NULL, "%s", out);
    cr_assert(strstr(out, "not judged: reuse (no --data") != NULL, "%s", out);
    cr_assert(strstr(out, "not judged: loss (no training run") != NULL, "%s", out);
    cr_assert(strstr(json, "\"signature\": \"floor\"") != NULL, "%s", json);
    cr_assert(eq(str, json, stored));
    free(out), free(json), free(stored);
    cr_assert(eq(int,
                 moda("decompose model.safetensors --rates rates.safetensors --tau 0.6 --out "
                      "modules --quiet --data synthetic:classes=10,channels=3,train=20,test=40"),
                 0));
    out = test_read(test_path("out"));
    cr_assert(strstr(out, "reuse") && !strstr(out, "not judged: reuse"), "%s", out);
    free(out);
    cr_assert(eq(int,
                 moda("decompose model.safetensors --rates rates.safetensors --tau 0.6 --out "
                      "modules --quiet --data synthetic:classes=10,channels=3,train=20,test=40 "
                      "--no-reuse"),
                 0));
    out = test_read(test_path("out"));
    cr_assert(strstr(out, "not judged: reuse (--no-reuse)") != NULL, "%s", out);
    free(out);
}

Test(cmd_decompose, wrong_calls_exit_with_2)
{
#define RATES "decompose model.safetensors --rates rates.safetensors --tau 0.9 --out x "
    static const char *const calls[][2] = {
        {"compose modules --classes 3,3 --out x.st", "3"},
        {"compose modules --classes 0,10 --out x.st", "10"},
        {"compose modules --classes 0,x --out x.st", "--classes"},
        {"compose modules --out x.st", "--classes"},
        {"compose modules --classes 1", "--out"},
        {"decompose model.safetensors --rates rates.safetensors --tau 2 --out x", "--tau 2"},
        {"decompose model.safetensors --rates rates.safetensors --tau 0 --out x", "--tau 0"},
        {"decompose model.safetensors --rates rates.safetensors --tau nan --out x", "--tau nan"},
        {"decompose model.safetensors --rates rates.safetensors --out x", "--tau"},
        {"decompose model.safetensors --tau 0.9 --out x", "--data"},
        {"decompose model.safetensors --rates rates.safetensors --tau 0.9 --out x --json "
         "x/masks.safetensors",
         "--json x/masks.safetensors"},
        {"decompose model.safetensors --rates rates.safetensors --tau 0.9 --out x --json "
         "./x//class-7.safetensors",
         "class-7.safetensors"},
        {"compose modules --classes 1 --out modules/model.safetensors",
         "--out modules/model.safetensors"},
        {"compose modules --classes 1 --out x.st --json ./x.st", "--json ./x.st"},
        {"decompose model.safetensors --rates rates.safetensors --tau 0.9", "--out"},
        {RATES "--classes 0,1", "--classes"},
        {RATES "--classes 0,1 --data synthetic:classes=10,channels=3", "--classes"},
        {RATES "--per-class 3 --data synthetic:classes=10,channels=3", "--per-class"},
        {RATES "--relabel --classes 0,1", "--classes is about"},
        {RATES "--image-size 32", "--image-size"},
        {RATES "--crop padded", "--crop"},
        {RATES "--batch-size 8", "--batch-size is about"},
        {RATES "--batch-size 8 --no-reuse --data synthetic:classes=10,channels=3",
         "with these --rates, and --no-reuse"},
        {RATES "--normalisation cifar10", "--normalisation"},
        {"decompose model.safetensors --rates rates.safetensors --tau 0.9 --out x --activity "
         "area:0.1",
         "--activity any"},
        {"decompose model.safetensors --rates rates.safetensors --tau 0.9 --out x --activity area",
         "activity rule 'area'"},
    };
    cr_assert(eq(int, moda(DECOMPOSE), 0));
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        cr_assert(eq(int, moda(calls[i][0]), 2), "%s", calls[i][0]);
        check_complaint(calls[i][0], calls[i][1]);
    }
    cr_assert(not(moda_is_file(test_path("x.st"))));
    cr_assert(not(moda_is_directory(test_path("x"))));
}

Test(cmd_decompose, broken_input_exits_with_1_and_leaves_nothing)
{
    static const char *const calls[][2] = {
        {"decompose none.safetensors --rates rates.safetensors --tau 0.9 --out x", "none"},
        {"decompose model.safetensors --rates model.safetensors --tau 0.9 --out x", "rates.0"},
        {"decompose model.safetensors --rates none --tau 0.9 --out x", "none"},
        {"decompose rates.safetensors --rates rates.safetensors --tau 0.9 --out x",
         "rates.safetensors"},
        {"decompose model.safetensors --rates rates.safetensors --tau 1 --min-active 0 --out x",
         "class 0"},
        {"decompose model.safetensors --rates rates.safetensors --tau 1 --out rates.safetensors",
         "is a file"},
        {"compose none --classes 1 --out x.st", "none"},
        {"compose . --classes 1 --out x.st", "masks.safetensors"},
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        cr_assert(eq(int, moda(calls[i][0]), 1), "%s", calls[i][0]);
        check_complaint(calls[i][0], calls[i][1]);
    }
    cr_assert(not(moda_is_file(test_path("x.st"))));
    cr_assert(not(moda_is_directory(test_path("x"))));
}

/* No room for the files (a limit stands for a full disk): no final name holds half a file, and the
 * folder does not pass for a decomposition. */
Test(cmd_decompose, full_disk_leaves_no_half_files)
{
    char *line = moda_format("cd '%s' && ulimit -f 8 && '" MODA_PROGRAM "' %s 2>err", test_folder(),
                             DECOMPOSE);
    int status = system(line);
    free(line);
    const bool failed = WIFEXITED(status) && WEXITSTATUS(status) == 1;
    cr_assert(failed, "status %d", status);
    check_complaint(DECOMPOSE, "modules/");
    cr_assert(not(moda_is_file(test_path("modules/model.safetensors"))));
    cr_assert(not(moda_is_file(test_path("modules/masks.safetensors"))));
    cr_assert(not(moda_is_file(test_path("modules/decomposition.json"))));
    cr_assert(eq(int, moda("compose modules --classes 1 --out x.st"), 1));
}
