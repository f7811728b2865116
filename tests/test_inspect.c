/* Counts of a decomposition against plain ones, and its figures as JSON, CSV and text. */
#include "base/log.h"
#include "base/rng.h"
#include "decompose/inspect.h"
#include "decompose/similarity.h"
#include "tests/capture.h"
#include "tests/formula.h"
#include "tests/small_net.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void begin(void)
{
    moda_log_set_level(MODA_LOG_WARNING);
    test_folder();
}

TestSuite(inspect, .init = begin, .fini = test_folder_remove, .timeout = 60);

static void must(moda_status st)
{
    cr_assert(eq(int, st, MODA_OK), "%s", moda_last_error());
}

enum { CLASSES = 5, LAYERS = 2 };
static const size_t units[LAYERS] = {7, 19};
static const char body[] = "[conv];name=a;outputs=7;kernel=3;[relu];name=first;[linear];name=b;"
                           "outputs=19;[relu];name=second;[linear];name=end;outputs=5";

typedef struct subject {
    moda_model *model;
    moda_rates *rates;
    moda_masks *masks;
    size_t all[CLASSES];
    moda_inspect_options options;
} subject;

/* Random rates, a fifth of them 0 and some 1; the masks are theirs. */
static void prepare(subject *s)
{
    const moda_rng rng = moda_rng_make(8, MODA_RNG_TEST, 4);
    *s = (subject){.model = small_model("1 6 6", body, 2)};
    must(moda_rates_create(s->model->net, &s->rates));
    for (size_t i = 0; i < s->rates->shape.elements; i++) {
        const double x = moda_rng_unit(rng, i) * 1.4 - 0.3;
        s->rates->values[i] = x < 0 ? 0 : x > 1 ? 1 : (float)x;
    }
    for (size_t c = 0; c < CLASSES; c++) { /* a dead neuron, and a class under the floor */
        s->all[c] = c;
        s->rates->values[c * 7 + 3] = 0;
        s->rates->values[s->rates->shape.offset[1] + 2 * 19 + c] = 0.5f;
    }
    for (size_t k = 0; k < 19; k++)
        s->rates->values[s->rates->shape.offset[1] + 2 * 19 + k] *= 0.6f;
    must(moda_masks_from_rates(s->model->net, s->rates, 0.7, MODA_MIN_ACTIVE, &s->masks));
    s->options = (moda_inspect_options){
        .model = s->model, .rates = s->rates, .masks = s->masks, .outputs = {s->all, CLASSES}};
}

static void discard(subject *s)
{
    moda_masks_destroy(s->masks);
    moda_rates_destroy(s->rates);
    moda_model_destroy(s->model);
}

static int kept(const subject *s, size_t l, size_t c, size_t k)
{
    return s->masks->values[s->masks->shape.offset[l] + c * units[l] + k];
}

Test(inspect, rates_fall_into_bins)
{
    static const float rate[] = {0, 0.001f, 0.1f, 0.0999f, 0.3f, 0.55f, 0.7f, 0.9f, 0.9999f, 1};
    static const size_t bin[] = {0, 1, 2, 1, 4, 6, 8, 10, 10, 11};
    for (size_t i = 0; i < sizeof bin / sizeof *bin; i++)
        cr_assert(eq(sz, moda_rate_bin(rate[i]), bin[i]), "%g", (double)rate[i]);
}

Test(inspect, counts_agree_with_plain_ones)
{
    subject s;
    prepare(&s);
    size_t exclusive = 0, floored = 0;
    for (size_t l = 0; l < LAYERS; l++) {
        const moda_layer_counts n = moda_count_layer(s.rates, s.masks, l);
        size_t by[CLASSES + 1] = {0}, bins = 0, total = 0;
        for (size_t k = 0; k < units[l]; k++) {
            size_t keepers = 0;
            for (size_t c = 0; c < CLASSES; c++) keepers += (size_t)kept(&s, l, c, k);
            by[keepers]++;
        }
        for (size_t b = 0; b < MODA_RATE_BINS; b++) bins += n.histogram[b];
        cr_assert(eq(sz, n.units, units[l]));
        cr_assert(eq(sz, bins, CLASSES * units[l]));
        cr_assert(eq(sz, n.unused, by[0]));
        cr_assert(eq(sz, n.exclusive, by[1]));
        cr_assert(eq(sz, n.by_all, by[CLASSES]));
        cr_assert(eq(sz, n.shared, units[l] - by[0] - by[1]));
        cr_assert(eq(sz, n.dead, l == 0));
        for (size_t c = 0; c < CLASSES; c++) {
            const moda_class_counts one = moda_count_class(s.rates, s.masks, l, c);
            size_t want = 0;
            for (size_t k = 0; k < units[l]; k++) want += (size_t)kept(&s, l, c, k);
            cr_assert(eq(sz, one.kept, want));
            cr_assert(le(sz, n.least, want));
            cr_assert(ge(sz, n.most, want));
            total += want, exclusive += one.exclusive, floored += one.floored;
        }
        cr_assert(epsilon_eq(dbl, n.mean, (double)total / CLASSES, 1e-12));
        exclusive -= by[1];
        floored -= n.floored;
    }
    cr_assert(eq(sz, exclusive, 0), "exclusive neurons of the classes are those of the layers");
    cr_assert(eq(sz, floored, 0));
    cr_assert(moda_count_class(s.rates, s.masks, 1, 2).floored);
    discard(&s);
}

Test(inspect, json_has_layers_classes_and_matrices)
{
    subject s;
    double activation[LAYERS * CLASSES * CLASSES];
    size_t some[] = {1, 4}, layer[] = {1};
    json_t *json = NULL;
    double rates_alike, images_alike;
    int floor;
    prepare(&s);
    for (size_t i = 0; i < LAYERS * CLASSES * CLASSES; i++) activation[i] = (double)i / 1000;
    must(moda_inspect_json(&s.options, &json));
    cr_assert(eq(sz, json_array_size(json_object_get(json, "layers")), 2));
    json_decref(json);
    s.options.activation = activation;
    s.options.outputs = (moda_sizes){some, 2};
    s.options.layers = (moda_sizes){layer, 1};
    must(moda_inspect_json(&s.options, &json));
    json_t *first = json_array_get(json_object_get(json, "layers"), 0);
    json_t *classes = json_object_get(first, "classes");
    cr_assert(eq(sz, json_array_size(classes), 2));
    json_t *of_4 = json_array_get(classes, 1), *neurons = json_object_get(of_4, "neurons");
    size_t want = 0;
    for (size_t k = 0; k < 19; k++)
        if (kept(&s, 1, 4, k))
            cr_assert(eq(int, (int)json_integer_value(json_array_get(neurons, want++)), (int)k));
    cr_assert(eq(sz, json_array_size(neurons), want));
    cr_assert(eq(int,
                 json_unpack(first, "{s:[[F,F],[F,F]], s:[[F,F],[F,F]]}", "rate_similarity",
                             &images_alike, &rates_alike, &images_alike, &images_alike,
                             "activation_similarity", &images_alike, &images_alike, &images_alike,
                             &images_alike),
                 0));
    cr_assert(eq(dbl, rates_alike, moda_rates_similarity(s.rates, 1, 1, 4)));
    cr_assert(eq(dbl, images_alike, activation[CLASSES * CLASSES + 4 * CLASSES + 4]));
    cr_assert(eq(int, json_unpack(of_4, "{s:b}", "floor", &floor), 0));
    json_decref(json);
    discard(&s);
}

Test(inspect, csv_has_a_line_per_neuron)
{
    subject s;
    size_t lines = 0;
    char want[80];
    prepare(&s);
    must(moda_inspect_write_csv(test_path("i.csv"), &s.options));
    char *csv = test_read(test_path("i.csv"));
    for (const char *c = csv; *c; c++) lines += *c == '\n';
    cr_assert(eq(sz, lines, 1 + CLASSES * (7 + 19)));
    snprintf(want, sizeof want, "\n1,\"second\",2,18,%.6g,%d,1,%zu\n",
             (double)s.rates->values[s.rates->shape.offset[1] + 2 * 19 + 18], kept(&s, 1, 2, 18),
             moda_count_keepers(s.masks, 1, 18));
    cr_assert(strstr(csv, want) != NULL, "%s is not in %s", want, csv);
    free(csv);
    discard(&s);
}

static char *print(const subject *s)
{
    test_capture(1);
    moda_inspect_print(&s->options);
    fflush(stdout);
    return test_captured();
}

static void check_width(const char *text)
{
    for (const char *line = text; *line;) {
        const size_t length = strcspn(line, "\n");
        cr_assert(le(sz, length, 100), "%.*s", (int)length, line);
        line += length + (line[length] != 0);
    }
}

/* As wide as it gets: long layer names, ten classes with names of Fashion-MNIST, wide layers. */
Test(inspect, text_fits_a_terminal)
{
    subject s;
    size_t layers[] = {0, 12};
    size_t all[12];
    for (size_t classes = 10; classes <= 12; classes += 2) {
        const moda_rng rng = moda_rng_make(1, MODA_RNG_TEST, 5);
        s = (subject){.model = formula_model("resnet18", classes)};
        for (size_t c = 0; c < classes; c++)
            all[c] = c, s.model->class_names[c] = strdup("T-shirt/top");
        must(moda_rates_create(s.model->net, &s.rates));
        for (size_t i = 0; i < s.rates->shape.elements; i++)
            s.rates->values[i] = (float)moda_rng_unit(rng, i);
        must(moda_masks_from_rates(s.model->net, s.rates, 0.9, MODA_MIN_ACTIVE, &s.masks));
        s.options = (moda_inspect_options){
            .model = s.model, .rates = s.rates, .masks = s.masks, .outputs = {all, classes}};
        char *text = print(&s);
        check_width(text);
        cr_assert(strstr(text, "layer4.1.relu2") && strstr(text, "similarity"), "%s", text);
        free(text);
        s.options.layers = (moda_sizes){layers, 2};
        s.options.outputs.n = 3;
        text = print(&s);
        check_width(text);
        cr_assert(strstr(text, "2 T-shirt/top keeps") != NULL, "%s", text);
        free(text);
        discard(&s);
    }
}
