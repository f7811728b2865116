/* tests/test_bench_data.c - moda bench data: which rows a data set has, what a call is said to do, and that table,
 * JSON and CSV tell the same. Times themselves are the machine's. */
#include "base/file.h"
#include "bench/data.h"
#include "bench/temporary_internal.h"
#include "tests/capture.h"
#include "tests/pictures.h"
#include "tests/program.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <omp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One thread: on a busy machine the others are waited for, over and over. */
static void one_thread(void)
{
    omp_set_num_threads(1);
}

TestSuite(bench_data, .init = one_thread, .fini = test_folder_remove, .timeout = 120);

/* Three pictures of two classes to train, one of each to test. */
static void write_pictures(void)
{
    enum { H = 20, W = 24 };
    static const char *const names[] = {"train/a/1.jpg", "train/a/2.png", "train/b/1.jpg",
                                        "test/a/1.jpg", "test/b/1.png"};
    uint8_t pixels[H * W * 3];
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * 7 % 251);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[512], folder[512];
        snprintf(path, sizeof path, "%s", test_path(names[i]));
        snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
        cr_assert(eq(int, moda_make_directory(folder), MODA_OK), "%s", moda_last_error());
        if (strstr(path, ".png"))
            write_rgb_png(path, H, W, pixels);
        else
            write_jpeg(path, H, W, 3, false, pixels);
    }
}

Test(bench_data, rows_of_data_sets)
{
    char folder[512], *specs[2];
    write_pictures();
    snprintf(folder, sizeof folder, "folder:%s", test_folder());
    specs[0] = "synthetic:classes=3,channels=1,size=8,train=50,test=7", specs[1] = folder;
    moda_data_bench b = {.batch = 16, .side = 12, .session = {.seconds = 0.002, .rounds = 2}};
    cr_assert(eq(int, moda_data_bench_open(&b, specs, 2), MODA_OK), "%s", moda_last_error());
    cr_assert(eq(sz, b.count, 3 + 4));
    cr_assert(eq(sz, b.rows[0].images, 57));
    cr_assert(eq(dbl, b.rows[0].work.bytes, 57.0 * 64));
    cr_assert(b.rows[1].images == 16 && b.rows[1].work.bytes == 5.0 * 16 * 64);
    cr_assert(b.rows[3].images == 5 && b.rows[3].work.bytes == 5.0 * 3 * 144);
    cr_assert(eq(int, b.rows[4].job, MODA_DATA_READ_CACHED));
    cr_assert(eq(sz, b.rows[5].images, 3), "no more than there are");
    cr_assert(eq(int, moda_data_bench_run(&b), MODA_OK), "%s", moda_last_error());
    for (size_t i = 0; i < b.count; i++) {
        const moda_timing_summary *t = &b.rows[i].time;
        cr_assert(t->n >= 2 && t->best > 0 && t->low <= t->median && t->median <= t->high, "%s",
                  b.rows[i].what);
        cr_assert(isnan(moda_data_share_of_step(&b, &b.rows[i])), "no step was measured");
    }
    char *cache = strdup(moda_temporary_path(b.cache));
    cr_assert(moda_is_directory(cache));
    moda_data_bench_free(&b);
    moda_data_bench_free(&b);
    cr_assert(not(moda_is_directory(cache)));
    free(cache);
}

/* Its cache of pictures, while it measures for long. */
Test(bench_data, a_signal_leaves_no_folder)
{
    write_pictures();
    setenv("TMPDIR", test_folder(), 1);
    const int entries = test_folder_entries();
    static const char *const words[] = {"bench",     "data", "folder:.", "--seconds", "1000",
                                        "--threads", "1",    "--quiet",  NULL};
    const pid_t process = program_start(words);
    for (int tries = 0; tries < 3000 && test_folder_entries() == entries; tries++) usleep(10000);
    cr_assert(eq(int, test_folder_entries(), entries + 1), "no folder");
    kill(process, SIGTERM);
    cr_assert(eq(int, program_end(process).code, 128 + SIGTERM));
    cr_assert(eq(int, test_folder_entries(), entries));
}

#define QUICK "--threads 1 --seconds 0.001 --rounds 1 --quiet"

Test(bench_data, table_json_and_csv_tell_the_same)
{
    const char *out = program_must("bench data synthetic:classes=4,train=40,test=0 --batch-size 8 "
                                   "--model lenet5 " QUICK " --json d.json --csv d.csv")
                          .out;
    cr_assert(strstr(out, "crop, flip, normalise") && strstr(out, "step lenet5") &&
                  strstr(out, "drift"),
              "%s", out);
    char *csv = test_read(test_path("d.csv")), *rest = NULL, *line = strtok_r(csv, "\n", &rest);
    json_t *json = program_json("d.json");
    const json_t *list = json_object_get(json, "rows");
    cr_assert(eq(sz, json_array_size(list), 4));
    size_t rows = 0;
    for (; (line = strtok_r(NULL, "\n", &rest)); rows++) {
        const json_t *r = json_array_get(list, rows), *share = json_object_get(r, "share_of_step");
        char want[256];
        snprintf(want, sizeof want, "\"synthetic:classes=4,train=40,test=0\",\"%s\",%d,%.6g,",
                 json_string_value(json_object_get(r, "what")),
                 (int)json_integer_value(json_object_get(r, "images")),
                 json_number_value(json_object_get(r, "images_per_second")));
        cr_assert(eq(int, strncmp(line, want, strlen(want)), 0), "%s: %s", want, line);
        cr_assert(eq(int, json_is_real(share), rows == 1 || rows == 2), "row %zu", rows);
        /* Nobody has counted what a step does. */
        static const char *const keys[] = {"flops", "bytes", "bound", "share_of_bound",
                                           "bytes_per_second"};
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
            cr_assert(eq(int, json_is_null(json_object_get(r, keys[k])), rows == 3), "row %zu: %s",
                      rows, keys[k]);
        cr_assert(eq(int, strcmp(line + strlen(line) - 6, ",,,,,,") == 0, rows == 3), "%s", line);
        size_t commas = 0;
        for (const char *c = strrchr(line, '"'); *c; c++) commas += *c == ',';
        cr_assert(eq(sz, commas, 14), "%s", line);
    }
    cr_assert(eq(sz, rows, 4));
    const double fill =
        json_number_value(json_object_get(json_array_get(list, 2), "median_seconds"));
    const double step =
        json_number_value(json_object_get(json_array_get(list, 3), "median_seconds"));
    const double share =
        json_number_value(json_object_get(json_array_get(list, 2), "share_of_step"));
    cr_assert(epsilon_eq(dbl, share, fill / step, 1e-9 * share));
    json_decref(json);
    free(csv);
}

Test(bench_data, wrong_calls_say_what_to_do)
{
    write_pictures();
    test_write("big.net", "[net]\ninput = 3 64 64\n[linear]\nname = z\noutputs = classes\n");
    program_must_fail(2, "operand", "bench data");
    program_must_fail(2, "nonsense", "bench data nonsense");
    program_must_fail(1, "nowhere", "bench data folder:nowhere");
    program_must_fail(2, "--crop", "bench data synthetic --crop round");
    program_must_fail(2, "vgg17", "bench data synthetic:train=40 --model vgg17 " QUICK);
    program_must_fail(2, "3x64x64", "bench data synthetic:train=40 --model big.net " QUICK);
    program_must("bench data --help");
    program_must("bench data folder:. --image-size 8 --crop resized " QUICK);
}
