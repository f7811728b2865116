/* tests/test_cmd_train_same.c - moda train: what must give the same bytes does, and what must not,
 * does not. */
#include "datasets/dataset.h"
#include "tests/capture.h"
#include "tests/pictures.h"
#include "tests/program.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

TestSuite(cmd_train_same, .fini = test_folder_remove, .timeout = 300);

/* LeNet-5 on 32x32 colour images, shuffled and augmented. */
#define LENET "train --model lenet5 --epochs 2 --batch-size 7 --threads $THREADS --quiet "
#define MADE  "--data synthetic:classes=5,channels=3,size=32,train=30,test=5 "

Test(cmd_train_same, seed_and_threads_decide)
{
    static const char *const methods[] = {"moda", "standard"};
    for (int m = 0; m < 2; m++) {
        program_must(LENET MADE "--method %s --seed 3 --out a --log-steps", methods[m]);
        program_must(LENET MADE "--method %s --seed 3 --out b", methods[m]);
        program_must(LENET MADE "--method %s --seed 4 --out c", methods[m]);
        program_must(LENET MADE "--method %s --seed 3 --no-augment --out d", methods[m]);
        cr_assert(program_same("a/model.safetensors", "b/model.safetensors"), "%s", methods[m]);
        cr_assert(not(program_same("a/model.safetensors", "c/model.safetensors")), "another seed");
        cr_assert(not(program_same("a/model.safetensors", "d/model.safetensors")), "no crops");
    }
}

Test(cmd_train_same, batch_norm_and_branches_too)
{
    test_write("residual.net",
               "[net]\n[conv]\nname = a\noutputs = 16\nkernel = 3\npadding = 1\nbias = no\n"
               "[batchnorm]\nname = an\n[relu]\nname = ar\n"
               "[conv]\nname = b\noutputs = 16\nkernel = 3\npadding = 1\nbias = no\n"
               "[batchnorm]\nname = bn\n[add]\nfrom = bn, ar\n[relu]\n"
               "[avgpool]\nkernel = global\n[linear]\nname = c\noutputs = classes\n");
    for (int i = 0; i < 2; i++)
        program_must("train --model residual.net " MADE
                     "--epochs 2 --batch-size 8 --threads $THREADS "
                     "--quiet --out r%d",
                     i);
    cr_assert(program_same("r0/model.safetensors", "r1/model.safetensors"));
}

/* With a learning rate of 0 nothing moves: what --init read is what comes out. */
Test(cmd_train_same, init_takes_a_model_over)
{
    program_must(LENET MADE "--out a");
    program_must(LENET MADE "--out b --init a/model.safetensors --lr 0 --seed 9");
    program_must(LENET MADE "--out c --init lenet5:a/model.safetensors --lr 0 --max-steps 1");
    program_must(LENET MADE "--out d --init a/model.safetensors --max-steps 1");
    cr_assert(program_same("a/model.safetensors", "b/model.safetensors"));
    cr_assert(program_same("a/model.safetensors", "c/model.safetensors"));
    cr_assert(not(program_same("a/model.safetensors", "d/model.safetensors")));
    json_t *config = program_json("d/config.json");
    cr_assert(
        eq(str, (char *)json_string_value(json_object_get(config, "init")), "a/model.safetensors"));
    json_decref(config);
}

/* A class list in any order is the same list. */
Test(cmd_train_same, classes_in_any_order)
{
    program_must(LENET MADE "--out a --classes 0,2,4");
    program_must(LENET MADE "--out b --classes 4,0,2");
    program_must(LENET MADE "--out c --classes 0,2,4 --relabel");
    cr_assert(program_same("a/model.safetensors", "b/model.safetensors"));
    cr_assert(not(program_same("a/model.safetensors", "c/model.safetensors")), "three outputs");
}

/* ---- one data set in two formats ---- */

enum { PER_CLASS = 3, SIDE = 32, PLANE = SIDE * SIDE };
static const char *const classes[] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                      "dog",      "frog",       "horse", "ship", "truck"};

/* Smooth, so that JPEG keeps most of it; no two alike. */
static void write_folder(void)
{
    uint8_t pixels[PLANE * 3];
    mkdir(test_path("jpeg"), 0777), mkdir(test_path("jpeg/train"), 0777);
    for (int k = 0; k < 10; k++) {
        char name[64];
        snprintf(name, sizeof name, "jpeg/train/%s", classes[k]);
        mkdir(test_path(name), 0777);
        for (int i = 0; i < PER_CLASS; i++) {
            for (int p = 0; p < PLANE * 3; p++)
                pixels[p] =
                    (uint8_t)(20 * k + 40 * i + p % 3 * (p / 96) + p / 3 % 32 * (k + 1) / 2);
            snprintf(name, sizeof name, "jpeg/train/%s/%d.jpg", classes[k], i);
            write_jpeg(test_path(name), SIDE, SIDE, 3, false, pixels);
        }
    }
}

/* What moda reads from the folder, written as records of CIFAR-10's binary version. */
static void write_cifar(void)
{
    char spec[512];
    moda_dataset *d = NULL;
    snprintf(spec, sizeof spec, "folder:%s", test_path("jpeg"));
    cr_assert(eq(int, moda_dataset_open(spec, NULL, &d), MODA_OK), "%s", moda_last_error());
    cr_assert(eq(sz, d->train.n, 10 * PER_CLASS));
    mkdir(test_path("cifar"), 0777);
    FILE *f = fopen(test_path("cifar/data_batch_1.bin"), "wb");
    cr_assert(f != NULL);
    for (size_t i = 0; i < d->train.n; i++) {
        const uint8_t label = (uint8_t)d->train.labels[i];
        cr_assert(eq(u8, label, (uint8_t)(i / PER_CLASS)));
        fwrite(&label, 1, 1, f);
        fwrite(d->train.pixels + i * 3 * PLANE, 1, 3 * PLANE, f);
    }
    cr_assert(eq(int, fclose(f), 0));
    moda_dataset_destroy(d);
}

Test(cmd_train_same, jpeg_folder_and_binary_file)
{
    write_folder();
    write_cifar();
    program_must(LENET "--data folder:jpeg --normalisation cifar10 --out a");
    program_must(LENET "--data cifar10:cifar --out b");
    program_must(LENET "--data folder:jpeg --out c");
    program_must(LENET "--data cifar10:cifar --normalisation measured --out d");
    cr_assert(program_same("a/model.safetensors", "b/model.safetensors"));
    cr_assert(program_same("c/model.safetensors", "d/model.safetensors"));
    cr_assert(not(program_same("a/model.safetensors", "c/model.safetensors")),
              "the normalisation changed nothing");
    json_t *epochs = program_json_lines("a/metrics.jsonl");
    cr_assert(eq(int, json_typeof(json_object_get(json_array_get(epochs, 0), "test_accuracy")),
                 JSON_NULL),
              "a test accuracy without test images");
    json_decref(epochs);
}
