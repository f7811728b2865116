/* tests/test_cmd_train.c - moda train as a program: files, figures, exit codes, messages. What is
 * the same bytes is in test_cmd_train_same.c. */
#include "engine/model.h"
#include "tests/capture.h"
#include "tests/program.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char small_net[] = "[net]\nname = small\n[conv]\nname = a\noutputs = 5\nkernel = 3\n"
                                "[relu]\n[linear]\nname = b\noutputs = 12\n[relu]\n"
                                "[linear]\nname = c\noutputs = classes\n";
#define DATA  "--data synthetic:classes=4,channels=1,size=8,train=40,test=12"
#define SMALL "train --model small.net " DATA " --threads $THREADS "

static void prepare(void)
{
    test_write("small.net", small_net);
}

TestSuite(cmd_train, .init = prepare, .fini = test_folder_remove, .timeout = 300);

/* ---- what a run leaves ---- */

static const char *const fields[] = {"epoch",
                                     "steps",
                                     "loss",
                                     "cross_entropy",
                                     "affinity",
                                     "dispersion",
                                     "compactness",
                                     "train_accuracy",
                                     "test_accuracy",
                                     "learning_rate",
                                     "seconds",
                                     "samples_per_second",
                                     "data_share",
                                     "batches_without_same_class_pairs",
                                     "batches_without_other_class_pairs"};
enum { FIELDS = sizeof fields / sizeof *fields };

static double number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    cr_assert(value && json_is_number(value), "no number '%s'", key);
    return json_number_value(value);
}

static bool holds(const json_t *object, const char *key, const char *word)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text && strstr(text, word);
}

static void check_record(const json_t *r, bool modular, bool epoch)
{
    cr_assert(eq(sz, json_object_size(r), FIELDS));
    for (size_t i = 0; i < FIELDS; i++)
        cr_assert(ne(ptr, json_object_get(r, fields[i]), NULL), "no %s", fields[i]);
    cr_assert(eq(int, json_is_null(json_object_get(r, "affinity")), !modular));
    cr_assert(eq(int, json_is_null(json_object_get(r, "compactness")), !modular));
    cr_assert(eq(int, json_is_null(json_object_get(r, "test_accuracy")), !epoch));
    if (modular)
        cr_assert(epsilon_eq(dbl, number(r, "loss"),
                             number(r, "cross_entropy") + 0.5 * number(r, "affinity") +
                                 2 * number(r, "dispersion") + 0.1 * number(r, "compactness"),
                             1e-9));
    cr_assert(ge(dbl, number(r, "train_accuracy"), 0.0));
    cr_assert(le(dbl, number(r, "train_accuracy"), 1.0));
    cr_assert(lt(dbl, 0.0, number(r, "samples_per_second")));
}

Test(cmd_train, files_and_figures)
{
    const program_result r = program_must(SMALL "--out run --epochs 3 --batch-size 16 --log-steps "
                                                "--alpha 0.5 --beta 2 --gamma 0.1 --json all.json");
    cr_assert(strstr(r.out, "small") && strstr(r.out, "run/model.safetensors"), "%s", r.out);
    json_t *epochs = program_json_lines("run/metrics.jsonl");
    json_t *steps = program_json_lines("run/steps.jsonl"), *all = program_json("all.json");
    cr_assert(eq(sz, json_array_size(epochs), 3));
    cr_assert(eq(sz, json_array_size(steps), 9));
    for (size_t i = 0; i < 3; i++) {
        const json_t *e = json_array_get(epochs, i);
        check_record(e, true, true);
        cr_assert(eq(dbl, number(e, "epoch"), (double)i + 1));
        cr_assert(eq(dbl, number(e, "steps"), 3 * (double)i + 3));
        cr_assert(json_equal(e, json_array_get(json_object_get(all, "epochs"), i)));
    }
    for (size_t i = 0; i < 9; i++) check_record(json_array_get(steps, i), true, false);
    cr_assert(number(all, "test_accuracy") == number(json_array_get(epochs, 2), "test_accuracy"));
    json_decref(epochs), json_decref(steps), json_decref(all);
}

Test(cmd_train, config_tells_how_to_run_it_again)
{
    program_must(SMALL "--out run --epochs 2 --batch-size 9 --lr 0.125 --momentum 0.5 --seed 77 "
                       "--weight-decay 0.25 --method standard --no-augment --max-steps 3 "
                       "--classes 3,0,1 --convolution direct --precision f32");
    json_t *c = program_json("run/config.json");
    const double threads = (double)program_threads();
    const struct {
        const char *key;
        double value;
    } numbers[] = {{"epochs", 2},    {"batch_size", 9},      {"lr", 0.125}, {"momentum", 0.5},
                   {"seed", 77},     {"weight_decay", 0.25}, {"alpha", 0},  {"gamma", 0},
                   {"max_steps", 3}, {"threads", threads},   {"beta", 0}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        cr_assert(eq(dbl, number(c, numbers[i].key), numbers[i].value), "%s", numbers[i].key);
    const char *const words[][2] = {{"model", "small.net"},
                                    {"method", "standard"},
                                    {"convolution", "direct"},
                                    {"precision", "f32"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const char *got = json_string_value(json_object_get(c, words[i][0]));
        cr_assert(got && strcmp(got, words[i][1]) == 0, "%s is %s", words[i][0], got);
    }
    cr_assert(eq(int, json_typeof(json_object_get(c, "augment")), JSON_FALSE));
    cr_assert(eq(int, json_typeof(json_object_get(c, "shuffle")), JSON_TRUE));
    cr_assert(eq(int, json_typeof(json_object_get(c, "init")), JSON_NULL));
    cr_assert(holds(c, "data", "synthetic:classes=4") && holds(c, "description", "[conv]"));
    cr_assert(eq(sz, json_array_size(json_object_get(c, "classes")), 3));
    json_decref(c);
    json_t *epochs = program_json_lines("run/metrics.jsonl");
    check_record(json_array_get(epochs, 0), false, true);
    cr_assert(eq(sz, json_array_size(epochs), 1), "30 samples, 3 steps of 9: the first epoch");
    json_decref(epochs);
}

Test(cmd_train, the_model_file_runs)
{
    program_must(SMALL "--out run --epochs 1");
    moda_model *m = NULL;
    cr_assert(eq(int,
                 moda_model_open(test_path("run/model.safetensors"),
                                 (moda_net_defaults){{0, 0, 0}, 0}, &m),
                 MODA_OK),
              "%s", moda_last_error());
    cr_assert(eq(sz, m->net->classes, 4));
    cr_assert(lt(flt, 0.0f, m->std[0]), "no normalisation");
    cr_assert(eq(str, m->class_names[3], "3"));
    moda_model_destroy(m);
    program_must("eval run/model.safetensors " DATA);
}

Test(cmd_train, models_of_chosen_epochs)
{
    program_must(SMALL "--out run --epochs 3 --keep-epochs 3,1 --seed 5 --quiet");
    cr_assert(program_has("run/epoch-1.safetensors") && program_lacks("run/epoch-2.safetensors"));
    cr_assert(program_same("run/epoch-3.safetensors", "run/model.safetensors"));
    cr_assert(not(program_same("run/epoch-1.safetensors", "run/model.safetensors")));
    program_must("eval run/epoch-1.safetensors " DATA);
    /* The first epoch's rate is the same whatever follows: it alone gives the same model. */
    program_must(SMALL "--out one --epochs 3 --max-steps 1 --seed 5 --quiet");
    cr_assert(program_same("run/epoch-1.safetensors", "one/model.safetensors"));
    program_must(SMALL "--out run --epochs 2 --keep-epochs 2 --quiet");
    cr_assert(program_has("run/epoch-2.safetensors") && program_lacks("run/epoch-1.safetensors"));
}

static const char norm_net[] = "[net]\nname = norm\n"
                               "[conv]\nname = a\noutputs = 5\nkernel = 3\npadding = 1\nbias = "
                               "no\n[batchnorm]\nname = an\n[relu]\n"
                               "[conv]\nname = b\noutputs = 9\nkernel = 3\npadding = 1\nbias = "
                               "no\n[batchnorm]\nname = bn\n[relu]\n"
                               "[linear]\nname = c\noutputs = classes\n";

/* Masks come into the network; what has them goes on like any other, --init and all. */
Test(cmd_train, with_masks)
{
    test_write("norm.net", norm_net);
    program_must("train --model norm.net " DATA
                 " --threads $THREADS --method mwt --out run --epochs 2");
    json_t *config = program_json("run/config.json"),
           *epochs = program_json_lines("run/metrics.jsonl");
    cr_assert(holds(config, "method", "mwt") && holds(config, "description", "[mask]"));
    cr_assert(eq(dbl, number(config, "alpha"), 0.5));
    cr_assert(eq(dbl, number(config, "beta"), 1.5));
    cr_assert(eq(dbl, number(config, "gamma"), 0));
    const json_t *last = json_array_get(epochs, 1);
    cr_assert(eq(int, json_is_null(json_object_get(last, "compactness")), 1));
    cr_assert(lt(dbl, 0.0, number(last, "dispersion")));
    cr_assert(epsilon_eq(dbl, number(last, "loss"),
                         number(last, "cross_entropy") + 0.5 * number(last, "affinity") +
                             1.5 * number(last, "dispersion"),
                         1e-9));
    json_decref(config), json_decref(epochs);
    const program_result eval = program_must("eval run/model.safetensors " DATA);
    cr_assert(strstr(eval.out, "all") != NULL, "%s", eval.out);
    const program_result shown = program_must("describe run/model.safetensors");
    cr_assert(strstr(shown.out, ", 1 masked") != NULL, "%s", shown.out);
    const program_result text = program_must("describe run/model.safetensors --text");
    test_write("masked.net", text.out);
    program_must("train --model masked.net " DATA
                 " --threads $THREADS --method mwt --out again --epochs 1 "
                 "--init run/model.safetensors --beta 0");
    program_must_fail(1, "bn.mask.fc1.weight",
                      "train --model norm.net " DATA
                      " --threads $THREADS --out x --init run/model.safetensors");
}

/* Steps are logged on request; an old run in the folder leaves nothing behind. */
Test(cmd_train, a_new_run_replaces_the_old_one)
{
    program_must(SMALL "--out run --epochs 4 --log-steps --quiet");
    cr_assert(program_has("run/steps.jsonl"));
    program_must(SMALL "--out run/ --epochs 1 --quiet");
    cr_assert(program_lacks("run/steps.jsonl") && program_has("run/model.safetensors"));
    json_t *epochs = program_json_lines("run/metrics.jsonl");
    cr_assert(eq(sz, json_array_size(epochs), 1));
    json_decref(epochs);
}

/* It costs nothing: the model is where it was. */
Test(cmd_train, a_new_run_that_cannot_begin)
{
    program_must(SMALL "--out run --epochs 1 --quiet");
    cr_assert(eq(int, unlink(test_path("run/config.json")), 0));
    cr_assert(eq(int, mkdir(test_path("run/config.json"), 0777), 0));
    program_must_fail(1, "config.json", SMALL "--out run --epochs 2 --quiet");
    cr_assert(program_has("run/model.safetensors") && program_lacks("run/previous.safetensors"));
}

Test(cmd_train, quiet_is_silent_on_stderr)
{
    const program_result r = program_must(SMALL "--out a/b/run --epochs 1 --quiet");
    cr_assert(eq(str, (char *)r.err, ""));
    cr_assert(program_has("a/b/run/model.safetensors"), "no parents made");
}

/* ---- wrong calls ---- */

Test(cmd_train, wrong_calls_exit_with_2)
{
    static const char *const calls[][2] = {
        {SMALL "--out x --batch-size 0", "--batch-size 0"},
        {SMALL "--out x --batch-size -3", "--batch-size -3"},
        {SMALL "--out x --batch-size 3.5", "--batch-size 3.5"},
        {SMALL "--out x --lr nan", "--lr nan"},
        {SMALL "--out x --lr inf", "--lr inf"},
        {SMALL "--out x --lr -1", "--lr -1"},
        {SMALL "--out x --lr ''", "--lr"},
        {SMALL "--out x --momentum 1", "--momentum 1"},
        {SMALL "--out x --epochs -1", "--epochs -1"},
        {SMALL "--out x --epochs 0", "--epochs 0"},
        {SMALL "--out x --epochs 1 --epochs 2", "twice"},
        {SMALL "--out x --max-steps 0", "--max-steps 0"},
        {SMALL "--out x --epochs 3 --keep-epochs 2,4", "--keep-epochs 4"},
        {SMALL "--out x --keep-epochs 0", "--keep-epochs 0"},
        {SMALL "--out x --keep-epochs 2,2", "twice"},
        {SMALL "--out x --keep-epochs 2 --json x/epoch-2.safetensors", "--json"},
        {SMALL "--out x --seed x", "--seed x"},
        {SMALL "--out x --threads 100000", "threads"},
        {SMALL "--out x --gamma -0.1", "--gamma -0.1"},
        {SMALL "--out x --method quick", "--method quick"},
        {SMALL "--out x --precision f64", "--precision f64"},
        {SMALL "--out x --classes 3,3,99", "classes"},
        {SMALL "--out x --classes 0,99", "99"},
        {SMALL "--out x --classes 3,3", "3"},
        {SMALL "--out x --classes 0,,3", "--classes"},
        {SMALL "--out x --per-class -1", "--per-class"},
        {SMALL "--out x --method standard --alpha 1", "--alpha"},
        {SMALL "--out x --method standard --gamma 0", "--gamma"},
        {SMALL "--out x --method mwt --gamma 0", "--gamma means nothing to --method mwt"},
        {SMALL "--out x --method mwt", "small has nothing to mask"},
        {SMALL "--out x --no-such-option", "unknown option '--no-such-option'"},
        {SMALL "--out x stray", "stray"},
        {SMALL "--out", "--out"},
        {SMALL, "--out is missing"},
        {"train --out x " DATA, "--model is missing"},
        {"train --out x --model small.net", "--data is missing"},
        {"train --out x --model nonsense " DATA, "nonsense"},
        {"train --out x --model small.net --data nonsense", "nonsense"},
        {"train --out x --model small.net --data synthetic:classes=1", "classes=1"},
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        program_must_fail(2, calls[i][1], "%s", calls[i][0]);
        cr_assert(program_lacks("x"), "moda %s left its folder", calls[i][0]);
    }
    cr_assert(eq(int, test_folder_entries(), 1), "something was left");
}

/* ---- failures before training leave nothing; an earlier run stays ---- */

Test(cmd_train, failures_before_training)
{
    test_write("bad.net", "[net]\n[conv]\nname = a\noutputs = 5\nkernel = 30\n"
                          "[linear]\nname = c\noutputs = classes\n");
    test_write("bad.safetensors", "nonsense");
    test_write("file", "a file, no folder");
    program_must(SMALL "--out run --epochs 1 --quiet");
    const int entries = test_folder_entries();
    static const char *const calls[][2] = {
        {"train --out x --model small.net --data mnist:missing", "missing"},
        {"train --out x --model small.net --data folder:file", "file"},
        {"train --out x --model missing.net " DATA, "missing.net"},
        {"train --out x --model bad.net " DATA, "bad.net:2"},
        {SMALL "--out x --init missing.safetensors", "missing.safetensors"},
        {SMALL "--out x --init bad.safetensors", "bad.safetensors"},
        {"train --out x --model lenet5 " DATA " --init run/model.safetensors", "lenet5"},
        {SMALL "--out x --json missing/all.json", "missing"},
        {SMALL "--out file", "file"},
        {SMALL "--out file/x", "file"},
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        const bool shape = strstr(calls[i][0], "lenet5") != NULL; /* 8x8 images: it does not fit */
        program_must_fail(1, shape ? "" : calls[i][1], "%s", calls[i][0]);
        cr_assert(eq(int, test_folder_entries(), entries), "moda %s left something", calls[i][0]);
    }
    program_must_fail(1, "missing", SMALL "--out run --init missing.safetensors");
    cr_assert(program_has("run/model.safetensors"), "a call that failed early removed a model");
}

/* Strict: what is missing, too much or of another shape is named. */
Test(cmd_train, init_is_strict)
{
    test_write("wide.net", "[net]\nname = wide\n[conv]\nname = a\noutputs = 5\nkernel = 3\n"
                           "[relu]\n[linear]\nname = b\noutputs = 13\n[relu]\n"
                           "[linear]\nname = c\noutputs = classes\n");
    test_write("deep.net",
               "[net]\nname = deep\n[conv]\nname = a\noutputs = 5\nkernel = 3\n"
               "[relu]\n[linear]\nname = b\noutputs = 12\n[relu]\n[linear]\nname = extra\n"
               "outputs = 12\n[relu]\n[linear]\nname = c\noutputs = classes\n");
    program_must(SMALL "--out run --max-steps 1 --quiet");
    program_must("train --model deep.net " DATA " --out deep --max-steps 1 --quiet");
    program_must_fail(1, "b.weight",
                      "train --model wide.net " DATA " --out x --init run/model.safetensors");
    program_must_fail(1, "extra.weight",
                      "train --model deep.net " DATA " --out x --init run/model.safetensors");
    program_must_fail(1, "extra.", SMALL "--out x --init deep/model.safetensors");
    cr_assert(program_lacks("x"));
}

/* As many values in other shapes: 4*3*3 + 4*4 and 4*2*2 + 4*3*3. */
Test(cmd_train, init_by_another_description_is_strict_too)
{
#define BEHIND "[relu]\n[avgpool]\nkernel = global\n[linear]\nname = c\noutputs = classes\n"
    test_write("one.net", "[net]\n[conv]\nname = a\noutputs = 4\nkernel = 3\nbias = no\n[relu]\n"
                          "[conv]\nname = b\noutputs = 4\nkernel = 1\nbias = no\n" BEHIND);
    test_write("two.net", "[net]\n[conv]\nname = a\noutputs = 4\nkernel = 2\nbias = no\n[relu]\n"
                          "[conv]\nname = b\noutputs = 4\nkernel = 3\ngroups = depthwise\n"
                          "bias = no\n" BEHIND);
    moda_net *net = NULL;
    moda_model *m = NULL;
    const moda_net_defaults data = {{1, 8, 8}, 4};
    cr_assert(eq(int, moda_net_open(test_path("two.net"), data, &net), MODA_OK));
    cr_assert(eq(int, moda_model_create(net, &m), MODA_OK));
    cr_assert(eq(sz, m->parameters.elements, 36 + 16 + 4 * 4 + 4));
    cr_assert(eq(int, moda_model_save(m, test_path("two.safetensors")), MODA_OK));
    moda_model_destroy(m);
    program_must("train --model two.net " DATA " --out y --init two.net:two.safetensors "
                 "--max-steps 1 --quiet");
    program_must_fail(2, "a.weight",
                      "train --model one.net " DATA " --out x --init two.net:two.safetensors");
}

/* ---- failures in training ---- */

Test(cmd_train, a_loss_that_is_no_number)
{
    program_must_fail(1, "step ", SMALL "--out run --lr 1e6 --epochs 20 --batch-size 4 --quiet");
    cr_assert(program_has("run/config.json") && program_lacks("run/model.safetensors"));
    program_must_fail(1, "learning rate",
                      SMALL
                      "--out run --lr 1e6 --epochs 20 --batch-size 4 --quiet --json all.json");
    cr_assert(program_lacks("all.json"));
}

/* What could not be written must not look done. */
Test(cmd_train, full_disks)
{
    program_must_fail(1, "No space left on device",
                      SMALL "--out run --epochs 1 --quiet >/dev/full");
    cr_assert(program_has("run/model.safetensors"));
    program_must_fail(1, "/dev/full", SMALL "--out run --epochs 1 --quiet --json /dev/full");
    /* files of at most 4 KiB: the model, of 9 KiB, cannot be written */
    const program_result r =
        program_run_after("ulimit -f 4;", SMALL "--out run --epochs 1 --quiet");
    cr_assert(eq(int, r.code, 1), "%s", r.err);
    cr_assert(strstr(r.err, "model.safetensors") != NULL, "%s", r.err);
    cr_assert(program_lacks("run/model.safetensors"));
    char *listing = test_read(test_path("run/metrics.jsonl"));
    cr_assert(listing != NULL);
    free(listing);
    /* the model of the run before is not lost to one that could not be saved */
    cr_assert(program_has("run/previous.safetensors"));
    /* no temporary file either: only these are left to remove */
    unlink(test_path("run/metrics.jsonl")), unlink(test_path("run/config.json"));
    unlink(test_path("run/previous.safetensors"));
    cr_assert(eq(int, rmdir(test_path("run")), 0), "something else was left in the folder");
}
