#include "base/json.h"
#include "base/rng.h"
#include "decompose/compose.h"
#include "decompose/metrics.h"
#include "decompose/slice.h"
#include "engine/model_data.h"
#include "tests/capture.h"
#include "tests/formula.h"
#include "tests/plain.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(slice, .timeout = 60);
TestSuite(slice_files, .init = (void (*)(void))test_folder, .fini = test_folder_remove,
          .timeout = 60);

static moda_net *parse(const char *text)
{
    moda_net *net = NULL;
    cr_assert(eq(int, moda_net_parse(text, "test", (moda_net_defaults){0}, &net), MODA_OK),
              "%s\n%s", moda_last_error(), text);
    return net;
}

/* ---- random chains of layers, random masks ---- */

typedef struct source {
    moda_rng rng;
    uint64_t at;
} source;

static size_t draw(source *s, size_t bound)
{
    return (size_t)moda_rng_below(s->rng, s->at++, bound);
}

/* Convolutions with and without padding, stride, bias, batch norm, ReLU and pools in any order that
 * the rules allow, then linear layers with and without ReLU. */
static moda_net *random_net(source *s)
{
    char *text = NULL;
    size_t size = 0, side = 6 + draw(s, 5), layer = 0;
    FILE *f = open_memstream(&text, &size);
    fprintf(f, "[net]\nname = random\ninput = %zu %zu %zu\nclasses = 5\n", 1 + draw(s, 3), side,
            side);
    if (draw(s, 4) == 0) fprintf(f, "[batchnorm]\nname = l%zu\n", layer++);
    for (size_t i = 1 + draw(s, 3); i > 0; i--) {
        const size_t kernel = 1 + 2 * draw(s, 2), stride = side > 4 ? 1 + draw(s, 2) : 1;
        const bool pool_first = draw(s, 4) == 0;
        fprintf(f,
                "[conv]\nname = l%zu\noutputs = %zu\nkernel = %zu\nstride = %zu\npadding = %zu\n"
                "bias = %s\n",
                layer++, 2 + draw(s, 7), kernel, stride, kernel / 2, draw(s, 2) ? "yes" : "no");
        side = (side - 1) / stride + 1;
        if (draw(s, 2)) fprintf(f, "[batchnorm]\nname = l%zu\n", layer++);
        for (int turn = 0; turn < 2; turn++) {
            if (turn == pool_first && draw(s, 4)) fprintf(f, "[relu]\nname = l%zu\n", layer++);
            if (turn == pool_first || side < 4 || draw(s, 2)) continue;
            fprintf(f, "[%s]\nname = l%zu\nkernel = 2\n", draw(s, 2) ? "maxpool" : "avgpool",
                    layer++);
            side /= 2;
        }
    }
    for (size_t i = draw(s, 3); i > 0; i--) {
        fprintf(f, "[linear]\nname = l%zu\noutputs = %zu\n", layer++, 3 + draw(s, 9));
        if (draw(s, 4)) fprintf(f, "[relu]\nname = l%zu\n", layer++);
    }
    fprintf(f, "[linear]\nname = l%zu\noutputs = 5\nbias = %s\n", layer, draw(s, 2) ? "yes" : "no");
    fclose(f);
    moda_net *net = parse(text);
    free(text);
    return net;
}

static moda_model *random_model(source *s)
{
    moda_model *model = NULL;
    cr_assert(eq(int, moda_model_create(random_net(s), &model), MODA_OK), "%s", moda_last_error());
    formula_fill(model);
    for (size_t i = 0; i < model->parameters.elements; i++) /* not the same for each network */
        model->values[i] *= 0.5f + (float)moda_rng_unit(s->rng, s->at++);
    return model;
}

/* At least one channel each, about two thirds. */
static uint8_t **random_masks(const moda_net *net, source *s)
{
    uint8_t **keep = calloc(net->tracked_count + 1, sizeof *keep);
    for (size_t l = 0; l < net->tracked_count; l++) {
        const size_t units = net->layers[net->tracked[l]].shape.c;
        keep[l] = calloc(units, 1);
        for (size_t k = 0; k < units; k++) keep[l][k] = draw(s, 3) > 0;
        keep[l][draw(s, units)] = 1;
    }
    return keep;
}

static void free_masks(const moda_net *net, uint8_t **keep)
{
    for (size_t l = 0; l < net->tracked_count; l++) free(keep[l]);
    free(keep);
}

static float *random_input(const moda_net *net, source *s)
{
    const size_t n = net->input.c * net->input.h * net->input.w;
    float *x = calloc(n, sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = (float)moda_rng_normal(s->rng, s->at++);
    return x;
}

/* A dropped channel and a channel that is zero are the same to every later layer. */
Test(slice, module_equals_the_network_with_dropped_channels_forced_to_zero)
{
    source s = {moda_rng_make(5, MODA_RNG_TEST, 0), 0};
    size_t sliced = 0, changed = 0;
    for (int round = 0; round < 200; round++) {
        moda_model *model = random_model(&s), *module = NULL;
        uint8_t **keep = random_masks(model->net, &s);
        const uint8_t *const *k = (const uint8_t *const *)keep;
        moda_kept *kept = NULL;
        const size_t classes[] = {4, 1, 2}, sorted[] = {1, 2, 4};
        cr_assert(eq(int, moda_kept_create(model->net, k, classes, 3, &kept), MODA_OK), "%s",
                  moda_last_error());
        cr_assert(eq(int, moda_slice(model, kept, 0.9, &module), MODA_OK), "%s", moda_last_error());
        cr_assert(eq(sz, module->net->classes, 3));
        cr_assert(eq(sz, moda_module_parameters(model->net, kept), module->parameters.trainable));
        cr_assert(eq(u64, moda_module_flops(model->net, kept), moda_network_flops(module->net)));
        float *x = random_input(model->net, &s);
        double whole[5], masked[5], part[3];
        plain_forward(model, x, NULL, whole);
        plain_forward(model, x, k, masked);
        plain_forward(module, x, NULL, part);
        for (size_t i = 0; i < 3; i++)
            cr_assert(eq(dbl, part[i], masked[sorted[i]]), "round %d, output %zu", round, i);
        sliced += module->parameters.trainable < model->parameters.trainable * 3 / 4;
        changed += masked[1] != whole[1];
        free(x);
        free_masks(model->net, keep);
        moda_kept_destroy(kept);
        moda_model_destroy(module);
        moda_model_destroy(model);
    }
    cr_assert(sliced > 100 && changed > 100, "only %zu of 200 sliced, %zu changed", sliced,
              changed);
}

Test(slice, everything_kept_gives_the_model_bit_for_bit)
{
    source s = {moda_rng_make(6, MODA_RNG_TEST, 0), 0};
    for (int round = 0; round < 50; round++) {
        moda_model *model = random_model(&s), *module = NULL;
        moda_kept *kept = NULL;
        char *a = NULL, *b = NULL;
        cr_assert(eq(int, moda_kept_create_all(model->net, &kept), MODA_OK));
        cr_assert(eq(int, moda_slice(model, kept, 0.9, &module), MODA_OK), "%s", moda_last_error());
        cr_assert(eq(sz, module->parameters.elements, model->parameters.elements));
        cr_assert(zero(int, memcmp(module->values, model->values,
                                   model->parameters.elements * sizeof *model->values)));
        cr_assert(eq(int, moda_net_print(model->net, &a), MODA_OK));
        cr_assert(eq(int, moda_net_print(module->net, &b), MODA_OK));
        cr_assert(zero(int, strcmp(a, b)), "%s\n%s", a, b);
        free(a);
        free(b);
        moda_kept_destroy(kept);
        moda_model_destroy(module);
        moda_model_destroy(model);
    }
}

/* ---- structures that cannot be sliced ---- */

static void check_refused(const char *layers, const char *word)
{
    char text[1024];
    uint8_t ones[64];
    memset(ones, 1, sizeof ones);
    const uint8_t *keep[] = {ones, ones, ones, ones};
    moda_kept *kept = NULL;
    snprintf(text, sizeof text, "[net]\nname = t\ninput = 2 4 4\nclasses = 3\n%s", layers);
    moda_net *net = parse(text);
    moda_status st = moda_kept_create(net, keep, (size_t[]){0}, 1, &kept);
    cr_assert(eq(int, st, MODA_ERR_UNSUPPORTED), "%s", layers);
    cr_assert(strstr(moda_last_error(), word) != NULL, "no %s in: %s", word, moda_last_error());
    cr_assert(strchr(moda_last_error(), '\n') == NULL);
    moda_net_destroy(net);
}

Test(slice, what_cannot_be_sliced_names_the_layer)
{
    check_refused("[conv]\nname = a\noutputs = 4\nkernel = 3\npadding = 1\n[relu]\nname = r\n"
                  "[conv]\nname = deep\noutputs = 4\nkernel = 3\npadding = 1\ngroups = 2\n"
                  "[relu]\nname = q\n[linear]\nname = b\noutputs = 3\n",
                  "'deep'");
    check_refused("[conv]\nname = wide\noutputs = 4\nkernel = 3\ngroups = depthwise\n"
                  "[relu]\nname = q\n[linear]\nname = b\noutputs = 3\n",
                  "'wide'");
    check_refused("[conv]\nname = a\noutputs = 3\nkernel = 3\n[relu]\nname = top\n"
                  "[avgpool]\nname = p\nkernel = global\n",
                  "'top'");
    check_refused("[linear]\nname = a\noutputs = 3\n[relu]\nname = side\n"
                  "[linear]\nname = b\noutputs = 3\n[add]\nname = s\nfrom = b, side\n",
                  "'side'");
    check_refused("[linear]\nname = a\noutputs = 2\n[linear]\nname = b\nfrom = input\n"
                  "outputs = 1\n[concat]\nname = both\nfrom = a, b\n",
                  "'both' is a [concat]");
    check_refused("[linear]\nname = a\noutputs = 3\n[softmax]\nname = shares\n",
                  "'shares' is a [softmax]");
}

Test(slice, empty_masks_and_wrong_classes_are_refused)
{
    moda_net *net = parse("[net]\nname = t\ninput = 2 1 1\nclasses = 3\n[linear]\nname = a\n"
                          "outputs = 4\n[relu]\nname = r\n[linear]\nname = b\noutputs = 3\n");
    const uint8_t none[4] = {0}, one[4] = {0, 1, 0, 0};
    const uint8_t *keep_none[] = {none}, *keep_one[] = {one};
    moda_kept *kept = NULL;
    cr_assert(
        eq(int, moda_kept_create(net, keep_none, (size_t[]){0}, 1, &kept), MODA_ERR_UNSUPPORTED));
    cr_assert(strstr(moda_last_error(), "'a'") != NULL, "%s", moda_last_error());
    cr_assert(eq(int, moda_kept_create(net, keep_one, (size_t[]){3}, 1, &kept), MODA_ERR_ARG));
    cr_assert(eq(int, moda_kept_create(net, keep_one, NULL, 0, &kept), MODA_ERR_ARG));
    cr_assert(eq(ptr, kept, NULL));
    moda_net_destroy(net);
}

/* ---- composition and its file ---- */

static moda_model *lenet(void)
{
    moda_model *model = formula_model("lenet5", 10);
    char name[16];
    for (size_t k = 0; k < 10; k++) {
        snprintf(name, sizeof name, "class %c", (char)('a' + k));
        model->class_names[k] = strdup(name);
    }
    return model;
}

static moda_masks *lenet_masks(const moda_model *model)
{
    moda_masks *masks = NULL;
    source s = {moda_rng_make(8, MODA_RNG_TEST, 0), 0};
    cr_assert(eq(int, moda_masks_create(model->net, &masks), MODA_OK));
    for (size_t i = 0; i < masks->shape.elements; i++) masks->values[i] = draw(&s, 3) == 0;
    for (size_t l = 0; l < masks->shape.layers; l++) /* nothing is empty */
        for (size_t c = 0; c < 10; c++)
            masks->values[masks->shape.offset[l] + c * masks->shape.units[l]] = 1;
    masks->tau = 0.9;
    return masks;
}

static char *composed_bytes(const moda_model *model, const moda_masks *masks, const size_t *classes,
                            size_t n, long *size)
{
    moda_model *module = NULL;
    const char *path = test_path("composed.safetensors");
    cr_assert(eq(int, moda_compose(model, masks, classes, n, &module), MODA_OK), "%s",
              moda_last_error());
    cr_assert(eq(int, moda_model_save(module, path), MODA_OK), "%s", moda_last_error());
    moda_model_destroy(module);
    FILE *f = fopen(path, "rb");
    fseek(f, 0, SEEK_END);
    *size = ftell(f);
    rewind(f);
    char *bytes = malloc((size_t)*size);
    cr_assert(eq(sz, fread(bytes, 1, (size_t)*size, f), (size_t)*size));
    fclose(f);
    return bytes;
}

Test(slice_files, order_of_classes_does_not_matter)
{
    moda_model *model = lenet();
    moda_masks *masks = lenet_masks(model);
    const size_t orders[][3] = {{0, 3, 5}, {5, 3, 0}, {3, 0, 5}}, other[] = {0, 3, 6};
    long size, first_size;
    char *first = composed_bytes(model, masks, orders[0], 3, &first_size);
    for (size_t i = 1; i < 3; i++) {
        char *bytes = composed_bytes(model, masks, orders[i], 3, &size);
        cr_assert(eq(long, size, first_size));
        cr_assert(zero(int, memcmp(bytes, first, (size_t)size)), "order %zu", i);
        free(bytes);
    }
    char *bytes = composed_bytes(model, masks, other, 3, &size);
    cr_assert(size != first_size || memcmp(bytes, first, (size_t)size) != 0);
    free(bytes);
    free(first);
    moda_masks_destroy(masks);
    moda_model_destroy(model);
}

/* Read back, a module knows its classes and its parent, and gives the same logits. */
Test(slice_files, module_loads_without_its_parent)
{
    moda_model *model = lenet(), *module = NULL, *back = NULL;
    moda_masks *masks = lenet_masks(model);
    const char *path = test_path("module.safetensors");
    cr_assert(eq(int, moda_compose(model, masks, (size_t[]){7, 2}, 2, &module), MODA_OK), "%s",
              moda_last_error());
    cr_assert(eq(int, moda_model_save(module, path), MODA_OK), "%s", moda_last_error());
    cr_assert(eq(int, moda_model_open(path, (moda_net_defaults){0}, &back), MODA_OK), "%s",
              moda_last_error());
    cr_assert(eq(sz, back->net->classes, 2));
    cr_assert(eq(u32, back->class_ids[0], 2));
    cr_assert(eq(u32, back->class_ids[1], 7));
    cr_assert(zero(int, strcmp(back->class_names[0], "class c")));
    cr_assert(zero(int, strcmp(back->class_names[1], "class h")));
    cr_assert(zero(int, memcmp(back->mean, model->mean, sizeof model->mean)));
    cr_assert(zero(int, memcmp(back->std, model->std, sizeof model->std)));
    json_t *info = json_loads(back->module, 0, NULL);
    cr_assert(eq(long, (long)json_integer_value(json_object_get(info, "parent_parameters")),
                 (long)model->parameters.trainable));
    cr_assert(eq(dbl, json_real_value(json_object_get(info, "tau")), 0.9));
    cr_assert(eq(sz, json_array_size(json_object_get(info, "kept")), 4));
    for (size_t l = 0; l < 4; l++)
        cr_assert(eq(sz, json_array_size(json_array_get(json_object_get(info, "kept"), l)),
                     back->net->layers[back->net->tracked[l]].shape.c));
    json_decref(info);
    source s = {moda_rng_make(9, MODA_RNG_TEST, 0), 0};
    float *x = random_input(model->net, &s);
    double a[2], b[2];
    plain_forward(module, x, NULL, a);
    plain_forward(back, x, NULL, b);
    cr_assert(a[0] == b[0] && a[1] == b[1] && a[0] != a[1] && isfinite(a[0]));
    free(x);
    moda_masks_destroy(masks);
    moda_model_destroy(back);
    moda_model_destroy(module);
    moda_model_destroy(model);
}

/* A module of a module keeps the class numbers of the first model. */
Test(slice_files, modules_of_modules_keep_class_numbers)
{
    moda_model *model = lenet(), *part = NULL, *single = NULL;
    moda_masks *masks = lenet_masks(model), *part_masks = NULL;
    cr_assert(eq(int, moda_compose(model, masks, (size_t[]){1, 4, 9}, 3, &part), MODA_OK));
    cr_assert(eq(int, moda_masks_create(part->net, &part_masks), MODA_OK));
    memset(part_masks->values, 1, part_masks->shape.elements);
    moda_sizes list = {NULL, 0};
    cr_assert(eq(int, moda_sizes_parse("classes", "9,4", &list), MODA_OK));
    cr_assert(eq(int, moda_model_outputs(part, "classes", &list), MODA_OK));
    cr_assert(list.values[0] == 1 && list.values[1] == 2);
    cr_assert(eq(int, moda_compose(part, part_masks, list.values, 2, &single), MODA_OK));
    cr_assert(eq(u32, single->class_ids[0], 4));
    cr_assert(eq(u32, single->class_ids[1], 9));
    const char *wrong[] = {"4,4", "2", "10", "99,1"};
    for (size_t i = 0; i < 4; i++) {
        moda_sizes bad = {NULL, 0};
        cr_assert(eq(int, moda_sizes_parse("classes", wrong[i], &bad), MODA_OK));
        cr_assert(eq(int, moda_model_outputs(part, "classes", &bad), MODA_ERR_ARG), "%s", wrong[i]);
        free(bad.values);
    }
    free(list.values);
    moda_masks_destroy(masks);
    moda_masks_destroy(part_masks);
    moda_model_destroy(single);
    moda_model_destroy(part);
    moda_model_destroy(model);
}
