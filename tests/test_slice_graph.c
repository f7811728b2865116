/* tests/test_slice_graph.c - slicing of general graphs: residual, depthwise, several branches. The
 * oracle is the whole network in f64 loops with dropped channels forced to zero; since what is left
 * out is exactly zero, results agree to the bit. Chains of layers are in test_slice.c. */
#include "decompose/metrics.h"
#include "decompose/slice.h"
#include "tests/capture.h"
#include "tests/plain.h"
#include "tests/random_graph.h"
#include "tests/small_net.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(slice_graph, .timeout = 120);
TestSuite(slice_graph_files, .init = (void (*)(void))test_folder, .fini = test_folder_remove,
          .timeout = 60);

enum { ROUNDS = 400 };
static const size_t classes[] = {4, 1, 2}, sorted[] = {1, 2, 4};

/* A network, its masks and its module. */
typedef struct cut {
    moda_model *model, *module;
    uint8_t **keep;
    moda_kept *kept;
    char *text; /* of the network, for messages */
} cut;

static const uint8_t *const *masks_of(const cut *c)
{
    return (const uint8_t *const *)c->keep;
}

/* Takes the model over. */
static cut slice(moda_model *model, random_source *s, const size_t *list, size_t count)
{
    cut c = {.model = model};
    cr_assert(eq(int, moda_net_print(model->net, &c.text), MODA_OK));
    c.keep = random_keep(s, model->net, 2 + random_below(s, 3));
    cr_assert(eq(int, moda_kept_create(model->net, masks_of(&c), list, count, &c.kept), MODA_OK),
              "%s\n%s", moda_last_error(), c.text);
    cr_assert(eq(int, moda_slice(model, c.kept, 0.9, &c.module), MODA_OK), "%s\n%s",
              moda_last_error(), c.text);
    return c;
}

static void release(cut *c)
{
    random_keep_free(c->model->net, c->keep);
    moda_kept_destroy(c->kept);
    moda_model_destroy(c->module);
    moda_model_destroy(c->model);
    free(c->text);
}

static size_t count_kind(const moda_net *net, moda_layer_kind kind)
{
    size_t n = 0;
    for (size_t i = 0; i < net->layer_count; i++) n += net->layers[i].kind == kind;
    return n;
}

/* The module's logits are those of the whole network masked at its ReLUs. Changed: the masks matter. */
static bool check_masked(const cut *c, random_source *s, const size_t *outputs, int round)
{
    double whole[5], masked[5], part[5];
    bool changed = false;
    float *x = random_image(s, c->model->net, 1);
    plain_forward(c->model, x, NULL, whole);
    plain_forward(c->model, x, masks_of(c), masked);
    plain_forward(c->module, x, NULL, part);
    for (size_t k = 0; k < c->module->net->classes; k++) {
        cr_assert(eq(dbl, part[k], masked[outputs[k]]), "round %d, output %zu of\n%s", round, k,
                  c->text);
        changed |= masked[outputs[k]] != whole[outputs[k]];
    }
    free(x);
    return changed;
}

Test(slice_graph, module_equals_the_network_masked_at_its_relus)
{
    random_source s = random_seed(1);
    size_t changed = 0, selects = 0, adds = 0;
    for (int round = 0; round < ROUNDS; round++) {
        cut c = slice(random_graph(&s, true), &s, classes, 3);
        changed += check_masked(&c, &s, sorted, round);
        selects += count_kind(c.module->net, MODA_LAYER_SELECT) > 0;
        adds += count_kind(c.module->net, MODA_LAYER_ADD) > 0;
        release(&c);
    }
    cr_assert(changed > ROUNDS / 2 && selects > ROUNDS / 4 && adds > ROUNDS / 4,
              "%zu changed, %zu with a select, %zu with an addition", changed, selects, adds);
}

/* A module is a network like any other, selects and all. */
Test(slice_graph, modules_of_modules)
{
    random_source s = random_seed(2);
    size_t changed = 0, selects = 0;
    for (int round = 0; round < ROUNDS; round++) {
        cut c = slice(random_graph(&s, true), &s, classes, 3);
        moda_model *module = c.module;
        c.module = NULL;
        selects += count_kind(module->net, MODA_LAYER_SELECT) > 0;
        cut inner = slice(module, &s, (size_t[]){2, 0}, 2);
        changed += check_masked(&inner, &s, (size_t[]){0, 2}, round);
        release(&inner);
        release(&c);
    }
    cr_assert(changed > ROUNDS / 3 && selects > ROUNDS / 4, "%zu changed, %zu with a select",
              changed, selects);
}

/* Batch norm and depthwise convolutions that no mask decides about lose the channels that they cannot
 * read, though they would make constants of them: here each layer is forced to what it keeps. */
Test(slice_graph, module_equals_the_network_with_every_layer_masked)
{
    random_source s = random_seed(3);
    size_t differs = 0;
    for (int round = 0; round < ROUNDS; round++) {
        cut c = slice(random_graph(&s, false), &s, classes, 3);
        const moda_net *net = c.model->net;
        uint8_t **every = calloc(net->layer_count, sizeof *every);
        double forced[5], masked[5], part[5];
        float *x = random_image(&s, net, 1);
        for (size_t i = 0; i < net->layer_count; i++) {
            const moda_channels *out = &c.kept->out[i];
            every[i] = calloc(out->of, 1);
            for (size_t j = 0; j < out->count; j++) every[i][out->index[j]] = 1;
        }
        plain_forward_layers(c.model, x, (const uint8_t *const *)every, forced);
        plain_forward(c.model, x, masks_of(&c), masked);
        plain_forward(c.module, x, NULL, part);
        for (size_t k = 0; k < 3; k++) {
            cr_assert(eq(dbl, part[k], forced[sorted[k]]), "round %d, output %zu of\n%s", round, k,
                      c.text);
            differs += part[k] != masked[sorted[k]];
        }
        for (size_t i = 0; i < net->layer_count; i++) free(every[i]);
        free(every);
        free(x);
        release(&c);
    }
    cr_assert(lt(sz, 0, differs), "no network here shows the difference");
}

/* ---- no more than is needed ---- */

static void check_selects(const cut *c)
{
    const moda_net *net = c->module->net;
    for (size_t i = 0; i < net->layer_count; i++) {
        const moda_layer *l = &net->layers[i];
        size_t same = 0;
        if (l->kind != MODA_LAYER_SELECT) continue;
        while (same < l->shape.c && l->channels[same] == same) same++;
        cr_assert(same < l->shape.c || net->layers[l->input[0]].shape.c > same,
                  "'%s' selects everything in a module of\n%s", l->name, c->text);
        for (size_t j = 0; j < i; j++) {
            const moda_layer *o = &net->layers[j];
            cr_assert(o->kind != MODA_LAYER_SELECT || o->input[0] != l->input[0] ||
                          o->shape.c != l->shape.c ||
                          memcmp(o->channels, l->channels, l->shape.c * sizeof *l->channels) != 0,
                      "'%s' and '%s' select the same in a module of\n%s", o->name, l->name,
                      c->text);
        }
    }
}

Test(slice_graph, figures_are_those_of_the_module_and_selects_are_needed)
{
    random_source s = random_seed(4);
    for (int round = 0; round < ROUNDS; round++) {
        cut c = slice(random_graph(&s, false), &s, classes, 3);
        cr_assert(
            eq(sz, moda_module_parameters(c.model->net, c.kept), c.module->parameters.trainable),
            "%s", c.text);
        cr_assert(
            eq(u64, moda_module_flops(c.model->net, c.kept), moda_network_flops(c.module->net)),
            "%s", c.text);
        cr_assert(eq(sz, moda_module_neurons(c.kept), moda_network_neurons(c.module->net)));
        cr_assert(eq(sz, moda_network_parameters(c.model->net), c.model->parameters.trainable));
        check_selects(&c);
        release(&c);
    }
}

Test(slice_graph, everything_kept_gives_the_network_back)
{
    random_source s = random_seed(5);
    for (int round = 0; round < 100; round++) {
        moda_model *model = random_graph(&s, false), *module = NULL;
        moda_kept *kept = NULL;
        char *a = NULL, *b = NULL;
        cr_assert(eq(int, moda_kept_create_all(model->net, &kept), MODA_OK));
        cr_assert(eq(int, moda_slice(model, kept, 0.9, &module), MODA_OK), "%s", moda_last_error());
        cr_assert(eq(int, moda_net_print(model->net, &a), MODA_OK));
        cr_assert(eq(int, moda_net_print(module->net, &b), MODA_OK));
        cr_assert(eq(str, a, b));
        cr_assert(zero(int, memcmp(model->values, module->values,
                                   model->parameters.elements * sizeof *model->values)));
        free(a);
        free(b);
        moda_kept_destroy(kept);
        moda_model_destroy(module);
        moda_model_destroy(model);
    }
}

/* Weights that say which they are: what two modules share is what is in both. */
Test(slice_graph, shared_parameters_are_those_in_both_modules)
{
    random_source s = random_seed(6);
    size_t some = 0;
    for (int round = 0; round < 100; round++) {
        moda_model *model = random_graph(&s, false), *module[2] = {NULL};
        moda_kept *kept[2] = {NULL};
        uint8_t *seen = calloc(model->parameters.elements, 1);
        size_t both = 0;
        for (size_t i = 0; i < model->parameters.elements; i++) model->values[i] = (float)i;
        for (size_t m = 0; m < 2; m++) {
            uint8_t **keep = random_keep(&s, model->net, 3);
            cr_assert(eq(int,
                         moda_kept_create(model->net, (const uint8_t *const *)keep, classes + m, 2,
                                          &kept[m]),
                         MODA_OK));
            cr_assert(eq(int, moda_slice(model, kept[m], 0.9, &module[m]), MODA_OK));
            for (size_t t = 0; t < module[m]->parameters.count; t++) {
                const moda_parameter *p = &module[m]->parameters.items[t];
                if (p->role == MODA_RUNNING_MEAN || p->role == MODA_RUNNING_VAR) continue;
                for (size_t i = 0; i < p->elements; i++)
                    both += ++seen[(size_t)module[m]->values[p->offset + i]] == 2;
            }
            random_keep_free(model->net, keep);
        }
        cr_assert(eq(sz, moda_module_shared(model->net, kept[0], kept[1]), both));
        some += both > 0;
        for (size_t m = 0; m < 2; m++) moda_kept_destroy(kept[m]), moda_model_destroy(module[m]);
        moda_model_destroy(model);
        free(seen);
    }
    cr_assert(lt(sz, 90, some));
}

/* The file alone says what to select. */
Test(slice_graph_files, modules_load_without_their_parents)
{
    random_source s = random_seed(8);
    const char *path = test_path("module.safetensors");
    size_t selects = 0;
    for (int round = 0; round < 60; round++) {
        cut c = slice(random_graph(&s, false), &s, classes, 3);
        moda_model *back = NULL;
        double want[3], got[3];
        float *x = random_image(&s, c.model->net, 1);
        cr_assert(eq(int, moda_model_save(c.module, path), MODA_OK), "%s", moda_last_error());
        cr_assert(eq(int, moda_model_open(path, (moda_net_defaults){0}, &back), MODA_OK), "%s",
                  moda_last_error());
        plain_forward(c.module, x, NULL, want);
        plain_forward(back, x, NULL, got);
        for (size_t k = 0; k < 3; k++) cr_assert(eq(dbl, got[k], want[k]), "%s", c.text);
        selects += count_kind(back->net, MODA_LAYER_SELECT);
        moda_model_destroy(back);
        free(x);
        release(&c);
    }
    cr_assert(lt(sz, 20, selects));
}

/* ---- on the engine ---- */

Test(slice_graph, modules_run_on_the_engine)
{
    random_source s = random_seed(7);
    size_t selects = 0;
    for (int round = 0; round < 60; round++) {
        cut c = slice(random_graph(&s, true), &s, classes, 3);
        const moda_shape in = c.model->net->input;
        float *x = random_image(&s, c.model->net, 2);
        double want[6];
        for (size_t i = 0; i < 2; i++)
            plain_forward(c.module, x + i * in.c * in.h * in.w, NULL, want + 3 * i);
        small_net net = small_create(c.module, (moda_executor_options){.batch = 2});
        cr_assert(lt(dbl, small_distance(6, small_forward(&net, x), want), 1e-4), "round %d of\n%s",
                  round, c.text);
        small_destroy(&net);
        selects += count_kind(c.module->net, MODA_LAYER_SELECT);
        free(x);
        release(&c);
    }
    cr_assert(lt(sz, 20, selects));
}

/* ---- the two rules of the published networks, by hand ---- */

static moda_net *parse(const char *text)
{
    moda_net *net = NULL;
    cr_assert(eq(int, moda_net_parse(text, "test", (moda_net_defaults){0}, &net), MODA_OK), "%s",
              moda_last_error());
    return net;
}

static void check_kept(const moda_net *net, const moda_kept *kept, const char *name,
                       const char *want)
{
    char got[64] = "";
    size_t i = 0;
    while (strcmp(net->layers[i].name, name) != 0) i++;
    for (size_t k = 0; k < kept->out[i].count; k++)
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s%u", k ? " " : "",
                 kept->out[i].index[k]);
    cr_assert(eq(str, got, (char *)want), "channels of '%s'", name);
}

Test(slice_graph, identity_is_added_where_both_sides_keep_the_channel)
{
    moda_net *net = parse("[net]\ninput = 2 4 4\nclasses = 2\n"
                          "[conv]\nname = c\noutputs = 4\nkernel = 1\n[relu]\nname = r\n"
                          "[conv]\nname = d\noutputs = 3\nkernel = 1\n[relu]\nname = q\n"
                          "[conv]\nname = e\noutputs = 4\nkernel = 1\n"
                          "[add]\nname = s\nfrom = e, r\n[relu]\nname = t\n"
                          "[linear]\nname = f\noutputs = classes\n");
    const uint8_t r[] = {1, 1, 0, 0}, q[] = {0, 1, 1}, t[] = {0, 1, 1, 0};
    moda_kept *kept = NULL;
    cr_assert(eq(int,
                 moda_kept_create(net, (const uint8_t *const[]){r, q, t}, (size_t[]){1}, 1, &kept),
                 MODA_OK),
              "%s", moda_last_error());
    check_kept(net, kept, "r", "0 1");
    check_kept(net, kept, "d", "1 2");
    check_kept(net, kept, "e", "1 2");
    check_kept(net, kept, "s", "1 2");
    check_kept(net, kept, "f", "1");
    moda_kept_destroy(kept);
    moda_net_destroy(net);
}

Test(slice_graph, depthwise_keeps_its_own_mask)
{
    moda_net *net = parse("[net]\ninput = 2 4 4\nclasses = 2\n"
                          "[conv]\nname = c\noutputs = 4\nkernel = 1\n[relu]\nname = r\n"
                          "[conv]\nname = d\noutputs = 4\nkernel = 1\ngroups = depthwise\n"
                          "[batchnorm]\nname = n\n[relu]\nname = q\n"
                          "[linear]\nname = f\noutputs = classes\n");
    const uint8_t r[] = {1, 1, 0, 0}, own[] = {0, 1, 1, 0}, other[] = {0, 0, 1, 1};
    moda_kept *kept = NULL;
    cr_assert(eq(int,
                 moda_kept_create(net, (const uint8_t *const[]){r, own}, (size_t[]){1}, 1, &kept),
                 MODA_OK));
    check_kept(net, kept, "c", "1");
    check_kept(net, kept, "r", "1");
    check_kept(net, kept, "d", "1 2");
    check_kept(net, kept, "n", "1 2");
    moda_kept_destroy(kept);
    cr_assert(eq(int,
                 moda_kept_create(net, (const uint8_t *const[]){r, other}, (size_t[]){1}, 1, &kept),
                 MODA_OK));
    check_kept(net, kept, "c", "0"); /* nothing would be left */
    check_kept(net, kept, "d", "2 3");
    moda_kept_destroy(kept);
    moda_net_destroy(net);
}

/* Without a ReLU of its own it keeps what it reads: nothing asks for the rest. */
Test(slice_graph, depthwise_without_a_mask_keeps_what_it_reads)
{
    moda_net *net = parse("[net]\ninput = 2 4 4\nclasses = 2\n"
                          "[conv]\nname = c\noutputs = 4\nkernel = 1\n[relu]\nname = r\n"
                          "[conv]\nname = d\noutputs = 4\nkernel = 1\ngroups = depthwise\n"
                          "[batchnorm]\nname = n\n[conv]\nname = e\noutputs = 3\nkernel = 1\n"
                          "[relu]\nname = q\n[linear]\nname = f\noutputs = classes\n");
    const uint8_t r[] = {1, 0, 0, 1}, q[] = {0, 1, 1};
    moda_kept *kept = NULL;
    cr_assert(eq(int,
                 moda_kept_create(net, (const uint8_t *const[]){r, q}, (size_t[]){1}, 1, &kept),
                 MODA_OK));
    check_kept(net, kept, "r", "0 3");
    check_kept(net, kept, "d", "0 3");
    check_kept(net, kept, "n", "0 3");
    check_kept(net, kept, "e", "1 2");
    moda_kept_destroy(kept);
    moda_net_destroy(net);
}
