/* moda decompose, compose, eval, reuse and sweep on a model of moda train --method mwt, as
 * programs. */
#include "base/file.h"
#include "base/json.h"
#include "tests/capture.h"
#include "tests/program.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DATA "--data synthetic:classes=5,channels=3,size=12,train=400,test=200 --threads 1 --quiet"

static const char description[] =
    "[net]\nname = small\nconv_init = kaiming_fan_out\n"
    "[conv]\nname = c1\noutputs = 8\nkernel = 3\npadding = 1\n[batchnorm]\nname = b1\n[relu]\n"
    "[conv]\nname = c2\noutputs = 16\nkernel = 3\nstride = 2\npadding = 1\n[batchnorm]\nname = b2\n"
    "[relu]\n[conv]\nname = c3\noutputs = 24\nkernel = 3\npadding = 1\n[batchnorm]\nname = b3\n"
    "[relu]\n[avgpool]\nkernel = global\n[linear]\nname = f\noutputs = classes\n";

static void prepare(void)
{
    test_folder();
    FILE *f = fopen(test_path("small.net"), "wb");
    fputs(description, f);
    fclose(f);
    program_must("train --model small.net " DATA
                 " --method mwt --epochs 5 --batch-size 32 --out a");
    program_must("decompose a/model.safetensors " DATA " --tau 0.9 --out m --json d.json");
}

TestSuite(cmd_mwt, .init = prepare, .fini = test_folder_remove, .timeout = 120);

static double number(const char *file, const char *key)
{
    json_t *json = program_json(file);
    const double x = json_number_value(json_object_get(json, key));
    json_decref(json);
    return x;
}

Test(cmd_mwt, decompose_writes_the_figures_of_plain_modules)
{
    json_t *report = program_json("m/decomposition.json");
    cr_assert(eq(str, (char *)json_string_value(json_object_get(report, "method")), "mwt"));
    cr_assert(json_object_get(report, "min_active") == NULL);
    /* c1, b1, c2, b2, c3, b3, f: no masks among them */
    const double want = 8 * 28 + 16 + 16 * 73 + 32 + 24 * 145 + 48 + 5 * 25;
    cr_assert(eq(dbl, json_number_value(json_object_get(report, "model_parameters")), want));
    cr_assert(eq(dbl, json_number_value(json_object_get(report, "model_neurons")), 16 + 24));
    json_t *modules = json_object_get(report, "modules");
    cr_assert(eq(sz, json_array_size(modules), 5));
    for (size_t k = 0; k < 5; k++) {
        char line[64];
        snprintf(line, sizeof line, "describe m/class-%zu.safetensors --json one.json", k);
        program_must("%s", line);
        cr_assert(eq(dbl, number("one.json", "trainable"),
                     json_number_value(json_object_get(json_array_get(modules, k), "parameters"))));
    }
    json_decref(report);
    cr_assert(program_same("m/decomposition.json", "d.json"));
}

Test(cmd_mwt, a_composed_file_does_what_reuse_says)
{
    double composed = NAN, size = NAN;
    program_must("compose m --classes 4,0,2 --out a.st --json c.json " DATA);
    program_must("compose m --classes 0,2,4 --out b.st " DATA);
    cr_assert(program_same("a.st", "b.st"));
    program_must("eval a.st --json e.json " DATA);
    program_must("reuse m --sizes 3 --json r.json --standard a/model.safetensors " DATA);
    cr_assert(eq(dbl, number("e.json", "samples"), 120), "of its three classes");
    char *csv = test_read(test_path("m/reuse.csv"));
    const char *row = strstr(csv, "\n0 2 4,");
    cr_assert(row != NULL, "%s", csv);
    cr_assert(eq(int, sscanf(row, "\n0 2 4,3,120,%lf,%*f,%*f,%*u,%lf", &composed, &size), 2));
    cr_assert(fabs(composed - number("e.json", "accuracy")) < 1.5 / 120, "%g, alone %g", composed,
              number("e.json", "accuracy"));
    cr_assert(epsilon_eq(dbl, size, number("c.json", "size"), 1e-6));
    cr_assert(eq(dbl, number("c.json", "head_parameters"), 18));
    cr_assert(lt(dbl, 0.5, composed), "%g: the head has learned nothing", composed);
    free(csv);
    program_must("compose m --classes 0,2,4 --out few.st --per-class 20 " DATA);
    program_must("eval few.st --json few.json " DATA);
    cr_assert(not(program_same("a.st", "few.st")), "learned from 60 images, not 240");
    program_must("reuse m --sizes 3 --per-class 20 --csv few.csv " DATA);
    program_result again = program_must("reuse m --sizes 3 --standard a/model.safetensors " DATA);
    cr_assert(strstr(again.out, "resumed: 30 of 30 results") != NULL, "%s", again.out);
}

Test(cmd_mwt, sweeps_train_heads_too)
{
    program_must("sweep m --tau 0.5,0.95 --sample 2 --json s.json " DATA);
    json_t *json = program_json("s.json");
    const json_t *rows = json_object_get(json, "rows");
    cr_assert(eq(sz, json_array_size(rows), 2));
    double size[2];
    for (size_t i = 0; i < 2; i++)
        size[i] = json_number_value(json_object_get(json_array_get(rows, i), "mean_size"));
    cr_assert(size[0] >= size[1] && size[1] > 0, "%g, %g", size[0], size[1]);
    json_decref(json);
}

Test(cmd_mwt, is_judged_and_looked_into_but_not_ablated)
{
    program_must("inspect m --json i.json");
    char *text = test_read(test_path("i.json"));
    cr_assert(strstr(text, "\"b2.mask") != NULL, "layers go by their [mask]s: %s", text);
    free(text);
    program_must_fail(1, "--data", "inspect m " DATA);
    program_must_fail(1, "[mask]", "ablate m " DATA);
}

Test(cmd_mwt, wrong_calls_say_what_is_wrong)
{
    program_must_fail(2, "--data", "compose m --classes 0,1 --out x.st");
    program_must_fail(2, "--activity",
                      "decompose a/model.safetensors " DATA
                      " --tau 0.9 --out x --activity area:0.1");
    program_must_fail(2, "--min-active",
                      "decompose a/model.safetensors " DATA " --tau 0.9 --out x --min-active 0");
    program_must_fail(2, "--batch-size",
                      "decompose a/model.safetensors --rates m/rates.safetensors --tau 0.9 --out x "
                      "--batch-size 8 " DATA);
    program_must_fail(2, "--min-active", "sweep m --tau 0.9 --min-active 0.1 " DATA);
    program_must_fail(2, "--method mwt",
                      "sweep --model small.net --method mwt --epochs 1 --out x " DATA);
    program_must_fail(2, "wants",
                      "compose m --classes 0,1 --out x.st --data "
                      "synthetic:classes=5,channels=3,size=16,train=50,test=50");
    program_must_fail(2, "5 outputs",
                      "compose m --classes 0,1 --out x.st --data "
                      "synthetic:classes=4,channels=3,size=12,train=50,test=50");
    program_must_fail(2, "--head-epochs 0",
                      "compose m --classes 0,1 --out x.st --head-epochs 0 " DATA);
    cr_assert(program_lacks("x.st"));
    cr_assert(program_lacks("x"));
    /* modules that are not of MwT have no head */
    program_must("train --model small.net " DATA " --epochs 1 --out b");
    program_must("decompose b/model.safetensors " DATA " --tau 0.5 --out n");
    program_must_fail(2, "--data", "compose n --classes 0,1 --out x.st " DATA);
    program_must_fail(2, "--head-epochs", "reuse n --head-epochs 3 " DATA);
    program_must_fail(2, "--per-class", "reuse n --per-class 3 " DATA);
    program_must_fail(2, "--per-class", "sweep n --tau 0.9 --per-class 3 " DATA);
    program_must_fail(2, "--per-class", "compose n --classes 0,1 --out x.st --per-class 3");
    program_must_fail(1, "rates.0",
                      "decompose a/model.safetensors --rates n/rates.safetensors "
                      "--tau 0.9 --out x");
    cr_assert(program_lacks("x.st"));
}

/* The figure of "masks" in a decomposition's diagnosis; NAN: not judged. */
static double judged_masks(const char *file)
{
    double figure = NAN;
    json_t *json = program_json(file);
    json_unpack(json, "{s:{s:{s:{s:F}}}}", "diagnosis", "judged", "masks", "figure", &figure);
    json_decref(json);
    return figure;
}

/* Rates of before means of masks were stored: the same file, in which nothing goes by that name. */
static void make_older(const char *from, const char *to)
{
    static const char name[] = "moda.mask_means", other[] = "else.mask_means";
    moda_mapped_file file;
    cr_assert(eq(int, moda_file_map(test_path(from), &file), MODA_OK), "%s", moda_last_error());
    const uint8_t *at = memmem(file.data, file.size, name, strlen(name));
    cr_assert(at != NULL);
    const size_t before = (size_t)(at - file.data), length = strlen(name);
    FILE *f = fopen(test_path(to), "wb");
    fwrite(file.data, 1, before, f);
    fwrite(other, 1, length, f);
    fwrite(at + length, 1, file.size - before - length, f);
    cr_assert(zero(int, fclose(f)));
    moda_file_unmap(&file);
}

Test(cmd_mwt, values_of_masks_are_judged_wherever_rates_are)
{
    const double figure = judged_masks("m/decomposition.json");
    double sum = 0;
    cr_assert(figure > 0.1, "%g: masks are near 1, so this proves nothing", figure);
    program_result r =
        program_must("decompose a/model.safetensors --rates m/rates.safetensors --tau 0.5 --out p");
    cr_assert(strstr(r.out, "finding: masks that are on have a mean of ") != NULL, "%s", r.out);
    cr_assert(eq(dbl, judged_masks("p/decomposition.json"), figure));
    cr_assert(program_same("m/rates.safetensors", "p/rates.safetensors"));
    r = program_must("inspect p --json i.json");
    cr_assert(strstr(r.out, "finding: masks that are on have a mean of ") != NULL, "%s", r.out);
    json_t *json = program_json("i.json");
    const json_t *layers = json_object_get(json, "layers");
    cr_assert(eq(sz, json_array_size(layers), 2));
    for (size_t l = 0; l < 2; l++)
        sum += json_number_value(json_object_get(json_array_get(layers, l), "mask_mean"));
    cr_assert(epsilon_eq(dbl, 1 - sum / 2, figure, 1e-12));
    json_decref(json);
    r = program_must("inspect p --layer 0");
    cr_assert(strstr(r.out, "masks that are on: mean 0.") != NULL, "%s", r.out);
    make_older("m/rates.safetensors", "old.safetensors");
    r = program_must("decompose a/model.safetensors --rates old.safetensors --tau 0.9 --out o");
    cr_assert(strstr(r.out, "not judged: masks (rates without") != NULL, "%s", r.out);
    cr_assert(isnan(judged_masks("o/decomposition.json")), "judged without their values");
    r = program_must("inspect o");
    cr_assert(strstr(r.out, "not judged: masks (rates without") != NULL, "%s", r.out);
}

static double result_of(const char *file, const char *which, const char *key)
{
    json_t *json = program_json(file);
    const double x = json_number_value(json_object_get(json_object_get(json, which), key));
    json_decref(json);
    return x;
}

/* A module of MwT answers for all classes of its model; of these the one that is asked for counts. */
Test(cmd_mwt, a_module_repairs_and_extends_another_model)
{
    program_must("train --model small.net " DATA " --epochs 3 --batch-size 32 --out w");
    program_must("replace --weak w/model.safetensors --modules m --class 2 " DATA
                 " --epochs 2 --out r.safetensors --json r.json");
    program_must("eval r.safetensors " DATA " --json e.json");
    cr_assert(eq(dbl, number("e.json", "accuracy"), result_of("r.json", "after", "all")));
    program_must("train --model small.net " DATA
                 " --classes 0,1,3,4 --relabel --epochs 3 --batch-size 32 --out v");
    program_must("add-class --weak v/model.safetensors --modules m --class 2 " DATA
                 " --classes 0,1,2,3,4 --relabel --epochs 2 --out x.safetensors --json x.json");
    program_must("eval x.safetensors " DATA " --json e.json");
    cr_assert(eq(dbl, number("e.json", "accuracy"), result_of("x.json", "after", "all")));
}
