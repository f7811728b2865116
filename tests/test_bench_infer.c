/* tests/test_bench_infer.c - moda bench infer: what is measured, and that tables, JSON and CSV tell the
 * same. Times themselves are the machine's; only what must hold between them is looked at. */
#include "base/file.h"
#include "base/rng.h"
#include "bench/infer.h"
#include "decompose/decomposition.h"
#include "tests/capture.h"
#include "tests/formula.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* One thread: on a busy machine the others are waited for, over and over. */
static void one_thread(void)
{
    omp_set_num_threads(1);
}

TestSuite(bench_infer, .init = one_thread, .fini = test_folder_remove, .timeout = 300);

/* ---- timings ---- */

Test(bench_infer, timings_in_few_figures)
{
    moda_timings t = {0};
    moda_timing_summary s;
    cr_assert(eq(int, moda_timings_summarise(&t, &s), MODA_OK));
    cr_assert(s.n == 0 && isnan(s.median));
    for (int i = 0; i < 1001; i++) /* 0..1000 in a mixed order */
        cr_assert(eq(int, moda_timings_add(&t, (double)(i * 379 % 1001)), MODA_OK));
    cr_assert(eq(int, moda_timings_summarise(&t, &s), MODA_OK));
    cr_assert(eq(sz, s.n, 1001));
    cr_assert(s.median == 500 && s.low == 469 && s.high == 531 && s.best == 0, "%g %g %g %g",
              s.median, s.low, s.high, s.best);
    cr_assert(eq(dbl, t.seconds[1], 379), "the order of measuring stays");
    moda_timings_free(&t);
    cr_assert(eq(int, moda_timings_add(&t, 3), MODA_OK));
    cr_assert(eq(int, moda_timings_add(&t, 5), MODA_OK));
    cr_assert(eq(int, moda_timings_summarise(&t, &s), MODA_OK));
    cr_assert(s.median == 4 && s.low == 3 && s.high == 5 && s.best == 3);
    moda_timings_free(&t);
}

/* ---- subjects ---- */

/* A LeNet-5 with random masks, as moda decompose leaves it in FOLDER/modules. */
static void write_decomposition(void)
{
    moda_rates *rates = NULL;
    moda_masks *masks = NULL;
    moda_decomposition *d = NULL;
    moda_model *model = formula_model("lenet5", 10);
    cr_assert(eq(int, moda_rates_create(model->net, &rates), MODA_OK));
    for (size_t i = 0; i < rates->shape.elements; i++)
        rates->values[i] = (float)moda_rng_unit(moda_rng_make(4, MODA_RNG_TEST, 2), i);
    cr_assert(eq(int, moda_masks_from_rates(model->net, rates, 0.7, 0.005, &masks), MODA_OK));
    cr_assert(eq(int, moda_decomposition_measure(model, masks, &d), MODA_OK));
    cr_assert(eq(int, moda_decomposition_write(test_path("modules"), NULL, model, rates, masks, d),
                 MODA_OK),
              "%s", moda_last_error());
    moda_decomposition_destroy(d);
    moda_masks_destroy(masks);
    moda_rates_destroy(rates);
    moda_model_destroy(model);
}

static const moda_infer_subject *find(const moda_infer *m, const char *name)
{
    for (size_t i = 0; i < m->count; i++)
        if (strcmp(m->subjects[i].name, name) == 0) return &m->subjects[i];
    cr_assert(false, "nothing is called '%s'", name);
    return NULL;
}

Test(bench_infer, a_folder_gives_model_modules_and_composed_networks)
{
    size_t batches[] = {1, 5}, first[] = {5, 0, 3}, second[] = {7};
    const moda_sizes sets[] = {{first, 3}, {second, 1}};
    moda_infer m = {
        .batches = {batches, 2}, .session = {.seconds = 0.002, .rounds = 2}, .fold = true};
    write_decomposition();
    cr_assert(eq(int, moda_infer_add_decomposition(&m, test_path("modules"), sets, 2, 16), MODA_OK),
              "%s", moda_last_error());
    cr_assert(eq(sz, m.count, 1 + 2 * 10 + 2 * 2));
    const moda_infer_subject *whole = &m.subjects[0];
    const moda_infer_subject *module = find(&m, "class 4"), *set = find(&m, "classes 0,3,5");
    const moda_infer_subject *round = find(&m, "classes 0,3,5, rounded to 16");
    cr_assert(eq(str, whole->name, "lenet5"));
    cr_assert(whole->reference == 0 && set->reference == 0 && whole->class_count == 0);
    cr_assert(set->class_count == 3 && set->classes[2] == 5, "ascending");
    cr_assert(module->parameters < set->parameters && set->parameters < round->parameters &&
              round->parameters < whole->parameters);
    cr_assert(module->flops < set->flops && set->flops < round->flops);
    cr_assert(round->round == 16 && set->round == 1);
    cr_assert(eq(int, moda_infer_run(&m), MODA_OK), "%s", moda_last_error());
    for (size_t i = 0; i < m.count; i++)
        for (size_t b = 0; b < 2; b++) {
            const moda_timing_summary *x = &m.subjects[i].summaries[b];
            cr_assert(ge(sz, x->n, 6), "three passes in each of two rounds");
            cr_assert(x->best > 0 && x->best <= x->low && x->low <= x->median &&
                      x->median <= x->high);
        }
    cr_assert(eq(dbl, moda_infer_speedup(&m, whole, 1), 1));
    cr_assert(eq(dbl, moda_infer_size(&m, whole), 1));
    moda_infer_free(&m);
    moda_infer_free(&m);
}

Test(bench_infer, models_and_names_of_networks)
{
    size_t batches[] = {2};
    moda_model *model = formula_model("lenet5", 10);
    cr_assert(eq(int, moda_model_save(model, test_path("m.safetensors")), MODA_OK));
    moda_model_destroy(model);
    test_write("b.net", "[net]\nname = b\n[conv]\nname = a\noutputs = 17\nkernel = 3\nbias = no\n"
                        "[batchnorm]\nname = n\n[relu]\n[avgpool]\nkernel = global\n"
                        "[linear]\nname = z\noutputs = classes\nbias = no\n");
    for (int fold = 0; fold < 2; fold++) {
        moda_infer m = {
            .batches = {batches, 1}, .session = {.seconds = 0.001, .rounds = 1}, .fold = fold};
        cr_assert(eq(int, moda_infer_add_model(&m, test_path("m.safetensors")), MODA_OK));
        cr_assert(eq(int, moda_infer_add_model(&m, test_path("b.net")), MODA_OK), "%s",
                  moda_last_error());
        cr_assert(m.subjects[1].reference == 0 &&
                  m.subjects[1].parameters == 17 * 3 * 9 + 34 + 10 * 17);
        cr_assert(eq(int, moda_infer_add_model(&m, "lenet5"), MODA_OK), "%s", moda_last_error());
        size_t norms = 0;
        const moda_net *net = m.subjects[1].model->net;
        for (size_t i = 0; i < net->layer_count; i++)
            norms += net->layers[i].kind == MODA_LAYER_BATCHNORM;
        cr_assert(fold ? norms == 0 : norms == 1, "fold %d: %zu batch norms", fold, norms);
        cr_assert(eq(int, moda_infer_add_model(&m, "nothing"), MODA_ERR_ARG), "%s",
                  moda_last_error());
        cr_assert(eq(int, moda_infer_add_model(&m, test_path("nothing")), MODA_ERR_IO), "%s",
                  moda_last_error());
        moda_infer_free(&m);
    }
}

/* The counting run really counts: its network is the same, and its samples have rows. */
Test(bench_infer, a_second_time_counting)
{
    size_t batches[] = {3};
    moda_infer m = {
        .batches = {batches, 1}, .session = {.seconds = 0.001, .rounds = 1}, .count_too = true};
    cr_assert(eq(int, moda_infer_add_model(&m, "lenet5"), MODA_OK), "%s", moda_last_error());
    cr_assert(eq(int, moda_infer_add_model(&m, "lenet5"), MODA_OK), "%s", moda_last_error());
    cr_assert(eq(sz, m.count, 4));
    for (size_t i = 0; i < 4; i++) {
        cr_assert(eq(int, m.subjects[i].counts, i % 2 == 1));
        cr_assert(eq(sz, m.subjects[i].reference, i % 2 ? i - 1 : 0));
        cr_assert(eq(sz, m.subjects[i].parameters, 62006));
    }
    cr_assert(eq(str, m.subjects[1].name, (char *)"lenet5, counting"));
    cr_assert(eq(int, moda_infer_run(&m), MODA_OK), "%s", moda_last_error());
    cr_assert(ge(sz, m.subjects[1].summaries[0].n, 3));
    moda_infer_free(&m);
}

/* By hand, of an image: a convolution of 4 weights of 3x3x3 at 8x8 places, and 10x256 of the linear
 * layer. A pass reads at the least input and weights, and writes and reads the map between; what it
 * copies besides is small here. */
Test(bench_infer, work_is_that_of_the_program)
{
    size_t batches[] = {1, 6};
    const double image = 2 * (4 * 27 * 64 + 10 * 256), weights = 4 * (4 * 27 + 4 + 2560 + 10);
    moda_infer m = {
        .batches = {batches, 2}, .session = {.seconds = 0.001, .rounds = 1}, .fold = true};
    test_write("b.net", "[net]\ninput = 3 8 8\n[conv]\nname = a\noutputs = 4\nkernel = 3\n"
                        "padding = 1\n[relu]\n[linear]\nname = z\noutputs = classes\n");
    cr_assert(eq(int, moda_infer_add_model(&m, test_path("b.net")), MODA_OK), "%s",
              moda_last_error());
    cr_assert(eq(int, moda_infer_add_model(&m, "vgg16"), MODA_OK), "%s", moda_last_error());
    cr_assert(eq(int, moda_infer_run(&m), MODA_OK), "%s", moda_last_error());
    for (size_t b = 0; b < 2; b++) {
        const moda_workload *w = &m.subjects[0].works[b], *vgg = &m.subjects[1].works[b];
        const double n = (double)batches[b], least = weights + n * 4 * (192 + 2 * 256 + 10);
        cr_assert(eq(dbl, w->flops, n * image));
        cr_assert(eq(dbl, vgg->flops, n * 2 * (double)m.subjects[1].flops));
        cr_assert(le(dbl, least, w->bytes), "batch %zu", batches[b]);
        cr_assert(lt(dbl, w->bytes, 6 * least), "batch %zu", batches[b]);
    }
    cr_assert(m.limits.flops > 1e6 && m.limits.bandwidth > 1e6);
    moda_infer_free(&m);
}

/* ---- the program ---- */

static double number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    cr_assert(eq(int, json_is_number(value), 1), "%s", key);
    return json_number_value(value);
}

static int moda(const char *arguments)
{
    char *line =
        moda_format("cd '%s' && '" MODA_PROGRAM "' %s >out 2>err", test_folder(), arguments);
    const int status = system(line);
    free(line);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Test(bench_infer, json_and_csv_tell_the_same)
{
    write_decomposition();
    cr_assert(eq(int,
                 moda("bench infer modules --classes \"0,3,5;1,2\" --batch-size 1,4 --seconds "
                      "0.001 --threads 1 "
                      "--rounds 1 --json i.json --csv i.csv --quiet"),
                 0),
              "%s", test_read(test_path("err")));
    char *out = test_read(test_path("out")), *csv = test_read(test_path("i.csv"));
    cr_assert(strstr(out, "batch 1,") && strstr(out, "batch 4,") && strstr(out, "classes 0,3,5") &&
                  strstr(out, "mean of class modules") && strstr(out, "bandwidth"),
              "%s", out);
    json_t *json = NULL;
    cr_assert(eq(int, moda_json_read(test_path("i.json"), &json), MODA_OK));
    const json_t *networks = json_object_get(json, "networks");
    cr_assert(eq(sz, json_array_size(networks), 13));
    size_t rows = 0;
    char *rest = NULL, *line = strtok_r(csv, "\n", &rest);
    cr_assert(ne(ptr, strstr(line, "source,network,classes,round_channels,batch,"), NULL));
    cr_assert(ne(ptr, strstr(line, ",flops,images_per_second,"), NULL));
    cr_assert(ne(ptr, strstr(line, ",pass_flops,bytes,"), NULL), "two columns of one name");
    cr_assert(lt(dbl, 0, number(json, "peak_flops")));
    cr_assert(lt(dbl, 0, number(json, "peak_bandwidth")));
    for (; (line = strtok_r(NULL, "\n", &rest)); rows++) {
        const json_t *n = json_array_get(networks, rows / 2);
        const json_t *t = json_array_get(json_object_get(n, "timings"), rows % 2);
        char want[128];
        cr_assert(ne(ptr, strstr(line, json_string_value(json_object_get(n, "network"))), NULL));
        snprintf(want, sizeof want, ",%.6g,%.6g,%d,%.6g,", number(t, "images_per_second"),
                 number(t, "speedup"), (int)number(t, "calls"), number(t, "median_seconds"));
        cr_assert(ne(ptr, strstr(line, want), NULL), "row %zu: %s: %s", rows, want, line);
        snprintf(want, sizeof want, ",%.0f,%.0f,%.6g,%.6g,%s,%.6g", number(t, "flops"),
                 number(t, "bytes"), number(t, "flops_per_second"), number(t, "bytes_per_second"),
                 json_string_value(json_object_get(t, "bound")), number(t, "share_of_bound"));
        cr_assert(eq(str, line + strlen(line) - strlen(want), want), "row %zu", rows);
    }
    cr_assert(eq(sz, rows, 26));
    json_decref(json);
    free(csv);
    free(out);
}

Test(bench_infer, wrong_calls_say_what_to_do)
{
    static const struct {
        const char *call, *word;
        int status;
    } calls[] = {
        {"bench", "no benchmark", 2},
        {"bench nonsense", "'nonsense'", 2},
        {"bench infer", "operand", 2},
        {"bench infer modules --classes \"0,3;3,3\"", "twice", 2},
        {"bench infer modules --classes \"0,3;\"", "empty list", 2},
        {"bench infer modules --classes 10", "10", 2},
        {"bench infer lenet5 --classes 1", "folder", 2},
        {"bench infer lenet5 --round-channels 8", "folder", 2},
        {"bench infer lenet5 --count", "--no-fold", 2},
        {"bench infer modules --count --no-fold", "only folders", 2},
        {"bench infer lenet5 --batch-size 0", "--batch-size", 2},
        {"bench infer none.safetensors", "none.safetensors", 1},
        {"bench infer none.net", "none.net", 1},
        {"bench infer none", "unknown network 'none'; use lenet5, ", 2},
        {"bench infer .", "masks.safetensors", 1},
    };
    write_decomposition();
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        cr_assert(eq(int, moda(calls[i].call), calls[i].status), "%s", calls[i].call);
        char *err = test_read(test_path("err"));
        const char *end = strchr(err, '\n');
        cr_assert(strstr(err, calls[i].word) && end && end[1] == 0, "%s: %s", calls[i].call, err);
        free(err);
    }
    cr_assert(eq(int, moda("bench --help"), 0));
    cr_assert(eq(int, moda("bench infer --help"), 0));
    char *out = test_read(test_path("out"));
    cr_assert(strstr(out, "usage: moda bench infer") && strstr(out, "--round-channels"), "%s", out);
    free(out);
}
