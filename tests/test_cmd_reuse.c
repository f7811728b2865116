/* moda reuse and moda sweep as programs: results, interruption, messages. */
#include "base/file.h"
#include "base/json.h"
#include "base/rng.h"
#include "decompose/rates.h"
#include "tests/capture.h"
#include "tests/formula.h"
#include "tests/program.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SPEC "synthetic:classes=10,channels=3,size=32,train=100,test=300"
#define DATA "--data " SPEC " --quiet"

static int moda(const char *arguments)
{
    char *line =
        moda_format("cd '%s' && '" MODA_PROGRAM "' %s >out 2>err", test_folder(), arguments);
    int status = system(line);
    free(line);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void succeed(const char *arguments)
{
    cr_assert(eq(int, moda(arguments), 0), "%s: %s", arguments, test_read(test_path("err")));
}

/* Exit code, and one line on stderr that holds word. */
static void fail(const char *arguments, int code, const char *word)
{
    cr_assert(eq(int, moda(arguments), code), "%s: %s", arguments, test_read(test_path("err")));
    char *text = test_read(test_path("err"));
    size_t lines = 0;
    for (const char *c = text; *c; c++) lines += *c == '\n';
    cr_assert(eq(sz, lines, 1), "%s: %s", arguments, text);
    cr_assert(strstr(text, word) != NULL, "%s: no '%s' in: %s", arguments, word, text);
    free(text);
}

/* A model with rates of it, decomposed into `modules`. */
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
    succeed("decompose model.safetensors --rates rates.safetensors --tau 0.6 --out modules");
}

TestSuite(cmd_reuse, .init = prepare, .fini = test_folder_remove, .timeout = 300);

static size_t count_lines(const char *name)
{
    size_t lines = 0;
    char *text = test_read(test_path(name));
    for (const char *c = text; c && *c; c++) lines += *c == '\n';
    free(text);
    return lines;
}

/* ---- reuse ---- */

Test(cmd_reuse, csv_and_json_agree_with_evaluating_one_composed_network)
{
    json_t *report = NULL, *eval = NULL;
    double accuracy = 0, composed;
    size_t found = 0;
    succeed("reuse modules " DATA " --standard model.safetensors --sizes 3 --json r.json");
    succeed("compose modules --classes 1,4,8 --out c.safetensors");
    succeed("eval c.safetensors " DATA " --json e.json");
    cr_assert(eq(sz, count_lines("modules/reuse.csv"), 121)); /* C(10,3) and the heads */
    cr_assert(eq(int, moda_json_read(test_path("r.json"), &report), MODA_OK));
    cr_assert(eq(int, moda_json_read(test_path("e.json"), &eval), MODA_OK));
    char *csv = test_read(test_path("modules/reuse.csv"));
    for (char *line = strtok(csv, "\n"); (line = strtok(NULL, "\n"));) {
        char *field = strchr(line, ',') + 1; /* classes, samples, composed, .. */
        cr_assert(eq(int, sscanf(field, "3,%*u,%lf", &composed), 1), "%s", line);
        accuracy += composed / 120;
        if (strncmp(line, "1 4 8,", 6) != 0) continue;
        cr_assert(
            epsilon_eq(dbl, composed, json_number_value(json_object_get(eval, "accuracy")), 1e-6));
        found++;
    }
    cr_assert(eq(sz, found, 1));
    const json_t *mean = json_object_get(report, "mean_over_sizes");
    cr_assert(
        epsilon_eq(dbl, json_number_value(json_object_get(mean, "composed")), accuracy, 1e-5));
    cr_assert(json_number_value(json_object_get(mean, "standard")) ==
              json_number_value(json_object_get(mean, "modular"))); /* it is the same model */
    free(csv);
    json_decref(report);
    json_decref(eval);
}

enum { ALL = 5110 }; /* results of moda reuse; the journal has a line before them */

/* Starts `moda reuse` and kills it without warning once the journal has `lines`. False: it was over before. */
static bool start_and_kill(size_t lines)
{
    static const char *const words[] = {"reuse", "modules", "--data", SPEC, "--quiet", NULL};
    siginfo_t info = {0};
    const pid_t process = program_start(words);
    for (; !info.si_pid && count_lines("modules/reuse.jsonl") < lines; usleep(500))
        cr_assert(eq(int, waitid(P_PID, (id_t)process, &info, WEXITED | WNOHANG | WNOWAIT), 0));
    kill(process, SIGKILL);
    const program_result r = program_end(process);
    cr_assert(r.code == 0 || r.code == 128 + SIGKILL, "%d: %s", r.code, r.err);
    return r.code != 0 && count_lines("modules/reuse.jsonl") <= ALL;
}

/* Twice, with so many lines after the first time. On a busy machine it may have its turn up to its end: then again. */
static size_t kill_twice(void)
{
    for (int attempt = 0; attempt < 50; attempt++) {
        const bool killed = start_and_kill(300);
        const size_t lines = count_lines("modules/reuse.jsonl");
        if (killed && start_and_kill(lines + 500)) return lines;
        unlink(test_path("modules/reuse.jsonl")), unlink(test_path("modules/reuse.csv"));
    }
    cr_fatal("it is always over before it can be killed");
}

Test(cmd_reuse, a_killed_run_goes_on_and_gives_the_same_result)
{
    const size_t first = kill_twice();
    const size_t second = count_lines("modules/reuse.jsonl");
    cr_assert(first >= 300 && second >= first + 500 && second <= ALL, "%zu, %zu", first, second);
    cr_assert(not(moda_is_file(test_path("modules/reuse.csv"))));
    succeed("reuse modules " DATA);
    char *said = test_read(test_path("out"));
    cr_assert(strstr(said, " of 5110 results were there already") != NULL, "%s", said);
    cr_assert(eq(sz, count_lines("modules/reuse.jsonl"), ALL + 1));
    succeed("reuse modules " DATA " --csv once.csv");
    char *a = test_read(test_path("modules/reuse.csv")), *b = test_read(test_path("once.csv"));
    cr_assert(eq(str, a, b));
    free(said);
    free(a);
    free(b);
}

Test(cmd_reuse, sub_tasks_of_a_file)
{
    test_write("tasks", "3,1\n0,2,9\n");
    succeed("reuse modules " DATA " --subtasks tasks");
    char *csv = test_read(test_path("modules/reuse.csv"));
    cr_assert(strstr(csv, "\n1 3,2,60,") && strstr(csv, "\n0 2 9,3,90,"), "%s", csv);
    free(csv);
    test_write("twice", "0,1\n2,3,2\n");
    fail("reuse modules " DATA " --subtasks twice", 1, "twice: line 2: class 2 stands there twice");
    test_write("unknown", "0,1\n2,10\n");
    fail("reuse modules " DATA " --subtasks unknown", 1,
         "unknown: line 2: the model has no class 10");
    test_write("gap", "0,1\n\n2,3\n");
    fail("reuse modules " DATA " --subtasks gap", 1, "gap: line 2 is empty");
    fail("reuse modules " DATA " --subtasks none", 1, "none");
    fail("reuse modules " DATA " --subtasks tasks --sample 3", 2, "--subtasks");
}

Test(cmd_reuse, results_of_another_threshold_are_refused)
{
    succeed("reuse modules " DATA " --sample 1");
    succeed("decompose model.safetensors --rates rates.safetensors --tau 0.3 --out modules");
    fail("reuse modules " DATA " --sample 1", 1, "other masks (tau 0.6, these have 0.3)");
    succeed("reuse modules " DATA " --sample 1 --csv new.csv");
    fail("reuse modules --data synthetic:classes=10,channels=3,seed=9,train=100,test=300 --quiet "
         "--sample 1 --csv new.csv",
         1, "new.jsonl: holds results on other images");
}

Test(cmd_reuse, wrong_calls)
{
    fail("reuse modules", 2, "--data is missing");
    fail("reuse nowhere " DATA, 1, "nowhere: no such folder");
    fail("reuse modules " DATA " --sizes 1", 2, "--sizes: 1");
    fail("reuse modules " DATA " --classes 3", 2, "at least two");
    fail("reuse modules --data synthetic:classes=7,channels=3,train=100 --quiet", 2, "7 classes");
    fail("reuse modules --data synthetic:classes=10,channels=1,train=100 --quiet", 2, "1x32x32");
    fail("reuse modules " DATA " --standard none.safetensors", 1, "none.safetensors");
    fail("reuse modules " DATA " --csv none/x.csv", 1, "none/x.csv");
    fail("sweep modules " DATA, 2, "--tau is missing");
    fail("sweep modules " DATA " --tau 0.5,2", 2, "--tau 0.5,2: 2 is not allowed");
    fail("sweep modules " DATA " --tau 0.5 --alpha 1", 2, "--model");
    fail("sweep " DATA " --tau 0.5", 2, "--model");
    fail("sweep --model lenet5 " DATA, 2, "--out is missing");
    fail("sweep --model lenet5 " DATA " --out runs --no-such-option 3", 2, "--no-such-option");
    fail("sweep --model lenet5 " DATA " --out runs --alpha 1,-2", 2, "--alpha 1,-2");
}

/* A class of which the first images hold none. */
Test(cmd_reuse, a_class_without_test_images_is_named)
{
    fail("reuse modules " DATA " --limit 5", 2, "has no test image");
}

/* ---- sweep ---- */

static double figure(const char *path, size_t row, const char *key)
{
    json_t *report = NULL;
    cr_assert(eq(int, moda_json_read(test_path(path), &report), MODA_OK));
    const double x = json_number_value(
        json_object_get(json_array_get(json_object_get(report, "rows"), row), key));
    json_decref(report);
    return x;
}

Test(cmd_reuse, sweep_over_thresholds)
{
    json_t *report = NULL;
    succeed("sweep modules " DATA " --tau 0.3,0.6 --sample 2 --json s.json");
    cr_assert(eq(sz, count_lines("modules/sweep.csv"), 3));
    /* the folder's own threshold: what moda decompose and moda reuse say */
    cr_assert(eq(int, moda_json_read(test_path("modules/decomposition.json"), &report), MODA_OK));
    cr_assert(eq(dbl, figure("s.json", 1, "mean_size"),
                 json_number_value(json_object_get(report, "mean_size"))));
    cr_assert(lt(dbl, figure("s.json", 1, "mean_size"), figure("s.json", 0, "mean_size")));
    json_decref(report);
    succeed("reuse modules " DATA " --sample 2 --json r.json");
    cr_assert(eq(int, moda_json_read(test_path("r.json"), &report), MODA_OK));
    cr_assert(eq(dbl, figure("s.json", 1, "composed"),
                 json_number_value(
                     json_object_get(json_object_get(report, "mean_over_sizes"), "composed"))));
    json_decref(report);
}

Test(cmd_reuse, sweep_over_trainings_skips_finished_ones)
{
    static const char call[] =
        "sweep --model lenet5 --data synthetic:classes=3,channels=1,train=96,test=30 --epochs 1 "
        "--batch-size 32 --no-augment --alpha 0,1 --out runs --tau 0.5,0.9 --json s.json";
    const char *const model = test_path("runs/alpha-1_beta-1_gamma-0.3/model.safetensors");
    succeed(call);
    cr_assert(eq(dbl, figure("s.json", 2, "alpha"), 1));
    cr_assert(eq(dbl, figure("s.json", 3, "tau"), 0.9));
    char *first = test_read(test_path("runs/sweep.csv"));
    cr_assert(eq(sz, count_lines("runs/sweep.csv"), 5)); /* two runs, two thresholds, the heads */
    cr_assert(eq(sz, count_lines("runs/alpha-0_beta-1_gamma-0.3/metrics.jsonl"), 1));
    cr_assert(eq(int, unlink(model), 0)); /* as if it had been cut short: one is trained again */
    succeed(call);
    char *said = test_read(test_path("err")), *second = test_read(test_path("runs/sweep.csv"));
    cr_assert(strstr(said, "alpha-0_beta-1_gamma-0.3: trained already") != NULL, "%s", said);
    cr_assert(strstr(said, "alpha-1_beta-1_gamma-0.3: trained already") == NULL, "%s", said);
    cr_assert(moda_is_file(model));
    cr_assert(eq(str, first, second));
    char *other = moda_format("%s --lr 0.1", call);
    cr_assert(eq(int, moda(other), 2));
    free(other);
    free(first);
    free(second);
    free(said);
}

/* Stopped before its first step, it goes on with the same call, but not with another. */
Test(cmd_reuse, a_stopped_sweep_goes_on)
{
    static const char call[] =
        "sweep --model lenet5 --data synthetic:classes=3,channels=1,train=96,test=30 --epochs 2 "
        "--batch-size 32 --tune off --threads 1 --tau 0.5 --quiet --out ";
    char line[400];
    snprintf(line, sizeof line, "%swhole", call);
    succeed(line);
    snprintf(line, sizeof line, "%spart --time-limit 1s", call);
    fail(line, 75, "--time-limit");
    cr_assert(moda_is_directory(test_path("part/alpha-1_beta-1_gamma-0.3/checkpoints")));
    snprintf(line, sizeof line, "%spart --lr 0.1", call);
    fail(line, 2, "other options");
    snprintf(line, sizeof line, "%spart --time-limit 1d --checkpoint-steps 2", call);
    succeed(line);
    char *part = test_read(test_path("part/sweep.csv"));
    char *whole = test_read(test_path("whole/sweep.csv"));
    cr_assert(eq(str, part, whole));
    free(part);
    free(whole);
}

/* Rows of one table are made alike: modules made otherwise are made anew, not taken as they are. Without
 * the outputs that --classes leaves out, the model they are of is not the one beside them. */
Test(cmd_reuse, a_sweep_heeds_how_each_call_wants_modules)
{
    static const char call[] =
        "sweep --model lenet5 --data synthetic:classes=4,channels=1,train=96,test=40 --classes "
        "0,1,3 --epochs 1 --batch-size 32 --tune off --tau 0.5 --quiet --out runs";
    static const char *const wishes[][2] = {{"", "any"},
                                            {" --activity area:0.9", "area:0.9"},
                                            {"", "any"},
                                            {" --min-active 0.9", "any"},
                                            {"", "any"}};
    const char *const report = "runs/alpha-1_beta-1_gamma-0.3/modules/decomposition.json";
    char line[400], *rows[5];
    for (size_t i = 0; i < 5; i++) {
        json_t *json = NULL;
        snprintf(line, sizeof line, "%s%s", call, wishes[i][0]);
        succeed(line);
        cr_assert(eq(int, moda_json_read(test_path(report), &json), MODA_OK));
        cr_assert(eq(str, (char *)json_string_value(json_object_get(json, "activity")),
                     (char *)wishes[i][1]));
        rows[i] = test_read(test_path("runs/sweep.csv"));
        json_decref(json);
    }
    cr_assert(eq(str, rows[2], rows[0]));
    cr_assert(eq(str, rows[4], rows[0]));
    cr_assert(ne(str, rows[1], rows[0]), "the rules say the same: this proves nothing");
    cr_assert(ne(str, rows[3], rows[0]), "the floors do the same: this proves nothing");
    for (size_t i = 0; i < 5; i++) free(rows[i]);
    snprintf(line, sizeof line, "%s --activity area", call);
    fail(line, 2, "activity rule 'area'");
}

Test(cmd_reuse, options_without_effect_are_refused)
{
    fail("reuse modules " DATA " --per-class 3", 2, "--per-class");
    fail("reuse modules " DATA " --normalisation measured", 2, "--normalisation");
    fail("sweep modules " DATA " --tau 0.5 --per-class 3", 2, "--per-class");
    fail("sweep modules " DATA " --tau 0.5 --normalisation measured", 2, "--normalisation");
}

/* Results are refused where they would replace others, before anything is computed. */
Test(cmd_reuse, results_do_not_replace_others)
{
    static const char *const calls[] = {
        "reuse modules " DATA " --csv modules/masks.safetensors",
        "reuse modules " DATA " --csv modules/reuse.jsonl",
        "reuse modules " DATA " --json modules/../modules/class-3.safetensors",
        "reuse modules " DATA " --json modules/reuse.csv",
        "reuse modules " DATA " --json modules/reuse.jsonl",
        "reuse modules " DATA " --csv 'a[1].csv' --json 'a[1].jsonl'",
        "sweep modules " DATA " --tau 0.5 --csv modules/rates.safetensors",
        "sweep modules " DATA " --tau 0.5 --csv modules/reuse.jsonl",
        "sweep modules " DATA " --tau 0.5 --json modules/sweep/tau-0.5.jsonl",
        "sweep modules " DATA " --tau 0.5 --json modules/sweep.csv",
        "sweep --model lenet5 " DATA " --out runs --json runs/sweep.json",
        "sweep --model lenet5 " DATA " --out runs --json runs/sweep.csv",
        "sweep --model lenet5 " DATA " --out runs --csv runs/alpha-1_beta-1_gamma-0.3/config.json",
    };
    test_write("modules/reuse.jsonl", "");
    cr_assert(eq(int, mkdir(test_path("modules/sweep"), 0777), 0));
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        fail(calls[i], 2, "give another name");
        cr_assert(not(moda_is_directory(test_path("runs"))), "%s", calls[i]);
        cr_assert(not(moda_is_file(test_path("modules/reuse.csv"))), "%s", calls[i]);
    }
}

/* A table that cannot be written is known before the work, of which nothing is left then. */
Test(cmd_reuse, a_sweep_asks_for_its_table_first)
{
    cr_assert(eq(int, mkdir(test_path("modules/sweep.csv"), 0777), 0));
    fail("sweep modules " DATA " --tau 0.5", 1, "modules/sweep.csv");
    cr_assert(not(moda_is_directory(test_path("modules/sweep"))));
}
