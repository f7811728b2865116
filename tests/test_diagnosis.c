/* Findings: each fires on a case made for it and stays silent on a healthy one. And what they rest
 * on: similarities and marks of the floor rule. */
#include "base/file.h"
#include "base/log.h"
#include "decompose/diagnosis.h"
#include "decompose/similarity.h"
#include "tests/capture.h"
#include "tests/naive_net.h"
#include "tests/small_net.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void begin(void)
{
    moda_log_set_level(MODA_LOG_WARNING);
    test_folder();
}

TestSuite(diagnosis, .init = begin, .fini = test_folder_remove, .timeout = 60);

static void must(moda_status st)
{
    cr_assert(eq(int, st, MODA_OK), "%s", moda_last_error());
}

/* ---- rates made up ---- */

enum { CLASSES = 4, UNITS = 12, LAYERS = 2 };

static const char body[] = "[conv];name=a;outputs=12;kernel=3;[relu];name=first;[conv];name=b;"
                           "outputs=12;kernel=3;[relu];name=second;[linear];name=end;outputs=4";

typedef struct subject {
    moda_model *model;
    moda_rates *rates;
    moda_masks *masks;
    moda_decomposition *d;
    moda_diagnosis *diagnosis;
} subject;

static float *rate(subject *s, size_t l, size_t c, size_t k)
{
    return &s->rates->values[s->rates->shape.offset[l] + c * UNITS + k];
}

/* Healthy: every class has three neurons of each layer to itself, and is seldom active
 * elsewhere. */
static void prepare(subject *s)
{
    static char *names[CLASSES] = {"ant", "bee", "cat", "dog"};
    *s = (subject){.model = small_model("1 8 8", body, 3)};
    for (size_t c = 0; c < CLASSES; c++) s->model->class_names[c] = strdup(names[c]);
    must(moda_rates_create(s->model->net, &s->rates));
    for (size_t l = 0; l < LAYERS; l++)
        for (size_t c = 0; c < CLASSES; c++)
            for (size_t k = 0; k < UNITS; k++) *rate(s, l, c, k) = k / 3 == c ? 0.95f : 0.1f;
    must(moda_diagnosis_create(&s->diagnosis));
}

static void judge(subject *s)
{
    must(moda_masks_from_rates(s->model->net, s->rates, 0.9, MODA_MIN_ACTIVE, &s->masks));
    must(moda_decomposition_measure(s->model, s->masks, &s->d));
    must(moda_diagnose_masks(s->diagnosis, s->model, s->rates, s->masks, s->d));
}

static void discard(subject *s)
{
    moda_diagnosis_destroy(s->diagnosis);
    moda_decomposition_destroy(s->d);
    moda_masks_destroy(s->masks);
    moda_rates_destroy(s->rates);
    moda_model_destroy(s->model);
}

static const char *text_of(const moda_diagnosis *d, moda_signature signature)
{
    for (size_t i = 0; i < d->count; i++)
        if (d->items[i].signature == signature) return d->items[i].text;
    return NULL;
}

/* The only finding, a line with all the words. */
static void check_finding(const moda_diagnosis *d, moda_signature signature,
                          const char *const *words)
{
    const char *text = text_of(d, signature);
    cr_assert(text != NULL, "no finding of %s", moda_signature_name(signature));
    cr_assert(eq(sz, d->count, 1));
    cr_assert(strchr(text, '\n') == NULL, "%s", text);
    for (; *words; words++) cr_assert(strstr(text, *words) != NULL, "no '%s' in %s", *words, text);
    cr_assert(lt(dbl, moda_signature_threshold(signature), d->figure[signature]));
}

Test(diagnosis, healthy_masks_have_no_finding)
{
    subject s;
    prepare(&s);
    judge(&s);
    cr_assert(eq(sz, s.diagnosis->count, 0));
    cr_assert(s.diagnosis->not_judged[MODA_SIGNATURE_OVERLAP] == NULL);
    cr_assert(s.diagnosis->not_judged[MODA_SIGNATURE_REUSE] != NULL);
    cr_assert(eq(dbl, s.diagnosis->figure[MODA_SIGNATURE_OVERLAP], s.d->mean_overlap));
    discard(&s);
}

/* All classes keep eleven of twelve neurons; bee and dog more of the second layer than the
 * others. */
Test(diagnosis, overlap_names_pairs_and_layers)
{
    subject s;
    prepare(&s);
    for (size_t l = 0; l < LAYERS; l++)
        for (size_t c = 0; c < CLASSES; c++)
            for (size_t k = 0; k < UNITS; k++)
                *rate(&s, l, c, k) = k == c && !(l == 1 && c % 2) ? 0.0f : 0.95f;
    judge(&s);
    cr_assert(lt(dbl, 0.2, s.d->mean_overlap));
    check_finding(s.diagnosis, MODA_SIGNATURE_OVERLAP,
                  (const char *const[]){"1 bee and 3 dog", "second 1.00", "larger beta", NULL});
    discard(&s);
}

Test(diagnosis, dead_layers_and_neurons)
{
    for (int whole = 0; whole < 2; whole++) {
        subject s;
        prepare(&s);
        for (size_t c = 0; c < CLASSES; c++)
            for (size_t k = whole ? 0 : 5; k < UNITS; k++) *rate(&s, 1, c, k) = 0;
        for (size_t c = 0; !whole && c < CLASSES; c++) *rate(&s, 1, c, c) = 0.99f;
        judge(&s);
        const char *text = text_of(s.diagnosis, MODA_SIGNATURE_DEAD);
        cr_assert(text && strstr(text, "second") && !strstr(text, "first"), "%s", text);
        cr_assert(eq(int, strstr(text, "as a whole") != NULL, whole), "%s", text);
        cr_assert(
            epsilon_eq(dbl, s.diagnosis->figure[MODA_SIGNATURE_DEAD], whole ? 1 : 7.0 / 12, 1e-12));
        if (!whole)
            check_finding(s.diagnosis, MODA_SIGNATURE_DEAD,
                          (const char *const[]){"1 of 2 layers", "58.3 %", "gamma", NULL});
        discard(&s);
    }
}

Test(diagnosis, half_dead_is_no_finding)
{
    subject s;
    prepare(&s);
    for (size_t c = 0; c < CLASSES; c++)
        for (size_t k = 0; k < UNITS; k++) *rate(&s, 1, c, k) = k >= 6 ? 0 : k == c ? 0.95f : 0.1f;
    judge(&s);
    cr_assert(eq(sz, s.diagnosis->count, 0));
    cr_assert(eq(dbl, s.diagnosis->figure[MODA_SIGNATURE_DEAD], 0.5));
    discard(&s);
}

Test(diagnosis, floor_rule_names_classes_and_layers)
{
    subject s;
    prepare(&s);
    for (size_t k = 0; k < UNITS; k++) *rate(&s, 0, 2, k) = 0.7f;
    judge(&s);
    for (size_t l = 0; l < LAYERS; l++)
        for (size_t c = 0; c < CLASSES; c++)
            cr_assert(eq(int, moda_masks_floored(s.masks, s.rates, c, l), l == 0 && c == 2));
    check_finding(s.diagnosis, MODA_SIGNATURE_FLOOR,
                  (const char *const[]){"1 of 8", "first of 2 cat", "tau 0.9", NULL});
    cr_assert(eq(dbl, s.diagnosis->figure[MODA_SIGNATURE_FLOOR], 1.0));
    s.masks->min_active = 0;
    cr_assert(not(moda_masks_floored(s.masks, s.rates, 2, 0)), "there was no floor");
    discard(&s);
}

/* ---- reuse ---- */

static void check_reuse(double composed, bool found)
{
    subject s;
    moda_reuse_row row = {.samples = 80};
    moda_reuse_class of_class[CLASSES] = {
        {100, 90, 91}, {100, 50, 95}, {100, 90, 90}, {100, 80, 92}};
    moda_reuse r = {.count = 1,
                    .rows = &row,
                    .classes = of_class,
                    .by_size = {.composed = composed, .modular = 0.92}};
    prepare(&s);
    must(moda_masks_from_rates(s.model->net, s.rates, 0.9, MODA_MIN_ACTIVE, &s.masks));
    memset(s.masks->values + s.masks->shape.offset[1], 1, CLASSES * UNITS);
    must(moda_diagnose_reuse(s.diagnosis, s.model, s.masks, &r));
    if (found) {
        check_finding(s.diagnosis, MODA_SIGNATURE_REUSE,
                      (const char *const[]){"1 bee (45.0 points), 3 dog (12.0 points), 0 ant",
                                            "first (25.0 %)", "lower tau", NULL});
        cr_assert(strstr(s.diagnosis->items[0].text, "second") == NULL);
    } else {
        cr_assert(eq(sz, s.diagnosis->count, 0));
    }
    cr_assert(epsilon_eq(dbl, s.diagnosis->figure[MODA_SIGNATURE_REUSE], 0.92 - composed, 1e-12));
    discard(&s);
}

Test(diagnosis, reuse_accuracy_far_below_the_model)
{
    check_reuse(0.86, true);
    check_reuse(0.88, false);
    check_reuse(0.95, false);
}

/* Images sorted by class: the sample has all classes, and what it finds is what the whole run
 * has. */
Test(diagnosis, reuse_is_sampled_over_all_classes)
{
    enum { N = 2400, STRIDE = 64 };
    subject s;
    moda_images images = {.n = N, .channels = 1, .height = 8, .width = 8};
    images.pixels = malloc(N * STRIDE), images.labels = malloc(N * sizeof *images.labels);
    for (size_t i = 0; i < N; i++) images.labels[i] = (uint32_t)(i * CLASSES / N);
    for (size_t i = 0; i < N * STRIDE; i++) images.pixels[i] = (uint8_t)(i * i * 31 / 7);
    prepare(&s);
    s.model->mean[0] = 0.5f, s.model->std[0] = 0.25f;
    must(moda_masks_from_rates(s.model->net, s.rates, 0.9, MODA_MIN_ACTIVE, &s.masks));
    must(moda_diagnose_reuse_sample(s.diagnosis, s.model, s.masks, &images, "made up", 64));
    cr_assert(s.diagnosis->not_judged[MODA_SIGNATURE_REUSE] == NULL);
    images.n = N / CLASSES;
    must(moda_diagnose_reuse_sample(s.diagnosis, s.model, s.masks, &images, "made up", 64));
    cr_assert(s.diagnosis->not_judged[MODA_SIGNATURE_REUSE] != NULL, "one class is no sub-task");
    free(images.pixels);
    free(images.labels);
    discard(&s);
}

/* ---- the training run ---- */

/* A run of epochs with this cross entropy and these losses (L_aff, L_dis, L_com). */
static void write_run(const char *config, size_t epochs, const double *cross, double compactness)
{
    FILE *f = fopen(test_path("metrics.jsonl"), "w");
    for (size_t e = 0; e < epochs; e++)
        fprintf(f,
                "{\"epoch\": %zu, \"cross_entropy\": %g, \"affinity\": 0.15, \"dispersion\": 0.3, "
                "\"compactness\": %g}\n",
                e + 1, cross[e], compactness);
    fclose(f);
    test_write("config.json", config);
}

static const char modular[] =
    "{\"method\": \"moda\", \"alpha\": 1, \"beta\": 1, \"gamma\": 0.3, \"other\": []}";
static const char heavy[] = "{\"method\": \"moda\", \"alpha\": 1, \"beta\": 1, \"gamma\": 20}";

static void check_training(const char *found, const char *not_judged)
{
    moda_diagnosis *d = NULL;
    must(moda_diagnosis_create(&d));
    must(moda_diagnose_training(d, test_path("model.safetensors"), 10));
    const char *why = d->not_judged[MODA_SIGNATURE_LOSS];
    if (not_judged)
        cr_assert(why && strstr(why, not_judged) != NULL, "%s", why);
    else
        cr_assert(why == NULL, "%s", why);
    if (found)
        check_finding(d, MODA_SIGNATURE_LOSS,
                      (const char *const[]){found, "compactness", "smaller gamma", NULL});
    else
        cr_assert(eq(sz, d->count, 0));
    moda_diagnosis_destroy(d);
}

/* Little cross entropy is left at the end of a good run, and the modular terms are most of the
 * loss. */
Test(diagnosis, modular_terms_that_dominate_the_loss)
{
    static const double good[] = {1.4, 0.5, 0.1, 0.01, 0.001}, stuck[] = {2.3, 2.2, 2.1, 2.0, 0.5};
    write_run(modular, 5, good, 0.2);
    check_training(NULL, NULL);
    write_run(modular, 5, stuck, 0.2);
    check_training(NULL, NULL);
    write_run(heavy, 5, stuck, 0.2);
    check_training("4 of 5 epochs", NULL);
    write_run(heavy, 5, good, 0.2);
    check_training(NULL, NULL);
}

Test(diagnosis, runs_that_cannot_be_judged)
{
    static const double cross[] = {2, 1};
    check_training(NULL, "no training run");
    write_run("{\"method\": \"standard\", \"alpha\": 1, \"beta\": 1, \"gamma\": 1}", 2, cross, 1);
    check_training(NULL, "no modular losses");
    write_run("not JSON", 2, cross, 1);
    check_training(NULL, "no modular losses");
    write_run(heavy, 0, cross, 1);
    check_training(NULL, "no modular losses");
    write_run(heavy, 2, cross, 1);
    test_write("metrics.jsonl", "{\"cross_entropy\": null}\n");
    check_training(NULL, "no modular losses");
}

/* ---- the report ---- */

Test(diagnosis, report_says_what_was_judged)
{
    subject s;
    double figure, threshold;
    const char *signature, *why;
    prepare(&s);
    for (size_t k = 0; k < UNITS; k++) *rate(&s, 0, 2, k) = 0.7f;
    judge(&s);
    s.diagnosis->not_judged[MODA_SIGNATURE_REUSE] = "a reason";
    json_t *json = moda_diagnosis_json(s.diagnosis);
    cr_assert(eq(int,
                 json_unpack(json, "{s:[{s:s}], s:{s:{s:F s:F}}, s:{s:s}}", "findings", "signature",
                             &signature, "judged", "floor", "figure", &figure, "threshold",
                             &threshold, "not_judged", "reuse", &why),
                 0));
    cr_assert(eq(str, (char *)signature, "floor"));
    cr_assert(eq(str, (char *)why, "a reason"));
    cr_assert(eq(dbl, figure, 1.0));
    json_decref(json);
    test_capture(1);
    moda_diagnosis_print(s.diagnosis, 1 << MODA_SIGNATURE_FLOOR);
    fflush(stdout);
    char *text = test_captured();
    cr_assert(strstr(text, "finding: the floor rule") != NULL, "%s", text);
    cr_assert(strstr(text, "overlap") == NULL, "%s", text);
    free(text);
    discard(&s);
}

/* ---- similarities ---- */

Test(diagnosis, similarity_of_rates_is_their_cosine)
{
    subject s;
    prepare(&s);
    memset(rate(&s, 1, 0, 0), 0, UNITS * sizeof(float));
    const double same = 3 * 0.95 * 0.95 + 9 * 0.1 * 0.1, other = 6 * 0.95 * 0.1 + 6 * 0.1 * 0.1;
    cr_assert(epsilon_eq(dbl, moda_rates_similarity(s.rates, 0, 1, 1), 1, 1e-12));
    cr_assert(epsilon_eq(dbl, moda_rates_similarity(s.rates, 0, 0, 3), other / same, 1e-6));
    cr_assert(eq(dbl, moda_rates_similarity(s.rates, 1, 0, 1), 0.0));
    discard(&s);
}

/* Against all pairs one by one, from activation vectors in f64; batches that do not divide the
 * images. */
Test(diagnosis, similarity_of_activations_agrees_with_single_pairs)
{
    enum { N = 13 };
    moda_model *model = small_model("1 8 8", body, 9);
    moda_images images = {.n = N, .channels = 1, .height = 8, .width = 8};
    double matrix[LAYERS * CLASSES * CLASSES], a[N * UNITS];
    float x[N * 64];
    images.pixels = malloc(N * 64), images.labels = malloc(N * sizeof *images.labels);
    model->mean[0] = 0.4f, model->std[0] = 0.3f;
    for (size_t i = 0; i < N * 64; i++) {
        images.pixels[i] = (uint8_t)(i * i * 37 / 11);
        x[i] = ((float)images.pixels[i] / 255 - 0.4f) / 0.3f;
    }
    for (size_t i = 0; i < N; i++) images.labels[i] = i == 5 ? 9 : (uint32_t)(i % CLASSES);
    must(moda_activation_similarity(model, &images, 4, matrix));
    naive_net *naive = naive_create(model, N, false);
    naive_forward(naive, x);
    for (size_t l = 0; l < LAYERS; l++) {
        naive_activation(naive, l, a);
        for (size_t p = 0; p < CLASSES; p++)
            for (size_t q = 0; q < CLASSES; q++) {
                double sum = 0, pairs = 0;
                for (size_t i = 0; i < N; i++)
                    for (size_t j = 0; j < N; j++) {
                        double xy = 0, xx = 0, yy = 0;
                        if (i == j || images.labels[i] != p || images.labels[j] != q) continue;
                        for (size_t k = 0; k < UNITS; k++) {
                            xy += a[i * UNITS + k] * a[j * UNITS + k];
                            xx += a[i * UNITS + k] * a[i * UNITS + k];
                            yy += a[j * UNITS + k] * a[j * UNITS + k];
                        }
                        sum += xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : 0, pairs++;
                    }
                cr_assert(lt(dbl, 0.1, sum), "this proves nothing");
                cr_assert(
                    epsilon_eq(dbl, matrix[(l * CLASSES + p) * CLASSES + q], sum / pairs, 1e-5));
            }
    }
    naive_destroy(naive);
    free(images.pixels);
    free(images.labels);
    moda_model_destroy(model);
}
