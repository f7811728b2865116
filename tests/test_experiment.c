/* tests/test_experiment.c - studies: their tables, the published figures, which trainings are the
 * same, and moda experiment as a program: what its figures are. Its folder is in test_experiment_folder.c. */
#include "base/file.h"
#include "base/json.h"
#include "bench/experiment.h"
#include "bench/experiment_internal.h"
#include "bench/experiment_published.h"
#include "bench/experiment_table.h"
#include "tests/capture.h"
#include "tests/program.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void prepare(void)
{
    test_folder();
    test_write("tiny.net", "[net]\nname = tiny\n\n[conv]\nname = c\noutputs = 8\nkernel = 5\n"
                           "stride = 4\n\n[relu]\n\n[linear]\nname = l\noutputs = classes\n");
}

TestSuite(experiment, .init = prepare, .fini = test_folder_remove, .timeout = 300);

static void must(moda_status st)
{
    cr_assert(eq(int, st, MODA_OK), "%s", moda_last_error());
}

/* ---- tables ---- */

static const moda_study_column columns[] = {{"name", "a name", MODA_STUDY_TEXT},
                                            {"tau", "tau", MODA_STUDY_SHORT},
                                            {"share", "share|of", 3}};

static moda_study_table make_table(void)
{
    moda_study_table t = {columns, 3, json_array()};
    json_t *row = moda_study_row(&t);
    moda_study_text(row, "name", "say \"a|b\",\nnow");
    moda_study_number(row, "tau", 0.95);
    moda_study_number(row, "share", 2.0 / 3);
    row = moda_study_row(&t);
    moda_study_text(row, "name", NULL);
    moda_study_number(row, "tau", NAN);
    moda_study_number(row, "share", 1);
    return t;
}

static void check_file(const char *name, const char *want)
{
    char *text = test_read(test_path(name));
    cr_assert(text != NULL, "%s: not there", name);
    cr_assert(eq(str, text, (char *)want));
    free(text);
}

Test(experiment, a_table_as_csv_and_markdown)
{
    moda_study_table t = make_table();
    must(moda_study_write_csv(&t, test_path("t.csv")));
    check_file("t.csv", "name,tau,share\n\"say \"\"a|b\"\",\nnow\",0.95,0.6666666667\n,,1\n");
    must(moda_study_write_markdown(&t, "# T\n", "note\n", test_path("t.md")));
    check_file("t.md", "# T\n\n| a name | tau | share\\|of |\n| --- | ---: | ---: |\n"
                       "| say \"a\\|b\", now | 0.95 | 0.667 |\n|  |  | 1.000 |\n\nnote\n");
    json_decref(t.rows);
}

Test(experiment, a_table_on_the_screen)
{
    moda_study_table t = make_table();
    test_capture(1);
    moda_study_print(&t);
    char *text = test_captured();
    cr_assert(ne(ptr, strstr(text, "a name           tau  share|of\n"), NULL), "%s", text);
    cr_assert(ne(ptr, strstr(text, "say \"a|b\",?now  0.95     0.667\n"), NULL), "%s", text);
    free(text);
    json_decref(t.rows);
}

Test(experiment, figures_are_found_below_their_keys)
{
    json_t *figures = json_pack("{s:f s:{s:i s:s}}", "x", 0.5, "mean", "n", 7, "text", "no");
    cr_assert(eq(dbl, moda_figure(figures, "x"), 0.5));
    cr_assert(eq(dbl, moda_figure(figures, "mean.n"), 7));
    const char *const missing[] = {"y", "mean", "mean.text", "mean.m", "y.n"};
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++)
        cr_assert(isnan(moda_figure(figures, missing[i])), "%s", missing[i]);
    cr_assert(isnan(moda_figure(NULL, "x")));
    json_decref(figures);
}

/* ---- published figures ---- */

Test(experiment, published_figures_belong_to_one_setting)
{
    moda_published p = moda_published_find("cifar10:/data", "vgg16", "moda", 0.3, 0.9);
    cr_assert(p.accuracy == 0.9186 && p.reuse == 0.9448 && p.size == 0.027 && p.overlap == 0.014);
    p = moda_published_find("cifar10:/data", "vgg16", "moda", 0.3, 0.5);
    cr_assert(p.size == 0.056 && p.reuse == 0.945);
    cr_assert(isnan(p.accuracy) && isnan(p.overlap));
    p = moda_published_find("cifar10:/data", "vgg16", "moda", 0, 0.9);
    cr_assert(p.size == 0.036 && p.reuse == 0.9455);
    p = moda_published_find("cifar10:/data", "mobilenet", "standard", 0.3, 0.9);
    cr_assert(p.accuracy == 0.8942 && p.hours == 0.66);
    const struct {
        const char *data, *model, *method;
        double gamma, tau;
    } none[] = {{"cifar100:/data", "vgg16", "moda", 0.3, 0.9},
                {"cifar10:/data", "lenet5", "moda", 0.3, 0.9},
                {"cifar10:/data", "vgg16", "moda", 0.1, 0.9},
                {"cifar10:/data", "vgg16", "moda", 0.3, 0.7}};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        p = moda_published_find(none[i].data, none[i].model, none[i].method, none[i].gamma,
                                none[i].tau);
        cr_assert(isnan(p.accuracy) && isnan(p.reuse) && isnan(p.size), "%zu", i);
    }
}

/* ---- which trainings are the same ---- */

static void check_compare(const char *wish, const char *config, const char *want)
{
    json_t *a = json_loads(wish, 0, NULL), *b = json_loads(config, 0, NULL);
    const char *key = "unset";
    moda_config_compare(a, b, &key);
    cr_assert(eq(str, (char *)(key ? key : "none"), (char *)(want ? want : "none")), "%s", config);
    json_decref(a);
    json_decref(b);
}

Test(experiment, configurations_are_compared_key_by_key)
{
    const char *wish = "{\"model\": \"a\", \"lr\": 1.0, \"classes\": [1, 2], \"init\": null, "
                       "\"crop\": \"padded\"}";
    check_compare(wish,
                  "{\"threads\": 2, \"crop\": \"padded\", \"model\": \"a\", \"lr\": 1, "
                  "\"classes\": [1, 2], \"init\": null}",
                  NULL);
    /* an option that came later stands for its default where it is missing; others do not */
    check_compare(wish, "{\"model\": \"a\", \"lr\": 1, \"classes\": [1, 2], \"init\": null}", NULL);
    check_compare(wish, "{\"model\": \"a\", \"lr\": 1, \"classes\": [1, 2]}", "init");
    check_compare(wish, "{\"model\": \"a\", \"lr\": 1, \"classes\": [2], \"init\": null}",
                  "classes");
    check_compare(wish, "{\"model\": \"a\", \"lr\": 1.5, \"classes\": [1, 2], \"init\": null}",
                  "lr");
    check_compare(wish, "{\"model\": \"b\", \"lr\": 1, \"classes\": [1, 2], \"init\": null}",
                  "model");
    check_compare(
        wish,
        "{\"model\": \"a\", \"lr\": 1, \"classes\": [1, 2], \"init\": null, \"crop\": \"resized\"}",
        "crop");
}

/* ---- the program ---- */

#define DATA "--data synthetic:classes=3,channels=1,size=32,train=60,test=30"
#define CALL "--model tiny.net " DATA " --epochs 2 --threads 1 --quiet "

Test(experiment, every_study_makes_its_table)
{
    const struct {
        const char *name, *first; /* keys of the first columns */
        size_t rows;
    } want[] = {{"compactness", "network,gamma,accuracy,size,", 2},
                {"weights", "network,alpha,beta,gamma,accuracy,", 10},
                {"tau", "network,tau,size,", 5},
                {"lookalike", "network,method,beta,class,name,accuracy,", 4 * 4}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        char path[64];
        program_must("experiment %s " CALL "--out %s", want[i].name, want[i].name);
        snprintf(path, sizeof path, "%s/%s.csv", want[i].name, want[i].name);
        char *csv = test_read(test_path(path));
        cr_assert(csv != NULL, "%s", path);
        cr_assert(eq(int, strncmp(csv, want[i].first, strlen(want[i].first)), 0), "%s", csv);
        snprintf(path, sizeof path, "%s/%s.json", want[i].name, want[i].name);
        json_t *json = program_json(path);
        cr_assert(eq(sz, json_array_size(json_object_get(json, "rows")), want[i].rows), "%s", path);
        json_decref(json);
        snprintf(path, sizeof path, "%s/%s.md", want[i].name, want[i].name);
        char *text = test_read(test_path(path));
        cr_assert(text && strstr(text, "\ntiny.net: 2 epochs"), "%s", text);
        free(csv), free(text);
    }
}

/* The table's figures are those of the commands, called by hand. */
Test(experiment, a_row_is_what_the_commands_say)
{
    double accuracy, size, composed;
    program_must("experiment compactness " CALL "--out s --json copy.json");
    program_must("train --model tiny.net " DATA " --epochs 2 --threads 1 --quiet --method moda "
                 "--gamma 0 --out run");
    program_must("eval run/model.safetensors " DATA " --threads 1 --quiet --json eval.json");
    program_must("decompose run/model.safetensors " DATA " --tau 0.9 --out run/modules "
                 "--threads 1 --quiet --json modules.json");
    program_must("reuse run/modules " DATA " --threads 1 --quiet --json reuse.json");
    json_t *eval = program_json("eval.json"), *modules = program_json("modules.json"),
           *reuse = program_json("reuse.json"), *study = program_json("s/compactness.json");
    json_t *row = json_array_get(json_object_get(study, "rows"), 1);
    accuracy = moda_figure(eval, "accuracy"), size = moda_figure(modules, "mean_size");
    composed = moda_figure(reuse, "mean_over_sizes.composed");
    cr_assert(eq(dbl, moda_figure(row, "gamma"), 0));
    cr_assert(eq(dbl, moda_figure(row, "accuracy"), accuracy));
    cr_assert(eq(dbl, moda_figure(row, "size"), size));
    cr_assert(eq(dbl, moda_figure(row, "reuse"), composed));
    cr_assert(accuracy > 0 && size > 0 && composed > 0);
    cr_assert(program_same("s/runs/tiny-moda_gamma-0/model.safetensors", "run/model.safetensors"));
    cr_assert(program_same("s/compactness.json", "copy.json"));
    json_decref(eval), json_decref(modules), json_decref(reuse), json_decref(study);
}

static double replaced(const char *strategy, const char *more)
{
    program_must(
        "replace --weak s/runs/lenet5-standard_classes-1,2,3_share-0.1_plain/"
        "epoch-195.safetensors --modules s/results/tiny-moda_classes-0,1/modules --class 1 "
        "--data synthetic:classes=4,channels=1,size=32,train=200,test=40 --classes 1,2,3 "
        "--relabel --per-class 0.1 --strategy %s %s --out by-hand.safetensors "
        "--json by-hand.json --threads 1 --quiet",
        strategy, more);
    json_t *json = program_json("by-hand.json");
    const double others = moda_figure(json, "after.others");
    json_decref(json);
    return others;
}

/* The first class of two, of weak models of two epochs by two strategies. */
Test(experiment, replacement_is_what_moda_replace_says)
{
    program_must("experiment replacement --model tiny.net --data "
                 "synthetic:classes=4,channels=1,size=32,train=200,test=40 --epochs 3 --threads 1 "
                 "--quiet --out s");
    json_t *json = program_json("s/replacement.json"), *rows = json_object_get(json, "rows");
    cr_assert(eq(sz, json_array_size(rows), 6)); /* two classes and their mean, under and over */
    const json_t *under = json_array_get(rows, 1), *over = json_array_get(rows, 4);
    cr_assert(eq(dbl, moda_figure(under, "epoch"), 10)); /* of 200, whatever --epochs says */
    cr_assert(eq(dbl, moda_figure(over, "epoch"), 195));
    cr_assert(eq(dbl, moda_figure(over, "class"), 1));
    const double both =
        moda_figure(json_array_get(rows, 3), "target_before") + moda_figure(over, "target_before");
    cr_assert(eq(dbl, moda_figure(json_array_get(rows, 5), "target_before"), both / 2));
    const double calibrated = moda_figure(over, "others_calibrate"),
                 scaled = moda_figure(over, "others_minmax");
    cr_assert(eq(dbl, calibrated, replaced("calibrate", "--no-augment")));
    cr_assert(eq(dbl, scaled, replaced("minmax", "")));
    json_decref(json);
    program_must_fail(2, "4 to 1000 classes", "experiment replacement " CALL "--out t");
}

Test(experiment, wrong_calls)
{
    program_must_fail(2, "accuracy, compactness, tau, weights, replacement, lookalike",
                      "experiment speed " DATA " --out s");
    program_must_fail(2, "--data is missing", "experiment tau --out s");
    program_must_fail(2, "--out is missing", "experiment tau " DATA);
    program_must_fail(2, "STUDY", "experiment " DATA " --out s");
    program_must_fail(2, "--small and --full", "experiment tau --small --full " DATA " --out s");
    program_must_fail(2, "is given twice", "experiment tau --model lenet5,lenet5 " DATA " --out s");
    program_must_fail(2, "an empty name", "experiment tau --model lenet5, " DATA " --out s");
    program_must_fail(2, "unknown key 'nonsense'",
                      "experiment tau --data synthetic:nonsense=1 --out s");
    program_must_fail(1, "nowhere.net", "experiment tau --model nowhere.net " DATA " --out s");
    cr_assert(program_lacks("s/runs/nowhere-moda/model.safetensors"));
}
