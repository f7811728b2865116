/* Switched-off neurons: counts against the plain way, a whole forward pass per neuron and image. */
#include "base/file.h"
#include "base/log.h"
#include "decompose/ablate.h"
#include "decompose/suffix.h"
#include "tests/capture.h"
#include "tests/plain.h"
#include "tests/random_graph.h"
#include "tests/small_net.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_CLASSES = 8 };

static void begin(void)
{
    moda_log_set_level(MODA_LOG_WARNING);
    test_folder();
}

TestSuite(ablate, .init = begin, .fini = test_folder_remove, .timeout = 300);

static void must(moda_status st)
{
    cr_assert(eq(int, st, MODA_OK), "%s", moda_last_error());
}

typedef struct subject {
    moda_model *model;
    moda_masks *masks;
    moda_images images;
    size_t all[MOST_CLASSES];
    moda_ablate_options options;
} subject;

/* Random pictures and masks for a model, which is taken over. */
static void make_subject(subject *s, moda_model *model, size_t n, uint64_t seed)
{
    const moda_rng rng = moda_rng_make(seed, MODA_RNG_TEST, 77);
    const moda_shape in = model->net->input;
    const size_t stride = in.c * in.h * in.w;
    *s = (subject){.model = model};
    for (size_t c = 0; c < in.c; c++) model->mean[c] = 0.45f, model->std[c] = 0.25f;
    s->images = (moda_images){.n = n, .channels = in.c, .height = in.h, .width = in.w};
    s->images.pixels = malloc(n * stride);
    s->images.labels = malloc(n * sizeof *s->images.labels);
    for (size_t i = 0; i < n * stride; i++)
        s->images.pixels[i] = (uint8_t)moda_rng_below(rng, i, 256);
    for (size_t i = 0; i < n; i++) s->images.labels[i] = (uint32_t)(i % model->net->classes);
    must(moda_masks_create(model->net, &s->masks));
    for (size_t i = 0; i < s->masks->shape.elements; i++)
        s->masks->values[i] = moda_rng_unit(rng, n * stride + i) < 0.4;
    for (size_t k = 0; k < model->net->classes; k++) s->all[k] = k;
    s->options = (moda_ablate_options){.model = model,
                                       .masks = s->masks,
                                       .images = &s->images,
                                       .source = "drawn",
                                       .outputs = {s->all, model->net->classes},
                                       .batch_size = 5};
}

static void discard(subject *s)
{
    moda_masks_destroy(s->masks);
    moda_model_destroy(s->model);
    free(s->images.pixels);
    free(s->images.labels);
}

/* ---- the plain way ---- */

/* Answer of the model, and whether the two largest logits are so close that rounding decides. */
static size_t plain_answer(const subject *s, size_t image, const uint8_t *const *keep,
                           double *logits, bool *close)
{
    const moda_net *net = s->model->net;
    const size_t plane = net->input.h * net->input.w, stride = net->input.c * plane;
    float *x = malloc(stride * sizeof *x);
    for (size_t p = 0; p < stride; p++)
        x[p] = ((float)s->images.pixels[image * stride + p] / 255 - s->model->mean[p / plane]) /
               s->model->std[p / plane];
    plain_forward(s->model, x, keep, logits);
    free(x);
    size_t best = 0;
    double second = -INFINITY;
    for (size_t k = 1; k < net->classes; k++)
        if (logits[k] > logits[best]) best = k;
    for (size_t k = 0; k < net->classes; k++)
        if (k != best && logits[k] > second) second = logits[k];
    *close = logits[best] - second < 1e-4 * (1 + fabs(logits[best]));
    return best;
}

typedef struct plain_count {
    size_t lost, gained, close, changed;
} plain_count;

static plain_count count_plainly(const subject *s, const moda_ablation *item)
{
    const moda_class_tables *t = &s->masks->shape;
    uint8_t *keep[64];
    plain_count c = {0};
    const uint8_t *row =
        s->masks->values + t->offset[item->layer] + item->output * t->units[item->layer];
    for (size_t l = 0; l < t->layers; l++) {
        keep[l] = malloc(t->units[l]);
        memset(keep[l], 1, t->units[l]);
    }
    if (s->options.by_layer)
        memcpy(keep[item->layer], row, t->units[item->layer]);
    else
        keep[item->layer][item->unit] = 0;
    for (size_t i = 0; i < s->images.n; i++) {
        double a[MOST_CLASSES], b[MOST_CLASSES];
        bool close[2];
        if (s->images.labels[i] != item->output) continue;
        const bool before = plain_answer(s, i, NULL, a, &close[0]) == item->output;
        const bool after =
            plain_answer(s, i, (const uint8_t *const *)keep, b, &close[1]) == item->output;
        c.close += close[0] || close[1];
        c.lost += before && !after;
        c.gained += !before && after;
        c.changed += memcmp(a, b, s->model->net->classes * sizeof *a) != 0;
    }
    for (size_t l = 0; l < t->layers; l++) free(keep[l]);
    return c;
}

/* Compares every ablation; how many answers changed in all. */
static size_t check_all(const subject *s)
{
    moda_ablate *r = NULL;
    size_t changed = 0;
    must(moda_ablate_run(&s->options, &r));
    for (size_t i = 0; i < r->count; i++) {
        const moda_ablation *item = &r->items[i];
        const plain_count want = count_plainly(s, item);
        const int lost = abs((int)item->lost - (int)want.lost);
        const int gained = abs((int)item->gained - (int)want.gained);
        cr_assert(le(sz, (size_t)(lost + gained), want.close), "%u %u %u: %u %u, plainly %zu %zu",
                  item->output, item->layer, item->unit, item->lost, item->gained, want.lost,
                  want.gained);
        cr_assert(le(sz, want.changed, item->active), "a change of an image without activity");
        changed += item->lost + item->gained;
    }
    moda_ablate_destroy(r);
    return changed;
}

/* Branches, depthwise convolutions, batch norms on either side of the ReLU. */
Test(ablate, random_graphs_agree_with_the_plain_way)
{
    size_t changed = 0;
    for (uint64_t seed = 1; seed <= 24; seed++) {
        random_source source = random_seed(seed);
        subject s;
        make_subject(&s, random_graph(&source, false), 15, seed);
        s.options.by_layer = seed % 3 == 0;
        changed += check_all(&s);
        discard(&s);
    }
    cr_assert(ge(sz, changed, 20), "hardly any answer changed: this proves nothing");
}

/* Maps in channel blocks: cut at the ReLU in front of a pool, before a block, behind it. */
Test(ablate, blocked_maps_agree_with_the_plain_way)
{
    static const char body[] =
        "[conv];name=a;outputs=16;kernel=3;padding=1;[relu];name=ar;[maxpool];name=p;kernel=2;"
        "[conv];name=b;outputs=16;kernel=3;padding=1;[batchnorm];name=bn;[relu];name=br;"
        "[conv];name=c;outputs=16;kernel=3;padding=1;[add];name=sum;from=c,p;[relu];name=sr;"
        "[avgpool];name=g;kernel=global;[linear];name=d;outputs=32;[relu];name=dr;"
        "[linear];name=end;outputs=4";
    size_t changed = 0;
    for (uint64_t seed = 1; seed <= 3; seed++)
        for (int by_layer = 0; by_layer < 2; by_layer++) {
            subject s;
            make_subject(&s, small_model("3 8 8", body, seed), 24, seed);
            s.options.by_layer = by_layer;
            cr_assert(eq(sz, moda_suffix_cut(s.model->net, 0), s.model->net->tracked[0]));
            cr_assert(lt(sz, moda_suffix_cut(s.model->net, 1), s.model->net->tracked[1]));
            cr_assert(eq(sz, moda_suffix_cut(s.model->net, 2), s.model->net->tracked[2]));
            changed += check_all(&s);
            discard(&s);
        }
    cr_assert(ge(sz, changed, 10), "hardly any answer changed: this proves nothing");
}

/* ---- what is asked for ---- */

static const char chain[] = "[conv];name=a;outputs=6;kernel=3;[relu];name=ar;[linear];name=b;"
                            "outputs=9;[relu];name=br;[linear];name=end;outputs=4";

Test(ablate, classes_layers_and_choice_say_which_neurons)
{
    subject s;
    make_subject(&s, small_model("1 6 6", chain, 5), 20, 5);
    const moda_class_tables *t = &s.masks->shape;
    moda_ablate *dropped = NULL, *kept = NULL, *all = NULL;
    size_t layer[] = {1}, outputs[] = {0, 3}, want = 0;
    s.options.layers = (moda_sizes){layer, 1};
    s.options.outputs = (moda_sizes){outputs, 2};
    for (size_t j = 0; j < 2; j++)
        for (size_t u = 0; u < 9; u++) want += !s.masks->values[t->offset[1] + outputs[j] * 9 + u];
    must(moda_ablate_run(&s.options, &dropped));
    s.options.choice = MODA_ABLATE_KEPT;
    must(moda_ablate_run(&s.options, &kept));
    s.options.choice = MODA_ABLATE_ALL;
    must(moda_ablate_run(&s.options, &all));
    cr_assert(eq(sz, dropped->count, want));
    cr_assert(eq(sz, kept->count, 18 - want));
    cr_assert(eq(sz, all->count, 18));
    cr_assert(eq(sz, all->passes_plain, 18 * 5));
    cr_assert(lt(sz, all->passes, all->passes_plain));
    for (size_t i = 0; i < dropped->count; i++) {
        const moda_ablation *item = &dropped->items[i];
        cr_assert(eq(u32, item->layer, 1));
        cr_assert(eq(int, s.masks->values[t->offset[1] + item->output * 9 + item->unit], 0));
    }
    cr_assert(eq(sz, all->samples[0], 5));
    cr_assert(eq(sz, all->samples[1], 0));
    moda_ablate_destroy(dropped);
    moda_ablate_destroy(kept);
    moda_ablate_destroy(all);
    discard(&s);
}

/* Any batch size, and any number of images at a time, gives the same counts. */
Test(ablate, batches_do_not_matter)
{
    moda_ablate *a = NULL, *b = NULL;
    subject s;
    make_subject(&s, small_model("1 6 6", chain, 6), 21, 6);
    must(moda_ablate_run(&s.options, &a));
    s.options.batch_size = 64;
    must(moda_ablate_run(&s.options, &b));
    cr_assert(eq(sz, a->count, b->count));
    cr_assert(eq(int, memcmp(a->items, b->items, a->count * sizeof *a->items), 0));
    moda_ablate_destroy(a);
    moda_ablate_destroy(b);
    discard(&s);
}

/* Masks that drop nothing are a result, not a mistake: accuracy is that of the whole model all the same. */
Test(ablate, nothing_to_switch_off_is_no_failure)
{
    moda_ablate *all = NULL, *none = NULL;
    subject s;
    json_t *json = NULL;
    make_subject(&s, small_model("1 6 6", chain, 9), 40, 9);
    s.options.choice = MODA_ABLATE_ALL;
    must(moda_ablate_run(&s.options, &all));
    s.options.choice = MODA_ABLATE_DROPPED;
    memset(s.masks->values, 1, s.masks->shape.elements);
    for (int by_layer = 0; by_layer < 2; by_layer++) {
        s.options.by_layer = by_layer;
        must(moda_ablate_run(&s.options, &none));
        cr_assert(eq(sz, none->count, 0));
        cr_assert(eq(u64, none->passes_plain, 0));
        size_t right = 0;
        for (size_t k = 0; k < 4; k++) {
            cr_assert(eq(sz, none->samples[k], 10));
            cr_assert(eq(sz, none->correct[k], all->correct[k]));
            right += none->correct[k];
        }
        cr_assert(lt(sz, 0, right), "never right: this proves nothing");
        must(moda_ablate_json(&s.options, none, &json));
        cr_assert(eq(int, (int)json_integer_value(json_object_get(json, "ablations")), 0));
        json_decref(json);
        test_capture(1);
        moda_ablate_print(&s.options, none);
        char *text = test_captured();
        cr_assert(strstr(text, "no neuron to switch off: the masks of these classes drop none") !=
                      NULL,
                  "%s", text);
        free(text);
        moda_ablate_destroy(none);
    }
    moda_ablate_destroy(all);
    discard(&s);
}

Test(ablate, wrong_calls_are_refused)
{
    moda_ablate *r = NULL;
    subject s;
    make_subject(&s, small_model("1 6 6", chain, 7), 3, 7);
    cr_assert(eq(int, moda_ablate_run(&s.options, &r), MODA_ERR_ARG)); /* class 3 has no image */
    cr_assert(strstr(moda_last_error(), "class 3") != NULL, "%s", moda_last_error());
    s.options.outputs.n = 3;
    s.images.width = 5;
    cr_assert(eq(int, moda_ablate_run(&s.options, &r), MODA_ERR_ARG));
    s.images.width = 6;
    s.model->values[s.model->parameters.elements - 1] = NAN;
    cr_assert(eq(int, moda_ablate_run(&s.options, &r), MODA_ERR_NUMERIC));
    cr_assert(r == NULL);
    discard(&s);
}

/* ---- the report ---- */

Test(ablate, changes_fall_into_bins)
{
    static const double change[] = {-0.5, -0.1, -0.07, -0.03, -0.01, -0.004, 0, 0.002, 0.01, 0.4};
    static const size_t bin[] = {0, 0, 1, 2, 2, 3, 4, 5, 6, 6};
    for (size_t i = 0; i < sizeof bin / sizeof *bin; i++)
        cr_assert(eq(sz, moda_ablate_bin(change[i]), bin[i]), "%g", change[i]);
}

Test(ablate, report_names_the_worst_and_counts_all)
{
    moda_ablation items[] = {{0, 0, 3, 9, 1, 0}, {0, 1, 2, 8, 4, 1}, {2, 1, 8, 10, 0, 2}};
    size_t samples[] = {100, 0, 50, 0}, correct[] = {80, 0, 25, 0}, outputs[] = {0, 2};
    moda_ablate r = {3, items, samples, correct, 27, 250, 2};
    subject s;
    make_subject(&s, small_model("1 6 6", chain, 8), 4, 8);
    json_t *json = NULL;
    double mean, worst;
    json_int_t critical, neuron;
    s.options.outputs = (moda_sizes){outputs, 2};
    must(moda_ablate_json(&s.options, &r, &json));
    json_t *first = json_array_get(json_object_get(json, "classes"), 0);
    cr_assert(eq(int,
                 json_unpack(first, "{s:F s:I s:[{s:I s:F}]}", "mean_change", &mean, "critical",
                             &critical, "worst", "neuron", &neuron, "change", &worst),
                 0));
    cr_assert(epsilon_eq(dbl, mean, -0.02, 1e-12));
    cr_assert(epsilon_eq(dbl, worst, -0.03, 1e-12));
    cr_assert(eq(int, (int)neuron, 2));
    cr_assert(eq(int, (int)critical, 2));
    json_decref(json);
    must(moda_ablate_write_csv(test_path("a.csv"), &s.options, &r));
    char *csv = test_read(test_path("a.csv"));
    cr_assert(strstr(csv, "0,1,\"br\",2,100,8,4,1,-0.030000\n") != NULL, "%s", csv);
    free(csv);
    discard(&s);
}
