/* Modules of models with masks of their own (MwT). The oracle is the network without its masks, in
 * f64 loops, with the channels that the masks drop forced to zero where the masks were. */
#include "decompose/compose.h"
#include "decompose/metrics.h"
#include "decompose/strip.h"
#include "tests/formula.h"
#include "tests/mwt_subject.h"
#include "tests/plain.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(mwt_slice, .timeout = 120);

enum { ROUNDS = 150 };

/* A model, what its modules are cut from, masks, and the module of two classes. */
typedef struct cut {
    moda_model *masked, *plain, *module;
    moda_masks *masks;
    moda_kept *kept;
    char *text; /* of the network, for messages */
} cut;

static const size_t classes[] = {3, 1};

/* False: nothing to mask. Takes the model over. */
static bool slice(moda_model *model, random_source *s, size_t share, cut *c)
{
    *c = (cut){.masked = mwt_add_masks(model)};
    if (!c->masked) return false;
    cr_assert(eq(int, moda_net_print(c->masked->net, &c->text), MODA_OK));
    c->masks = mwt_random_masks(s, c->masked, share);
    cr_assert(eq(int, moda_model_strip(c->masked, &c->plain), MODA_OK), "%s", moda_last_error());
    cr_assert(eq(int, moda_kept_of_classes(c->plain->net, c->masks, classes, 2, &c->kept), MODA_OK),
              "%s\n%s", moda_last_error(), c->text);
    cr_assert(eq(int, moda_compose(c->plain, c->masks, classes, 2, &c->module), MODA_OK), "%s\n%s",
              moda_last_error(), c->text);
    return true;
}

static void release(cut *c)
{
    moda_kept_destroy(c->kept);
    moda_masks_destroy(c->masks);
    moda_model_destroy(c->module);
    moda_model_destroy(c->plain);
    moda_model_destroy(c->masked);
    free(c->text);
}

/* Masks in force per layer of the plain network; the layers that multiply found by their names. */
static uint8_t **forced_masks(const cut *c)
{
    const moda_net *masked = c->masked->net, *plain = c->plain->net;
    uint8_t **keep = calloc(plain->layer_count, sizeof *keep);
    for (size_t k = 0; k < masked->mask_count; k++) {
        const moda_layer *from = &masked->layers[masked->layers[masked->masks[k]].input[0]];
        size_t i = 0;
        while (strcmp(plain->layers[i].name, from->name) != 0) i++;
        const uint8_t *table = c->masks->values + c->masks->shape.offset[k];
        keep[i] = calloc(from->shape.c, 1);
        for (size_t u = 0; u < from->shape.c; u++)
            keep[i][u] =
                table[classes[0] * from->shape.c + u] | table[classes[1] * from->shape.c + u];
    }
    return keep;
}

static void free_masks(const moda_net *net, uint8_t **keep)
{
    for (size_t i = 0; i < net->layer_count; i++) free(keep[i]);
    free(keep);
}

/* A batch norm or depthwise convolution that no mask follows makes constants of dropped channels,
 * which modules drop with them (docs/decomposition.md). None of the published networks has one. */
static bool makes_constants(const moda_net *net)
{
    bool first = true, makes = false;
    for (size_t i = 1; i < net->layer_count; i++) {
        const moda_layer *l = &net->layers[i],
                         *next = &net->layers[i + 1 < net->layer_count ? i + 1 : i];
        const bool norm = l->kind == MODA_LAYER_BATCHNORM;
        if (norm && net->layers[l->input[0]].kind != MODA_LAYER_CONV) makes = true;
        if (norm && next->kind != MODA_LAYER_MASK && !first) makes = true;
        if (norm) first = false;
        if (moda_kept_depthwise(net, i) && next->kind != MODA_LAYER_BATCHNORM) makes = true;
    }
    return makes;
}

static void check_equal(const cut *c, random_source *s, uint8_t *const *keep, size_t *changed)
{
    double whole[5], want[5], got[5];
    float *x = random_image(s, c->plain->net, 1);
    uint8_t **none = calloc(c->plain->net->layer_count, sizeof *none);
    cr_assert(eq(sz, c->module->net->classes, 5), "all outputs stay");
    plain_forward(c->plain, x, NULL, whole);
    plain_forward_layers(c->plain, x, (const uint8_t *const *)keep, want);
    plain_forward(c->module, x, NULL, got);
    for (size_t k = 0; k < 5; k++)
        cr_assert(eq(dbl, got[k], want[k]), "output %zu of\n%s", k, c->text);
    *changed += memcmp(whole, want, sizeof want) != 0;
    free(none);
    free(x);
}

Test(mwt_slice, module_equals_the_plain_network_zeroed_where_masks_were)
{
    random_source s = random_seed(41);
    size_t checked = 0, changed = 0;
    for (int round = 0; round < 4 * ROUNDS; round++) {
        cut c;
        if (!slice(random_graph(&s, true), &s, 2 + random_below(&s, 2), &c)) continue;
        if (!makes_constants(c.masked->net)) {
            uint8_t **keep = forced_masks(&c);
            check_equal(&c, &s, keep, &changed);
            free_masks(c.plain->net, keep);
            checked++;
        }
        release(&c);
    }
    cr_assert(checked > 30 && changed > checked / 2, "%zu checked, %zu changed", checked, changed);
}

/* Any graph: each layer forced to what it keeps. */
Test(mwt_slice, module_equals_the_plain_network_with_every_layer_masked)
{
    random_source s = random_seed(42);
    size_t checked = 0, changed = 0;
    for (int round = 0; round < 2 * ROUNDS; round++) {
        cut c;
        if (!slice(random_graph(&s, false), &s, 2, &c)) continue;
        const size_t n = c.plain->net->layer_count;
        uint8_t **keep = calloc(n, sizeof *keep);
        for (size_t i = 0; i < n; i++) {
            keep[i] = calloc(c.kept->out[i].of, 1);
            for (size_t j = 0; j < c.kept->out[i].count; j++) keep[i][c.kept->out[i].index[j]] = 1;
        }
        check_equal(&c, &s, keep, &changed);
        free_masks(c.plain->net, keep);
        cr_assert(
            eq(sz, moda_module_parameters(c.plain->net, c.kept), c.module->parameters.trainable));
        cr_assert(
            eq(u64, moda_module_flops(c.plain->net, c.kept), moda_network_flops(c.module->net)));
        checked++;
        release(&c);
    }
    cr_assert(checked > 100 && changed > checked / 2, "%zu checked, %zu changed", checked, changed);
}

/* ---- sizes, counted as the authors of MwT cut ---- */

static size_t ones(const uint8_t *mask, size_t n)
{
    size_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += mask[i];
    return sum;
}

/* The union of the two classes' masks of the [mask] behind batch norm `name`. */
static uint8_t *union_of(const cut *c, const char *name, size_t *n)
{
    const moda_net *net = c->masked->net;
    size_t k = 0;
    while (strcmp(net->layers[net->layers[net->masks[k]].input[0]].name, name) != 0) k++;
    *n = net->layers[net->masks[k]].shape.c;
    uint8_t *mask = calloc(*n, 1);
    moda_masks_union(c->masks, k, classes, 2, mask);
    return mask;
}

static size_t count_of(const cut *c, const char *name)
{
    size_t n;
    uint8_t *mask = union_of(c, name, &n);
    const size_t count = ones(mask, n);
    free(mask);
    return count;
}

/* The first convolution is whole, every other keeps its mask's outputs and the one's before it as
 * inputs; hidden linear layers and all outputs of the classifier stay. */
Test(mwt_slice, vgg16_is_cut_as_published)
{
    static const int norms[] = {4, 8, 11, 15, 18, 21, 25, 28, 31, 35, 38, 41};
    random_source s = random_seed(43);
    cut c;
    cr_assert(slice(formula_model("vgg16", 10), &s, 5, &c));
    size_t before = 64, want = 64 * 27 + 64 + 128;
    for (size_t i = 0; i < sizeof norms / sizeof *norms; i++) {
        char name[32];
        snprintf(name, sizeof name, "features.%d", norms[i]);
        const size_t n = count_of(&c, name);
        want += n * (before * 9 + 1) + 2 * n;
        before = n;
    }
    want += 4096 * (before + 1) + 4096 * 4097 + 10 * 4097;
    cr_assert(eq(sz, c.module->parameters.trainable, want));
    cr_assert(eq(sz, moda_network_parameters(c.plain->net), 33646666), "masks are not counted");
    release(&c);
}

/* A block's output has the channels of its second convolution and those of the branch beside it,
 * or of the block before; that is what the next block reads. */
Test(mwt_slice, resnet18_is_cut_as_published)
{
    random_source s = random_seed(44);
    cut c;
    cr_assert(slice(formula_model("resnet18", 10), &s, 4, &c));
    size_t want = 64 * 27 + 2 * 64, wide = 64, n;
    uint8_t *flow = malloc(512);
    memset(flow, 1, 512);
    for (int layer = 1; layer <= 4; layer++)
        for (int block = 0; block < 2; block++) {
            char name[48];
            const size_t in = ones(flow, wide);
            snprintf(name, sizeof name, "layer%d.%d.bn1", layer, block);
            const size_t first = count_of(&c, name);
            snprintf(name, sizeof name, "layer%d.%d.bn2", layer, block);
            uint8_t *second = union_of(&c, name, &n);
            want += first * in * 9 + 2 * first + ones(second, n) * first * 9 + 2 * ones(second, n);
            if (layer > 1 && block == 0) {
                snprintf(name, sizeof name, "layer%d.0.downsample.1", layer);
                uint8_t *beside = union_of(&c, name, &n);
                want += ones(beside, n) * in + 2 * ones(beside, n);
                memcpy(flow, beside, n);
                free(beside);
            }
            wide = n;
            for (size_t i = 0; i < n; i++) flow[i] |= second[i];
            free(second);
        }
    want += 10 * (ones(flow, 512) + 1);
    cr_assert(eq(sz, c.module->parameters.trainable, want));
    free(flow);
    release(&c);
}

/* ---- masks out of rates ---- */

static moda_rates *rates_of(const moda_net *net, float value)
{
    moda_rates *rates = NULL;
    cr_assert(eq(int, moda_rates_create(net, &rates), MODA_OK), "%s", moda_last_error());
    for (size_t i = 0; i < rates->shape.elements; i++) rates->values[i] = value;
    return rates;
}

Test(mwt_slice, thresholds_are_lowered_only_where_nothing_is_kept)
{
    moda_model *model = mwt_model();
    moda_rates *rates = rates_of(model->net, 0.1f);
    moda_masks *masks = NULL;
    const size_t units = rates->shape.units[0];
    float *first = rates->values + rates->shape.offset[0]; /* of class 0; class 1 behind it */
    first[3] = 0.9f, first[4] = 0.89f;                     /* as it is */
    first[units + 1] = 0.7f, first[units + 2] = 0.71f;     /* steps to 0.7 */
    first[2 * units + 5] = 0.4999f;                        /* 0.45 */
    for (size_t k = 0; k < units; k++) first[3 * units + k] = k == 2 ? 1e-4f : 0; /* the last one */
    cr_assert(eq(int, moda_masks_from_rates(model->net, rates, 0.9, 0.5, &masks), MODA_OK), "%s",
              moda_last_error());
    const uint8_t *m = masks->values + masks->shape.offset[0];
    for (size_t k = 0; k < units; k++) {
        cr_assert(eq(int, m[k], k == 3), "class 0, %zu", k);
        cr_assert(eq(int, m[units + k], k == 1 || k == 2), "class 1, %zu", k);
        cr_assert(eq(int, m[2 * units + k], k == 5), "class 2, %zu", k);
        cr_assert(eq(int, m[3 * units + k], k == 2), "class 3, %zu", k);
        cr_assert(eq(int, m[4 * units + k], 1), "class 4, %zu: all have 0.1", k);
    }
    moda_masks_destroy(masks);
    for (size_t k = 0; k < units; k++) first[3 * units + k] = 0;
    cr_assert(
        eq(int, moda_masks_from_rates(model->net, rates, 0.9, 0, &masks), MODA_ERR_UNSUPPORTED));
    cr_assert(strstr(moda_last_error(), "'b2.mask'") && strstr(moda_last_error(), "output 3"), "%s",
              moda_last_error());
    moda_rates_destroy(rates);
    moda_model_destroy(model);
}

/* ---- masks by hand that no module can do without ---- */

static moda_status shape_of(const char *text)
{
    moda_net *net = NULL;
    moda_class_tables shape = {0};
    cr_assert(eq(int, moda_net_parse(text, "test", (moda_net_defaults){0}, &net), MODA_OK), "%s",
              moda_last_error());
    const moda_status st = moda_class_tables_shape(net, &shape);
    moda_class_tables_free(&shape);
    moda_net_destroy(net);
    return st;
}

Test(mwt_slice, a_mask_that_others_pass_by_is_refused)
{
    const moda_status st =
        shape_of("[net]\ninput = 3 4 4\nclasses = 2\n[conv]\nname = c\noutputs = 5\nkernel = 1\n"
                 "[avgpool]\nname = g\nkernel = global\n[linear]\nname = f\noutputs = 5\n"
                 "[mask]\nname = m\nfrom = c, f\n[linear]\nname = e\noutputs = classes\n");
    cr_assert(eq(int, st, MODA_ERR_UNSUPPORTED)); /* the pool reads c, too */
    cr_assert(strstr(moda_last_error(), "'m'") && strstr(moda_last_error(), "'c'"), "%s",
              moda_last_error());
}
