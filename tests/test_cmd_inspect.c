/* moda inspect and moda ablate as programs: figures that fit together, files, exit codes,
 * messages. */
#include "base/file.h"
#include "base/log.h"
#include "base/rng.h"
#include "decompose/decomposition.h"
#include "tests/capture.h"
#include "tests/program.h"
#include "tests/small_net.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DATA "--data synthetic:classes=4,channels=1,size=8,train=80,test=60 "

static void must(moda_status st)
{
    cr_assert(eq(int, st, MODA_OK), "%s", moda_last_error());
}

/* A model, and `parts`, a decomposition of it by random rates. */
static void prepare(void)
{
    const moda_rng rng = moda_rng_make(6, MODA_RNG_TEST, 3);
    moda_model *model = small_model("1 8 8",
                                    "[conv];name=a;outputs=6;kernel=3;[relu];name=relu1;[conv];"
                                    "name=b;outputs=9;kernel=3;[relu];name=relu2;[linear];name=c;"
                                    "outputs=4",
                                    4);
    moda_rates *rates = NULL;
    moda_masks *masks = NULL;
    moda_decomposition *d = NULL;
    moda_log_set_level(MODA_LOG_WARNING);
    model->mean[0] = 0.5f, model->std[0] = 0.25f;
    must(moda_rates_create(model->net, &rates));
    for (size_t i = 0; i < rates->shape.elements; i++)
        rates->values[i] = (float)moda_rng_unit(rng, i);
    must(moda_masks_from_rates(model->net, rates, 0.5, MODA_MIN_ACTIVE, &masks));
    must(moda_decomposition_measure(model, masks, &d));
    must(moda_decomposition_write(test_path("parts"), NULL, model, rates, masks, d));
    must(moda_make_directory(test_path("run")));
    must(moda_model_save(model, test_path("run/model.safetensors")));
    moda_decomposition_destroy(d);
    moda_masks_destroy(masks);
    moda_rates_destroy(rates);
    moda_model_destroy(model);
}

TestSuite(cmd_inspect, .init = prepare, .fini = test_folder_remove, .timeout = 120);

static size_t count_lines(const char *name)
{
    char *text = test_read(test_path(name));
    size_t lines = 0;
    for (const char *c = text; *c; c++) lines += *c == '\n';
    free(text);
    return lines;
}

static json_int_t integer(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    cr_assert(value && json_is_integer(value), "no number '%s'", key);
    return json_integer_value(value);
}

Test(cmd_inspect, figures_fit_the_decomposition)
{
    program_must("inspect parts " DATA "--json i.json --csv i.csv");
    json_t *report = program_json("i.json"), *d = program_json("parts/decomposition.json");
    const json_t *layers = json_object_get(report, "layers");
    cr_assert(eq(sz, json_array_size(layers), 2));
    for (size_t c = 0; c < 4; c++) {
        json_int_t kept = 0;
        for (size_t l = 0; l < 2; l++) {
            const json_t *layer = json_array_get(layers, l);
            kept += integer(json_array_get(json_object_get(layer, "classes"), c), "kept");
            cr_assert(eq(sz, json_array_size(json_object_get(layer, "activation_similarity")), 4));
        }
        cr_assert(eq(int, (int)kept,
                     (int)integer(json_array_get(json_object_get(d, "modules"), c), "neurons")));
    }
    cr_assert(eq(sz, count_lines("i.csv"), 1 + 4 * 15));
    /* what is said of images counts where there are some, and does no harm where it is what is usual */
    program_must("inspect parts " DATA "--limit 9 --batch-size 4 --json few.json");
    json_t *few = program_json("few.json");
    cr_assert(not(json_equal(few, report)), "--limit does nothing");
    json_decref(few), json_decref(report), json_decref(d);
    const program_result r =
        program_must("inspect parts --layer 1 --classes 2 --image-cache off --seed 4");
    cr_assert(strstr(r.out, "2  keeps") && strstr(r.out, "relu2"), "%s", r.out);
}

Test(cmd_inspect, ablations_by_neuron_and_by_layer)
{
    program_must("ablate parts " DATA "--json n.json --csv n.csv --quiet");
    program_must("ablate parts " DATA "--json k.json --neurons kept --quiet");
    program_must("ablate parts " DATA "--json l.json --csv l.csv --by layer --quiet");
    json_t *n = program_json("n.json"), *k = program_json("k.json"), *l = program_json("l.json");
    cr_assert(eq(int, (int)(integer(n, "ablations") + integer(k, "ablations")), 4 * 15));
    cr_assert(lt(int, 0, (int)integer(n, "ablations")));
    cr_assert(eq(sz, count_lines("n.csv"), 1 + (size_t)integer(n, "ablations")));
    cr_assert(eq(sz, count_lines("l.csv"), 1 + (size_t)integer(l, "ablations")));
    for (size_t c = 0; c < 4; c++) {
        const json_t *of_class = json_array_get(json_object_get(n, "classes"), c);
        json_int_t sum = 0;
        const char *bin;
        json_t *count;
        json_object_foreach(json_object_get(of_class, "histogram"), bin, count) sum +=
            json_integer_value(count);
        cr_assert(eq(int, (int)sum, (int)integer(of_class, "ablations")));
        cr_assert(eq(int, (int)integer(of_class, "samples"), 15));
    }
    json_decref(n), json_decref(k), json_decref(l);
    const program_result r = program_must("ablate run/model.safetensors " DATA "--limit 20");
    cr_assert(strstr(r.out, "60 ablations") != NULL, "%s", r.out);
    cr_assert(strstr(r.err, "without masks") != NULL, "%s", r.err);
}

/* Accuracy with nothing switched off is that of moda eval; of a training split too. */
Test(cmd_inspect, ablation_starts_from_the_models_accuracy)
{
    program_must("ablate parts " DATA "--split train --json a.json --quiet --neurons all");
    program_must("eval run/model.safetensors " DATA "--split train --json e.json --quiet");
    json_t *a = program_json("a.json"), *e = program_json("e.json");
    for (size_t c = 0; c < 4; c++) {
        const json_t *x = json_array_get(json_object_get(a, "classes"), c);
        const json_t *y = json_array_get(json_object_get(e, "classes"), c);
        cr_assert(eq(dbl, json_number_value(json_object_get(x, "accuracy")),
                     json_number_value(json_object_get(y, "accuracy"))));
    }
    json_decref(a), json_decref(e);
}

/* A script over many folders does not end at one whose masks keep everything. */
Test(cmd_inspect, nothing_to_switch_off_is_a_result)
{
    program_must(
        "decompose run/model.safetensors --rates parts/rates.safetensors --tau 1e-9 --out whole");
    const program_result r = program_must("ablate whole " DATA "--json n.json --csv n.csv --quiet");
    cr_assert(strstr(r.out, "no neuron to switch off") != NULL, "%s", r.out);
    cr_assert(eq(sz, count_lines("n.csv"), 1));
    json_t *n = program_json("n.json");
    cr_assert(eq(int, (int)integer(n, "ablations"), 0));
    json_decref(n);
}

Test(cmd_inspect, wrong_calls_exit_with_2)
{
    static const char *const calls[][2] = {
        {"inspect", "operand"},
        {"inspect parts --layer 2", "2"},
        {"inspect parts --layer x", "--layer"},
        {"inspect parts --classes 4", "4"},
        {"inspect parts --classes 1,1", "1"},
        {"inspect parts --relabel --classes 1", "--relabel"},
        {"inspect parts --image-size 8", "--image-size"},
        {"inspect parts --crop resized", "--crop"},
        {"inspect parts --limit 5", "--limit is about the images of --data"},
        {"inspect parts --batch-size 5", "--batch-size is about"},
        {"inspect parts --image-cache here", "--image-cache is about"},
        {"inspect parts --csv parts/masks.safetensors", "masks.safetensors"},
        {"inspect parts --data synthetic:classes=4,channels=1,size=9", "9x9"},
        {"ablate parts", "--data"},
        {"ablate parts " DATA "--layer 7", "7"},
        {"ablate parts " DATA "--by neurons", "--by"},
        {"ablate parts " DATA "--limit 0", "--limit 0"},
        {"ablate parts " DATA "--limit 2", "no image among these 2"},
        {"ablate parts " DATA "--classes 9", "9"},
        {"ablate parts " DATA "--per-class 3", "--per-class"},
        {"ablate parts " DATA "--json parts/rates.safetensors", "rates.safetensors"},
        {"ablate run/model.safetensors " DATA "--neurons kept", "no masks"},
        {"ablate parts --data synthetic:classes=4,channels=1,size=9", "9x9"},
        {"ablate parts --data synthetic:classes=4,channels=1,size=8,test=0", "test images"},
    };
    const int entries = test_folder_entries();
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        program_must_fail(2, calls[i][1], "%s", calls[i][0]);
        cr_assert(eq(int, test_folder_entries(), entries), "moda %s left something", calls[i][0]);
    }
}

Test(cmd_inspect, broken_input_exits_with_1)
{
    program_must_fail(1, "nowhere", "inspect nowhere");
    program_must_fail(1, "run", "inspect run");
    program_must_fail(1, "nowhere", "ablate nowhere " DATA);
    program_must_fail(1, "run", "ablate run " DATA);
    program_must_fail(1, "/dev/full", "ablate parts " DATA "--quiet --csv /dev/full");
    program_must_fail(1, "/dev/full", "inspect parts --quiet --json /dev/full");
}
