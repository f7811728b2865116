/* tests/test_cmd_eval.c - moda eval as a program: figures on screen, in JSON and as logits; splits,
 * limits and classes; exit codes and messages. */
#include "engine/safetensors.h"
#include "tests/capture.h"
#include "tests/data_files.h"
#include "tests/program.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SPEC "synthetic:classes=4,channels=1,size=8,train=60,test=50"
#define DATA "--data " SPEC
#define EVAL "eval run/model.safetensors " DATA " --threads $THREADS "

static void prepare(void)
{
    test_write("small.net",
               "[net]\nname = small\n[conv]\nname = a\noutputs = 5\nkernel = 3\n[relu]\n"
               "[linear]\nname = c\noutputs = classes\n");
    /* one step: better than guessing, worse than all right */
    program_must("train --model small.net " DATA " --method standard --max-steps 1 --batch-size 8 "
                 "--threads $THREADS --quiet --out run");
}

TestSuite(cmd_eval, .init = prepare, .fini = test_folder_remove, .timeout = 60);

static double number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    cr_assert(value && json_is_number(value), "no number '%s'", key);
    return json_number_value(value);
}

/* ---- figures ---- */

/* From the logits file alone: samples of each class, those that are right, mean cross entropy. */
typedef struct tally {
    size_t n, outputs, samples[8], correct[8];
    double cross_entropy;
} tally;

static tally count_logits(const char *name)
{
    moda_tensor_file *file = NULL;
    tally t = {0};
    cr_assert(eq(int, moda_tensor_file_open(test_path(name), &file), MODA_OK), "%s",
              moda_last_error());
    const moda_tensor *logits = moda_tensor_file_find(file, "logits");
    const moda_tensor *labels = moda_tensor_file_find(file, "labels");
    cr_assert(logits && labels);
    cr_assert(eq(int, logits->dtype, MODA_DTYPE_F32));
    cr_assert(eq(int, labels->dtype, MODA_DTYPE_I64));
    cr_assert(eq(sz, logits->shape[0], labels->shape[0]));
    t.n = logits->shape[0], t.outputs = logits->shape[1];
    for (size_t i = 0; i < t.n; i++) {
        float z[8];
        int64_t y;
        double total = 0;
        size_t best = 0;
        memcpy(z, (const char *)logits->data + i * t.outputs * sizeof *z, t.outputs * sizeof *z);
        memcpy(&y, (const char *)labels->data + i * sizeof y, sizeof y);
        for (size_t k = 0; k < t.outputs; k++) {
            if (z[k] > z[best]) best = k;
            total += exp((double)z[k]);
        }
        t.samples[y]++;
        t.correct[y] += best == (size_t)y;
        t.cross_entropy += (log(total) - (double)z[y]) / (double)t.n;
    }
    moda_tensor_file_close(file);
    return t;
}

Test(cmd_eval, figures_follow_from_the_logits)
{
    const program_result r = program_must(EVAL "--logits z.safetensors --json e.json");
    const tally t = count_logits("z.safetensors");
    json_t *e = program_json("e.json"), *of_classes = json_object_get(e, "classes");
    size_t correct = 0;
    cr_assert(eq(sz, t.n, 50));
    cr_assert(eq(sz, t.outputs, 4));
    cr_assert(eq(sz, json_array_size(of_classes), 4));
    for (size_t k = 0; k < 4; k++) {
        const json_t *c = json_array_get(of_classes, k);
        cr_assert(eq(dbl, number(c, "class"), (double)k));
        cr_assert(eq(dbl, number(c, "samples"), (double)t.samples[k]));
        cr_assert(eq(dbl, number(c, "correct"), (double)t.correct[k]));
        correct += t.correct[k];
    }
    cr_assert(correct > 0 && correct < 50, "%zu of 50 right: this proves nothing", correct);
    cr_assert(eq(dbl, number(e, "samples"), 50.0));
    cr_assert(eq(dbl, number(e, "correct"), (double)correct));
    cr_assert(epsilon_eq(dbl, number(e, "accuracy"), (double)correct / 50, 1e-12));
    cr_assert(epsilon_eq(dbl, number(e, "cross_entropy"), t.cross_entropy, 1e-5));
    cr_assert(eq(str, (char *)json_string_value(json_object_get(e, "split")), "test"));
    char accuracy[16];
    snprintf(accuracy, sizeof accuracy, "%.4f", (double)correct / 50);
    cr_assert(strstr(r.out, accuracy) != NULL, "%s is not in: %s", accuracy, r.out);
    json_decref(e);
}

/* Counts from the logits: the largest wanted one against the label. */
static void count_confusion(const char *name, unsigned wanted, size_t counts[4][4])
{
    moda_tensor_file *file = NULL;
    cr_assert(eq(int, moda_tensor_file_open(test_path(name), &file), MODA_OK));
    const moda_tensor *logits = moda_tensor_file_find(file, "logits");
    const moda_tensor *labels = moda_tensor_file_find(file, "labels");
    memset(counts, 0, 16 * sizeof counts[0][0]);
    for (size_t i = 0; i < logits->shape[0]; i++) {
        float z[4];
        int64_t y;
        size_t said = 4;
        memcpy(z, (const char *)logits->data + i * sizeof z, sizeof z);
        memcpy(&y, (const char *)labels->data + i * sizeof y, sizeof y);
        for (size_t k = 4; k-- > 0;)
            if (wanted >> k & 1 && (said == 4 || z[k] >= z[said])) said = k;
        counts[y][said]++;
    }
    moda_tensor_file_close(file);
}

static void check_confusion(const json_t *report, size_t n, const size_t *ids, size_t counts[4][4])
{
    const json_t *c = json_object_get(report, "confusion");
    const json_t *classes = json_object_get(c, "classes"), *rows = json_object_get(c, "counts");
    size_t off = 0;
    cr_assert(eq(sz, json_array_size(classes), n));
    for (size_t i = 0; i < n; i++) {
        cr_assert(eq(sz, (size_t)json_integer_value(json_array_get(classes, i)), ids[i]));
        for (size_t j = 0; j < n; j++) {
            const json_t *cell = json_array_get(json_array_get(rows, i), j);
            cr_assert(eq(sz, (size_t)json_integer_value(cell), counts[ids[i]][ids[j]]));
            if (i != j) off += counts[ids[i]][ids[j]];
        }
    }
    cr_assert(off > 0, "nothing is mixed up: this proves nothing");
}

Test(cmd_eval, confusion_follows_from_the_logits)
{
    size_t counts[4][4];
    const program_result r = program_must(EVAL "--logits z.safetensors --json e.json --confusion");
    cr_assert(strstr(r.out, "mixed up most often") != NULL, "%s", r.out);
    json_t *e = program_json("e.json");
    count_confusion("z.safetensors", 15, counts);
    check_confusion(e, 4, (const size_t[]){0, 1, 2, 3}, counts);
    json_decref(e);
    program_must(EVAL "--logits z.safetensors --json e.json --classes 0,3");
    e = program_json("e.json");
    count_confusion("z.safetensors", 9, counts);
    check_confusion(e, 2, (const size_t[]){0, 3}, counts);
    json_decref(e);
}

Test(cmd_eval, split_limit_and_batch_size)
{
    program_must(EVAL "--logits all.safetensors --json all.json");
    program_must(EVAL "--logits odd.safetensors --json odd.json --batch-size 7");
    program_must(EVAL "--logits first.safetensors --limit 11");
    program_must(EVAL "--logits train.safetensors --split train");
    program_must(EVAL "--logits more.safetensors --limit 1000000");
    const tally all = count_logits("all.safetensors"), odd = count_logits("odd.safetensors");
    cr_assert(eq(int, memcmp(all.correct, odd.correct, sizeof all.correct), 0));
    cr_assert(epsilon_eq(dbl, all.cross_entropy, odd.cross_entropy, 1e-6));
    cr_assert(eq(sz, count_logits("first.safetensors").n, 11));
    cr_assert(eq(sz, count_logits("train.safetensors").n, 60));
    cr_assert(program_same("all.safetensors", "more.safetensors"));
}

/* Only the wanted outputs compete, only their samples count; the order of the list says nothing. */
Test(cmd_eval, classes)
{
    program_must(EVAL "--classes 0,3 --json a.json --logits a.safetensors");
    program_must(EVAL "--classes 3,0 --json b.json --logits b.safetensors");
    cr_assert(program_same("a.json", "b.json"));
    cr_assert(program_same("a.safetensors", "b.safetensors"));
    json_t *a = program_json("a.json");
    const tally t = count_logits("a.safetensors");
    cr_assert(eq(sz, t.n, 25));
    cr_assert(eq(sz, t.outputs, 4), "the logits are the model's");
    cr_assert(eq(dbl, number(a, "samples"), 25.0));
    cr_assert(eq(sz, json_array_size(json_object_get(a, "classes")), 2));
    cr_assert(ge(dbl, number(a, "correct"), (double)(t.correct[0] + t.correct[3])));
    cr_assert(lt(dbl, number(a, "cross_entropy"), t.cross_entropy));
    json_decref(a);
}

Test(cmd_eval, bare_weights)
{
    program_must(EVAL "--json a.json --logits a.safetensors");
    program_must("eval small.net:run/model.safetensors " DATA
                 " --json b.json --logits b.safetensors");
    json_t *a = program_json("a.json"), *b = program_json("b.json");
    cr_assert(program_same("a.safetensors", "b.safetensors"));
    cr_assert(eq(dbl, number(a, "accuracy"), number(b, "accuracy")));
    json_decref(a), json_decref(b);
}

/* CIFAR's test file alone, as someone who only evaluates has it. */
Test(cmd_eval, test_images_alone)
{
    uint8_t *records = calloc(20, 3073);
    for (size_t i = 0; i < 20 * 3073; i++)
        records[i] = (uint8_t)(i % 3073 ? i * 31 / 7 : i / 3073 % 10);
    write_bytes(test_path("cifar/test_batch.bin"), records, 20 * 3073);
    write_bytes(test_path("both/test_batch.bin"), records, 20 * 3073);
    write_bytes(test_path("both/data_batch_1.bin"), records, 20 * 3073);
    program_must("train --model lenet5 --data cifar10:both --max-steps 1 --quiet --out l");
    program_must("eval l/model.safetensors --data cifar10:cifar --logits a.safetensors");
    program_must("eval lenet5:l/model.safetensors --data cifar10:cifar --logits b.safetensors");
    cr_assert(program_same("a.safetensors", "b.safetensors"));
    program_must_fail(2, "cifar", "train --model lenet5 --data cifar10:cifar --out x");
    cr_assert(program_lacks("x"));
    free(records);
}

/* ---- failures ---- */

Test(cmd_eval, wrong_calls_exit_with_2)
{
    static const char *const calls[][2] = {
        {"eval", "operand"},
        {"eval run/model.safetensors", "--data"},
        {EVAL "stray", "stray"},
        {EVAL "--limit 0", "--limit 0"},
        {EVAL "--batch-size 0", "--batch-size 0"},
        {EVAL "--split validation", "--split validation"},
        {EVAL "--classes 3,3,99", "classes"},
        {EVAL "--classes 99", "99"},
        {EVAL "--classes ''", "--classes"},
        {EVAL "--no-such-option", "unknown option"},
        {"eval run/model.safetensors --data synthetic:classes=4,channels=1,size=9", "9x9"},
        {"eval run/model.safetensors --data synthetic:classes=4,channels=1,size=8,test=0", "split"},
        {"eval run/model.safetensors --data "
         "synthetic:classes=6,channels=1,size=8,train=12,test=12 --classes 5",
         "--classes"},
        {"eval nonsense:run/model.safetensors " DATA, "nonsense"},
    };
    const int entries = test_folder_entries();
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        program_must_fail(2, calls[i][1], "%s", calls[i][0]);
        cr_assert(eq(int, test_folder_entries(), entries), "moda %s left something", calls[i][0]);
    }
}

/* The model file, cut short or changed. */
static void write_damaged(void)
{
    size_t size;
    uint8_t *bytes = read_bytes(test_path("run/model.safetensors"), &size);
    write_bytes(test_path("short.safetensors"), bytes, size - 5);
    write_bytes(test_path("long.safetensors"), bytes, size);
    FILE *f = fopen(test_path("long.safetensors"), "ab");
    fputs("more", f);
    fclose(f);
    bytes[2] = 0xff; /* a header of 16 MiB */
    write_bytes(test_path("lying.safetensors"), bytes, size);
    write_bytes(test_path("empty.safetensors"), bytes, 0);
    free(bytes);
}

Test(cmd_eval, failures_exit_with_1)
{
    write_damaged();
    test_write("other.net",
               "[net]\nname = other\n[conv]\nname = a\noutputs = 6\nkernel = 3\n[relu]\n"
               "[linear]\nname = c\noutputs = classes\n");
    static const char *const calls[][2] = {
        {"eval missing.safetensors " DATA, "missing.safetensors"},
        {"eval run " DATA, "run"},
        {"eval short.safetensors " DATA, "short.safetensors"},
        {"eval long.safetensors " DATA, "long.safetensors"},
        {"eval lying.safetensors " DATA, "lying.safetensors"},
        {"eval empty.safetensors " DATA, "empty.safetensors"},
        {"eval small.net " DATA, "small.net"},
        {"eval other.net:run/model.safetensors " DATA, "a.weight"},
        {"eval run/model.safetensors --data mnist:missing", "missing"},
        {EVAL "--logits missing/z.safetensors", "missing"},
        {EVAL "--json missing/e.json", "missing"},
        {EVAL "--quiet --logits /dev/full", "/dev/full"},
        {EVAL "--quiet --json /dev/full", "/dev/full"},
        {EVAL "--quiet >/dev/full", "No space left on device"},
    };
    const int entries = test_folder_entries();
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        program_must_fail(1, calls[i][1], "%s", calls[i][0]);
        cr_assert(eq(int, test_folder_entries(), entries), "moda %s left something", calls[i][0]);
    }
}

/* ---- options that could do nothing, data of another model, broken weights ---- */

Test(cmd_eval, options_without_effect_are_refused)
{
    program_must_fail(2, "--normalisation", EVAL "--normalisation measured");
    program_must_fail(2, "--per-class", EVAL "--per-class 3");
    program_must_fail(2, "--relabel", EVAL "--relabel");
    program_must("decompose run/model.safetensors " DATA " --tau 0.5 --min-active 0.5 --out parts");
    program_must_fail(2, "--relabel",
                      "eval parts/class-1.safetensors " DATA " --classes 1,3 --relabel");
}

Test(cmd_eval, data_of_another_number_of_classes)
{
    program_must_fail(
        2, "5 classes",
        "eval run/model.safetensors --data synthetic:classes=5,channels=1,size=8,train=9");
}

/* An accuracy of outputs that are NaN would be a figure about nothing. */
Test(cmd_eval, weights_that_are_not_finite)
{
    moda_tensor_file *file = NULL;
    cr_assert(eq(int, moda_tensor_file_open(test_path("run/model.safetensors"), &file), MODA_OK));
    const size_t count = moda_tensor_file_count(file);
    moda_tensor tensors[8];
    float bias[4] = {0, NAN, 0, 0};
    cr_assert(le(sz, count, 8));
    for (size_t i = 0; i < count; i++) {
        tensors[i] = *moda_tensor_file_at(file, i);
        if (strcmp(tensors[i].name, "c.bias") == 0) tensors[i].data = bias;
    }
    cr_assert(eq(int, moda_tensor_file_write(test_path("bad.safetensors"), tensors, count, NULL, 0),
                 MODA_OK));
    program_must_fail(1, "not finite",
                      "eval small.net:bad.safetensors " DATA " --quiet --json x.json");
    cr_assert(program_lacks("x.json"));
    moda_tensor_file_close(file);
}
