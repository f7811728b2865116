/* tests/test_cmd_replace.c - moda replace and moda add-class as programs: weak and strong models of other
 * classes, figures on screen and in JSON, files that other commands run, messages. */
#include "tests/capture.h"
#include "tests/program.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SPEC  "synthetic:classes=6,channels=1,size=12,train=480,test=240"
#define DATA  "--data " SPEC " "
#define TRAIN "train --model small.net " DATA "--batch-size 16 --threads 1 --tune off --quiet "
#define WEAK  "--classes 1,3,4,5 --per-class 0.2 "
#define USUAL "--threads 1 --batch-size 16 --no-augment "

static void prepare(void)
{
    test_write("small.net",
               "[net]\nname = small\n[conv]\nname = a\noutputs = 6\nkernel = 3\n[relu]\n[maxpool]\n"
               "kernel = 2\n[conv]\nname = b\noutputs = 8\nkernel = 3\n[relu]\n[linear]\nname = c\n"
               "outputs = classes\n");
}

TestSuite(cmd_replace, .init = prepare, .fini = test_folder_remove, .timeout = 300);

/* Knows classes 0 to 2, whose modules go to the folder parts; in strong_r and parts_r they are
 * renumbered. */
static void strong(bool renumbered)
{
    const char *relabel = renumbered ? "--relabel" : "", *r = renumbered ? "_r" : "";
    program_must(TRAIN "--classes 0,1,2 %s --epochs 3 --out strong%s", relabel, r);
    program_must("decompose strong%s/model.safetensors " DATA "--classes 0,1,2 %s --tau 0.9 "
                 "--threads 1 --out parts%s",
                 r, relabel, r);
}

/* Knows class 1 of them, and classes 3 to 5, from few samples. */
static void weak(bool renumbered)
{
    const char *relabel = renumbered ? "--relabel" : "", *r = renumbered ? "_r" : "";
    program_must(TRAIN WEAK "%s --method standard --no-augment --epochs 3 --out weak%s", relabel,
                 r);
}

static double number(const char *file, const char *object, const char *key)
{
    json_t *json = program_json(file);
    const json_t *at = object ? json_object_get(json, object) : json;
    const json_t *value = json_object_get(at, key);
    cr_assert(value && json_is_number(value), "%s: no number '%s'", file, key);
    const double x = json_number_value(value);
    json_decref(json);
    return x;
}

/* The result's accuracy, as moda eval has it with these options, is what was reported. */
static void check_eval(const char *file, const char *report, const char *options)
{
    program_must("eval %s " DATA "%s --threads 1 --json eval.json", file, options);
    cr_expect(epsilon_eq(dbl, number("eval.json", NULL, "accuracy"), number(report, "after", "all"),
                         1e-9),
              "%s", file);
}

/* Classes find each other by their numbers in the data set, renumbered or not, on either side. */
Test(cmd_replace, renumbered_or_not)
{
    static const struct {
        const char *weak, *modules, *relabel;
        double outputs;
    } cases[] = {{"weak", "parts", "", 6},
                 {"weak", "parts_r", "", 6},
                 {"weak_r", "parts", "--relabel", 4},
                 {"weak_r", "parts_r", "--relabel", 4}};
    strong(false), strong(true), weak(false), weak(true);
    for (size_t i = 0; i < 4; i++) {
        const program_result r = program_must(
            "replace --weak %s/model.safetensors --modules %s --class 1 " DATA WEAK USUAL
            "%s --out r.safetensors --json r.json --epochs 3",
            cases[i].weak, cases[i].modules, cases[i].relabel);
        cr_expect(ne(ptr, strstr(r.out, "class 1 1, calibrate"), NULL), "%s", r.out);
        cr_expect(eq(dbl, number("r.json", NULL, "target_samples"), 40));
        cr_expect(eq(dbl, number("r.json", NULL, "other_samples"), 120));
        cr_expect(eq(dbl, number("r.json", "result_size", "outputs"), cases[i].outputs));
        char options[64];
        snprintf(options, sizeof options, "--classes 1,3,4,5 %s", cases[i].relabel);
        check_eval("r.safetensors", "r.json", options);
        program_must("eval %s/model.safetensors " DATA "%s --threads 1 --json eval.json",
                     cases[i].weak, options);
        cr_expect(epsilon_eq(dbl, number("eval.json", NULL, "accuracy"),
                             number("r.json", "before", "all"), 1e-9));
    }
}

Test(cmd_replace, minmax_from_a_module_file)
{
    strong(false), weak(false);
    program_must("replace --weak weak/model.safetensors --module parts/class-1.safetensors "
                 "--class 1 " DATA WEAK
                 "--threads 1 --strategy minmax --out m.safetensors --json m.json");
    check_eval("m.safetensors", "m.json", "--classes 1,3,4,5");
    cr_expect(lt(dbl, number("m.json", "fit", "minimum"), number("m.json", "fit", "maximum")));
    /* A whole model holds the class, too. */
    program_must("replace --weak weak/model.safetensors --module strong/model.safetensors "
                 "--class 1 " DATA WEAK
                 "--threads 1 --strategy minmax --out m.safetensors --json m.json");
    check_eval("m.safetensors", "m.json", "--classes 1,3,4,5");
    const program_result r = program_must("describe m.safetensors");
    cr_expect(ne(ptr, strstr(r.out, "weak_others, module_scale"), NULL), "%s", r.out);
}

Test(cmd_replace, a_class_is_added)
{
    strong(false), strong(true), weak(true);
    program_must("add-class --weak weak_r/model.safetensors --modules parts --class 2 " DATA USUAL
                 "--classes 1,2,3,4,5 --relabel --epochs 3 --out a.safetensors --json a.json");
    cr_expect(eq(dbl, number("a.json", "weak_size", "outputs"), 4));
    cr_expect(eq(dbl, number("a.json", "result_size", "outputs"), 5));
    check_eval("a.safetensors", "a.json", "--classes 1,2,3,4,5 --relabel");
    json_t *json = program_json("a.json");
    const bool none = json_is_null(json_object_get(json_object_get(json, "before"), "target"));
    cr_expect(none, "the weak model had no such class");
    json_decref(json);
    /* The result is a model to which more can be done. */
    program_must("add-class --weak a.safetensors --modules parts_r --class 0 " DATA USUAL
                 "--relabel --classes 0,1,2,3,4,5 --epochs 3 --out b.safetensors --json b.json");
    check_eval("b.safetensors", "b.json", "--classes 0,1,2,3,4,5 --relabel");
}

Test(cmd_replace, the_same_twice)
{
    strong(false), weak(false);
    for (int i = 0; i < 2; i++)
        program_must("replace --weak weak/model.safetensors --modules parts --class 1 " DATA WEAK
                     "--threads 1 --epochs 2 --seed 3 --out %s",
                     i ? "a.safetensors" : "b.safetensors");
    cr_expect(ne(int, program_same("a.safetensors", "b.safetensors"), 0));
}

#define REPLACE "replace --weak weak/model.safetensors "
#define REST    DATA WEAK "--out x.safetensors"

Test(cmd_replace, wrong_calls)
{
    strong(false), weak(false), weak(true);
    const int entries = test_folder_entries();
    static const struct {
        int code;
        const char *word, *arguments;
    } calls[] = {
        {2, "--weak is missing", "replace --modules parts --class 1 " REST},
        {2, "either by --modules DIR or by --module", REPLACE "--class 1 " REST},
        {2, "either by --modules DIR or by --module",
         REPLACE "--modules parts --module parts/class-1.safetensors --class 1 " REST},
        {2, "--class is missing", REPLACE "--modules parts " REST},
        {2, "--data is missing", REPLACE "--modules parts --class 1 --out x.safetensors"},
        {2, "--out is missing", REPLACE "--modules parts --class 1 " DATA},
        {2, "--strategy", REPLACE "--modules parts --class 1 --strategy average " REST},
        {2, "trains nothing", REPLACE "--modules parts --class 1 --strategy minmax --lr 1 " REST},
        {2, "belongs to the results in parts",
         REPLACE "--modules parts --class 1 " DATA "--out parts/class-1.safetensors"},
        {1, "nothing: no such folder", REPLACE "--modules nothing --class 1 " REST},
        {1, "weak: no masks.safetensors", REPLACE "--modules weak --class 1 " REST},
        {1, "nothing.safetensors", REPLACE "--module nothing.safetensors --class 1 " REST},
        {1, "nothing.safetensors",
         "replace --weak nothing.safetensors --modules parts --class 1 " REST},
        {2, "no module of class 3", REPLACE "--modules parts --class 3 " REST},
        {2, "class 2 is no output of the weak model",
         "replace --weak weak_r/model.safetensors --modules parts --class 2 --relabel " REST},
        {2, "has 6 classes",
         "replace --weak weak_r/model.safetensors --modules parts --class 1 " REST},
        {2, "its class 2 is not what output 1",
         "replace --weak weak_r/model.safetensors --modules parts "
         "--class 1 " DATA "--classes 1,2,3,4 --relabel --out x.safetensors"},
        {2, "no training image of class 1",
         REPLACE "--modules parts --class 1 " DATA "--classes 3,4,5 --out x.safetensors"},
        {2, "class 1 is an output of the weak model",
         "add-class --weak weak_r/model.safetensors --modules parts --class 1 --relabel " REST},
        {2, "model.safetensors with class 2 has 5 outputs",
         "add-class --weak weak_r/model.safetensors --modules parts --class 2 --relabel " REST},
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        program_must_fail(calls[i].code, calls[i].word, "%s", calls[i].arguments);
    cr_expect(eq(int, test_folder_entries(), entries), "something was left");
}

/* Whatever names it: an operand, an option, a link. */
Test(cmd_replace, what_is_read_is_not_overwritten)
{
    strong(false), weak(false);
    cr_assert(eq(int, symlink("model.safetensors", test_path("strong/link")), 0));
    program_must_fail(2, "the file of --module, which is read",
                      REPLACE "--module strong/model.safetensors --class 1 " DATA WEAK
                              " --out strong/link");
    program_must_fail(2, "the file of --weak, which is read",
                      REPLACE "--modules parts --class 1 " DATA WEAK
                              " --out weak/model.safetensors");
    program_must_fail(2, "the file that is read",
                      "eval strong/link " DATA "--json strong/model.safetensors");
    program_must("eval strong/model.safetensors " DATA "--classes 0,1,2 --threads 1");
    program_must("eval weak/model.safetensors " DATA "--classes 1,3,4,5 --threads 1");
}

Test(cmd_replace, modules_of_another_input_are_refused)
{
    weak(false);
    program_must("train --model small.net --data synthetic:classes=3,channels=1,size=14,train=48,"
                 "test=12 --method standard --epochs 1 --batch-size 16 --quiet --out large");
    program_must_fail(2, "1x12x12, the module of 1x14x14",
                      REPLACE "--module large/model.safetensors --class 1 " REST);
}

/* A model trained on some of its outputs only comes apart into those. */
Test(cmd_replace, decompose_takes_the_classes_that_were_trained)
{
    strong(false);
    program_must("eval parts/model.safetensors " DATA "--threads 1 --json a.json");
    program_must("eval strong/model.safetensors " DATA "--classes 0,1,2 --threads 1 --json b.json");
    cr_expect(epsilon_eq(dbl, number("a.json", NULL, "accuracy"),
                         number("b.json", NULL, "accuracy"), 1e-9));
    program_must_fail(2, "model.safetensors",
                      "decompose strong/model.safetensors " DATA "--classes 0,1,2 --tau 0.9 "
                      "--out strong");
}
